"""`python -m spacy docre evaluate`: evaluate a pipeline or a result file."""

import json
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import typer
from spacy.cli._util import Arg, Opt, import_code
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ._options import CODE_HELP, BatchSize, FindEntities, Force, Gold, Gpu, Lang, Names, Threshold
from ._shared import (
    ask,
    exit_on_error,
    load_extracting_pipeline,
    refuse_existing,
    show_table,
    use_gpu,
)
from ._terminal import msg

if TYPE_CHECKING:
    from ..evaluation.answers import Answers
    from ..evaluation.evaluation import Evaluation
    from ..evaluation.gold import GoldSet
    from ..evaluation.tables import Table

METRICS, MARKDOWN, PAGE, RESULT = "metrics.json", "report.md", "report.html", "result.json"

_What = Annotated[
    str,
    Arg(
        metavar="WHAT",
        help="A pipeline; a result file in the format of DocRED's leaderboard; or the output of "
        "docre annotate for the documents of GOLD, .jsonl or .parquet, found by title or id",
    ),
]
_Train = Annotated[
    Optional[Path],
    Opt(
        "--train",
        help="The annotated training documents, for Ign F1, frequent relations and the long tail",
        exists=True,
    ),
]
_Distant = Annotated[
    Optional[Path],
    Opt("--distant", help="The distantly supervised documents, for a second Ign F1", exists=True),
]
_Frequent = Annotated[
    str,
    Opt(
        "--frequent",
        help="The frequent relations; the others are the long tail. 'train': the 10 most frequent "
        "of --train. 'paper': the paper's 10 of DocRED. Or labels with commas between them",
    ),
]
_Output = Annotated[
    Optional[Path],
    Opt("--output", "-o", help="Folder for metrics, reports and answers", file_okay=False),
]
_Compare = Annotated[
    Optional[str], Opt("--compare", "-c", help="Another pipeline or result file to compare with")
]
_Limit = Annotated[
    int,
    Opt("--limit", min=0, help="Documents in report.html, most errors first; 0 for all"),
]
# -c is --compare.
_Code = Annotated[Optional[Path], Opt("--code", help=CODE_HELP)]


def evaluate_cli(
    what: _What,
    gold_path: Gold,
    train: _Train = None,
    distant: _Distant = None,
    frequent: _Frequent = "train",
    output: _Output = None,
    compare: _Compare = None,
    find_entities: FindEntities = False,
    names_path: Names = None,
    lang: Lang = "en",
    threshold: Threshold = None,
    limit: _Limit = 50,
    batch_size: BatchSize = 32,
    gpu: Gpu = -1,
    code: _Code = None,
    force: Force = False,
) -> None:
    """
    Evaluate a pipeline or a result file on annotated documents, as the paper does.

    The command prints the scores. With --output, it writes metrics.json (fractions), report.md and
    report.html, and the answers of a pipeline to result.json. A pipeline answers for GOLD's
    entities. Precision, recall, F1 and Ign F1 are computed as in DocRED's scorer.
    """
    from ..data.docred import read_relation_names
    from ..evaluation.evaluation import Evaluation
    from ..evaluation.gold import read_gold
    from ..evaluation.training_data import read_training_data

    sources = [what] if compare is None else [what, compare]
    if find_entities and all(_is_result(source) for source in sources):
        raise typer.BadParameter(
            "--find-entities is for pipelines, and a result file has answers already. Leave it out."
        )
    outputs = _outputs(output, what)
    refuse_existing(outputs.values(), force)
    use_gpu(gpu)
    import_code(code)
    with exit_on_error(f"Cannot evaluate {what}"):
        given = read_relation_names(names_path) if names_path else {}
        gold = read_gold(gold_path, Vocab(), lang=lang)
        labels = _frequent_labels(frequent, gold)
        opened = [_open(source, gold, threshold, lang) for source in sources]
        names = {**gold.label_names, **_label_names(opened), **given}
        training, supervised = (
            None if path is None else read_training_data(path, gold.facts)
            for path in (train, distant)
        )
        asked = [_answers(each, gold.docs, threshold, find_entities, batch_size) for each in opened]
        evaluations = [
            Evaluation(gold.documents, *each, training, supervised, labels) for each in asked
        ]
    _warn(gold, sources, evaluations)
    metrics, compared = _print_scores(evaluations, compare)
    if outputs:
        title = f"{what} on {gold_path}"
        with exit_on_error(f"Cannot write to {output}"):
            _write(outputs, title, evaluations[0], metrics, gold.docs, names, compared, limit)
        msg.good(", ".join(map(str, outputs.values())))


def _is_result(source: str) -> bool:
    """Tell whether a source is a file with answers, and not a pipeline."""
    from ..data.annotated_files import is_annotated
    from ..data.json_files import is_json

    path = Path(source)
    return is_json(path) or (not (path / "meta.json").exists() and is_annotated(path))


def _outputs(folder: Optional[Path], what: str) -> Dict[str, Path]:
    """List the files to write, by name. Exit if a package is missing, before the evaluation, which
    would be lost."""
    from ..extras import import_extra

    if folder is None:
        return {}
    with exit_on_error(f"Cannot write {folder / PAGE}"):
        import_extra("plotly")
    names = [METRICS, MARKDOWN, PAGE, *([] if _is_result(what) else [RESULT])]
    return {name: folder / name for name in names}


