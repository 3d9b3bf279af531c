"""Calibration: scores that are right as often as they say, in documents of any length."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Calibration(NamedTuple):
    """P(r) = sigmoid(scale (l_r - l_TH) + shift + slope log(words)), after Platt (1999).

    The last term is for short documents: a network that has learnt from whole articles is not sure
    enough of a sentence that stands alone.

    scale (float): The factor on margins, more than 0.
    shift (float): What is added to them.
    slope (float): What is added for each unit of the natural logarithm of the number of words.
    """

    scale: float = 1.0
    shift: float = 0.0
    slope: float = 0.0

    def margins(self, margins: Tensor, num_words: float) -> Tensor:
        """Calibrate margins l_r - l_TH.

        margins (Tensor): The margins, of any shape.
        num_words (float): The number of words of their document.
        RETURNS (Tensor): The calibrated margins, of the same shape.
        """
        return self.scale * margins + (self.shift + self.slope * math.log(max(num_words, 1)))

    def score(self, score: float, num_words: float) -> float:
        """Calibrate one score.

        score (float): A probability.
        num_words (float): The number of words of the document.
        RETURNS (float): The calibrated probability.
        """
        margin = torch.tensor(score, dtype=torch.float64).logit()
        return self.margins(margin, num_words).sigmoid().item()

    def logits(self, logits: Tensor, num_words: float) -> Tensor:
        """Calibrate logits. The logit of TH stays.

        logits (Tensor): TH in column 0, the relations after it, shape (pairs, 1 + relations).
        num_words (float): The number of words of their document.
        RETURNS (Tensor): The calibrated logits, of the same shape.
        """
        if self == Calibration():
            return logits
        threshold = logits[:, :1]  # (pairs, 1)
        margins = self.margins(logits[:, 1:] - threshold, num_words)  # (pairs, relations)
        return torch.cat([threshold, threshold + margins], dim=1)

    def after(self, first: "Calibration") -> "Calibration":
        """Join two calibrations.

        first (Calibration): The one that is applied first.
        RETURNS (Calibration): Both as one.
        """
        return Calibration(
            self.scale * first.scale,
            self.scale * first.shift + self.shift,
            self.scale * first.slope + self.slope,
        )
