"""Make documents of other lengths from annotated ones: cuts of a few sentences, and joins of
several documents. From these a model learns that a document may have any length."""

from dataclasses import replace
from random import Random
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span

from ..annotations import (
    Triple,
    document_title,
    has_partial_relations,
    has_relations,
    mark_partial,
    possible_relations,
    sentence_boundaries,
)
from ..entity_sources import DEFAULT_KEY, gold_entities, set_entity_spans
from ..mentions import ids_in_groups
from ..stored import get_triples

# Numbers of sentences in a cut: one kind of cut for each range, with equally many cuts.
CUT_LENGTHS = (range(1, 2), range(2, 5))
# Numbers of documents in a join. In a longer join, too, a scored passage has two or three of them.
JOINED = (2, 3)


def choose_cuts(doc: Doc, number: int, choice: Random) -> List[Doc]:
    """Cut passages with two entities or more out of a document.

    doc (Doc): The document.
    number (int): The number of passages of one sentence, and the number of passages of two to four
        sentences. There may be fewer, as a passage is shorter than the document.
    choice (Random): Chooses the passages.
    RETURNS (List[Doc]): The cuts, see `cut`.
    """
    sentences = sentence_boundaries(doc)
    mentions = [[(span.start, span.end) for span in spans] for spans in gold_entities(doc)]
    cuts = []
    for lengths in CUT_LENGTHS:
        passages = [
            (first, first + length)
            for length in lengths
            if length < len(sentences)
            for first in range(len(sentences) - length + 1)
            if _count_inside(mentions, sentences[first][0], sentences[first + length - 1][1]) > 1
        ]
        chosen = choice.sample(passages, min(number, len(passages)))
        cuts += [cut(doc, first, end) for first, end in sorted(chosen)]
    return cuts


def _count_inside(entities: Sequence[Sequence[Tuple[int, int]]], first: int, last: int) -> int:
    return sum(
        any(first <= start and end <= last for start, end in mentions) for mentions in entities
    )


def cut(doc: Doc, first: int, end: int) -> Doc:
    """Cut a passage out of a document.

    The passage has the entities that are mentioned there, and the relations whose evidence is
    there. Whether it states the other relations of its entities is unknown: if there are other
    relations, the relations of the passage are partial. Its only span group is "entities".

    doc (Doc): The document, with sentence boundaries.
    first (int): The number of its first sentence.
    end (int): The number of the sentence to stop before.
    RETURNS (Doc): The passage.
    """
    boundaries = sentence_boundaries(doc)[first:end]
    start, stop = boundaries[0][0], boundaries[-1][1]
    passage = doc[start:stop].as_doc()
    where = f"sentence {end}" if end == first + 1 else f"sentences {first + 1} to {end}"
    passage.user_data["title"] = f"{document_title(doc)}, {where}"
    indices: Dict[int, int] = {}
    entities: List[List[Span]] = []
    for index, mentions in enumerate(gold_entities(doc)):
        inside = [span for span in mentions if start <= span.start and span.end <= stop]
        if inside:
            indices[index] = len(entities)
            entities.append([_moved(span, passage, -start) for span in inside])
    _set_entities(passage, entities, _local_starts(doc, -start))
    if not has_relations(doc):
        return passage
    told: List[Triple] = []
    untold: List[Triple] = []
    for triple in get_triples(doc):
        evidence = triple.evidence
        is_told = evidence and all(start <= begin and last <= stop for begin, last in evidence)
        (told if is_told else untold).append(triple)
    more = _possible(doc)
    passage._.relations = _renumbered(told, indices, -start)
    _set_possible(passage, None if more is None else _renumbered([*untold, *more], indices, -start))
    return passage


def choose_joins(docs: Sequence[Doc], number: int, choice: Random) -> Iterator[Doc]:
    """Join documents at random, two or three at a time.

    docs (Sequence[Doc]): The documents, of one vocabulary.
    number (int): The number of joins that each document is in.
    choice (Random): Chooses the documents of each join.
    YIELDS (Doc): The joins, see `join`.
    """
    for _ in range(number if len(docs) > 1 else 0):
        left = choice.sample(docs, len(docs))
        while left:
            size = choice.randint(*JOINED)
            if len(left) - size == 1:
                # No document stays alone.
                size += 1 if size < JOINED[1] else -1
            yield join(left[:size])
            left = left[size:]


