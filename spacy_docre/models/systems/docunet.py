"""DocuNet's pair encoder: a U-Net that reads the table of entity pairs as an image."""

import torch
from torch import Tensor, nn

from ...pairs import Pairs
from ..slots import PairEncoder


class UNetPairEncoder(PairEncoder):
    """Segment the n x n table of pairs with a U-Net.

    After Zhang et al., *Document-level Relation Extraction as Semantic Segmentation*
    (IJCAI 2021): the pairs are the pixels of an image whose channels are their
    features, two levels down and two up, with skip connections. The result is added to
    the table. The diagonal is black. Each document is an image of its own size.

    width (int): Width of the pair features.
    channels (int): Channels at the top level; each level below has twice as many.
    """

    def __init__(self, width: int, *, channels: int) -> None:
        super().__init__()
        self.enter = DoubleConvolution(width, channels)
        self.down_one = DoubleConvolution(channels, 2 * channels)
        self.down_two = DoubleConvolution(2 * channels, 4 * channels)
        self.up_one = DoubleConvolution(6 * channels, 2 * channels)
        self.up_two = DoubleConvolution(3 * channels, channels)
        self.leave = nn.Conv2d(channels, width, kernel_size=1)

    def forward(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Encode the pairs.

        table (Tensor): Features of every pair, shape (pairs, width).
        pairs (Pairs): Which row is which pair.
        RETURNS (Tensor): Features of every pair, shape (pairs, width).
        """
        encoded = []
        for n, rows in zip(pairs.num_entities, table.split(pairs.num_pairs), strict=True):
            document = Pairs.of([n], device=table.device)
            indices = (document.heads, document.tails)
            image = rows.new_zeros(n, n, rows.shape[1]).index_put(indices, rows)
            output = self._segment(image.permute(2, 0, 1).unsqueeze(0))  # (1, width, n, n)
            encoded.append(output.squeeze(0).permute(1, 2, 0)[indices])  # (pairs, width)
        return table + torch.cat(encoded)  # (pairs, width)

    def _segment(self, image: Tensor) -> Tensor:
        top = self.enter(image)
        middle = self.down_one(_halve(top))
        bottom = self.down_two(_halve(middle))
        middle = self.up_one(torch.cat([middle, _resize(bottom, middle)], dim=1))
        top = self.up_two(torch.cat([top, _resize(middle, top)], dim=1))
        return self.leave(top)


class DoubleConvolution(nn.Sequential):
    """Two 3 x 3 convolutions, each followed by a rectifier."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, kernel_size=3, padding=1),
            nn.ReLU(),
        )


def _halve(image: Tensor) -> Tensor:
    """Halve an image, rounding up, so that even a table of two entities has a below."""
    return nn.functional.max_pool2d(image, kernel_size=2, ceil_mode=True)


def _resize(image: Tensor, like: Tensor) -> Tensor:
    """Bring an image to the height and width of another."""
    return nn.functional.interpolate(image, size=like.shape[2:], mode="nearest")
