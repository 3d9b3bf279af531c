"""The registered pair encoders: what a config can put over the table of entity pairs.

Each gives a function that makes the layer for a width, which is known only when the
model is initialised.
"""

from functools import partial
from typing import Callable

from torch import nn

from .pytorch.axial_attention import AxialAttention, Order, PaddedAxialAttention
from .pytorch.kd_docre import NoPairEncoder
from .pytorch.unet import UNetPairEncoder

MakePairEncoder = Callable[[int], nn.Module]


def make_axial_attention(
    depth: int = 1, heads: int = 1, order: Order = "sequential", transform: bool = False
) -> MakePairEncoder:
    """`spacy_docre.AxialAttention.v1`: axial attention (eq. 7).

    The defaults are the paper's form. The authors' released code has depth 6, heads 8,
    order "parallel", and transform.

    depth (int): Number of layers, each a column and a row.
    heads (int): Attention heads; must divide the width of the pair table.
    order (Order): "sequential" (column, then row) or "parallel" (both at once).
    transform (bool): End each layer with a linear map and layer normalisation, and add
        the table that came in at the very end.
    RETURNS (MakePairEncoder): Makes the layer for a width.
    RAISES (ValueError): If `depth` or `heads` is less than 1.
    """
    require_positive(depth=depth, heads=heads)
    return partial(AxialAttention, depth=depth, heads=heads, order=order, transform=transform)


def make_padded_axial_attention(depth: int = 6, heads: int = 8, size: int = 42) -> MakePairEncoder:
    """`spacy_docre.PaddedAxialAttention.v1`: axial attention as the authors' released code
    computes it, for its checkpoints: in parallel, with transform, over the diagonal and over
    padding that nothing masks. For anything else, `spacy_docre.AxialAttention.v1` is the
    faster, and what it gives depends on the document alone; both have the same weights.

    depth (int): Number of layers.
    heads (int): Attention heads; must divide the width of the pair table.
    size (int): Entities that each document is padded to.
    RETURNS (MakePairEncoder): Makes the layer for a width.
    RAISES (ValueError): If a number is less than 1.
    """
    require_positive(depth=depth, heads=heads, size=size)
    return partial(
        PaddedAxialAttention, depth=depth, heads=heads, order="parallel", transform=True, size=size
    )


def make_no_pair_encoder() -> MakePairEncoder:
    """`spacy_docre.NoPairEncoder.v1`: the paper's "w/o Axial"; with the adaptive
    thresholding loss, this is ATLOP.

    RETURNS (MakePairEncoder): Makes the layer for a width.
    """
    return _no_pair_encoder


def _no_pair_encoder(width: int) -> NoPairEncoder:
    return NoPairEncoder()


def make_unet_pair_encoder(channels: int = 32) -> MakePairEncoder:
    """`spacy_docre.UNetPairEncoder.v1`: DocuNet's U-Net over the pair table.

    channels (int): Channels at the top level; each of the two below has twice as many.
    RETURNS (MakePairEncoder): Makes the layer for a width.
    RAISES (ValueError): If `channels` is less than 1.
    """
    require_positive(channels=channels)
    return partial(UNetPairEncoder, channels=channels)


def require_positive(**sizes: int) -> None:
    """Refuse sizes that make no layer.

    sizes (int): The sizes, by the name of their setting.
    RAISES (ValueError): If one is less than 1.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} = {size} should be 1 or more.")
