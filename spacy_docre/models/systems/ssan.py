"""SSAN's encoder: self-attention that knows which word pieces are mentions, of which entity, and in
which sentence."""

import inspect
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Literal,
    Optional,
    Sequence,
    Tuple,
    Type,
    cast,
    get_args,
)

import numpy
import torch
from spacy.tokens import Doc
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from ...annotations import token_sentences
from ...entity_sources import (
    EntityGetter,
    Mentions,
    MissingEntities,
    find_entities,
    make_default_entities,
)
from ..pieces import align_tokens
from ..shim import EncoderStructure
from ..windows import Windows

Form = Literal["biaffine", "decomposed"]

# What a word piece that asks, of a mention, may be to one that is asked. Their order is that of
# the numbers of `find_dependencies`; all else is NA, which adds nothing.
DEPENDENCIES = ("intra+coref", "inter+coref", "intra+relate", "inter+relate", "intraNE")
NA = -1

# Encoders whose scores are q k^T / sqrt(d) + mask: where their layers have self-attention, and how
# it calls the maps of queries and keys.
_BERT = ("attention.self", "query", "key")
_ENCODERS: Dict[str, Tuple[str, str, str]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _BERT),
    "mpnet": ("attention.attn", "q", "k"),
}

# What the running call of a transformer knows: the pieces that ask, shape (windows, asking pieces),
# and their dependencies, shape (windows, asking pieces, pieces); None outside of our calls. Each
# thread has its own, so that the hooks of a shared module need to know nothing of threads.
_known: ContextVar[Optional[Tuple[Tensor, Tensor]]] = ContextVar("known_structure", default=None)


class BiaffineTerm(nn.Module):
    """term_ij = q_i^T A_s k_j + b_s for the dependency s of each head of a layer.

    heads (int): Heads of the layer.
    width (int): Width of a head.
    """

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.matrices = nn.Parameter(torch.zeros(heads, len(DEPENDENCIES), width, width))
        self.bias = nn.Parameter(torch.zeros(heads, len(DEPENDENCIES)))

    def forward(self, queries: Tensor, keys: Tensor, dependencies: Tensor) -> Tensor:
        """Score the pairs of pieces by their dependency.

        queries (Tensor): q, shape (windows, heads, asking pieces, width).
        keys (Tensor): k, shape (windows, heads, pieces, width).
        dependencies (Tensor): s, shape (windows, asking pieces, pieces), none NA.
        RETURNS (Tensor): The terms, shape (windows, heads, asking pieces, pieces).
        """
        asking = torch.einsum("whid,hsde->whsie", queries, self.matrices)
        scores = asking @ keys.transpose(2, 3).unsqueeze(2)  # (windows, heads, s, asking, pieces)
        scores = scores + self.bias[:, :, None, None]
        index = dependencies[:, None, None].expand(-1, scores.shape[1], -1, -1, -1)
        return scores.gather(2, index).squeeze(2)  # (windows, heads, asking, pieces)


class DecomposedTerm(nn.Module):
    """term_ij = q_i K_s^T + Q_s k_j^T + b_s for the dependency s of each head of a layer.

    heads (int): Heads of the layer.
    width (int): Width of a head.
    """

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.zeros(heads, len(DEPENDENCIES), width))
        self.queries = nn.Parameter(torch.zeros(heads, len(DEPENDENCIES), width))
        self.bias = nn.Parameter(torch.zeros(heads, len(DEPENDENCIES)))

    def forward(self, queries: Tensor, keys: Tensor, dependencies: Tensor) -> Tensor:
        """Score the pairs of pieces by their dependency. As in `BiaffineTerm`."""
        by_query = torch.einsum("whid,hsd->whis", queries, self.keys) + self.bias[:, None]
        by_key = torch.einsum("whjd,hsd->whsj", keys, self.queries)
        index = dependencies[:, None].expand(-1, queries.shape[1], -1, -1)
        return by_query.gather(3, index) + by_key.gather(
            2, index
        )  # (windows, heads, asking, pieces)


_TERMS: Dict[str, Type[nn.Module]] = {"biaffine": BiaffineTerm, "decomposed": DecomposedTerm}


