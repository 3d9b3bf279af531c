"""Where the entities of a document come from."""

from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, Hashable, Iterable, List, Tuple

from spacy.pipeline import EntityLinker
from spacy.tokens import Doc, Span

from .annotations import has_entities, mentions_from_lists, mentions_to_lists

Mentions = List[Span]
EntityGetter = Callable[[Doc], List[Mentions]]

DEFAULT_KEY = "entities"
_GIVEN = "docre_given_entities"


class MissingEntities(ValueError):
    """Nothing has set entities where a getter looks for them."""


@dataclass
class EntityDoc:
    """A Doc and the mentions of each of its entities."""

    doc: Doc
    entities: List[Mentions]


def copy_words(doc: Doc) -> Doc:
    """Copy a Doc's words, spaces and sentence boundaries, and nothing else.

    doc (Doc): The document.
    RETURNS (Doc): The copy.
    """
    return Doc(
        doc.vocab,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        sent_starts=(
            [token.is_sent_start for token in doc] if doc.has_annotation("SENT_START") else None
        ),
    )


def set_entity_spans(doc: Doc, entities: Iterable[Iterable[Span]]) -> None:
    """Give a Doc its entities as the span group "entities".

    doc (Doc): The document.
    entities (Iterable[Iterable[Span]]): The mentions of each entity, in it or in another Doc of
        the same tokens.
    """
    doc.spans[DEFAULT_KEY] = [
        Span(
            doc,
            mention.start,
            mention.end,
            label=mention.label_,
            span_id=str(index),
            kb_id=mention.kb_id_,
        )
        for index, mentions in enumerate(entities)
        for mention in mentions
    ]


def give_entities(doc: Doc, entities: Iterable[Iterable[Span]]) -> None:
    """Give a Doc its entities: the relation extractor and the markers of mentions take these, and
    no others that something has set or would find (`find_entities`).

    The Doc carries them in `doc.user_data`, where they would be stored with it: give them to a
    copy that nobody is handed.

    doc (Doc): The document.
    entities (Iterable[Iterable[Span]]): The mentions of each entity, in it or in another Doc of
        the same tokens.
    """
    doc.user_data[_GIVEN] = [mentions_to_lists(mentions) for mentions in entities]


def find_entities(doc: Doc, getter: EntityGetter) -> List[Mentions]:
    """The entities of a Doc: those that it was given, else those that a getter finds. The relation
    extractor and the markers of mentions ask here.

    doc (Doc): The document.
    getter (EntityGetter): Asked where none were given.
    RETURNS (List[Mentions]): The mentions of each entity.
    RAISES (MissingEntities): If the getter raises it.
    """
    if _GIVEN not in doc.user_data:
        return getter(doc)
    return [mentions_from_lists(doc, mentions) for mentions in doc.user_data[_GIVEN]]


def make_span_group_entities(key: str = DEFAULT_KEY) -> EntityGetter:
    """Read the entities from a span group.

    Spans that share `span.id_` are mentions of one entity; a span without an id is an
    entity of its own. Entities come in the order of their first appearance in the group.

    key (str): The key of the group in `doc.spans`.
    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens and no such group.
    """
    return partial(_span_group_entities, key=key)


def _span_group_entities(doc: Doc, *, key: str) -> List[Mentions]:
    if key not in doc.spans:
        if len(doc) == 0:
            return []
        raise MissingEntities(
            f"The document has no span group doc.spans[{key!r}] (it has: "
            f"{_listed(doc.spans)}). Set the group, with one span.id_ for all mentions "
            "of an entity, or name another key or source in the component's "
            "'entities' setting."
        )
    return _grouped((span.id_ or None, span) for span in _spans_in_place(doc, key))


def make_doc_ents_entities() -> EntityGetter:
    """Read the entities from `doc.ents`.

    Spans that share `ent_id_`, or else `kb_id_`, are mentions of one entity; spans that
    have neither are grouped by their text, case-folded, within a label.

    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens for which nothing has set `doc.ents`.
    """
    return _doc_ents_entities


def _doc_ents_entities(doc: Doc) -> List[Mentions]:
    if len(doc) > 0 and not doc.has_annotation("ENT_IOB"):
        raise MissingEntities(
            "Nothing has set doc.ents. Add a component that does before the relation "
            "extractor, e.g. 'ner' or 'entity_ruler', or set them yourself."
        )
    return _grouped((_identity(span), span) for span in doc.ents)


def make_coref_cluster_entities(prefix: str = "coref_clusters") -> EntityGetter:
    """Read the entities from coreference clusters, one span group each.

    prefix (str): What the keys of the groups in `doc.spans` begin with; the groups
        "coref_clusters_1", "coref_clusters_2" ... come in the order of their numbers.
    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens and no such group.
    """
    return partial(_coref_cluster_entities, prefix=prefix)


