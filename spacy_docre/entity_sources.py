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
    """A Doc and the mentions of each of its entities, each mention once. An entity without a
    mention is none.

    all_sentences (bool): Whether a model is asked for the evidence of all sentences, as it is in
        training, not of the best alone.
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
    forget_merged(doc)


def give_entities(doc: Doc, entities: Iterable[Sequence[Span]]) -> None:
    """Give a Doc its entities: the relation extractor and the markers of mentions take these, and
    no others that something has set or would find (`find_entities`).

    The Doc carries them in `doc.user_data`, where they would be stored with it: give them to a
    copy that nobody is handed, or let it forget them (`forget_given_entities`).

    doc (Doc): The document.
    entities (Iterable[Sequence[Span]]): The mentions of each entity, in it or in another Doc of
        the same tokens. An entity without a mention is none.
    """
    doc.user_data[_GIVEN] = [mentions_to_lists(mentions) for mentions in entities if mentions]


def forget_given_entities(doc: Doc) -> None:
    """Forget the entities that a Doc was given, once all components have seen it.

    doc (Doc): The document.
    """
    doc.user_data.pop(_GIVEN, None)


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
    return [mentions_from_lists(doc, mentions) for mentions in stored_entities(doc, _GIVEN)]


def make_span_group_entities(key: str = DEFAULT_KEY) -> EntityGetter:
    """Read the entities from a span group.

    Spans that share `span.id_` are mentions of one entity; a span without an id is an
    entity of its own. Entities come in the order of their first appearance in the group. A span
    that is there twice counts once; one that is there under two ids is a mention of both entities,
    and a warning says so. Where `Doc.from_docs` has merged documents on which entities were
    stored, an id tells entities of its own document apart. Where tokens were merged or split since,
    a span is found by its characters.

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
    spans = group_spans(doc, key)
    documents = documents_of(doc, spans)
    entities = _grouped(
        # A span without an id is like no other, but for itself.
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
            f"This Doc was merged of several, and {len(shared)} ids in {source} are in more than "
            f"one of them, e.g. {shared[0]!r}. An id tells the entities of its own document apart: "
            "they are taken for different entities. Group them anew, e.g. by 'entity_clusterer' "
            "with overwrite = true, where some are the same.",
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
            f"{len(shared)} mentions in {source} are of several entities, e.g. "
            f"{shared[0][0].text!r} of {' and '.join(repr(span.id_) for span in shared[0])}: they "
            "count for each. Give a mention one id where it is of one entity.",
            stacklevel=2,
        )


def make_doc_ents_entities() -> EntityGetter:
    """Read the entities from `doc.ents`.

    Spans that share `ent_id_`, or else `kb_id_`, are mentions of one entity; spans that
    have neither are grouped by their text, case-folded, within a label. An `ent_id_` that a span
    group has, too, or that is a number, tells entities of its own document apart, where
    `Doc.from_docs` has merged several.

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
    return _grouped(
        ((span.label_, span.text.casefold()) if known is None else known, span)
        for known, span in zip(known_entities(doc), doc.ents, strict=True)
    )


def make_coref_cluster_entities(prefix: str = "coref_clusters") -> EntityGetter:
    """Read the entities from coreference clusters, one span group each.

    A span that is wider than a name in `doc.ents`, e.g. "the physicist Albert Einstein", is a
    mention of that name, where the name is its head (`coref_clusters`).

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
    clusters = coref_clusters(doc, prefix)
    entities = [distinct_mentions(clusters[key]) for key in keys if clusters[key]]
    _warn_of_shared_mentions(f"the groups {prefix}*", entities)
    return entities


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
    if key != DEFAULT_KEY:
        warnings.warn(
            f"The document has no span group doc.spans[{key!r}] (groups it has: "
            f"{_listed(doc.spans)}): its entities are those of doc.ents. Correct the setting "
            "'key', or set the group.",
            stacklevel=2,
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


def gold_entities_or_none(reference: Doc) -> Optional[List[Mentions]]:
    """The entities of an annotated document: those stored on it, of its span group "entities",
    or of `doc.ents`.

    reference (Doc): The gold document.
    RETURNS (Optional[List[Mentions]]): The mentions of each; None where nothing has set entities.
    """
    try:
        return reference_entities(reference, make_default_entities())
    except MissingEntities:
        return None


def gold_entities(reference: Doc) -> List[Mentions]:
    """As `gold_entities_or_none`, where no entities and unknown ones are the same.

    reference (Doc): The gold document.
    RETURNS (List[Mentions]): The mentions of each; none where nothing has set entities.
    """
    return gold_entities_or_none(reference) or []


def known_entities(doc: Doc) -> List[Optional[Hashable]]:
    """What tells the mentions of one entity in `doc.ents` from those of another, beside their
    names.

    doc (Doc): The document.
    RETURNS (List[Optional[Hashable]]): The `ent_id_` or `kb_id_` of each mention, None where it has
        neither. An `ent_id_` that a span group has, too, or that is a number, comes with the
        document that it is of, where `Doc.from_docs` has merged several.
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
