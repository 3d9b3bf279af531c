"""The scores of a batch as tensors, and the gradient of a loss by them."""

from functools import cached_property
from typing import List, Optional, Sequence, Tuple, cast

import torch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor

from ..models.extractor import PairScores
from .evidence import sentence_shares

BatchGradients = Tuple[List[Floats2d], List[Optional[Floats2d]]]


class BatchTensors:
    """The scores of a batch, as tensors that have a gradient.

    scores (Sequence[PairScores]): The scores of each document.
    """

    def __init__(self, scores: Sequence[PairScores]) -> None:
        self._scores = scores
        self.logits = [xp2torch(document.logits).requires_grad_() for document in scores]
        self._kept = [xp2torch(document.evidence.shares).requires_grad_() for document in scores]

    @cached_property
    def shares(self) -> List[Tensor]:
        """RETURNS (List[Tensor]): The shares of attention of the pairs of each document, shape
            (pairs, sentences).
        RAISES (ValueError): As `sentence_shares`.
        """
        return [
            sentence_shares(document, kept)
            for document, kept in zip(self._scores, self._kept, strict=True)
        ]

    def gradients(self, loss: Tensor) -> BatchGradients:
        """Differentiate a loss.

        loss (Tensor): A scalar.
        RETURNS (BatchGradients): For each document the gradient of its logits, shape
            (pairs, 1 + relations), and the gradient of `evidence.shares`, which is None if the
            loss does not depend on the shares.
        """
        tensors = [*self.logits, *self._kept]
        found = torch.autograd.grad(loss, tensors, allow_unused=True) if tensors else ()
        arrays = [None if gradient is None else torch2xp(gradient) for gradient in found]
        d_logits, d_shares = arrays[: len(self.logits)], arrays[len(self.logits) :]
        return [
            cast(Floats2d, torch2xp(torch.zeros_like(logits)) if gradient is None else gradient)
            for logits, gradient in zip(self.logits, d_logits, strict=True)
        ], cast(List[Optional[Floats2d]], d_shares)
