"""The registered architectures and layers that a config can name."""

from functools import partial
from typing import Any, List, Literal, Optional, Union

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from spacy_transformers.layers import trfs2arrays
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

from . import joined_tok2vec
from .extractor import ExtractorModel, make_extractor
from .joined_tok2vec import Tok2Vec
from .kd_docre import (
    AxialAttention,
    GroupedBilinear,
    KDDocRE,
    LinearClassifier,
    LocalizedContextPooling,
    LogSumExpPooling,
    Order,
    PrintedAxialAttention,
)
from .listener import AttentionListener
from .passages import Passages
from .pieces import MentionPooling, encode_document
from .precision import Precision
from .serialization import StoredPrecision
from .slots import (
    MakeClassifier,
    MakeContextPooling,
    MakeEntityPooling,
    MakePairEncoder,
    MakePairFeatures,
    require_positive,
    require_rates,
)
from .systems.docunet import UNetPairEncoder
from .transformer import unshared

Form = Literal["multihead", "printed"]


def make_transformer_listener(upstream: str = "*") -> Model[List[Doc], List[TransformerData]]:
    """`spacy_docre.TransformerListener.v1`: connect to the pipeline's `transformer`.

    upstream (str): The name of the transformer component, or "*" for any.
    RETURNS (Model[List[Doc], List[TransformerData]]): The listener.
    """
    return AttentionListener(upstream)


def make_transformer(
    transformer: Model[List[Doc], FullTransformerBatch],
) -> Model[List[Doc], List[TransformerData]]:
    """`spacy_docre.Transformer.v1`: an encoder that the component does not share.

    `nlp.replace_listeners` puts it in the place of the listener.

    transformer (Model[List[Doc], FullTransformerBatch]): The encoder, e.g.
        `spacy_docre.TransformerModel.v1`.
    RETURNS (Model[List[Doc], List[TransformerData]]): The model.
    """
    return unshared(transformer)


def make_tok2vec_transformer(
    transformer: Model[List[Doc], FullTransformerBatch],
    pooling: Model[Ragged, Floats2d],
    grad_factor: float = 1.0,
) -> Model[List[Doc], List[Floats2d]]:
    """`spacy_docre.Tok2VecTransformer.v1`: token vectors from an unshared encoder.

    `nlp.replace_listeners` puts it in the place of the listener of another component, e.g. `ner`.

    transformer (Model[List[Doc], FullTransformerBatch]): The encoder, e.g.
        `spacy_docre.TransformerModel.v1`.
    pooling (Model[Ragged, Floats2d]): Reduces word pieces to tokens.
    grad_factor (float): Factor on the gradient that reaches the encoder.
    RETURNS (Model[List[Doc], List[Floats2d]]): The model.
    """
    return chain(unshared(transformer), trfs2arrays(pooling, grad_factor))


def make_joined_tok2vec(first: Tok2Vec, second: Tok2Vec) -> Tok2Vec:
    """`spacy_docre.JoinedTok2Vec.v1`: the token vectors of two networks, concatenated.

    One of the networks may be a transformer's listener, whose backward pass ends there. thinc's
    `concatenate` cannot be used: it adds up the results of both backward passes.

    first (Tok2Vec): Returns vectors of shape (tokens, first width) for each Doc.
    second (Tok2Vec): Returns vectors of shape (tokens, second width) for each Doc.
    RETURNS (Tok2Vec): Returns vectors of shape (tokens, first width + second width).
    """
    return Model(
        "joined_tok2vec",
        joined_tok2vec.forward,
        init=joined_tok2vec.initialize,
        layers=[first, second],
    )


_CONTEXT_POOLING = "spacy_docre.LocalizedContextPooling.v1"


