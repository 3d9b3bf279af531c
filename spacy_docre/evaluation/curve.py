"""Precision and recall over the threshold."""

from dataclasses import dataclass
from typing import Mapping, Optional, Set

import numpy
from numpy.typing import NDArray

from .metrics import ScoredTriple


@dataclass(frozen=True)
class Curve:
    """Precision and recall of the triples above each threshold, from the highest threshold to the
    lowest. All arrays have shape (thresholds,).

    scores (NDArray): The scores of predictions, descending: for each point, the lowest score.
    precision (NDArray): Precision.
    recall (NDArray): Recall.
    """

    scores: NDArray
    precision: NDArray
    recall: NDArray

    @property
    def thresholds(self) -> NDArray:
        """RETURNS (NDArray): A threshold for each point, in the middle between its score and the
        next lower score, or 0. A triple counts if its score is above the threshold. Shape
        (thresholds,)."""
        middle = (self.scores + numpy.append(self.scores, 0.0)[1:]) / 2
        return numpy.minimum(middle, numpy.nextafter(self.scores, -numpy.inf))

    @property
    def fscore(self) -> NDArray:
        """RETURNS (NDArray): F1 at each threshold, shape (thresholds,)."""
        both = self.precision + self.recall
        return numpy.divide(
            2 * self.precision * self.recall, both, out=numpy.zeros(len(both)), where=both > 0
        )

    @property
    def best(self) -> Optional[int]:
        """RETURNS (Optional[int]): The index of the point with the best F1; at a tie, the point
        with the highest threshold. None if there are no points."""
        return int(self.fscore.argmax()) if len(self.scores) else None


def precision_recall_curve(gold: Set[ScoredTriple], scores: Mapping[ScoredTriple, float]) -> Curve:
    """Compute precision and recall over the threshold.

    gold (Set[ScoredTriple]): The gold triples.
    scores (Mapping[ScoredTriple, float]): The score of each predicted triple, also of triples
        below the model's threshold.
    RETURNS (Curve): A point for each score that occurs.
    """
    best_first = sorted(scores, key=lambda triple: -scores[triple])
    values = numpy.array([scores[triple] for triple in best_first], dtype="float64")
    correct = numpy.cumsum([triple in gold for triple in best_first])
    # Equal scores are above a threshold together.
    last = numpy.flatnonzero(numpy.diff(values, append=-numpy.inf))
    return Curve(
        scores=values[last],
        precision=correct[last] / (last + 1),
        recall=correct[last] / len(gold) if gold else numpy.zeros(len(last)),
    )