class EntityStructure(EncoderStructure):
    """Entity structure in every layer of the encoder.

    After Xu et al., *Entity Structure Within and Throughout: Modeling Mention Dependencies for
    Document-Level Relation Extraction* (AAAI 2021). In each head of each layer the score of piece j
    for piece i is

        (q_i k_j^T + term(q_i, k_j, s_ij)) / sqrt(d)

    where s_ij is one of five dependencies, or NA, whose term is 0. Pieces of mentions of one entity
    are "coref", of two entities "relate"; in one sentence they are "intra", else "inter". "intraNE"
    is a piece of no mention in the sentence of i. Each layer and head has parameters of its own.

    The dependencies, both terms and the root are certain, from the authors' released code. As
    there, s_ij is NA for each i that is of no mention: it says what a mention asks. The paper's
    words ("between" a mention and the non-entity words of its sentence) leave open whether these
    words ask, too. A piece of several mentions is of all their entities here, of the last there.
    There the terms begin at random, save the b_s. Here all are 0, and the encoder begins as it was.

    form (Form): Which term.
    entities (EntityGetter): Where the mentions come from. They are there before the transformer
        runs.
    """

    def __init__(self, form: Form, entities: EntityGetter) -> None:
        self.form = form
        self.entities = entities

    def extend(self, transformer: PreTrainedModel) -> None:
        """Give each layer of a transformer its term. As in `EncoderStructure`."""
        kind = transformer.config.model_type
        if kind not in _ENCODERS:
            raise ValueError(
                f"{type(transformer).__name__} cannot have entity structure in its attention, "
                f"which the setting 'structure' asks for: it is of the type {kind!r}, and not of "
                f"{', '.join(map(repr, _ENCODERS))}. Name another encoder in "
                "[components.transformer.model], or set structure = null."
            )
        place, query, key = _ENCODERS[kind]
        for layer in cast(Any, transformer).encoder.layer:
            attention = layer.get_submodule(place)
            sizes = (attention.num_attention_heads, attention.attention_head_size)
            term = _TERMS[self.form](*sizes).to(getattr(attention, query).weight)
            attention.add_module("structure", term)
            hook = partial(_add_term, query=query, key=key)
            attention.register_forward_pre_hook(hook, with_kwargs=True)

    def of_pieces(self, windows: Windows) -> Tensor:
        """Find the sentence of each piece, and the entities whose mentions it is in.

        windows (Windows): The windows of a batch.
        RETURNS (Tensor): The sentence, and the entities, -1 for none, shape
            (windows, pieces, 1 + most entities of a piece).
        """
        parts: List[numpy.ndarray] = []
        start = 0
        for spans in windows.spans:
            if spans:
                characters = windows.pieces.characters[start : start + len(spans)]
                parts.append(self._of_document(spans[0].doc, characters))
                start += len(spans)
        most = max(part.shape[2] for part in parts)
        room = [((0, 0), (0, 0), (0, most - part.shape[2])) for part in parts]
        padded = [numpy.pad(*each, constant_values=-1) for each in zip(parts, room, strict=True)]
        return torch.as_tensor(numpy.concatenate(padded))

    @contextmanager
    def given(self, pieces: Tensor) -> Iterator[None]:
        """Let the calls of a transformer know the structure. As in `EncoderStructure`."""
        dependencies = find_dependencies(pieces)
        # Terms are computed for these alone. A window with fewer of them than another has some
        # other pieces, too, whose dependencies are all NA.
        asks = (dependencies != NA).any(2)
        most = int(asks.sum(1).max())
        asking = asks.int().argsort(dim=1, descending=True)[:, :most]
        token = _known.set((asking, dependencies.take_along_dim(asking[:, :, None], 1)))
        try:
            yield
        finally:
            _known.reset(token)

    def _of_document(self, doc: Doc, characters: numpy.ndarray) -> numpy.ndarray:
        """The rows of `of_pieces` for the windows of one document."""
        aligned, lengths = align_tokens(doc, characters.reshape(-1, 2))
        # A piece that lies in two tokens belongs to the first.
        used, first = numpy.unique(aligned, return_index=True)
        tokens = numpy.repeat(numpy.arange(len(lengths)), lengths)
        ends = numpy.r_[0, numpy.cumsum(lengths)]
        members: Dict[int, List[int]] = {}
        for entity, mentions in enumerate(self._find(doc)):
            places = (aligned[ends[span.start] : ends[span.end]] for span in mentions)
            for piece in {piece for place in places for piece in place.tolist()}:
                members.setdefault(piece, []).append(entity)
        most = max(map(len, members.values()), default=0)
        found = numpy.full((characters[..., 0].size, 1 + most), -1)
        found[used, 0] = token_sentences(doc)[tokens[first]]
        for piece, entities in members.items():
            found[piece, 1 : 1 + len(entities)] = entities
        return found.reshape(*characters.shape[:2], -1)

    def _find(self, doc: Doc) -> Sequence[Mentions]:
        try:
            return find_entities(doc, self.entities)
        except MissingEntities as error:
            warnings.warn(
                "A document has no entities when the transformer reads it, which has the setting "
                "'structure': its attention knows of none. Put what sets entities before the "
                f"transformer, and not behind it. ({error})",
                stacklevel=2,
            )
            return []