def _frequent_labels(frequent: str, gold: "GoldSet") -> Optional[List[str]]:
    """List the relations that --frequent names; None for those of the training data."""
    from ..evaluation.subsets import PAPER_FREQUENT

    if frequent == "train":
        return None
    given = PAPER_FREQUENT if frequent == "paper" else map(str.strip, frequent.split(","))
    labels = list(dict.fromkeys(filter(None, given)))
    missing = [label for label in labels if label not in gold.label_names]
    if len(missing) == len(labels):
        raise ValueError(
            f"GOLD has none of the relations of --frequent {frequent}. Give labels that are in "
            "GOLD, or 'train'."
        )
    if missing:
        msg.warn("Some relations of --frequent are not in GOLD", ", ".join(missing))
    return labels


def _open(
    source: str, gold: "GoldSet", threshold: Optional[float], lang: str
) -> "Union[Language, Answers]":
    """Load a pipeline, or read the answers of a file, before any pipeline predicts. Answers to
    documents that `gold` leaves out are left out, too: no pipeline is asked about these."""
    from ..data.annotated_files import is_annotated
    from ..evaluation.answers import read_annotated_answers, read_answers

    if not _is_result(source):
        return load_extracting_pipeline(source, threshold)
    path = Path(source)
    given = (
        read_annotated_answers(path, gold.docs, lang=lang)
        if is_annotated(path)
        else read_answers(path)
    )
    if threshold is not None and any(answer.score is None for answer in given.values()):
        raise ValueError(f"{source} has answers without a score: leave --threshold out.")
    left_out = {*gold.not_annotated, *gold.partial} - gold.docs.keys()
    return {triple: answer for triple, answer in given.items() if triple.document not in left_out}


def _label_names(sources: "Sequence[Union[Language, Answers]]") -> Dict[str, str]:
    """Collect the readable names of relations that pipelines know. The first pipeline's win."""
    from ..pipeline.components import relation_extractors

    pipelines = [source for source in sources if isinstance(source, Language)]
    return {
        label: name
        for nlp in reversed(pipelines)
        for extractor in relation_extractors(nlp)
        for label, name in extractor.label_names.items()
    }


def _answers(
    source: "Union[Language, Answers]",
    docs: Mapping[str, Doc],
    threshold: Optional[float],
    find_entities: bool,
    batch_size: int,
) -> "Tuple[Answers, Optional[Answers]]":
    """Get the answers, and the answers together with less probable candidates, if these are
    known."""
    from ..evaluation.answers import above

    if isinstance(source, Language):
        return ask(source, docs, with_gold_entities=not find_entities, batch_size=batch_size)
    return (source, None) if threshold is None else (above(source, threshold), source)


def _warn(gold: "GoldSet", sources: Sequence[str], evaluations: "Sequence[Evaluation]") -> None:
    """Warn of documents that do not count, and of those of each source that are not in gold."""
    from ..data.doubts import first_few

    for titles, which in (
        (gold.not_annotated, "without annotated relations"),
        (gold.partial, "with partial relations, whose unlisted relations may be right,"),
    ):
        if titles:
            msg.warn(f"{len(titles)} documents {which} are left out", first_few(titles))
    for source, evaluation in zip(sources, evaluations, strict=True):
        if unknown := evaluation.unknown_titles:
            msg.warn(
                f"{len(unknown)} documents of the answers of {source} are not in GOLD. Their "
                "relations count as wrong",
                first_few(unknown),
            )


def _print_scores(
    evaluations: "Sequence[Evaluation]", other: Optional[str]
) -> "Tuple[Dict[str, Any], Optional[Table]]":
    """Print the scores. Return the metrics of the first evaluation, and its comparison with the
    second."""
    from ..evaluation.tables import comparison, error_classes, summary

    first = evaluations[0]
    show_table(summary(first))
    show_table(error_classes(first.metrics))
    if other is None:
        return dict(first.metrics), None
    differences = first.compare(evaluations[1])
    compared = comparison(differences, other)
    show_table(compared)
    intervals = {
        name: {
            "difference": interval.value,
            "interval": [interval.low, interval.high],
            "no_better": interval.share_below,
        }
        for name, interval in differences.items()
    }
    return {**first.metrics, "comparison": intervals}, compared


def _write(
    outputs: Mapping[str, Path],
    title: str,
    evaluation: "Evaluation",
    metrics: Mapping[str, Any],
    docs: Mapping[str, Doc],
    names: Mapping[str, str],
    compared: "Optional[Table]",
    limit: int,
) -> None:
    from ..evaluation.answers import write_answers
    from ..evaluation.report import to_markdown, to_page
    from ..files import written_whole

    texts = {
        # Not srsly, which rounds numbers.
        METRICS: json.dumps(metrics, indent=2),
        MARKDOWN: to_markdown(title, evaluation, names, compared),
        PAGE: to_page(title, evaluation, docs, names, compared, limit),
    }
    with written_whole(outputs.values()) as written:
        for name, text in texts.items():
            written[outputs[name]].write_text(text, encoding="utf8")
        if RESULT in outputs:
            write_answers(written[outputs[RESULT]], evaluation.answers)
