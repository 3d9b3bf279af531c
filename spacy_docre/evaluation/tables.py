"""The tables of a report, for every form of output."""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .bootstrap import CONFIDENCE, RESAMPLES, Interval
from .errors import ErrorClass
from .evaluation import Evaluation, Metrics

# The number of relations that a report suggests to annotate more of.
TO_ANNOTATE = 3
_CONFUSIONS = 20

_SUMMARY = {
    "rel": "Relations",
    "evidence": "Evidence sentences",
    "infer": "Chains of two hops (Infer-F1)",
    "two_hop": "Ends of two hops",
    "frequent": "Frequent relations",
    "long_tail": "The other relations (long tail)",
    "intra": "Within a sentence",
    "inter": "Across sentences",
    "pair": "Related pairs, whatever the relation",
}
_IGNORED = {
    "rel_ign_f": "Ign F1, without training facts",
    "rel_ign_distant_f": "Ign F1, without distant facts",
}
GROUPS = {
    "by_entities": "Entities in the document",
    "by_words": "Tokens in the document",
    "by_distance": "Sentences between head and tail",
}
ERRORS = {
    ErrorClass.correct: "correct",
    ErrorClass.wrong: "wrong relation",
    ErrorClass.missed: "missed",
    ErrorClass.spurious: "spurious",
}
_NOTES = {
    ErrorClass.correct: "predicted, and gold",
    ErrorClass.wrong: "predicted, but gold has another there",
    ErrorClass.missed: "gold, and not predicted",
    ErrorClass.spurious: "predicted, and not gold",
}