def make_doc_relation_model(
    tok2vec: Model[List[Doc], List[TransformerData]],
    pair_encoder: Optional[MakePairEncoder],
    width: int = 384,
    block_size: int = 16,
    pair_width: int = 256,
    dropout: float = 0.1,
    precision: Precision = "float32",
    stored_precision: StoredPrecision = "float32",
    mention_pooling: MentionPooling = "mean",
    special_tokens: bool = False,
    smoothing: float = 0.0,
    entity_pooling: Union[str, MakeEntityPooling] = "spacy_docre.LogSumExpPooling.v1",
    context_pooling: Union[str, MakeContextPooling, None] = _CONTEXT_POOLING,
    pair_features: Union[str, MakePairFeatures] = "spacy_docre.GroupedBilinear.v1",
    classifier: Union[str, MakeClassifier] = "spacy_docre.LinearClassifier.v1",
    max_pairs: int = 500_000,
    passages: Optional[Passages] = None,
) -> ExtractorModel:
    """`spacy_docre.DocRelationModel.v1`: KD-DocRE over a transformer.

    tok2vec (Model): The encoder (eq. 1), usually `spacy_docre.TransformerListener.v1`.
    pair_encoder (Optional[MakePairEncoder]): The layer over the table of pairs (eq. 7), or None.
    width (int): Width of the head and tail embeddings z_s and z_o (eq. 5).
    block_size (int): Width of a block of the bilinear product (eq. 6); divides `width`.
    pair_width (int): Width of the pair features g and r (eq. 6 and 7).
    dropout (float): Dropout on z_s, z_o and r.
    precision (Precision): Of eq. 5 to 7; "auto" as in `spacy_docre.TransformerModel.v1`.
    stored_precision (StoredPrecision): Of the weights on disk; "float16" is also compressed.
    mention_pooling (MentionPooling): The embedding of a mention: the "mean" of its pieces, or its
        "first" piece, which is the marker if the transformer has `mention_markers`.
    special_tokens (bool): Whether the context includes the attention on special tokens, e.g. [CLS].
    smoothing (float): Added to the sum that divides q (eq. 3); 1e-5 in ATLOP's code.
    entity_pooling, context_pooling, pair_features, classifier (Union[str, Callable]): Layers of eq.
        2, 3 and 4, 6, 8 (see `slots.py`), or their names. context_pooling = null: no context.
    max_pairs (int): The largest number of pairs. A document with more fails, but no other document.
    passages (Optional[Passages]): Where to cut long documents in prediction; None: nowhere.
    RETURNS (ExtractorModel): The model.
    RAISES (ValueError): If a width, `dropout`, `smoothing` or `max_pairs` is out of range.
    """
    require_positive(width=width, block_size=block_size, pair_width=pair_width, max_pairs=max_pairs)
    require_rates(dropout, smoothing)
    settings = dict(
        width=width,
        block_size=block_size,
        pair_width=pair_width,
        entity_pooling=_layer(entity_pooling),
        context_pooling=_layer(context_pooling),
        pair_features=_layer(pair_features),
        pair_encoder=pair_encoder,
        classifier=_layer(classifier),
        dropout=dropout,
        precision=precision,
        smoothing=smoothing,
    )
    encode = partial(
        encode_document, mention_pooling=mention_pooling, special_tokens=special_tokens
    )
    network = getattr(pair_encoder, "network", KDDocRE)
    return make_extractor(tok2vec, network, settings, encode, stored_precision, max_pairs, passages)


def _layer(slot: Any) -> Any:
    """Return the layer of a slot. A slot may hold the name of a registered layer, since a config
    can hold a name as a default."""
    return registry.get("layers", slot)() if isinstance(slot, str) else slot


def make_logsumexp_pooling() -> MakeEntityPooling:
    """`spacy_docre.LogSumExpPooling.v1`: an entity is the log sum exp of its mentions (eq. 2).

    RETURNS (MakeEntityPooling): Makes the layer.
    """
    return LogSumExpPooling


