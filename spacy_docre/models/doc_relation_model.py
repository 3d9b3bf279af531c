"""The model of the component: Docs and their entities in, scores of all pairs out."""

from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, List, Optional, Tuple, cast

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import (
    ArgsKwargs,
    Model,
    PyTorchWrapper_v3,
    get_torch_default_device,
    torch2xp,
    xp2torch,
)
from thinc.shims import PyTorchShim
from thinc.types import Floats2d, Floats3d, Floats4d
from transformers.file_utils import ModelOutput

from ..entities import EntityDoc
from .pair_encoders import MakePairEncoder, require_positive
from .pytorch.documents import EncodedDocument, PairScores
from .pytorch.kd_docre import KDDocRE
from .pytorch.precision import Precision
from .serialization import (
    StoredPrecision,
    check_stored_precision,
    load_weights,
    pack,
    read_weights,
    save_weights,
    unpack,
)
from .transformer import leave_attention_gradient
from .windows import MentionPooling, encode_document

BuildNetwork = Callable[..., KDDocRE]


@dataclass
class DocScores:
    """What the model says of the pairs of one Doc.

    The pairs are those of different entities, head by head, the tails in order.

    logits (Floats2d): Threshold class in column 0, relations after it, shape
        (pairs, 1 + relations).
    evidence (Floats2d): Share of each unordered pair's attention on each sentence, shape
        (pairs / 2, sentences); the pairs (0, 1), (0, 2) ... (1, 2) ...
    """

    logits: Floats2d
    evidence: Floats2d


def make_doc_relation_model(
    tok2vec: Model[List[Doc], List[TransformerData]],
    pair_encoder: MakePairEncoder,
    width: int = 384,
    block_size: int = 16,
    pair_width: int = 256,
    dropout: float = 0.1,
    precision: Precision = "float32",
    stored_precision: StoredPrecision = "float32",
    mention_pooling: MentionPooling = "mean",
    special_tokens: bool = False,
    smoothing: float = 0.0,
) -> Model[List[EntityDoc], List[DocScores]]:
    """`spacy_docre.DocRelationModel.v1`: KD-DocRE over a transformer.

    tok2vec (Model[List[Doc], List[TransformerData]]): The encoder, usually
        `spacy_docre.TransformerListener.v1`.
    pair_encoder (MakePairEncoder): The layer over the table of entity pairs, e.g.
        `spacy_docre.AxialAttention.v1`.
    width (int): Width of the head and tail embeddings z_s and z_o (eq. 5).
    block_size (int): Width of a block of the bilinear product (eq. 6); divides `width`.
    pair_width (int): Width of the pair features g and r (eq. 6 and 7).
    dropout (float): Dropout on head and tail embeddings and on r.
    precision (Precision): Precision of the matrix products: "float32", "bfloat16", or
        "auto" for bfloat16 where the processor has it in hardware. The encoder has a
        setting of its own.
    stored_precision (StoredPrecision): Precision of the weights on disk, "float32" or
        "float16", compressed, for less than half the size; in memory they are float32.
    mention_pooling (MentionPooling): What a mention is embedded and attends by: "mean" for
        the mean of its word pieces, "first" for the first of them, which is the marker where
        the transformer has `mention_markers`, as in the released code.
    special_tokens (bool): Whether the attention on special tokens, e.g. [CLS], is part of the
        context (eq. 4), as in the released code.
    smoothing (float): Added to the sum by which the attention of a pair is divided (eq. 4); 1e-5
        in ATLOP's code.
    RETURNS (Model[List[EntityDoc], List[DocScores]]): The model.
    RAISES (ValueError): If a width, `dropout` or `smoothing` is out of its range, or
        `stored_precision` is unknown.
    """
    check_stored_precision(stored_precision)
    require_positive(width=width, block_size=block_size, pair_width=pair_width)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout = {dropout} should be in 0 to 1, and less than 1.")
    if smoothing < 0:
        raise ValueError(f"smoothing = {smoothing} should be 0 or more.")
    build_network = partial(
        KDDocRE,
        width=width,
        block_size=block_size,
        pair_width=pair_width,
        pair_encoder=pair_encoder,
        dropout=dropout,
        precision=precision,
        smoothing=smoothing,
    )
    pair_scorer: Model[List[EncodedDocument], PairScores] = PyTorchWrapper_v3(
        # Built when the widths are known: at initialisation, or with the weights.
        cast(torch.nn.Module, None),
        convert_inputs=_convert_inputs,
        convert_outputs=_convert_outputs,
        serialize_model=partial(_serialize, precision=stored_precision),
        deserialize_model=partial(_deserialize, build_network),
    )
    return Model(
        "doc_relation_model",
        partial(forward, mention_pooling=mention_pooling, special_tokens=special_tokens),
        init=partial(initialize, build_network=build_network),
        layers=[tok2vec, pair_scorer],
        refs={"tok2vec": tok2vec, "pair_scorer": pair_scorer},
        dims={"nO": None},
        attrs={"resize_output": set_num_relations},
    )