def make_entity_structure(
    form: Form = "biaffine", entities: Optional[EntityGetter] = None
) -> EntityStructure:
    """`spacy_docre.EntityStructure.v1`: SSAN's entity structure in the attention of the encoder,
    for the setting `structure` of `spacy_docre.TransformerModel.v1`.

    form (Form): Which term is added to the scores: "biaffine" or "decomposed".
    entities (Optional[EntityGetter]): Where the mentions come from, by default
        `spacy_docre.entities.v1`. Whatever sets them stands before the transformer in the
        pipeline.
    RETURNS (EntityStructure): The structure.
    RAISES (ValueError): If there is no such form.
    """
    if form not in get_args(Form):
        raise ValueError(f"form = {form!r} is not one of {', '.join(map(repr, get_args(Form)))}.")
    return EntityStructure(form, entities or make_default_entities())


def find_dependencies(pieces: Tensor) -> Tensor:
    """Find what each piece of a window, asking, is to each other.

    pieces (Tensor): Sentence and entities of each piece, as `EntityStructure.of_pieces` gives them.
    RETURNS (Tensor): s, indices of `DEPENDENCIES`, or NA, shape (windows, pieces, pieces).
    """
    sentences, asking = pieces[..., 0], pieces[..., 1:]
    # Places without an entity are like no others.
    asked = asking.masked_fill(asking < 0, NA - 1)
    other_entity = (asking[:, :, None, :, None] != asked[:, None, :, None, :]).flatten(3).all(3)
    other_sentence = sentences[:, :, None] != sentences[:, None]  # (windows, pieces, pieces)
    is_mention = (asking >= 0).any(2)  # (windows, pieces)
    between_mentions = other_sentence.long() + 2 * other_entity.long()
    with_others = torch.where(other_sentence, NA, DEPENDENCIES.index("intraNE"))
    dependencies = torch.where(is_mention[:, None], between_mentions, with_others)
    return dependencies.masked_fill(~is_mention[:, :, None], NA)


def _add_term(
    module: nn.Module, args: Tuple[Any, ...], kwargs: Dict[str, Any], *, query: str, key: str
) -> Optional[Tuple[Tuple[Any, ...], Dict[str, Any]]]:
    """Add the term to the mask that self-attention is called with: it is added to the scores
    after these are divided by the root of a head's width, whatever kernel computes them."""
    known = _known.get()
    if known is None:
        return None
    asking, dependencies = known
    call = inspect.signature(module.forward).bind_partial(*args, **kwargs)
    hidden = call.arguments["hidden_states"]
    sizes = (*hidden.shape[:2], module.num_attention_heads, module.attention_head_size)
    queries, keys = (
        getattr(module, name)(hidden).view(sizes).transpose(1, 2) for name in (query, key)
    )  # (windows, heads, pieces, width)
    queries = queries.take_along_dim(asking[:, None, :, None], 2)
    term = cast(Any, module).structure(queries, keys, dependencies.clamp(min=0))
    term = term.masked_fill(dependencies[:, None] == NA, 0.0) / sizes[-1] ** 0.5
    rows = asking[:, None, :, None].expand_as(term)
    scores = term.new_zeros(*term.shape[:2], hidden.shape[1], hidden.shape[1])
    scores.scatter_(2, rows, term)  # (windows, heads, pieces, pieces)
    mask = call.arguments.get("attention_mask")
    call.arguments["attention_mask"] = scores if mask is None else scores.add_(mask)
    return call.args, call.kwargs
