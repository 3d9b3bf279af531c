"""SSAN's encoder: for each word piece, self-attention knows the sentence, whether the piece is in a
mention, and of which entity."""

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

# The dependencies of an asking word piece, which is in a mention, on another piece.
# `find_dependencies` returns their indices. Any other pair of pieces is NA, which adds nothing to
# the score.
DEPENDENCIES = ("intra+coref", "inter+coref", "intra+relate", "inter+relate", "intraNE")
NA = -1

# Encoders whose scores are q k^T / sqrt(d) + mask: the place of self-attention in their layers, and
# the names of its maps of queries and keys.
_BERT = ("attention.self", "query", "key")
_ENCODERS: Dict[str, Tuple[str, str, str]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _BERT),
    "mpnet": ("attention.attn", "q", "k"),
}

# The structure of the transformer call in progress: the asking pieces, shape (windows, asking
# pieces), and their dependencies, shape (windows, asking pieces, pieces); None outside of our
# calls. Each thread has a separate value, so the hooks of a shared module need no code for threads.
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
        dependencies (Tensor): s, shape (windows, asking pieces, pieces), without NA.
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
    """Entity structure in the attention of every layer of the encoder.

    After Xu et al., *Entity Structure Within and Throughout: Modeling Mention Dependencies for
    Document-Level Relation Extraction* (AAAI 2021). In each head of each layer the score of piece j
    for piece i is

        (q_i k_j^T + term(q_i, k_j, s_ij)) / sqrt(d)

    where s_ij is one of five dependencies, or NA, whose term is 0. Two pieces in mentions of one
    entity are "coref"; in mentions of two entities they are "relate". Within a sentence they are
    "intra", else "inter". "intraNE" is a piece outside of mentions, in the sentence of i. Each
    layer and head has separate parameters.

    The dependencies, both terms and the root are certain: they are in the authors' released code.
    As in that code, s_ij is NA if i is in no mention: only pieces of mentions ask. The paper's
    words ("between" a mention and the non-entity words of its sentence) leave open whether these
    words ask, too. There are two differences from the code. Here a piece of several mentions
    belongs to all their entities; in the code it belongs to the last. Here all parameters start at
    0, so the encoder starts unchanged; in the code the terms start at random, except b_s.

    form (Form): The form of the term.
    entities (EntityGetter): The source of the mentions. They have to be set before the transformer
        runs.
    """

    def __init__(self, form: Form, entities: EntityGetter) -> None:
        self.form = form
        self.entities = entities

    def extend(self, transformer: PreTrainedModel) -> None:
        """Add the term to each layer of a transformer. As in `EncoderStructure`."""
        kind = transformer.config.model_type
        if kind not in _ENCODERS:
            raise ValueError(
                f"{type(transformer).__name__} cannot have entity structure in its attention, but "
                f"the setting 'structure' asks for it. The encoder is of the type {kind!r}; the "
                f"supported types are {', '.join(map(repr, _ENCODERS))}. Name another encoder in "
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
        """Find the sentence and the entities of each piece.

        windows (Windows): The windows of a batch.
        RETURNS (Tensor): The sentence, and the entities in whose mentions the piece is, padded with
            -1, shape (windows, pieces, 1 + most entities of a piece).
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
        """Give the structure to the calls of a transformer. As in `EncoderStructure`."""
        dependencies = find_dependencies(pieces)
        # Terms are computed for these pieces alone. All windows get the same number of pieces: a
        # window with fewer gets others whose dependencies are all NA.
        asks = (dependencies != NA).any(2)
        most = int(asks.sum(1).max())
        asking = asks.int().argsort(dim=1, descending=True)[:, :most]
        token = _known.set((asking, dependencies.take_along_dim(asking[:, :, None], 1)))
        try:
            yield
        finally:
            _known.reset(token)

    def _of_document(self, doc: Doc, characters: numpy.ndarray) -> numpy.ndarray:
        """Make the rows of `of_pieces` for the windows of one document."""
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
                "A document has no entities when the transformer reads it, but the transformer "
                "has the setting 'structure'. Its attention gets no entity structure for this "
                f"document. Put the component that sets entities before the transformer. ({error})",
                stacklevel=2,
            )
            return []


def make_entity_structure(
    form: Form = "biaffine", entities: Optional[EntityGetter] = None
) -> EntityStructure:
    """`spacy_docre.EntityStructure.v1`: SSAN's entity structure in the attention of the encoder,
    for the setting `structure` of `spacy_docre.TransformerModel.v1`.

    form (Form): The term that is added to the scores: "biaffine" or "decomposed".
    entities (Optional[EntityGetter]): The source of the mentions, by default
        `spacy_docre.entities.v1`. The component that sets them has to be before the transformer in
        the pipeline.
    RETURNS (EntityStructure): The structure.
    RAISES (ValueError): If `form` is unknown.
    """
    if form not in get_args(Form):
        raise ValueError(f"form = {form!r} is not one of {', '.join(map(repr, get_args(Form)))}.")
    return EntityStructure(form, entities or make_default_entities())


def find_dependencies(pieces: Tensor) -> Tensor:
    """Find the dependency of each asking piece of a window on each other piece.

    pieces (Tensor): Sentence and entities of each piece, as `EntityStructure.of_pieces` returns
        them.
    RETURNS (Tensor): s, indices of `DEPENDENCIES`, or NA, shape (windows, pieces, pieces).
    """
    sentences, asking = pieces[..., 0], pieces[..., 1:]
    # Padding differs from every entity and from other padding.
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
    """Add the term to the attention mask of self-attention. Every kernel adds the mask to the
    scores after their division by the root of a head's width."""
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