def make_localized_context_pooling(normalised: bool = True) -> MakeContextPooling:
    """`spacy_docre.LocalizedContextPooling.v1`: the context that both entities of a pair attend to,
    computed from the encoder's attention (eq. 2 to 4).

    normalised (bool): Whether q (eq. 3) is divided by its sum over the positions. The released code
        and ATLOP do it; the paper of KD-DocRE does not mention it.
    RETURNS (MakeContextPooling): Makes the layer for a smoothing. Without normalisation the
        smoothing has to be 0.
    """
    return partial(LocalizedContextPooling, normalised=normalised)


def make_grouped_bilinear() -> MakePairFeatures:
    """`spacy_docre.GroupedBilinear.v1`: the grouped bilinear product of head and tail (eq. 6).

    RETURNS (MakePairFeatures): Makes the layer for width, pair width and block size.
    """
    return GroupedBilinear


def make_linear_classifier(prior: float = 0.01) -> MakeClassifier:
    """`spacy_docre.LinearClassifier.v1`: a linear map to the logits (eq. 8).

    prior (float): The probability P(r) (eq. 9) at the start of training, which sets the biases.
        With 0.5, TH has no bias at the start, as in the released codes of KD-DocRE and ATLOP.
    RETURNS (MakeClassifier): Makes the layer for pair width and number of relations.
    RAISES (ValueError): If `prior` is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise ValueError(f"prior = {prior} should be between 0 and 1, e.g. 0.01.")
    return partial(LinearClassifier, prior=prior)


def make_axial_attention(
    depth: int = 1,
    heads: int = 1,
    order: Order = "sequential",
    transform: bool = False,
    form: Form = "multihead",
) -> MakePairEncoder:
    """`spacy_docre.AxialAttention.v1`: axial attention (eq. 7).

    The form "multihead" is multi-head attention like the Transformer's. By default the row step
    reads the result of the column step, each axis has separate maps, products are scaled, a linear
    map joins the heads, and the diagonal takes no part. The form "printed" is eq. 7 as printed: one
    head, the same maps for both axes, no scale, no map after the head, both sums over g, and the
    diagonal included. The authors' released code has depth 6, heads 8, order "parallel", and
    transform.

    depth (int): Number of layers, each with a column step and a row step.
    heads (int): Number of attention heads; must divide the width of the pair table.
    order (Order): "sequential" (column, then row) or "parallel" (both at once).
    transform (bool): Whether each layer ends with a linear map and layer normalisation, and the
        input table is added after the last layer.
    form (Form): "multihead" or "printed". "printed" has the setting `depth` only.
    RETURNS (MakePairEncoder): Makes the layer for a width.
    RAISES (ValueError): If `depth` or `heads` is less than 1, or if `form` is "printed" and a
        setting other than `depth` is not the default.
    """
    require_positive(depth=depth, heads=heads)
    if form != "printed":
        return partial(AxialAttention, depth=depth, heads=heads, order=order, transform=transform)
    if (heads, order, transform) != (1, "sequential", False):
        raise ValueError(
            'form = "printed" has one head, both axes at once and no transform: leave out heads, '
            'order and transform, or set form = "multihead".'
        )
    return partial(PrintedAxialAttention, depth=depth)


def make_no_pair_encoder() -> None:
    """`spacy_docre.NoPairEncoder.v1`: no pair encoder, the name in earlier configs for
    pair_encoder = null.

    RETURNS (None): No layer.
    """


def make_unet_pair_encoder(channels: int = 32) -> MakePairEncoder:
    """`spacy_docre.UNetPairEncoder.v1`: a U-Net over the pair table, a variant of DocuNet.
    `spacy_docre.DocuNet.v1` is DocuNet itself.

    channels (int): Channels at the top level; each of the two levels below has twice as many as the
        level above.
    RETURNS (MakePairEncoder): Makes the layer for a width.
    RAISES (ValueError): If `channels` is less than 1.
    """
    require_positive(channels=channels)
    return partial(UNetPairEncoder, channels=channels)
