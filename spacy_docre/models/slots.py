"""What a part of the network has to be, and what the network gives."""

from typing import Callable, List, NamedTuple

from torch import Tensor, nn

from ..pairs import Pairs

# A slot of a config holds a function that makes the layer, since sizes are known only when the
# model is initialised. What the layers are called with: the defaults in `kd_docre.py` say it.
MakeEntityPooling = Callable[[], nn.Module]
# For a smoothing.
MakeContextPooling = Callable[[float], nn.Module]
# For width, pair width and block size.
MakePairFeatures = Callable[[int, int, int], nn.Module]
# For pair width and number of relations. The layer has rows of weights and a bias for TH and each
# relation, as nn.Linear.
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


# For pair width.
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
