"""Calibration: scores that are right as often as they say, in documents of any length."""

import math
from dataclasses import dataclass
from typing import Any, Tuple

import torch
from torch import Tensor

# About as many words as a passage has. Longer documents are like those that networks learn from.
LONG = 256


@dataclass(frozen=True)
class Calibration:
    """P(r) = sigmoid(scale (l_r - l_TH) + shift + slope log(words)), after Platt (1999).

    The last term is for short documents: a network that has learnt from whole articles is not sure
    enough of a sentence that stands alone. From 256 words on, the term is that of 256 words.

    scale (float): The factor on margins, more than 0.
    shift (float): What is added to them.
    slope (float): What is added for each unit of the natural logarithm of the number of words.
    RAISES (ValueError): If one is not a finite number, or if `scale` is not more than 0.
    """

    scale: float = 1.0
    shift: float = 0.0
    slope: float = 0.0

    def __post_init__(self) -> None:
        are_finite = all(isinstance(x, (int, float)) and math.isfinite(x) for x in self.values)
        if not are_finite or self.scale <= 0:
            raise ValueError(
                f"{self} has a value that is not a finite number, or a scale that is not more than "
                "0. Use what 'docre calibrate' fits."
            )

    @classmethod
    def stored(cls, values: Any) -> "Calibration":
        """Make a calibration of what a model has stored.

        values (Any): What `values` gave.
        RETURNS (Calibration): The calibration.
        RAISES (ValueError): If the values are not those of a calibration.
        """
        if not isinstance(values, (list, tuple)) or len(values) != 3:
            raise ValueError(f"{values!r} is not a calibration: it has three numbers.")
        return cls(*values)

    @property
    def values(self) -> Tuple[float, float, float]:
        """RETURNS (Tuple[float, float, float]): What a model stores."""
        return self.scale, self.shift, self.slope

    def margins(self, margins: Tensor, num_words: int) -> Tensor:
        """Calibrate margins l_r - l_TH.

        margins (Tensor): The margins, of any shape.
        num_words (int): The number of words of their document.
        RETURNS (Tensor): The calibrated margins, of the same shape.
        """
        return self.scale * margins + (self.shift + self.slope * log_words(num_words))

    def score(self, score: float, num_words: int) -> float:
        """Calibrate one score.

        score (float): A probability.
        num_words (int): The number of words of the document.
        RETURNS (float): The calibrated probability.
        """
        margin = torch.tensor(score, dtype=torch.float64).logit()
        return self.margins(margin, num_words).sigmoid().item()

    def logits(self, logits: Tensor, num_words: int) -> Tensor:
        """Calibrate logits. The logit of TH stays.

        logits (Tensor): TH in column 0, the relations after it, shape (pairs, 1 + relations).
        num_words (int): The number of words of their document.
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


def log_words(number: int) -> float:
    """The length of a document as a calibration counts it.

    number (int): The number of its words.
    RETURNS (float): The natural logarithm, of 1 to 256 words.
    """
    return math.log(min(max(number, 1), LONG))
