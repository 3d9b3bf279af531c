"""The model of the component: from Docs and their entities to the scores of all pairs."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Type, cast

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import ArgsKwargs, Model, get_torch_default_device, torch2xp, xp2torch
from thinc.layers import pytorchwrapper
from thinc.shims import PyTorchShim
from thinc.types import Floats2d, Floats3d, Floats4d
from transformers.utils.generic import ModelOutput

from ..entity_sources import EntityDoc
from ..pairs import Pairs, ScoredPairs
from .attention import leave_attention_gradient
from .calibration import Calibration
from .classifier import grow_classifier
from .encoded_document import EncodedDocument
from .network import Network
from .passages import Passage, Passages, PassageScores, merge
from .serialization import (
    StoredPrecision,
    build,
    pack,
    read_weights,
    readable,
    save_weights,
    unpack,
)
from .shim import ThreadSafeShim
from .slots import DocumentScores, Evidence

EncodeDocument = Callable[..., EncodedDocument]
ExtractorModel = Model[List[EntityDoc], List["PairScores"]]
# The gradients of a document's logits and of the shares of its evidence; None if evidence is not
# learnt.
Gradients = Tuple[Floats2d, Optional[Floats2d]]
# Logits and evidence of each document.
PairScorer = Model[List[EncodedDocument], List[Tuple[Floats2d, Evidence]]]


@dataclass
class PairScores:
    """The scores of the pairs of one document.

    document (EntityDoc): The Doc and its entities.
    pairs (ScoredPairs): All pairs, in the order of `Pairs`. If the document is scored passage by
        passage: only the pairs that share a passage.
    logits (Floats2d): TH in column 0, the relations after it, shape (pairs, 1 + relations).
    evidence (Evidence): The sentences on which most of the attention of a pair falls, as arrays;
        all sentences in training, or if they are asked for. `pairs.unordered` gives the row of each
        pair.
    """

    document: EntityDoc
    pairs: ScoredPairs
    logits: Floats2d
    evidence: Evidence


def make_extractor(
    tok2vec: Model[List[Doc], List[TransformerData]],
    network: Type[Network],
    settings: Dict[str, Any],
    encode: EncodeDocument,
    stored_precision: StoredPrecision,
    max_pairs: int,
    passages: Optional[Passages] = None,
) -> ExtractorModel:
    """Put a network on top of an encoder.

    tok2vec (Model[List[Doc], List[TransformerData]]): The encoder.
    network (Type[Network]): The class of the network.
    settings (Dict[str, Any]): Its arguments, without `hidden_width` and `num_relations`.
    encode (EncodeDocument): `encode_document`, with its settings.
    stored_precision (StoredPrecision): Precision of the weights on disk.
    max_pairs (int): The largest number of pairs of a document.
    passages (Optional[Passages]): Where to cut long documents in prediction; None to score them
        whole.
    RETURNS (ExtractorModel): The model.
    """
    build_network = partial(network, **settings)
    shim = ThreadSafeShim(
        # The network is built when the widths are known: at initialisation, or from the weights.
        None,
        serialize_model=partial(_serialize, precision=stored_precision),
        deserialize_model=partial(_deserialize, build_network, network.first_weight),
    )
    # Not thinc's PyTorchWrapper, which sets another shim.
    pair_scorer: PairScorer = Model(
        "pytorch",
        pytorchwrapper.forward,
        dims={"nI": None, "nO": None},
        attrs={
            "convert_inputs": _convert_inputs,
            "convert_outputs": _convert_outputs,
            "calibration": Calibration().values,
        },
        shims=[shim],
    )
    return Model(
        "doc_relation_model",
        partial(forward, encode=encode, max_pairs=max_pairs, passages=passages),
        init=partial(initialize, build_network=build_network),
        layers=[tok2vec, pair_scorer],
        refs={"tok2vec": tok2vec, "pair_scorer": pair_scorer},
        dims={"nO": None},
        attrs={"resize_output": set_num_relations},
    )


def initialize(
    model: ExtractorModel,
    X: Optional[List[EntityDoc]] = None,
    Y: Optional[object] = None,
    *,
    build_network: Callable[..., Network],
) -> None:
    """Build the network. The component has set `nO`, the number of relations."""
    tok2vec = model.get_ref("tok2vec")
    shim = model.get_ref("pair_scorer").shims[0]
    tok2vec.initialize(X=None if X is None else [document.doc for document in X])
    if shim._model is None:
        network = build_network(
            hidden_width=_hidden_width(tok2vec), num_relations=model.get_dim("nO")
        )
        shim._model = network.to(get_torch_default_device())


def _hidden_width(tok2vec: Model[List[Doc], List[TransformerData]]) -> int:
    """Find the width of the encoder: a listener or the model of an unshared encoder has it."""
    for node in tok2vec.walk():
        if node.has_dim("nO"):
            return node.get_dim("nO")
    upstream = getattr(tok2vec, "upstream_name", "*")
    name = "transformer" if upstream == "*" else upstream
    raise ValueError(
        "The width of the encoder is not known: the relation extractor finds no component "
        f'{name!r} to listen to. Add one before it, nlp.add_pipe("transformer", name={name!r}), or '
        f'in a config {name!r} in [nlp] pipeline and [components.{name}] factory = "transformer". '
        "To listen to another component, set [components.doc_relation_extractor.model.tok2vec] "
        'upstream = "...".'
    )


def set_num_relations(model: ExtractorModel, number: int) -> None:
    """Set the number of relations. A network that is already built keeps the weights of its
    relations.

    model (ExtractorModel): The model.
    number (int): The new number of relations.
    RAISES (ValueError): If the network already has more relations.
    """
    network = model.get_ref("pair_scorer").shims[0]._model
    if network is not None:
        network.classifier = grow_classifier(network.classifier, number)
    model.set_dim("nO", number, force=True)


def forward(
    model: ExtractorModel,
    documents: List[EntityDoc],
    is_train: bool,
    *,
    encode: EncodeDocument,
    max_pairs: int,
    passages: Optional[Passages],
) -> Tuple[List[PairScores], Callable[..., List[EntityDoc]]]:
    """Score the pairs of a batch.

    documents (List[EntityDoc]): The Docs and their entities.
    is_train (bool): Whether it is a training step.
    encode, max_pairs, passages: As in `make_extractor`.
    RETURNS (Tuple[List[PairScores], Callable]): The scores, and the backward pass. It takes the
        gradients of each document's logits, and optionally those of `evidence.shares`.
    RAISES (ValueError): If a document has more than `max_pairs` pairs.
    """
    # `spacy debug model` predicts Docs without entities.
    documents = [EntityDoc(each, []) if isinstance(each, Doc) else each for each in documents]
    pair_scorer = model.get_ref("pair_scorer")
    encodings, backprop_tok2vec = model.get_ref("tok2vec")(
        [document.doc for document in documents], is_train
    )
    scores = [_without_pairs(model, document) for document in documents]
    device = cast(PyTorchShim, pair_scorer.shims[0]).device
    encoded: Dict[int, EncodedDocument] = {}
    for index, document in enumerate(documents):
        if len(document.entities) < 2:
            continue
        found = encode(document, encodings[index], device=device, is_train=is_train)
        # Documents stay whole in training, and if the logits of a teacher are asked for.
        if passages is not None and not found.all_sentences and passages.are_needed(found):
            parts, num_relations = passages.cut(found), model.get_dim("nO")
            scores[index] = score_passages(pair_scorer, document, parts, num_relations, max_pairs)
        else:
            require_few_pairs(document, Pairs.count(found.num_entities), max_pairs)
            encoded[index] = found
    if encoded:
        whole, backprop_scores = pair_scorer([*encoded.values()], is_train)
        for index, (logits, evidence) in zip(encoded, whole, strict=True):
            pairs = ScoredPairs.all_of(len(documents[index].entities))
            scores[index] = PairScores(documents[index], pairs, logits, evidence)

    def backprop(
        d_logits: List[Floats2d], d_shares: Optional[Sequence[Optional[Floats2d]]] = None
    ) -> List[EntityDoc]:
        d_hidden: List[Optional[Floats3d]] = [None] * len(documents)
        d_shares = d_shares or [None] * len(documents)
        if encoded:
            gradients = backprop_scores([(d_logits[index], d_shares[index]) for index in encoded])
            for index, (d_hidden[index], d_attention) in zip(encoded, gradients, strict=True):
                leave_attention_gradient(encodings[index], d_attention)
        backprop_tok2vec(_hidden_gradients(model, encodings, d_hidden))
        return documents

    return scores, backprop


def _without_pairs(model: ExtractorModel, document: EntityDoc) -> PairScores:
    """Make the scores of a document without pairs."""
    ops = model.ops
    no_evidence = Evidence(ops.alloc2i(0, 1), ops.alloc2f(0, 1))
    no_logits = ops.alloc2f(0, 1 + model.get_dim("nO"))
    return PairScores(document, ScoredPairs.all_of(0), no_logits, no_evidence)


def score_passages(
    pair_scorer: PairScorer,
    document: EntityDoc,
    parts: Iterable[Passage],
    num_relations: int,
    max_pairs: int,
) -> PairScores:
    """Score the pairs of a long document, passage by passage.

    pair_scorer (PairScorer): The network.
    document (EntityDoc): The Doc and its entities.
    parts (Iterable[Passage]): Its passages.
    num_relations (int): The number of relations.
    max_pairs (int): The largest number of pairs in all passages together.
    RETURNS (PairScores): The scores of the pairs that share a passage.
    RAISES (ValueError): If there are more than `max_pairs` pairs.
    """
    found: List[PassageScores] = []
    number = 0
    for part in parts:
        pairs = ScoredPairs.all_of(part.document.num_entities)
        number += len(pairs.heads)
        require_few_pairs(document, number, max_pairs)
        ((logits, evidence),) = pair_scorer.predict([part.document])
        found.append(PassageScores.of(part, pairs, logits, evidence))
    merged = merge(found, len(document.entities), 1 + num_relations)
    as_array = cast(Callable[[object], Any], pair_scorer.ops.asarray)
    evidence = Evidence(as_array(merged.sentences), as_array(merged.shares))
    return PairScores(document, merged.pairs, as_array(merged.logits), evidence)


def require_few_pairs(document: EntityDoc, number: int, most: int) -> None:
    """Check that a document is within the limit on pairs, which bounds the memory.

    document (EntityDoc): The document and its entities.
    number (int): The number of pairs to score, as far as it is known.
    most (int): The largest number of pairs.
    RAISES (ValueError): If the document has more pairs.
    """
    if number > most:
        raise ValueError(
            f"The document that begins {document.doc[:8].text!r} has {len(document.entities)} "
            f"entities, which are {number} pairs. This is more than max_pairs = {most}, so the "
            "document is not scored. Cut it into parts, or raise max_pairs in "
            "[components.doc_relation_extractor.model]. docs/how-to/save-memory.md says how much "
            "memory a pair needs in training and in prediction."
        )


def _hidden_gradients(
    model: ExtractorModel,
    encodings: Sequence[TransformerData],
    gradients: Sequence[Optional[Floats3d]],
) -> List[TransformerData]:
    """Make the gradients of hidden states; zeros for a Doc without pairs."""
    d_encodings = []
    for data, gradient in zip(encodings, gradients, strict=True):
        hidden = data.model_output.get("last_hidden_state")
        # The transformer does not see documents without tokens.
        if hidden is not None:
            if gradient is None:
                gradient = model.ops.alloc(hidden.shape, dtype=hidden.dtype)
            output = ModelOutput(last_hidden_state=gradient)
            d_encodings.append(TransformerData(data.wordpieces, output, data.align))
    return d_encodings


def _convert_inputs(
    model: PairScorer, documents: List[EncodedDocument], is_train: bool
) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], List[Tuple[Floats3d, Floats4d]]]]:
    def backprop(d_inputs: ArgsKwargs) -> List[Tuple[Floats3d, Floats4d]]:
        """Return the gradients of each document's hidden states and attention."""
        return [
            (
                cast(Floats3d, _gradient(document.hidden, d_document[0])),
                cast(Floats4d, _gradient(document.attention, d_document[1])),
            )
            for document, d_document in zip(documents, d_inputs.args[0], strict=True)
        ]

    return ArgsKwargs(args=(documents,), kwargs={}), backprop