def initialize(
    model: Model[List[EntityDoc], List[DocScores]],
    X: Optional[List[EntityDoc]] = None,
    Y: Optional[object] = None,
    *,
    build_network: BuildNetwork,
) -> None:
    """Build the network. `nO`, the number of relations, has been set by the component."""
    tok2vec = model.get_ref("tok2vec")
    shim = model.get_ref("pair_scorer").shims[0]
    tok2vec.initialize(X=None if X is None else [document.doc for document in X])
    if shim._model is None:
        network = build_network(
            hidden_width=_hidden_width(tok2vec), num_relations=model.get_dim("nO")
        )
        shim._model = network.to(get_torch_default_device())


def _hidden_width(tok2vec: Model) -> int:
    """The width of the encoder: a listener knows it, an unshared encoder's model does."""
    for node in tok2vec.walk():
        if node.has_dim("nO"):
            return node.get_dim("nO")
    raise ValueError(
        "The width of the encoder is not known: the relation extractor has found no "
        "'transformer' component to listen to. Add one before it: "
        'nlp.add_pipe("transformer").'
    )


def set_num_relations(model: Model[List[EntityDoc], List[DocScores]], number: int) -> None:
    """Set the number of relations, growing a network that is built already.

    model (Model[List[EntityDoc], List[DocScores]]): The model.
    number (int): The new number of relations.
    RAISES (ValueError): If it is smaller than the number of those the network knows.
    """
    network = model.get_ref("pair_scorer").shims[0]._model
    if network is not None:
        network.set_num_relations(number)
    model.set_dim("nO", number, force=True)


