"""The interfaces of the parts of a network, and the type of its result."""

from typing import Any, Callable, NamedTuple, Sequence

import torch
from torch import Tensor, nn

from ..pairs import Pairs

# A slot of a config holds a function that makes a layer: sizes are known only when the model is
# initialised. The default layers in `kd_docre.py` are examples.

# Eq. 2. forward(hidden, document) returns (entities, hidden width).
MakeEntityPooling = Callable[[], nn.Module]

# Eq. 3 and 4; the argument is the smoothing. forward(hidden, document, diagonal) returns the
# contexts of unordered pairs, (unordered pairs, hidden width), and their shares of attention on
# sentences, (unordered pairs, sentences). Evidence can be learnt only if the shares have a
# gradient. A method `blocks` may yield the same for a few pairs at a time: it saves memory in
# documents with many pairs.
MakeContextPooling = Callable[[float], nn.Module]

# Eq. 6; the arguments are width, pair width and block size. forward(z_s, z_o), both (pairs, width),
# returns (pairs, pair width).
MakePairFeatures = Callable[[int, int, int], nn.Module]

# Eq. 8; the arguments are pair width and number of relations. forward(table) returns (pairs, 1 +
# relations). The layer has a row of weights and a bias for TH and for each relation, as nn.Linear
# has.
MakeClassifier = Callable[[int, int], nn.Linear]


class PairEncoder(nn.Module):
    """A layer over the table of entity pairs: eq. 7 in any form.

    diagonal (bool): Whether the table also has the pairs (s, s).
    """

    diagonal = False

    def forward(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Encode each pair in the context of the other pairs.

        table (Tensor): g, shape (pairs, pair width).
        pairs (Pairs): The pair of each row.
        RETURNS (Tensor): r, shape (pairs, pair width).
        """
        raise NotImplementedError


# Eq. 7; the argument is the pair width. The function may have the attribute `network`: a subclass
# of `KDDocRE` that contains the layer. A system that changes more than this layer needs it.
MakePairEncoder = Callable[[int], PairEncoder]


class Evidence(NamedTuple):
    """The sentences of a document on which the attention q of unordered pairs falls.

    sentences (Any): The `KEPT_SENTENCES` sentences with the largest shares, largest first; all
        sentences if there are fewer or if all are asked for. Shape (unordered pairs, kept
        sentences).
    shares (Any): The shares of attention on these sentences, of the same shape.
    """

    sentences: Any
    shares: Any


# Decoding reads at most this many sentences of the evidence (see `decoding.py`). In a long
# document, a whole row for each pair would need more memory than all else. Training keeps all
# sentences: its documents are short.
KEPT_SENTENCES = 3


def strongest(shares: Tensor, number: int) -> Evidence:
    """Keep the sentences that carry most of the attention.

    shares (Tensor): The share of each pair on each sentence, shape (unordered pairs, sentences).
    number (int): The largest number of sentences to keep.
    RETURNS (Evidence): The kept sentences and their shares.
    """
    best = shares.topk(min(number, shares.shape[1]), dim=1)
    return Evidence(best.indices.int(), best.values)


def join(blocks: Sequence[Evidence]) -> Evidence:
    """Join the evidence of several blocks of pairs, in their order."""
    return Evidence(
        torch.cat([block.sentences for block in blocks]),
        torch.cat([block.shares for block in blocks]),
    )


class DocumentScores(NamedTuple):
    """The scores of the pairs of a document, in the order of `Pairs`.

    logits (Tensor): l, with TH in column 0 and the relations after it, shape (pairs, 1 +
        relations).
    evidence (Evidence): The sentences on which the attention of the pairs falls.
    """

    logits: Tensor
    evidence: Evidence


def require_positive(**sizes: int) -> None:
    """Check that sizes are positive.

    sizes (int): The sizes, by the name of their setting.
    RAISES (ValueError): If a size is less than 1.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} = {size} should be 1 or more.")


def require_rates(dropout: float, smoothing: float = 0.0) -> None:
    """Check that rates are in range.

    dropout (float): Dropout, at least 0 and less than 1.
    smoothing (float): As in `LocalizedContextPooling`, at least 0.
    RAISES (ValueError): If a rate is out of range.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout = {dropout} should be at least 0 and less than 1.")
    if smoothing < 0:
        raise ValueError(f"smoothing = {smoothing} should be 0 or more.")
