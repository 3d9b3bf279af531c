"""Where the entities of a document come from."""

import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Callable, Dict, Hashable, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span

from .annotations import has_entities
from .coreference import coref_clusters, coref_keys
from .mentions import (
    distinct_mentions,
    documents_of,
    forget_merged,
    group_spans,
    ids_in_groups,
    kb_id,
    without_space,
)
from .stored import mentions_from_lists, mentions_to_lists, stored_entities

Mentions = List[Span]
EntityGetter = Callable[[Doc], List[Mentions]]

DEFAULT_KEY = "entities"
_GIVEN = "docre_given_entities"


class MissingEntities(ValueError):
    """Nothing has set entities where a getter looks for them."""


@dataclass
class EntityDoc:
    """A Doc and the mentions of each of its entities. Duplicate mentions, and entities without
    mentions, are left out.

    all_sentences (bool): Whether the model returns the evidence of all sentences, as in training,
        and not only of the best sentences.
    """

    doc: Doc
    entities: List[Mentions]
    all_sentences: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        self.entities = [distinct_mentions(mentions) for mentions in self.entities if mentions]


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
    """Write the entities of a Doc to the span group "entities".

    doc (Doc): The document.
    entities (Iterable[Iterable[Span]]): The mentions of each entity, in this Doc or in another Doc
        of the same tokens.
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
    forget_merged(doc)


def give_entities(doc: Doc, entities: Iterable[Sequence[Span]]) -> None:
    """Give a Doc its entities. The relation extractor and the mention markers then use these
    entities, and ignore all other sources (`find_entities`).

    The Doc keeps the entities in `doc.user_data`, and they would be saved with it. So give them to
    a copy that stays internal, or remove them afterwards (`forget_given_entities`).

    doc (Doc): The document.
    entities (Iterable[Sequence[Span]]): The mentions of each entity, in this Doc or in another Doc
        of the same tokens. An entity without mentions is left out.
    """
    doc.user_data[_GIVEN] = [mentions_to_lists(mentions) for mentions in entities if mentions]


def forget_given_entities(doc: Doc) -> None:
    """Remove the entities that a Doc was given, once all components have seen the Doc.

    doc (Doc): The document.
    """
    doc.user_data.pop(_GIVEN, None)


def find_entities(doc: Doc, getter: EntityGetter) -> List[Mentions]:
    """Find the entities of a Doc: the entities that it was given, else the entities that a getter
    finds. The relation extractor and the mention markers call this.

    doc (Doc): The document.
    getter (EntityGetter): Finds the entities if none were given.
    RETURNS (List[Mentions]): The mentions of each entity.
    RAISES (MissingEntities): If the getter raises it.
    """
    if _GIVEN not in doc.user_data:
        return getter(doc)
    return [mentions_from_lists(doc, mentions) for mentions in stored_entities(doc, _GIVEN)]


def make_span_group_entities(key: str = DEFAULT_KEY) -> EntityGetter:
    """Read the entities from a span group.

    Spans that share `span.id_` are mentions of one entity. A span without an id is an entity by
    itself. Entities come in the order of their first appearance in the group. A span that occurs
    twice counts once. A span with two ids is a mention of both entities, and a warning says so.
    If `Doc.from_docs` merged documents with stored entities, an id holds for its own document
    only. If tokens were merged or split, a span is found by its characters.

    key (str): The key of the group in `doc.spans`.
    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens that has no such group.
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
    spans = group_spans(doc, key)
    documents = documents_of(doc, spans)
    entities = _grouped(
        # A span without an id is identified by its tokens.
        (
            (document, span.id_) if span.id_ else ("", *without_space(doc, span.start, span.end)),
            span,
        )
        for document, span in zip(documents, spans, strict=True)
    )
    source = f"doc.spans[{key!r}]"
    ids = [span.id_ for span in spans]
    _warn_of_shared_ids(source, zip(ids, documents, strict=True))
    _warn_of_shared_mentions(source, entities)
    return entities


def _warn_of_shared_ids(source: str, ids: Iterable[Tuple[str, Hashable]]) -> None:
    documents = defaultdict(set)
    for id_, document in ids:
        documents[id_].add(document)
    shared = [id_ for id_, found in documents.items() if id_ and len(found) > 1]
    if shared:
        warnings.warn(
            f"This Doc was merged from several, and {len(shared)} ids in {source} are in more than "
            f"one of them, e.g. {shared[0]!r}. An id holds for its own document only, so the same "
            "id stands for different entities here. If some are the same entity, group them again, "
            "e.g. by 'entity_clusterer' with overwrite = true.",
            stacklevel=2,
        )


def _warn_of_shared_mentions(source: str, entities: Iterable[Mentions]) -> None:
    holders: Dict[Tuple[int, int], Mentions] = defaultdict(list)
    for mentions in entities:
        for span in mentions:
            holders[without_space(span.doc, span.start, span.end)].append(span)
    shared = [spans for spans in holders.values() if len(spans) > 1]
    if shared:
        warnings.warn(
            f"{len(shared)} mentions in {source} belong to several entities, e.g. "
            f"{shared[0][0].text!r} to {' and '.join(repr(span.id_) for span in shared[0])}. They "
            "count for each of these. If a mention belongs to one entity, give it one id.",
            stacklevel=2,
        )


