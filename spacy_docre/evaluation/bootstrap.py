"""How sure F1 and Ign F1 are: bootstrap over documents, for one model or for two."""

from dataclasses import dataclass
from typing import Callable, Dict, Iterable, Sequence, Set, Tuple

import numpy
from numpy.typing import NDArray

from .relations import ScoredTriple

RESAMPLES = 1000
CONFIDENCE = 0.95

# Of each document: correct triples, correct ones that are known from training, predicted, gold.
Counts = Tuple[NDArray, NDArray, NDArray, NDArray]
Statistic = Callable[..., NDArray]


@dataclass(frozen=True)
class Interval:
    """A figure and how sure it is.

    value (float): The figure.
    low (float): The lower end of its confidence interval.
    high (float): The upper end.
    share_below (float): The share of the resamples in which it is 0 or less.
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
) -> Counts:
    """Count the triples of each document.

    documents (Sequence[str]): The documents, all those that triples are of.
    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    known (Set[ScoredTriple]): The gold triples that are facts of the training data.
    RETURNS (Counts): Correct, correct and known, predicted and gold triples, each of shape
        (documents,).
    """
    place = {document: number for number, document in enumerate(documents)}

    def count(triples: Iterable[ScoredTriple]) -> NDArray:
        places = [place[triple.document] for triple in triples]
        return numpy.bincount(numpy.array(places, dtype="int64"), minlength=len(documents))

    correct = gold & predicted
    return count(correct), count(correct & known), count(predicted), count(gold)


def bootstrap(counts: Counts, *, seed: int = 0) -> Dict[str, Interval]:
    """F1 and Ign F1 with their confidence interval: documents are drawn with replacement.

    counts (Counts): What `count_by_document` gives.
    seed (int): The seed of the draws.
    RETURNS (Dict[str, Interval]): `rel_f` and `rel_ign_f`.
    """
    return {
        "rel_f": _interval(_f, counts, seed),
        "rel_ign_f": _interval(_ign_f, counts, seed),
    }


def paired_bootstrap(ours: Counts, theirs: Counts, *, seed: int = 0) -> Dict[str, Interval]:
    """How much better one model is than another: both are scored on the same draws.

    ours (Counts): What `count_by_document` gives for the one model.
    theirs (Counts): The same for the other, of the same documents.
    seed (int): The seed of the draws.
    RETURNS (Dict[str, Interval]): The differences of `rel_f` and `rel_ign_f`.
    """
    number = len(ours)

    def difference(score: Statistic) -> Statistic:
        return lambda *counts, axis: (
            score(*counts[:number], axis=axis) - score(*counts[number:], axis=axis)
        )

    both = (*ours, *theirs)
    return {
        "rel_f": _interval(difference(_f), both, seed),
        "rel_ign_f": _interval(difference(_ign_f), both, seed),
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
        # At a time: all of them, of many documents, would take a gigabyte.
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