def forward(
    model: Model[List[EntityDoc], List[DocScores]],
    documents: List[EntityDoc],
    is_train: bool,
    *,
    mention_pooling: MentionPooling,
    special_tokens: bool,
) -> Tuple[List[DocScores], Callable[[List[Floats2d]], List[EntityDoc]]]:
    """Score the pairs of a batch.

    documents (List[EntityDoc]): The Docs and their entities.
    is_train (bool): Whether it is a training step.
    mention_pooling (MentionPooling): As in `make_doc_relation_model`.
    special_tokens (bool): Likewise.
    RETURNS (Tuple[List[DocScores], Callable]): The scores, and the backward pass from the
        gradients of each Doc's logits.
    """
    tok2vec = model.get_ref("tok2vec")
    pair_scorer = model.get_ref("pair_scorer")
    encodings, backprop_tok2vec = tok2vec([document.doc for document in documents], is_train)
    with_pairs = [place for place, document in enumerate(documents) if len(document.entities) > 1]
    device = cast(PyTorchShim, pair_scorer.shims[0]).device
    encoded = [
        encode_document(
            documents[place],
            encodings[place],
            device=device,
            is_train=is_train,
            mention_pooling=mention_pooling,
            special_tokens=special_tokens,
        )
        for place in with_pairs
    ]
    num_columns = 1 + model.get_dim("nO")
    scores = [
        DocScores(model.ops.alloc2f(0, num_columns), model.ops.alloc2f(0, 1)) for _ in documents
    ]
    backprop_scores = None
    if encoded:
        found, backprop_scores = pair_scorer(encoded, is_train)
        for place, score in zip(with_pairs, found):
            scores[place] = score

    def backprop(d_logits: List[Floats2d]) -> List[EntityDoc]:
        if backprop_scores is not None:
            backprop_scores([d_logits[place] for place in with_pairs])
        d_hidden: Dict[int, Floats3d] = {}
        for place, document in zip(with_pairs, encoded):
            leave_attention_gradient(
                encodings[place], cast(Floats4d, torch2xp(gradient_of(document.attention)))
            )
            d_hidden[place] = cast(Floats3d, torch2xp(gradient_of(document.hidden)))
        backprop_tok2vec(
            [
                _hidden_gradient(model, data, d_hidden.get(place))
                for place, data in enumerate(encodings)
                # The transformer has seen no document without tokens.
                if "last_hidden_state" in data.model_output
            ]
        )
        return documents

    return scores, backprop


def gradient_of(variable: torch.Tensor) -> torch.Tensor:
    """The gradient that has reached a tensor.

    variable (torch.Tensor): A tensor that requires one.
    RETURNS (torch.Tensor): Its gradient; zeros if none has reached it.
    """
    return torch.zeros_like(variable) if variable.grad is None else variable.grad


def _hidden_gradient(
    model: Model, data: TransformerData, gradient: Optional[Floats3d]
) -> TransformerData:
    """The gradient of a Doc's hidden states; zeros for a Doc without pairs."""
    if gradient is None:
        hidden = data.model_output["last_hidden_state"]
        gradient = model.ops.alloc(hidden.shape, dtype=hidden.dtype)
    return TransformerData(
        wordpieces=data.wordpieces,
        model_output=ModelOutput(last_hidden_state=gradient),
        align=data.align,
    )


def _convert_inputs(
    model: Model, documents: List[EncodedDocument], is_train: bool
) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], None]]:
    # The gradients stay on the tensors of the documents.
    return ArgsKwargs(args=(documents,), kwargs={}), lambda d_inputs: None


def _convert_outputs(
    model: Model, inputs_outputs: Tuple[List[EncodedDocument], PairScores], is_train: bool
) -> Tuple[List[DocScores], Callable[[List[Floats2d]], ArgsKwargs]]:
    _, scores = inputs_outputs
    num_pairs = scores.layout.num_pairs

    def backprop(d_logits: List[Floats2d]) -> ArgsKwargs:
        gradient = xp2torch(model.ops.xp.concatenate(d_logits), device=scores.logits.device)
        return ArgsKwargs(args=((scores.logits,),), kwargs={"grad_tensors": [gradient]})

    return [
        DocScores(cast(Floats2d, torch2xp(logits)), cast(Floats2d, torch2xp(evidence)))
        for logits, evidence in zip(scores.logits.detach().split(num_pairs), scores.evidence)
    ], backprop


def _serialize(network: Optional[KDDocRE], precision: StoredPrecision) -> bytes:
    """The weights of the network; nothing where it has not been built."""
    return b"" if network is None else pack(save_weights(network, precision), precision)


def _deserialize(
    build_network: BuildNetwork, model: Optional[KDDocRE], data: bytes, device: torch.device
) -> Optional[KDDocRE]:
    """Build the network that weights belong to, and load them."""
    if not data:
        return None
    weights = read_weights(unpack(data, "relation extractor"), "relation extractor")
    network = build_network(
        hidden_width=weights["head_entity.weight"].shape[1],
        num_relations=weights["classifier.weight"].shape[0] - 1,
    )
    load_weights(network, weights, "relation extractor")
    return network.to(device)