def join(docs: Sequence[Doc]) -> Doc:
    """Join unrelated documents, one after the other, to one document.

    Entities of different documents are not merged, and have no relations with each other. If the
    relations of a document are partial or not annotated, the relations of the join are partial. If
    no document has annotated relations, those of the join are not annotated. The only span group
    of the join is "entities".

    docs (Sequence[Doc]): The documents, of one vocabulary; at least one.
    RETURNS (Doc): The join.
    """
    # The type of from_docs lacks this argument.
    exclude: Dict[str, Any] = {"exclude": ["spans", "tensor", "user_data"]}
    joined = Doc.from_docs(list(docs), **exclude)
    joined.user_data["title"] = " + ".join(document_title(doc) for doc in docs)
    entities: List[List[Span]] = []
    local: Set[int] = set()
    told: List[Triple] = []
    possible: Optional[List[Triple]] = []
    offset = 0
    for doc in docs:
        if len(doc) and not joined[offset].is_sent_start:
            joined[offset].is_sent_start = True
        found = gold_entities(doc)
        indices = {index: len(entities) + index for index in range(len(found))}
        entities += [[_moved(span, joined, offset) for span in mentions] for mentions in found]
        local |= _local_starts(doc, offset)
        told += _renumbered(get_triples(doc), indices, offset)
        more = _possible(doc)
        if possible is None or more is None:
            possible = None
        else:
            possible += _renumbered(more, indices, offset)
        offset += len(doc)
    _set_entities(joined, entities, local)
    if any(map(has_relations, docs)):
        joined._.relations = told
        _set_possible(joined, possible)
    return joined


def _moved(span: Span, doc: Doc, offset: int) -> Span:
    """A mention, moved by an offset to another document."""
    return Span(doc, span.start + offset, span.end + offset, label=span.label_, kb_id=span.kb_id_)


def _renumbered(triples: Sequence[Triple], indices: Dict[int, int], offset: int) -> List[Triple]:
    """The relations between entities that have a new index, with the new indices."""
    return [
        replace(
            triple,
            head=indices[triple.head],
            tail=indices[triple.tail],
            evidence=tuple((start + offset, end + offset) for start, end in triple.evidence),
        )
        for triple in triples
        if triple.head in indices and triple.tail in indices
    ]


def _local_starts(doc: Doc, offset: int) -> Set[int]:
    """The first tokens, moved by an offset, of the mentions in `doc.ents` whose ids stand for
    entities of the document."""
    ids = ids_in_groups(doc)
    return {span.start + offset for span in doc.ents if span.ent_id_ in ids}


def _set_entities(doc: Doc, entities: Sequence[Sequence[Span]], local: Set[int]) -> None:
    """Set the entities of a document that is made of others. The mentions in `doc.ents` that start
    at a token of `local` have ids of entities of the others. They get the ids of their entities in
    this document, as the former ids would be taken for links."""
    set_entity_spans(doc, entities)
    doc._.entities = entities
    own = {(each.start, each.end): each.id for each in reversed(doc.spans[DEFAULT_KEY])}
    mentions = [
        Span(
            *(doc, each.start, each.end),
            label=each.label,
            kb_id=each.kb_id,
            span_id=own.get((each.start, each.end), 0) if each.start in local else each.ent_id,
        )
        for each in doc.ents
    ]
    doc.set_ents(mentions, default="unmodified")


def _possible(doc: Doc) -> Optional[List[Triple]]:
    """The relations that may hold beside those of a document; None if any relation may hold."""
    is_complete = has_relations(doc) and not has_partial_relations(doc)
    return [] if is_complete else possible_relations(doc)


def _set_possible(doc: Doc, possible: Optional[Sequence[Triple]]) -> None:
    """Mark a document as partial if relations may hold beside its own; None for any relation."""
    if possible is None or possible:
        mark_partial(doc, possible)
