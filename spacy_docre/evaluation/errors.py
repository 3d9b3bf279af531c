"""The errors of a model: the error distribution of the paper's Table 7, and which relations are
predicted in place of others."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import Counter as CounterType
from typing import Dict, Iterable, List, Mapping, Optional, Set, Tuple

from .metrics import EntityPair, ScoredTriple


class ErrorClass(str, Enum):
    """The class of a gold or predicted triple, named as in the paper's Table 7."""

    correct = "C"
    wrong = "W"
    missed = "MR"
    spurious = "MS"


@dataclass(frozen=True)
class Outcome:
    """A gold triple, a predicted triple, or both together, with their class.

    kind (ErrorClass): The class.
    gold (Optional[ScoredTriple]): The gold triple; None if the predicted triple is spurious.
    predicted (Optional[ScoredTriple]): The predicted triple; None if the gold triple is missed.
    """

    kind: ErrorClass
    gold: Optional[ScoredTriple]
    predicted: Optional[ScoredTriple]

    @property
    def triple(self) -> ScoredTriple:
        """RETURNS (ScoredTriple): The predicted triple, or the gold triple if there is none."""
        triple = self.predicted or self.gold
        assert triple is not None
        return triple


def classify(gold: Set[ScoredTriple], predicted: Set[ScoredTriple]) -> List[Outcome]:
    """Sort gold and predicted triples into classes, pair by pair.

    A triple is correct (C) if it is gold and predicted. The other triples of a pair are matched
    in alphabetical order: a gold and a predicted triple together are one wrong relation (W).
    Unmatched gold triples are missed (MR), and unmatched predicted triples are spurious (MS). So
    C + W + MR are the gold triples, and C + W + MS the predicted triples.

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    RETURNS (List[Outcome]): The outcomes, ordered by document, head and tail.
    """
    by_pair: Dict[EntityPair, Tuple[List[ScoredTriple], List[ScoredTriple]]] = defaultdict(
        lambda: ([], [])
    )
    for triple in gold:
        by_pair[triple.pair][0].append(triple)
    for triple in predicted:
        by_pair[triple.pair][1].append(triple)
    outcomes = []
    for pair in sorted(by_pair):
        ours, theirs = (sorted(triples, key=_label) for triples in by_pair[pair])
        outcomes += [
            Outcome(ErrorClass.correct, triple, triple) for triple in ours if triple in predicted
        ]
        lost = [triple for triple in ours if triple not in predicted]
        extra = [triple for triple in theirs if triple not in gold]
        both = min(len(lost), len(extra))
        outcomes += [
            Outcome(ErrorClass.wrong, *wrong)
            for wrong in zip(lost[:both], extra[:both], strict=True)
        ]
        outcomes += [Outcome(ErrorClass.missed, triple, None) for triple in lost[both:]]
        outcomes += [Outcome(ErrorClass.spurious, None, triple) for triple in extra[both:]]
    return outcomes


def count_classes(outcomes: Iterable[Outcome]) -> CounterType[ErrorClass]:
    """Count the outcomes of each class.

    outcomes (Iterable[Outcome]): The outcomes.
    RETURNS (CounterType[ErrorClass]): The number of each class, 0 included.
    """
    counts: CounterType[ErrorClass] = Counter({kind: 0 for kind in ErrorClass})
    counts.update(outcome.kind for outcome in outcomes)
    return counts


def class_shares(counts: Mapping[ErrorClass, int]) -> Dict[ErrorClass, float]:
    """Compute the shares of the paper's Table 7, of the whole C + W + MR + MS. The whole is all
    triples that are gold or predicted; a wrong relation counts once.

    counts (Mapping[ErrorClass, int]): The number of each class.
    RETURNS (Dict[ErrorClass, float]): The share of each class, as a fraction; 0 if there are no
        triples.
    """
    total = sum(counts[kind] for kind in ErrorClass)
    return {kind: counts[kind] / max(total, 1) for kind in ErrorClass}


def confusions(outcomes: Iterable[Outcome]) -> CounterType[Tuple[str, str]]:
    """Count which relation is predicted in place of which.

    outcomes (Iterable[Outcome]): The outcomes.
    RETURNS (CounterType[Tuple[str, str]]): The counts, by gold and predicted label.
    """
    return Counter(
        (outcome.gold.label, outcome.predicted.label)
        for outcome in outcomes
        if outcome.kind is ErrorClass.wrong and outcome.gold and outcome.predicted
    )


def _label(triple: ScoredTriple) -> str:
    return triple.label
