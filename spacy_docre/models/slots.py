"""What a part of the network has to be, and what the network gives."""

from typing import Any, Callable, NamedTuple, Sequence

import torch
from torch import Tensor, nn

from ..pairs import Pairs

# A slot of a config holds a function that makes the layer, since sizes are known only when the
# model is initialised. The default layers of `kd_docre.py` are examples of each.

# Eq. 2. forward(hidden, document) gives (entities, hidden width).
MakeEntityPooling = Callable[[], nn.Module]

# Eq. 3 and 4, for a smoothing. forward(hidden, document, diagonal) gives the contexts of unordered
# pairs, (unordered pairs, hidden width), and their shares of attention on sentences, (unordered
# pairs, sentences), with a gradient where they are to be learnt. With a method `blocks`, which
# yields the same for few pairs at a time, the memory of a document with many pairs stays small.
MakeContextPooling = Callable[[float], nn.Module]

# Eq. 6, for width, pair width and block size. forward(z_s, z_o), both (pairs, width), gives
# (pairs, pair width).
MakePairFeatures = Callable[[int, int, int], nn.Module]

# Eq. 8, for pair width and number of relations. forward(table) gives (pairs, 1 + relations). The
# layer has a row of weights and a bias for TH and for each relation, as nn.Linear has.
MakeClassifier = Callable[[int, int], nn.Linear]


class PairEncoder(nn.Module):
    """A layer over the table of entity pairs (eq. 7, any form of it).

    diagonal (bool): Whether the table has the pairs (s, s), too.
    """

    diagonal = False

    def forward(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Encode each pair among the others.

        table (Tensor): g, shape (pairs, pair width).
        pairs (Pairs): Which row is which pair.
        RETURNS (Tensor): r, shape (pairs, pair width).
        """
        raise NotImplementedError


# Eq. 7, for pair width. The function may have the attribute `network`: the subclass of `KDDocRE`
# that its layer is a part of, for a system that changes more than this layer.
MakePairEncoder = Callable[[int], PairEncoder]


class Evidence(NamedTuple):
    """The sentences of a document that carry the attention q of its unordered pairs.

    sentences (Any): The `KEPT_SENTENCES` with the largest shares, most first, or all where there
        are fewer or all are asked for, shape (unordered pairs, kept sentences).
    shares (Any): Their shares of the attention, of the same shape.
    """

    sentences: Any
    shares: Any


# What is read of the evidence (see `decoding.py`) is at most so much: a whole row for each pair
# would need more memory than all else in a long document. Documents that are learnt from are short.
KEPT_SENTENCES = 3


def strongest(shares: Tensor, number: int) -> Evidence:
    """Keep the sentences that carry most of the attention.

    shares (Tensor): The share of each pair on each sentence, shape (unordered pairs, sentences).
    number (int): Keep at most so many sentences.
    RETURNS (Evidence): The sentences.
    """
    best = shares.topk(min(number, shares.shape[1]), dim=1)
    return Evidence(best.indices.int(), best.values)


def join(blocks: Sequence[Evidence]) -> Evidence:
    """Put the evidence of blocks of pairs together, in their order."""
    return Evidence(
        torch.cat([block.sentences for block in blocks]),
        torch.cat([block.shares for block in blocks]),
    )


class DocumentScores(NamedTuple):
    """What the network says of the pairs of a document, in the order of `Pairs`.

    logits (Tensor): l, TH in column 0 and the relations after it, shape (pairs, 1 + relations).
    evidence (Evidence): Where the attention of the pairs falls.
    """

    logits: Tensor
    evidence: Evidence


def require_positive(**sizes: int) -> None:
    """Refuse sizes that make no layer.

    sizes (int): The sizes, by the name of their setting.
    RAISES (ValueError): If one is less than 1.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} = {size} should be 1 or more.")


def require_rates(dropout: float, smoothing: float = 0.0) -> None:
    """Refuse rates that are out of their range.

    dropout (float): Dropout, from 0 on and less than 1.
    smoothing (float): As in `LocalizedContextPooling`, from 0 on.
    RAISES (ValueError): If one is.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout = {dropout} should be in 0 to 1, and less than 1.")
    if smoothing < 0:
        raise ValueError(f"smoothing = {smoothing} should be 0 or more.")
