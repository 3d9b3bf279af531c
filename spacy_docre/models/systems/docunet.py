"""DocuNet, and a pair encoder after its example: a U-Net reads the table of pairs as an image."""

from functools import partial
from typing import Any, List, Optional

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from torch import Tensor, nn

from ...pairs import Pairs
from ..encoded_document import EncodedDocument, merge_windows
from ..extractor import ExtractorModel, make_extractor
from ..kd_docre import (
    GroupedBilinear,
    KDDocRE,
    LinearClassifier,
    LocalizedContextPooling,
    LogSumExpPooling,
)
from ..pair_blocks import PAIRS_AT_ONCE, walk
from ..passages import Passages
from ..pieces import MentionPooling, encode_document
from ..precision import Precision, autocast
from ..serialization import StoredPrecision
from ..slots import DocumentScores, PairEncoder, join, require_positive, require_rates


class UNet(nn.Module):
    """A U-Net: two levels down and two up, with skip connections.

    It is the U-Net of DocuNet's released code, but for batch normalisation: with it, a document
    would depend on its batch in training. Halves are rounded up, so that even an image of two
    entities has a level below. The lower levels are enlarged by the nearest pixel.

    channels_in (int): Channels of the image.
    channels (int): Channels at the top level; each level below has twice as many.
    channels_out (int): Channels of the result.
    normalized (bool): Whether each convolution is normalised over all channels and pixels of its
        document. Without it, values can grow from level to level.
    """

    def __init__(
        self, channels_in: int, channels: int, channels_out: int, *, normalized: bool
    ) -> None:
        super().__init__()
        convolutions = partial(DoubleConvolution, normalized=normalized)
        self.enter = convolutions(channels_in, channels)
        self.down_one = convolutions(channels, 2 * channels)
        self.down_two = convolutions(2 * channels, 4 * channels)
        self.up_one = convolutions(6 * channels, 2 * channels)
        self.up_two = convolutions(3 * channels, channels)
        self.leave = nn.Conv2d(channels, channels_out, kernel_size=1)

    def segment(self, image: Tensor) -> Tensor:
        """Read the image of one document.

        image (Tensor): The pairs, heads down and tails across, shape (entities, entities,
            channels).
        RETURNS (Tensor): The result, shape (entities, entities, channels out).
        """
        top = self.enter(image.permute(2, 0, 1).unsqueeze(0))  # (1, channels, entities, entities)
        middle = self.down_one(_halve(top))
        bottom = self.down_two(_halve(middle))
        middle = self.up_one(torch.cat([middle, _resize(bottom, middle)], dim=1))
        top = self.up_two(torch.cat([top, _resize(middle, top)], dim=1))
        output: Tensor = self.leave(top)
        return output.squeeze(0).permute(1, 2, 0)  # (entities, entities, channels out)