def _gradient(tensor: torch.Tensor, gradient: Optional[torch.Tensor]) -> object:
    """Convert a gradient for thinc; zeros if none has reached the tensor."""
    return torch2xp(torch.zeros_like(tensor) if gradient is None else gradient)


def _convert_outputs(
    model: PairScorer,
    inputs_outputs: Tuple[List[EncodedDocument], List[DocumentScores]],
    is_train: bool,
) -> Tuple[List[Tuple[Floats2d, Evidence]], Callable[[List[Gradients]], ArgsKwargs]]:
    documents, scores = inputs_outputs
    # What is learnt is the network alone, without its calibration.
    calibration = Calibration() if is_train else Calibration.stored(model.attrs["calibration"])

    def backprop(gradients: List[Gradients]) -> ArgsKwargs:
        found = []
        for document, (d_logits, d_shares) in zip(scores, gradients, strict=True):
            found.append((document.logits, d_logits))
            if d_shares is not None:
                _require_gradient(document.evidence.shares)
                found.append((document.evidence.shares, d_shares))
        tensors = tuple(tensor for tensor, _ in found)
        grad_tensors = [xp2torch(gradient, device=tensor.device) for tensor, gradient in found]
        return ArgsKwargs(args=(tensors,), kwargs={"grad_tensors": grad_tensors})

    return [
        (
            cast(Floats2d, torch2xp(calibration.logits(found.logits.detach(), document.num_words))),
            Evidence(*(torch2xp(part.detach()) for part in found.evidence)),
        )
        for document, found in zip(documents, scores, strict=True)
    ], backprop


