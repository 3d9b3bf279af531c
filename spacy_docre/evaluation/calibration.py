"""Calibration of scores: how often triples with a score are right, and a correction."""

from dataclasses import dataclass
from random import Random
from typing import Dict, Mapping, Sequence, Set

import numpy
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc
from torch.nn import functional as F

from ..annotations import possible_relations
from ..data.shapes import choose_cuts
from ..models.calibration import Calibration, log_words
from ..stored import get_triples
from .metrics import ScoredTriple

BINS = 10
# Standard deviation of the prior of a calibration's slope.
_SLOPE = 0.3


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


def with_cuts(docs: Mapping[str, Doc]) -> Dict[str, Doc]:
    """Add short passages to documents: from each document one sentence, and two to four sentences.

    A passage keeps all relations between its entities, also those whose evidence is elsewhere: a
    calibration asks what is right, not what the passage tells.

    docs (Mapping[str, Doc]): The documents, by title, with all of their relations.
    RETURNS (Dict[str, Doc]): The documents, and the passages that have two entities or more.
    """
    found = dict(docs)
    choice = Random(0)
    for title, doc in docs.items():
        passages = choose_cuts(doc, 1, choice) if doc.has_annotation("SENT_START") else []
        for number, passage in enumerate(passages, start=1):
            possible = possible_relations(passage) or ()
            passage._.relations = [*get_triples(passage), *possible]
            # No title has a line end.
            found[f"{title}\n{number}"] = passage
    return found


def fit(scores: Sequence[float], correct: Sequence[bool], num_words: Sequence[int]) -> Calibration:
    """Fit a calibration after Platt (1999): P(right) = sigmoid(a m + b + c log(words)).

    Here m is the margin l_r - l_TH, and a score is the sigmoid of the margin. a and b have the
    largest likelihood. c has a normal prior around 0: documents that are all about as long say
    little of others.

    scores (Sequence[float]): The score of each predicted triple.
    correct (Sequence[bool]): Whether each predicted triple is gold.
    num_words (Sequence[int]): The number of words of the document of each triple. Where all numbers
        are equal, c is 0.
    RETURNS (Calibration): The calibration.
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
    lengths = torch.tensor([*map(log_words, num_words)], dtype=torch.float64)
    center = lengths.mean()
    features = torch.stack([margins, torch.ones_like(margins), lengths - center], 1)  # (triples, 3)
    weights = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(features @ weights, right, reduction="sum")
        loss = loss + 0.5 * (weights[2] / _SLOPE) ** 2
        loss.backward()
        return loss

    optimizer.step(closure)
    scale, shift, slope = weights.tolist()
    if scale <= 0:
        raise ValueError(
            "Triples with high scores are not right more often than others: there is nothing to "
            "calibrate."
        )
    return Calibration(scale, shift - slope * center.item(), slope)