class UNetPairEncoder(UNet, PairEncoder):
    """A U-Net over the table of pairs, instead of axial attention (eq. 7).

    It is our variant of DocuNet. The channels are the features g after the bilinear product, and
    the U-Net's output is added to them. The diagonal is zero. Each document is an image of the size
    of its table.

    width (int): Width of g.
    channels (int): Channels at the top level of the U-Net.
    """

    def __init__(self, width: int, *, channels: int) -> None:
        super().__init__(width, channels, width, normalized=False)

    def forward(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Encode the pairs. Arguments and result as in `PairEncoder`."""
        encoded = []
        for n, rows in zip(pairs.num_entities, table.split(pairs.num_pairs), strict=True):
            document = Pairs.of([n], device=table.device)
            indices = (document.heads, document.tails)
            image = rows.new_zeros(n, n, rows.shape[1]).index_put(indices, rows)
            encoded.append(self.segment(image)[indices])  # (pairs, width)
        return table + torch.cat(encoded)  # (pairs, width)


class DocuNet(KDDocRE):
    """DocuNet (Zhang et al., *Document-level Relation Extraction as Semantic Segmentation*, IJCAI
    2021), with the context-based channels of the paper.

    The image F of a document has a pixel for each pair, including the pairs of an entity with
    itself: F(s, o) = W_f c(s, o) + b_f, where c is the context of ATLOP (eq. 4 of KD-DocRE).
    Y = U-Net(F). z_s = tanh(W_s h_s + U_s Y(s, o) + b_s), and z_o likewise: Y takes the place of c.
    The grouped bilinear product of z_s and z_o gives the logits. As in KD-DocRE, a linear map
    follows it. Successive entities are neighbours in the image, so the order of entities matters.

    The released code repeats the last entity until each image has 42 rows; here an image is as
    large as its document's table. The released code normalises over batches, and this U-Net over
    each document. The image and the planes of the U-Net are in memory for all pairs
    at once. With 256 channels, each plane at the top level needs 1 KB for each pair.

    hidden_width, num_relations, width, block_size, pair_width, dropout, precision, smoothing: As in
        `KDDocRE`.
    channels (int): Channels of F.
    unet_channels (int): Channels of the top level of the U-Net.
    unet_width (int): Channels of Y.
    """

    def __init__(
        self,
        *,
        hidden_width: int,
        width: int,
        channels: int,
        unet_channels: int,
        unet_width: int,
        **settings: Any,
    ) -> None:
        super().__init__(
            hidden_width=hidden_width,
            width=width,
            entity_pooling=LogSumExpPooling,
            context_pooling=LocalizedContextPooling,
            pair_features=GroupedBilinear,
            pair_encoder=None,
            # The paper has no prior of relations.
            classifier=partial(LinearClassifier, prior=0.5),
            **settings,
        )
        self.to_channels = nn.Linear(hidden_width, channels)
        self.unet = UNet(channels, unet_channels, unet_width, normalized=True)
        self.head_context = nn.Linear(unet_width, width, bias=False)
        self.tail_context = nn.Linear(unet_width, width, bias=False)

    def score(self, document: EncodedDocument) -> DocumentScores:
        """Score the pairs of one document.

        document (EncodedDocument): The document, with at least two entities.
        RETURNS (DocumentScores): Logits and evidence.
        """
        n, device = document.num_entities, document.hidden.device
        pairs = Pairs.of([n], device=device)
        hidden = merge_windows(document)  # H: (positions, hidden width)
        entities = self.entity_pooling(hidden, document)  # h: (entities, hidden width)
        image = hidden.new_empty(n * n, self.to_channels.out_features)
        evidence = []
        for block in walk(self.context_pooling, hidden, document, diagonal=True):
            image[block.rows] = self.to_channels(block.contexts)[block.unordered]
            evidence.append(block.evidence)
        table = hidden.new_empty(len(pairs.heads), self.classifier.in_features)
        with autocast(self.precision, device):
            heads, tails = self.head_entity(entities), self.tail_entity(entities)
            regions = self.unet.segment(image.view(n, n, -1))  # Y: (entities, entities, unet width)
            for rows in torch.arange(len(pairs.heads), device=device).split(PAIRS_AT_ONCE):
                s, o = pairs.heads[rows], pairs.tails[rows]
                z_s = torch.tanh(heads[s] + self.head_context(regions[s, o]))  # (pairs, width)
                z_o = torch.tanh(tails[o] + self.tail_context(regions[s, o]))  # (pairs, width)
                g = self.bilinear(self.dropout(z_s), self.dropout(z_o))  # (pairs, pair width)
                table[rows] = g.to(table.dtype)
        return DocumentScores(self.classifier(self.dropout(table)), join(evidence))


def make_docunet(
    tok2vec: Model[List[Doc], List[TransformerData]],
    width: int = 768,
    block_size: int = 64,
    pair_width: int = 256,
    channels: int = 3,
    unet_channels: int = 256,
    unet_width: int = 256,
    dropout: float = 0.0,
    precision: Precision = "float32",
    stored_precision: StoredPrecision = "float32",
    mention_pooling: MentionPooling = "first",
    special_tokens: bool = True,
    smoothing: float = 1e-5,
    max_pairs: int = 500_000,
    passages: Optional[Passages] = None,
) -> ExtractorModel:
    """`spacy_docre.DocuNet.v1`: DocuNet over a transformer. The defaults are those of its released
    code.

    tok2vec (Model): The encoder, usually `spacy_docre.TransformerListener.v1`.
    channels (int): Channels of the image. Each is a linear map of the context of a pair.
    unet_channels (int): Channels of the top level of the U-Net; each of the two levels below has
        twice as many as the level above.
    unet_width (int): Channels of the U-Net's output.
    width, block_size, pair_width, dropout, precision, stored_precision, mention_pooling,
        special_tokens, smoothing, max_pairs, passages: As in `spacy_docre.DocRelationModel.v1`.
    RETURNS (ExtractorModel): The model.
    RAISES (ValueError): If a size, `dropout` or `smoothing` is out of range.
    """
    sizes = dict(
        width=width,
        block_size=block_size,
        pair_width=pair_width,
        channels=channels,
        unet_channels=unet_channels,
        unet_width=unet_width,
    )
    require_positive(**sizes, max_pairs=max_pairs)
    require_rates(dropout, smoothing)
    settings = dict(sizes, dropout=dropout, precision=precision, smoothing=smoothing)
    encode = partial(
        encode_document, mention_pooling=mention_pooling, special_tokens=special_tokens
    )
    return make_extractor(tok2vec, DocuNet, settings, encode, stored_precision, max_pairs, passages)


class DoubleConvolution(nn.Sequential):
    """Two 3 x 3 convolutions, each with a rectifier after it, and a normalisation between them."""

    def __init__(self, channels_in: int, channels_out: int, *, normalized: bool) -> None:
        layers: List[nn.Module] = []
        for channels in (channels_in, channels_out):
            layers.append(nn.Conv2d(channels, channels_out, kernel_size=3, padding=1))
            if normalized:
                layers.append(nn.GroupNorm(1, channels_out))
            layers.append(nn.ReLU())
        super().__init__(*layers)


def _halve(image: Tensor) -> Tensor:
    """Halve an image, rounding up, so that even a table of two entities has a level below."""
    return nn.functional.max_pool2d(image, kernel_size=2, ceil_mode=True)


def _resize(image: Tensor, like: Tensor) -> Tensor:
    """Resize an image to the height and width of another."""
    return nn.functional.interpolate(image, size=like.shape[2:], mode="nearest")
