"""Eq. 7 as the authors' released code computes it: over a padded table, whose padding is zero in
training and not masked in prediction."""

from typing import cast

import torch
from torch import Tensor

from ..models.kd_docre import AxialAttention, KDDocRE
from ..models.slots import require_positive
from ..pairs import Pairs


class PaddedAxialAttention(AxialAttention):
    """Axial attention in parallel over the whole square of entities, with the diagonal (s, s) and
    with padding. The result depends on the size that the table is padded to.

    width (int): Width of g.
    depth (int): Number of layers.
    heads (int): Attention heads; must divide `width`.
    size (int): Entities that the table is padded to; a document with more is not padded. The
        released code has 42, and takes no more.
    """

    diagonal = True

    def __init__(self, width: int, *, depth: int, heads: int, size: int) -> None:
        super().__init__(width, depth=depth, heads=heads, order="parallel", transform=True)
        self.size = size

    def forward_padded(self, table: Tensor, pairs: Pairs, padding: Tensor) -> Tensor:
        """Attend.

        table (Tensor): g, the diagonal included, shape (pairs, pair width).
        pairs (Pairs): Which row is which pair.
        padding (Tensor): g of padding, shape (pair width,).
        RETURNS (Tensor): r, shape (pairs, pair width).
        """
        outputs = []
        for lines in pairs.lines(table):
            n = len(lines)
            size = max(n, self.size)
            square = padding.to(lines.dtype).expand(size, size, -1).clone()
            square[:n, :n] = lines
            padded = self(
                square.flatten(0, 1), Pairs.of([size], diagonal=True, device=table.device)
            )
            outputs.append(padded.unflatten(0, (size, size))[:n, :n].flatten(0, 1))
        return torch.cat(outputs)


class PaddedKDDocRE(KDDocRE):
    """The network whose table of pairs is padded. Arguments as in `KDDocRE`; its pair encoder is
    `PaddedAxialAttention`."""

    def encode_pairs(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Eq. 7. Arguments and result as in `PairEncoder`."""
        encoder = cast(PaddedAxialAttention, self.pair_encoder)
        if self.training:
            # The released code masks what padding gives to the bilinear product in training alone.
            return encoder.forward_padded(table, pairs, table.new_zeros(table.shape[1]))
        # An entity of zeros in a context of zeros: what the maps give are their biases.
        head, tail = (
            torch.tanh(layer.bias[None]) for layer in (self.head_entity, self.tail_entity)
        )
        (padding,) = self.bilinear(head, tail)
        return encoder.forward_padded(table, pairs, padding)


class MakePaddedAxialAttention:
    """Makes the layer for a width, and names the network that it is part of.

    depth, heads, size (int): As in `PaddedAxialAttention`.
    """

    network = PaddedKDDocRE

    def __init__(self, depth: int, heads: int, size: int) -> None:
        self.settings = {"depth": depth, "heads": heads, "size": size}

    def __call__(self, width: int) -> PaddedAxialAttention:
        """Make the layer.

        width (int): Width of g.
        RETURNS (PaddedAxialAttention): The layer.
        """
        return PaddedAxialAttention(width, **self.settings)


def make_padded_axial_attention(
    depth: int = 6, heads: int = 8, size: int = 42
) -> MakePaddedAxialAttention:
    """`spacy_docre.PaddedAxialAttention.v1`: axial attention as the authors' released code
    computes it, for its checkpoints: in parallel, with transform, over the diagonal and over
    padding: zeros in training, and what the network makes of them in prediction. For anything
    else, `spacy_docre.AxialAttention.v1` is the faster, and what it gives depends on the document
    alone; both have the same weights.

    depth (int): Number of layers.
    heads (int): Attention heads; must divide the width of the pair table.
    size (int): Entities that each document is padded to.
    RETURNS (MakePaddedAxialAttention): Makes the layer for a width.
    RAISES (ValueError): If a number is less than 1.
    """
    require_positive(depth=depth, heads=heads, size=size)
    return MakePaddedAxialAttention(depth, heads, size)