def _require_gradient(shares: torch.Tensor) -> None:
    """Check that evidence can be learnt: its shares need a gradient."""
    if not shares.requires_grad:
        raise ValueError(
            "Evidence cannot be learnt: this network has no shares of attention, or its shares "
            "have no gradient. In spacy_docre.DocRelationModel.v1, set context_pooling = "
            '{"@layers": "spacy_docre.LocalizedContextPooling.v1"}. With another network, set '
            "evidence = null, and evidence_weight = 0.0 in 'distillation'."
        )


def _serialize(network: Optional[Network], precision: StoredPrecision) -> bytes:
    """Serialise the weights of the network; empty if the network is not built."""
    return b"" if network is None else pack(save_weights(network, precision), precision)


def _deserialize(
    build_network: Callable[..., Network],
    first_weight: str,
    model: Optional[Network],
    data: bytes,
    device: torch.device,
) -> Optional[Network]:
    """Build the network of serialised weights, and load the weights."""
    if not data:
        return None
    owner = "relation extractor"
    weights = read_weights(unpack(data, owner), owner)
    with readable(f"The weights of the {owner}"):
        make = partial(
            build_network,
            hidden_width=weights[first_weight].shape[-1],
            num_relations=weights["classifier.weight"].shape[0] - 1,
        )
    return build(make, weights, owner).to(device)
