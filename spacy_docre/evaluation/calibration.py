"""Calibration of scores: how often triples with a score are right, and a correction."""

from dataclasses import dataclass
from typing import Iterable, Mapping, Set, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from .metrics import ScoredTriple

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """How often triples with a score are right, in bins of equal width from 0 to 1. All arrays have
    shape (bins,). Empty bins are left out.

    scores (NDArray): The mean score of each bin.
    correct (NDArray): The share of gold triples in each bin.
    counts (NDArray): The number of triples in each bin.
    """

    scores: NDArray
    correct: NDArray
    counts: NDArray

    @property
    def error(self) -> float:
        """RETURNS (float): The expected calibration error: the mean over triples of the difference
        between a bin's score and the share that is right (Naeini et al., AAAI 2015)."""
        total = self.counts.sum()
        return float((self.counts * abs(self.scores - self.correct)).sum() / max(total, 1))


def reliability(gold: Set[ScoredTriple], scores: Mapping[ScoredTriple, float]) -> Reliability:
    """Compute how often triples with a score are right.

    gold (Set[ScoredTriple]): The gold triples.
    scores (Mapping[ScoredTriple, float]): The score of each predicted triple.
    RETURNS (Reliability): The bins.
    """
    values = numpy.array([*scores.values()], dtype="float64")
    right = numpy.array([triple in gold for triple in scores], dtype="float64")
    bins = numpy.minimum((values * BINS).astype("int64"), BINS - 1)
    counts = numpy.bincount(bins, minlength=BINS)
    used = counts > 0
    return Reliability(
        numpy.bincount(bins, values, BINS)[used] / counts[used],
        numpy.bincount(bins, right, BINS)[used] / counts[used],
        counts[used],
    )


def fit(scores: Iterable[float], correct: Iterable[bool]) -> Tuple[float, float]:
    """Fit a calibration after Platt (1999): P(right) = sigmoid(a m + b).

    Here m is the margin l_r - l_TH, and a score is the sigmoid of the margin. a and b have the
    largest likelihood.

    scores (Iterable[float]): The score of each predicted triple.
    correct (Iterable[bool]): Whether each predicted triple is gold.
    RETURNS (Tuple[float, float]): a and b.
    RAISES (ValueError): If there are no right or no wrong triples, or if triples with high scores
        are not right more often than triples with low scores.
    """
    margins = torch.tensor([*scores], dtype=torch.float64).logit(eps=1e-12)
    right = torch.tensor([*correct], dtype=torch.float64)
    if not 0 < right.sum() < len(right):
        raise ValueError(
            "A calibration needs triples that are right and others that are wrong: give more "
            "documents."
        )
    weights = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(weights[0] * margins + weights[1], right)
        loss.backward()
        return loss

    optimizer.step(closure)
    scale, shift = weights.tolist()
    if scale <= 0:
        raise ValueError(
            "Triples with high scores are not right more often than others: there is nothing to "
            "calibrate."
        )
    return scale, shift
