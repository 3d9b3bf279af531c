"""What a part of the network has to be, and what the network gives."""

from typing import Callable, List, NamedTuple

from torch import Tensor, nn

from ..pairs import Pairs

# A slot of a config holds a function that makes the layer, since sizes are known only when the
# model is initialised. The default layers of `kd_docre.py` are examples of each.

# Eq. 2. forward(hidden, document) gives (entities, hidden width).
MakeEntityPooling = Callable[[], nn.Module]

# Eq. 3 and 4, for a smoothing. forward(hidden, document, diagonal) gives the contexts of unordered
# pairs, (unordered pairs, hidden width), and their evidence, (unordered pairs, sentences).
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


class BatchScores(NamedTuple):
    """What the network says of the pairs of a batch.

    logits (Tensor): l, TH in column 0 and the relations after it, shape (pairs, 1 + relations).
    evidence (List[Tensor]): For each document, the share of each unordered pair's attention q on
        each sentence, shape (unordered pairs, sentences).
    pairs (Pairs): Which row is which pair.
    """

    logits: Tensor
    evidence: List[Tensor]
    pairs: Pairs


def require_positive(**sizes: int) -> None:
    """Refuse sizes that make no layer.

    sizes (int): The sizes, by the name of their setting.
    RAISES (ValueError): If one is less than 1.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} = {size} should be 1 or more.")
