"""All metrics of an evaluation, together."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set

from spacy.scorer import PRFScore

from ..data.stats import FAR
from ..pairs import Pairs
from .answers import Answers
from .bootstrap import Interval, TripleCounts, bootstrap, count_by_document, paired_bootstrap
from .calibration import Reliability, reliability
from .curve import Curve, precision_recall_curve
from .errors import ErrorClass, Outcome, class_shares, classify, confusions, count_classes
from .gold import GoldDocument, NamedFact
from .metrics import (
    ScoredTriple,
    ignore_known_f,
    score_evidence,
    score_groups,
    score_per_label,
    score_related_pairs,
    score_triples,
)
from .subsets import (
    frequent_labels,
    inferable_triples,
    size_class,
    size_classes,
    two_hop_pairs,
)
from .training_data import TrainingData

# The largest size of each class but the last.
ENTITIES = (10, 15, 20, 25)
WORDS = (100, 150, 200, 250)

# By name, as in metrics.json.
Metrics = Dict[str, Any]


@dataclass
class Evaluation:
    """The evaluation of answers against gold documents.

    documents (Mapping[str, GoldDocument]): The gold documents, by title.
    answers (Answers): The predicted triples. Triples of documents that gold does not have are
        wrong.
    candidates (Optional[Answers]): The predicted triples and less probable ones, if scores are
        known.
    training (Optional[TrainingData]): The annotated training documents, for Ign F1, frequent
        relations and the long tail.
    distant (Optional[TrainingData]): The distantly supervised documents, for Ign F1.
    frequent (Optional[Sequence[str]]): The frequent relations. The others are the long tail. None
        for the most frequent relations of the training documents.
    """

    documents: Mapping[str, GoldDocument]
    answers: Answers
    candidates: Optional[Answers] = None
    training: Optional[TrainingData] = None
    distant: Optional[TrainingData] = None
    frequent: Optional[Sequence[str]] = None

    @cached_property
    def gold(self) -> Set[ScoredTriple]:
        """RETURNS (Set[ScoredTriple]): The gold triples."""
        return {triple for document in self.documents.values() for triple in document.triples}

    @cached_property
    def predicted(self) -> Set[ScoredTriple]:
        """RETURNS (Set[ScoredTriple]): The predicted triples."""
        return set(self.answers)

    @cached_property
    def outcomes(self) -> List[Outcome]:
        """RETURNS (List[Outcome]): The outcome of each gold and each predicted triple."""
        return classify(self.gold, self.predicted)

    @cached_property
    def curve(self) -> Optional[Curve]:
        """RETURNS (Optional[Curve]): Precision and recall over the threshold; None if the answers
        have no scores."""
        scores = {
            triple: answer.score
            for triple, answer in (self.candidates or self.answers).items()
            if answer.score is not None
        }
        if self.candidates is None and (not scores or len(scores) < len(self.answers)):
            return None
        return precision_recall_curve(self.gold, scores)

    @cached_property
    def reliability(self) -> Optional[Reliability]:
        """RETURNS (Optional[Reliability]): How often answers with a score are right; None if the
        answers have no scores."""
        scores = {
            triple: answer.score
            for triple, answer in self.answers.items()
            if answer.score is not None
        }
        if not scores or len(scores) < len(self.answers):
            return None
        return reliability(self.gold, scores)

    @property
    def has_scores(self) -> bool:
        """RETURNS (bool): Whether any answer has a score."""
        return any(answer.score is not None for answer in self.answers.values())

    @cached_property
    def unknown_titles(self) -> List[str]:
        """RETURNS (List[str]): Titles that answers name and gold does not have."""
        return sorted({triple.document for triple in self.predicted} - set(self.documents))

    @cached_property
    def metrics(self) -> Metrics:
        """RETURNS (Metrics): All metrics, as fractions, by name; None for a metric whose data is
        missing."""
        return {
            **self._overall(),
            **self._of_subsets(),
            **self._of_pairs(),
            **self._of_groups(),
            **self._at_best_threshold(),
            "calibration_error": None if self.reliability is None else self.reliability.error,
        }

    @cached_property
    def intervals(self) -> Dict[str, Interval]:
        """RETURNS (Dict[str, Interval]): Confidence intervals of `rel_f` and `rel_ign_f`."""
        intervals = bootstrap(self.counts(self.unknown_titles))
        return intervals if self.training else {"rel_f": intervals["rel_f"]}

    def compare(self, other: "Evaluation") -> Dict[str, Interval]:
        """Compute how much better these answers are than other answers to the same documents.

        other (Evaluation): The evaluation of the other answers.
        RETURNS (Dict[str, Interval]): The differences of `rel_f` and, if the training data is
            known, `rel_ign_f`.
        """
        titles = sorted({*self.unknown_titles, *other.unknown_titles})
        differences = paired_bootstrap(self.counts(titles), other.counts(titles))
        return differences if self.training else {"rel_f": differences["rel_f"]}

    def score(self, triple: ScoredTriple) -> Optional[float]:
        """Return the model's score of a triple.

        triple (ScoredTriple): A triple, predicted or not.
        RETURNS (Optional[float]): The score; None if it is unknown.
        """
        answer = (self.candidates or self.answers).get(triple)
        return None if answer is None else answer.score

    def has_pair(self, triple: ScoredTriple) -> bool:
        """Check whether a triple is between two entities of a gold document.

        triple (ScoredTriple): A triple, gold or predicted.
        RETURNS (bool): Whether the gold document has both entities.
        """
        document = self.documents.get(triple.document)
        indices = range(len(document.names)) if document else range(0)
        return triple.head in indices and triple.tail in indices and triple.head != triple.tail

    def counts(self, unknown_titles: Iterable[str]) -> TripleCounts:
        """Count the triples of each document.

        unknown_titles (Iterable[str]): Titles that gold does not have, from these answers and from
            the answers to compare with.
        RETURNS (TripleCounts): The counts, gold's documents first.
        """
        known = self._known(self.training)
        return count_by_document(
            [*self.documents, *unknown_titles], self.gold, self.predicted, known
        )

    def _known(self, training: Optional[TrainingData]) -> Set[ScoredTriple]:
        """The gold triples that training data states."""
        facts: Set[NamedFact] = training.facts if training else set()
        return {triple for document in self.documents.values() for triple in document.known(facts)}

    def _overall(self) -> Metrics:
        """The scores of all triples together."""
        return {
            "documents": len(self.documents),
            "gold": len(self.gold),
            "predicted": len(self.predicted),
            **_prf("rel", score_triples(self.gold, self.predicted)),
            "rel_ign_f": self._ign_f(self.training),
            "rel_ign_distant_f": self._ign_f(self.distant),
            **{
                f"{name}_interval": [interval.low, interval.high]
                for name, interval in self.intervals.items()
            },
            **_prf("evidence", self._evidence()),
        }

    def _ign_f(self, training: Optional[TrainingData]) -> Optional[float]:
        if training is None:
            return None
        return ignore_known_f(self.gold, self.predicted, self._known(training))

    def _evidence(self) -> Optional[PRFScore]:
        gold = {
            triple: sentences
            for document in self.documents.values()
            for triple, sentences in document.triples.items()
        }
        if not any(gold.values()):
            return None
        predicted = {
            triple: answer.evidence
            for triple, answer in self.answers.items()
            if triple.document in self.documents
        }
        return score_evidence(gold, predicted)

    def _of_subsets(self) -> Metrics:
        """The scores of parts of the triples, such as inferable or frequent ones."""
        inferable = inferable_triples(self.gold)
        two_hop = two_hop_pairs(self.gold)
        frequent = self._frequent()
        return {
            **_prf("infer", score_triples(inferable, self.predicted) if inferable else None),
            **_prf("two_hop", self._of(lambda triple: triple.pair in two_hop)),
            "frequent_labels": frequent,
            **_prf(
                "frequent",
                None if frequent is None else self._of(lambda triple: triple.label in frequent),
            ),
            **_prf(
                "long_tail",
                None if frequent is None else self._of(lambda triple: triple.label not in frequent),
            ),
            **_prf("intra", self._of(lambda triple: self._distance(triple) == 0)),
            **_prf("inter", self._of(lambda triple: (self._distance(triple) or 0) > 0)),
        }

    def _frequent(self) -> Optional[List[str]]:
        """The frequent relations, if they are known."""
        if self.frequent is not None:
            return list(self.frequent)
        return None if self.training is None else frequent_labels(self.training.labels)

    def _of(self, is_wanted: Callable[[ScoredTriple], bool]) -> Optional[PRFScore]:
        """The score of a part of the triples; None if the part is empty."""
        gold, predicted = (set(filter(is_wanted, each)) for each in (self.gold, self.predicted))
        return score_triples(gold, predicted) if gold or predicted else None

    def _distance(self, triple: ScoredTriple) -> Optional[int]:
        document = self.documents.get(triple.document)
        return None if document is None else document.distance(triple)

    def _of_pairs(self) -> Metrics:
        """The scores of related pairs, and the numbers of each class of error."""
        pairs = sum(Pairs.count(len(document.names)) for document in self.documents.values())
        related = {triple.pair for triple in self.gold | self.predicted if self.has_pair(triple)}
        counts = count_classes(self.outcomes)
        return {
            **_prf("pair", score_related_pairs(self.gold, self.predicted)),
            "errors": {
                **{kind.value: counts[kind] for kind in ErrorClass},
                "NR": pairs - len(related),
            },
            "error_shares": {kind.value: share for kind, share in class_shares(counts).items()},
        }

    def _of_groups(self) -> Metrics:
        """The scores by size of the document, by distance and by relation."""
        return {
            "by_entities": self._by_size(ENTITIES, lambda document: len(document.names)),
            "by_words": self._by_size(WORDS, lambda document: document.num_words),
            "by_distance": self._by_group(self._distance_class, size_classes(range(FAR))),
            "rel_per_type": self._per_label(),
            "confusions": [
                {"gold": gold, "predicted": predicted, "number": number}
                for (gold, predicted), number in confusions(self.outcomes).most_common()
            ],
        }

    def _by_size(self, bounds: Sequence[int], size: Callable[[GoldDocument], int]) -> Metrics:
        sizes = {
            title: size_class(size(document), bounds) for title, document in self.documents.items()
        }
        return self._by_group(lambda triple: sizes.get(triple.document), size_classes(bounds))

    def _distance_class(self, triple: ScoredTriple) -> Optional[str]:
        distance = self._distance(triple)
        return None if distance is None else size_class(distance, range(FAR))

    def _by_group(
        self, group: Callable[[ScoredTriple], Optional[str]], names: Iterable[str]
    ) -> Metrics:
        scores = score_groups(self.gold, self.predicted, group)
        return {name: _counted(scores[name]) for name in names if name in scores}

    def _per_label(self) -> Metrics:
        scores = {
            label: _counted(score)
            for label, score in score_per_label(self.gold, self.predicted).items()
        }
        if self.training is not None:
            for label, score in scores.items():
                score["training"] = self.training.labels[label]
        return scores

    def _at_best_threshold(self) -> Metrics:
        """The best F1 over the threshold."""
        if self.curve is None:
            return {"best_f": None, "best_threshold": None}
        best = self.curve.best
        if best is None:
            return {"best_f": 0.0, "best_threshold": None}
        return {
            "best_f": float(self.curve.fscore[best]),
            "best_threshold": float(self.curve.thresholds[best]),
        }


def _prf(name: str, score: Optional[PRFScore]) -> Dict[str, Optional[float]]:
    return {
        f"{name}_p": None if score is None else score.precision,
        f"{name}_r": None if score is None else score.recall,
        f"{name}_f": None if score is None else score.fscore,
    }


def _counted(score: PRFScore) -> Metrics:
    counts = {"correct": score.tp, "missed": score.fn, "spurious": score.fp}
    return {**score.to_dict(), **counts, "gold": score.tp + score.fn}
