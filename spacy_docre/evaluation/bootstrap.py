"""Confidence intervals of F1 and Ign F1: bootstrap over documents, for one model or for two."""

from dataclasses import dataclass
from typing import Callable, Dict, Iterable, NamedTuple, Sequence, Set

import numpy
from numpy.typing import NDArray

from .metrics import ScoredTriple

RESAMPLES = 1000
CONFIDENCE = 0.95

Statistic = Callable[..., NDArray]


class TripleCounts(NamedTuple):
    """The number of triples in each document. All arrays have shape (documents,).

    correct (NDArray): Predicted triples that are gold.
    known (NDArray): Correct triples that are facts of the training data.
    predicted (NDArray): Predicted triples.
    gold (NDArray): Gold triples.
    """

    correct: NDArray
    known: NDArray
    predicted: NDArray
    gold: NDArray


@dataclass(frozen=True)
class Interval:
    """A score with its confidence interval.

    value (float): The score, or the difference of two scores.
    low (float): The lower end of the confidence interval.
    high (float): The upper end of the confidence interval.
    share_below (float): The share of the resamples in which the value is 0 or less.
    """

    value: float
    low: float
    high: float
    share_below: float


def count_by_document(
    documents: Sequence[str],
    gold: Set[ScoredTriple],
    predicted: Set[ScoredTriple],
    known: Set[ScoredTriple],
) -> TripleCounts:
    """Count the triples of each document.

    documents (Sequence[str]): The titles of the documents, with the documents of all triples.
    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    known (Set[ScoredTriple]): The gold triples that are facts of the training data.
    RETURNS (TripleCounts): The counts, in the order of the documents.
    """
    index = {document: number for number, document in enumerate(documents)}

    def count(triples: Iterable[ScoredTriple]) -> NDArray:
        indices = [index[triple.document] for triple in triples]
        return numpy.bincount(numpy.array(indices, dtype="int64"), minlength=len(documents))

    correct = gold & predicted
    return TripleCounts(count(correct), count(correct & known), count(predicted), count(gold))


def bootstrap(counts: TripleCounts, *, seed: int = 0) -> Dict[str, Interval]:
    """Compute F1 and Ign F1 with confidence intervals. Documents are drawn with replacement.

    counts (TripleCounts): The result of `count_by_document`.
    seed (int): The seed of the draws.
    RETURNS (Dict[str, Interval]): `rel_f` and `rel_ign_f`.
    """
    return {
        "rel_f": _interval(_f, counts, seed),
        "rel_ign_f": _interval(_ign_f, counts, seed),
    }


def paired_bootstrap(
    ours: TripleCounts, theirs: TripleCounts, *, seed: int = 0
) -> Dict[str, Interval]:
    """Compute how much better one model is than another. Both are scored on the same draws.

    ours (TripleCounts): The result of `count_by_document` for the one model.
    theirs (TripleCounts): The result for the other model, on the same documents.
    seed (int): The seed of the draws.
    RETURNS (Dict[str, Interval]): The differences of `rel_f` and `rel_ign_f`.
    """
    return seeds_bootstrap([ours], [theirs], seed=seed)


def seeds_bootstrap(
    ours: Sequence[TripleCounts], theirs: Sequence[TripleCounts], *, seed: int = 0
) -> Dict[str, Interval]:
    """Compute how much better one way of training is than another. Both documents and trainings are
    drawn, so that the interval holds for other documents and other seeds.

    ours (Sequence[TripleCounts]): The result of `count_by_document` for each training of the one.
    theirs (Sequence[TripleCounts]): The results for the other, on the same documents.
    seed (int): The seed of the draws.
    RETURNS (Dict[str, Interval]): The differences of the means of `rel_f` and `rel_ign_f`.
    """
    draws = numpy.random.default_rng(seed)

    def mean_of(score: Statistic, trainings: Sequence[Sequence[NDArray]], axis: int) -> NDArray:
        scores = numpy.stack([score(*counts, axis=axis) for counts in trainings])
        if scores.ndim > 1:
            # Each draw of documents has its own draw of trainings: (trainings, draws).
            chosen = draws.integers(len(scores), size=scores.shape)
            scores = numpy.take_along_axis(scores, chosen, axis=0)
        return scores.mean(axis=0)

    def difference(score: Statistic) -> Statistic:
        def statistic(*counts: NDArray, axis: int) -> NDArray:
            size = len(TripleCounts._fields)
            trainings = [counts[start : start + size] for start in range(0, len(counts), size)]
            first, second = trainings[: len(ours)], trainings[len(ours) :]
            return mean_of(score, first, axis) - mean_of(score, second, axis)

        return statistic

    every = [array for counts in (*ours, *theirs) for array in counts]
    return {
        "rel_f": _interval(difference(_f), every, seed),
        "rel_ign_f": _interval(difference(_ign_f), every, seed),
    }


def _interval(statistic: Statistic, counts: Sequence[NDArray], seed: int) -> Interval:
    # Imported late: every pipeline loads this package.
    from scipy.stats import bootstrap as resample

    value = float(statistic(*counts, axis=-1))
    if len(counts[0]) < 2:
        return Interval(value, value, value, float(value <= 0))
    result = resample(
        counts,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        # Not all at once: with many documents all resamples would take a gigabyte.
        batch=RESAMPLES // 10,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=numpy.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    below = float((result.bootstrap_distribution <= 0).mean())
    return Interval(value, float(low), float(high), below)


def _f(correct: NDArray, known: NDArray, predicted: NDArray, gold: NDArray, axis: int) -> NDArray:
    precision = _ratio(correct.sum(axis), predicted.sum(axis))
    return _harmonic_mean(precision, _ratio(correct.sum(axis), gold.sum(axis)))


def _ign_f(
    correct: NDArray, known: NDArray, predicted: NDArray, gold: NDArray, axis: int
) -> NDArray:
    # As in `ignore_known_f`.
    precision = (correct - known).sum(axis) / ((predicted - known).sum(axis) + 1e-5)
    return _harmonic_mean(precision, _ratio(correct.sum(axis), gold.sum(axis)))


def _harmonic_mean(precision: NDArray, recall: NDArray) -> NDArray:
    return _ratio(2 * precision * recall, precision + recall)


def _ratio(part: NDArray, whole: NDArray) -> NDArray:
    return numpy.divide(part, whole, out=numpy.zeros(numpy.shape(part)), where=whole > 0)