def make_doc_ents_entities() -> EntityGetter:
    """Read the entities from `doc.ents`.

    Spans that share `ent_id_`, or else `kb_id_`, are mentions of one entity. Spans without these
    ids are grouped by their label and their case-folded text. If `Doc.from_docs` merged several
    documents, some `ent_id_` hold for their own document only: numbers, and the ids that a span
    group has, too.

    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens if nothing has set `doc.ents`.
    """
    return _doc_ents_entities


def _doc_ents_entities(doc: Doc) -> List[Mentions]:
    if len(doc) > 0 and not doc.has_annotation("ENT_IOB"):
        raise MissingEntities(
            "Nothing has set doc.ents. Add a component that sets doc.ents before the relation "
            "extractor, e.g. 'ner' or 'entity_ruler', or set doc.ents yourself."
        )
    return _grouped(
        ((span.label_, span.text.casefold()) if known is None else known, span)
        for known, span in zip(known_entities(doc), doc.ents, strict=True)
    )


def make_coref_cluster_entities(prefix: str = "coref_clusters") -> EntityGetter:
    """Read the entities from coreference clusters. Each cluster is a span group.

    A span may be longer than a name in `doc.ents`, e.g. "the physicist Albert Einstein". If the
    name is the head of the span, the name is the mention (`coref_clusters`).

    prefix (str): The prefix of the keys of the groups in `doc.spans`. The groups
        "coref_clusters_1", "coref_clusters_2" ... come in the order of their numbers.
    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens that has no such group.
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
    clusters = coref_clusters(doc, prefix)
    entities = [distinct_mentions(clusters[key]) for key in keys if clusters[key]]
    _warn_of_shared_mentions(f"the groups {prefix}*", entities)
    return entities


def make_default_entities(key: str = DEFAULT_KEY) -> EntityGetter:
    """Read the entities from a span group, or from `doc.ents` if the document has no such group.

    key (str): The key of the group in `doc.spans`.
    RETURNS (EntityGetter): The getter. It raises `MissingEntities` for a document with
        tokens that has neither the group nor `doc.ents`.
    """
    return partial(_default_entities, key=key)


def _default_entities(doc: Doc, *, key: str) -> List[Mentions]:
    if key in doc.spans:
        return _span_group_entities(doc, key=key)
    if len(doc) > 0 and not doc.has_annotation("ENT_IOB"):
        raise MissingEntities(
            "The document has no entities: nothing has set doc.ents, and the document has no "
            f"span group doc.spans[{key!r}] (it has: {_listed(doc.spans)}). Add a component "
            "that sets entities before the relation extractor, e.g. 'ner'; or set the span "
            "group; or name another key or source in the component's 'entities' setting."
        )
    if key != DEFAULT_KEY:
        warnings.warn(
            f"The document has no span group doc.spans[{key!r}] (it has: {_listed(doc.spans)}). "
            "The entities are taken from doc.ents instead. Correct the setting 'key', or set "
            "the group.",
            stacklevel=2,
        )
    return _doc_ents_entities(doc)


def reference_entities(reference: Doc, getter: EntityGetter) -> List[Mentions]:
    """Find the entities of a reference: the stored entities, else the entities that a getter finds.

    reference (Doc): The gold document.
    getter (EntityGetter): Finds the entities if `doc._.entities` has not been set.
    RETURNS (List[Mentions]): The mentions of each entity.
    RAISES (MissingEntities): If the getter raises it.
    """
    if has_entities(reference):
        return [list(entity.mentions) for entity in reference._.entities]
    return getter(reference)


def gold_entities_or_none(reference: Doc) -> Optional[List[Mentions]]:
    """Find the entities of an annotated document: the stored entities, else the span group
    "entities", else `doc.ents`.

    reference (Doc): The gold document.
    RETURNS (Optional[List[Mentions]]): The mentions of each entity; None if nothing has set
        entities.
    """
    try:
        return reference_entities(reference, make_default_entities())
    except MissingEntities:
        return None


def gold_entities(reference: Doc) -> List[Mentions]:
    """As `gold_entities_or_none`, but an empty list if nothing has set entities.

    reference (Doc): The gold document.
    RETURNS (List[Mentions]): The mentions of each entity.
    """
    return gold_entities_or_none(reference) or []


def known_entities(doc: Doc) -> List[Optional[Hashable]]:
    """Find the entity of each mention in `doc.ents` by its ids, and not by its name.

    doc (Doc): The document.
    RETURNS (List[Optional[Hashable]]): The `ent_id_` or `kb_id_` of each mention, or None if it has
        neither. An `ent_id_` that is a number, or that a span group has, too, holds for one
        document only. So it comes with its document, if `Doc.from_docs` merged several.
    """
    local = ids_in_groups(doc) - {""}
    return [
        (document, span.ent_id_)
        if span.ent_id_ in local or span.ent_id_.isdecimal()
        else span.ent_id_ or kb_id(span) or None
        for document, span in zip(documents_of(doc, doc.ents), doc.ents, strict=True)
    ]


def _grouped(spans: Iterable[Tuple[Hashable, Span]]) -> List[Mentions]:
    """Group spans by identity, in order of first appearance."""
    entities: Dict[Hashable, Mentions] = {}
    for identity, span in spans:
        entities.setdefault(identity, []).append(span)
    return [distinct_mentions(mentions) for mentions in entities.values()]


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)) or "none"