@dataclass(frozen=True)
class Table:
    """A table.

    title (str): What it shows.
    header (Sequence[str]): The columns; all but the first are numbers.
    rows (Sequence[Sequence[str]]): The cells.
    note (str): What a reader has to know.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def summary(evaluation: Evaluation) -> Table:
    """Make the table of the main scores.

    evaluation (Evaluation): The evaluation.
    RETURNS (Table): The table.
    """
    metrics = evaluation.metrics
    rows = []
    for name, title in _SUMMARY.items():
        scores = [_percent(metrics[f"{name}_{score}"]) for score in "prf"]
        rows.append((title, *scores, _format_interval(metrics.get(f"{name}_f_interval"))))
        if name == "rel":
            rows += [
                (
                    title,
                    "",
                    "",
                    _percent(metrics[key]),
                    _format_interval(metrics.get(f"{key}_interval")),
                )
                for key, title in _IGNORED.items()
            ]
    return Table(
        f"{metrics['documents']} documents, {metrics['gold']:,} gold and "
        f"{metrics['predicted']:,} predicted triples",
        ("%", "P", "R", "F1", f"{CONFIDENCE:.0%} interval"),
        rows,
        f"Intervals by bootstrap over documents, {RESAMPLES:,} resamples. A dash: the data for it "
        "is missing. --train names the documents for Ign F1 and frequent relations, --distant the "
        f"documents for the other Ign F1. {_told_frequent(metrics)}",
    )


def _told_frequent(metrics: Metrics) -> str:
    labels = metrics["frequent_labels"]
    return "--frequent names relations." if labels is None else f"Frequent: {', '.join(labels)}."


def comparison(differences: Mapping[str, Interval], other: str) -> Table:
    """Make the table that compares the answers with others.

    differences (Mapping[str, Interval]): The result of `Evaluation.compare`.
    other (str): The name of the other answers.
    RETURNS (Table): The table.
    """
    names = {"rel_f": "F1", "rel_ign_f": "Ign F1"}
    return Table(
        f"Compared with {other}",
        ("points", "difference", f"{CONFIDENCE:.0%} interval", "no better in"),
        [
            (
                names[name],
                f"{100 * difference.value:+.2f}",
                f"{100 * difference.low:+.2f} to {100 * difference.high:+.2f}",
                f"{difference.share_below:.1%}",
            )
            for name, difference in differences.items()
        ],
        f"Paired bootstrap over documents; the last column is the share of {RESAMPLES:,} resamples "
        "in which the model is no better than the other.",
    )


def to_annotate(metrics: Metrics) -> List[str]:
    """Find the relations that more annotated examples would help most. These have the most errors
    of all relations that gold has and whose F1 is not above the overall F1.

    metrics (Metrics): The metrics.
    RETURNS (List[str]): Their labels, the most errors first.
    """
    scores = metrics["rel_per_type"]
    weak = [
        label
        for label in most_errors_first(scores)
        if scores[label]["gold"]
        and scores[label]["missed"] + scores[label]["spurious"]
        and scores[label]["f"] <= metrics["rel_f"]
    ]
    return weak[:TO_ANNOTATE]


def tables(evaluation: Evaluation, names: Mapping[str, str]) -> List[Table]:
    """Make all other tables.

    evaluation (Evaluation): The evaluation.
    names (Mapping[str, str]): Readable names of relations, by label.
    RETURNS (List[Table]): The tables.
    """
    metrics = evaluation.metrics
    return [
        error_classes(metrics),
        _relations(metrics, names),
        _confusions(metrics, names),
        *(_group(metrics[key], title) for key, title in GROUPS.items() if metrics[key]),
    ]


def relation_title(label: str, names: Mapping[str, str]) -> str:
    """Return the title of a relation.

    label (str): Its label.
    names (Mapping[str, str]): Readable names of relations.
    RETURNS (str): The name with the label, or the label alone if the relation has no other name.
    """
    name = names.get(label, label)
    return label if name == label else f"{name} ({label})"


def _relations(metrics: Metrics, names: Mapping[str, str]) -> Table:
    scores = metrics["rel_per_type"]
    has_training = any("training" in score for score in scores.values())
    return Table(
        "Relations, most errors first",
        (
            *("Relation", "P", "R", "F1", "correct", "not found", "not gold", "gold"),
            *(["training"] if has_training else []),
        ),
        [
            (
                relation_title(label, names),
                *(_percent(scores[label][score]) for score in "prf"),
                *(f"{scores[label][kind]:,}" for kind in ("correct", "missed", "spurious", "gold")),
                *([f"{scores[label]['training']:,}"] if has_training else []),
            )
            for label in most_errors_first(scores)
        ],
        "Counts are triples. One relation predicted in place of another is not found and not gold."
        + (" The last column: triples of the training data." * has_training),
    )


def most_errors_first(scores: Mapping[str, Mapping[str, float]]) -> List[str]:
    """Order relations by their errors.

    scores (Mapping[str, Mapping[str, float]]): The scores of each relation, with the number of
        `missed` and `spurious` triples.
    RETURNS (List[str]): Their labels.
    """

    def errors(label: str) -> Tuple[float, str]:
        return -scores[label]["missed"] - scores[label]["spurious"], label

    return sorted(scores, key=errors)


def error_classes(metrics: Metrics) -> Table:
    """Make the table of error classes, the paper's Table 7.

    metrics (Metrics): The metrics.
    RETURNS (Table): The table.
    """
    counts: Dict[str, int] = metrics["errors"]
    shares: Dict[str, float] = metrics["error_shares"]
    return Table(
        "Error distribution",
        ("Class", "triples", "%", "% of gold", "% of predicted"),
        [
            (
                f"{kind.value}: {title} ({_NOTES[kind]})",
                f"{counts[kind.value]:,}",
                f"{100 * shares[kind.value]:.1f}",
                _share(counts[kind.value], metrics["gold"], kind is not ErrorClass.spurious),
                _share(counts[kind.value], metrics["predicted"], kind is not ErrorClass.missed),
            )
            for kind, title in ERRORS.items()
        ]
        + [("NR: pairs without a relation, gold or predicted", f"{counts['NR']:,}", "", "", "")],
        "%: of C + W + MR + MS, as in the paper's Table 7. The paper calls MS 'more'.",
    )


def _confusions(metrics: Metrics, names: Mapping[str, str]) -> Table:
    return Table(
        "Relations predicted in place of others",
        ("Gold → predicted", "triples"),
        [
            (
                f"{relation_title(confusion['gold'], names)} → "
                f"{relation_title(confusion['predicted'], names)}",
                f"{confusion['number']:,}",
            )
            for confusion in metrics["confusions"][:_CONFUSIONS]
        ],
        f"The {_CONFUSIONS} most frequent." if len(metrics["confusions"]) > _CONFUSIONS else "",
    )


def _group(scores: Metrics, title: str) -> Table:
    return Table(
        title,
        (title, "P", "R", "F1", "gold"),
        [
            (name, *(_percent(score[part]) for part in "prf"), f"{score['gold']:,}")
            for name, score in scores.items()
        ],
    )


def _percent(share: Optional[float]) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _share(part: int, whole: int, applies: bool) -> str:
    return f"{100 * part / whole:.1f}" if applies and whole else ""


def _format_interval(interval: Optional[Sequence[float]]) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