def _coref_cluster_entities(doc: Doc, *, prefix: str) -> List[Mentions]:
    keys = coref_keys(doc, prefix)
    if not keys and len(doc) > 0:
        raise MissingEntities(
            f"The document has no span group whose key begins with {prefix!r} (it has: "
            f"{_listed(doc.spans)}). Add a coreference component before the relation "
            "extractor, or name another source in its 'entities' setting."
        )
    return [_spans_in_place(doc, key) for key in keys if len(doc.spans[key])]


def _spans_in_place(doc: Doc, key: str) -> Mentions:
    """The spans of a group. spaCy leaves them where they were when tokens are merged or split."""
    try:
        spans = list(doc.spans[key])
        in_place = all(map(_is_in_place, spans))
    except IndexError:
        # Some are beyond the end by now.
        in_place = False
    if not in_place:
        raise ValueError(
            f"Tokens have been merged or split since doc.spans[{key!r}] was set, and its spans are "
            "no longer where they were. Put the component that changes tokens, e.g. "
            "merge_entities, before what sets the group, e.g. entity_clusterer."
        )
    return spans


def _is_in_place(span: Span) -> bool:
    if span.start == span.end:
        return True
    first, last = span.doc[span.start], span.doc[span.end - 1]
    return (span.start_char, span.end_char) == (first.idx, last.idx + len(last))


def coref_keys(doc: Doc, prefix: str) -> List[str]:
    """The span groups of a Doc that hold a coreference cluster each, in their order.

    doc (Doc): The document.
    prefix (str): What their keys begin with.
    RETURNS (List[str]): Their keys.
    """
    keys = [key for key in doc.spans if key.startswith(prefix)]
    return sorted(keys, key=lambda key: _numbered(key, prefix))


def make_default_entities(key: str = DEFAULT_KEY) -> EntityGetter:
    """Read the entities from a span group where there is one, else from `doc.ents`.

    key (str): The key of the group in `doc.spans`.
    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens that has neither.
    """
    return partial(_default_entities, key=key)


def _default_entities(doc: Doc, *, key: str) -> List[Mentions]:
    if key in doc.spans:
        return _span_group_entities(doc, key=key)
    if len(doc) > 0 and not doc.has_annotation("ENT_IOB"):
        raise MissingEntities(
            "The document has no entities: nothing has set doc.ents, and there is no "
            f"span group doc.spans[{key!r}] (groups it has: {_listed(doc.spans)}). Add "
            "a component that sets entities before the relation extractor, e.g. 'ner', "
            "set the span group, or name another key or source in the component's "
            "'entities' setting."
        )
    return _doc_ents_entities(doc)


def reference_entities(reference: Doc, getter: EntityGetter) -> List[Mentions]:
    """The entities of a reference: those stored on it, else those that a getter finds.

    reference (Doc): The gold document.
    getter (EntityGetter): Asked where `doc._.entities` has not been set.
    RETURNS (List[Mentions]): The mentions of each entity.
    RAISES (MissingEntities): If the getter raises it.
    """
    if has_entities(reference):
        return [list(entity.mentions) for entity in reference._.entities]
    return getter(reference)


def gold_entities(reference: Doc) -> List[Mentions]:
    """The entities of an annotated document: those stored on it, of its span group "entities",
    or of `doc.ents`.

    reference (Doc): The gold document.
    RETURNS (List[Mentions]): The mentions of each; none where nothing has set entities.
    """
    try:
        return reference_entities(reference, make_default_entities())
    except MissingEntities:
        return []


def linked_id(mention: Span) -> str:
    """The id that a linker or an entity ruler has given a mention.

    mention (Span): A mention in `doc.ents`.
    RETURNS (str): Its `ent_id_`, else its `kb_id_`; empty where it has none.
    """
    return mention.ent_id_ or ("" if mention.kb_id_ == EntityLinker.NIL else mention.kb_id_)


def _grouped(spans: Iterable[Tuple[Hashable, Span]]) -> List[Mentions]:
    """Group spans by identity, in order of first appearance; None is like no other."""
    entities: Dict[Hashable, Mentions] = {}
    for identity, span in spans:
        entities.setdefault(object() if identity is None else identity, []).append(span)
    return list(entities.values())


def _identity(span: Span) -> Hashable:
    """What tells the mentions of one entity in doc.ents from those of another."""
    return linked_id(span) or (span.label_, span.text.casefold())


def _numbered(key: str, prefix: str) -> Tuple[int, str]:
    """Sort coref_clusters_10 after coref_clusters_2."""
    number = key[len(prefix) :].strip("_")
    return (int(number) if number.isdigit() else 0, key)


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)) or "none"
