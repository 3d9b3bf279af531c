"""Copy annotated documents with other words. The annotations of the tokens are kept."""

from dataclasses import replace
from typing import List, Sequence, Tuple, cast

import numpy
from spacy.attrs import ENT_ID, ENT_IOB, ENT_KB_ID, ENT_TYPE, LEMMA, MORPH, POS, SENT_START, TAG
from spacy.tokens import Doc, Span
from thinc.types import Ints2d

from ..annotations import (
    has_entities,
    has_partial_relations,
    has_relations,
    mark_partial,
    possible_relations,
)
from ..stored import get_triples
from .gold_annotations import mention_names, set_mention_names

# The new tokens that replace one token: the text of each, and whether a space follows. All new
# tokens but the first are white space.
Pieces = Sequence[Tuple[str, bool]]

_OF_ENTITIES = [ENT_IOB, ENT_TYPE, ENT_KB_ID, ENT_ID]
_KEPT = [TAG, POS, MORPH, LEMMA, SENT_START, *_OF_ENTITIES]
_INSIDE, _OUTSIDE = 1, 2


def rewrite(doc: Doc, pieces: Sequence[Pieces]) -> Doc:
    """Copy a document with other words, or with tokens of white space.

    The copy keeps entities, relations, evidence, sentences, names, span groups, tags and lemmas. A
    parse is left out. White space within a name or a sentence is a part of the name or sentence.

    doc (Doc): The document.
    pieces (Sequence[Sequence[Tuple[str, bool]]]): The new tokens for each of its tokens.
    RETURNS (Doc): The copy.
    """
    first = [0, *numpy.cumsum([len(tokens) for tokens in pieces]).tolist()]
    copied = Doc(
        doc.vocab,
        words=[text for tokens in pieces for text, _ in tokens],
        spaces=[space for tokens in pieces for _, space in tokens],
    )
    if len(copied):
        copied.from_array(_KEPT, _rows(doc, pieces))
    copied.cats = dict(doc.cats)

    def moved(span: Span) -> Span:
        return Span(
            copied,
            first[span.start],
            first[span.end - 1] + 1,
            label=span.label_,
            kb_id=span.kb_id_,
            span_id=span.id_,
        )

    for key, group in doc.spans.items():
        copied.spans[key] = [moved(span) for span in group]
    if has_entities(doc):
        copied._.entities = [[*map(moved, entity.mentions)] for entity in doc._.entities]
    if has_relations(doc):
        copied._.relations = [
            replace(
                triple,
                evidence=tuple((first[start], first[end]) for start, end in triple.evidence),
            )
            for triple in get_triples(doc)
        ]
    if has_partial_relations(doc):
        mark_partial(copied, possible_relations(doc))
    set_mention_names(copied, _moved_names(doc, first))
    for key, value in doc.user_data.items():
        if isinstance(key, str):
            copied.user_data.setdefault(key, value)
    return copied


def _rows(doc: Doc, pieces: Sequence[Pieces]) -> Ints2d:
    """The attributes of each new token."""
    kept = doc.to_array(_KEPT)
    entity = [_KEPT.index(attribute) for attribute in _OF_ENTITIES]
    iob, sentence = entity[0], _KEPT.index(SENT_START)
    if not doc.has_annotation("SENT_START"):
        # Even without sentences, the first token is stored as the start of one.
        kept[:, sentence] = 0
    rows: List[numpy.ndarray] = []
    for index, tokens in enumerate(pieces):
        rows.append(kept[index])
        space = numpy.zeros_like(kept[index])
        if index + 1 < len(kept) and kept[index + 1, iob] == _INSIDE:
            space[entity] = kept[index, entity]
            space[iob] = _INSIDE
        elif kept[index, iob]:
            space[iob] = _OUTSIDE
        if kept[index, sentence]:
            # No sentence begins here: -1, as spaCy stores it.
            space[sentence] = numpy.uint64(2**64 - 1)
        rows += [space] * (len(tokens) - 1)
    return cast(Ints2d, numpy.stack(rows))


def _moved_names(doc: Doc, first: Sequence[int]) -> List[Tuple[int, int, int, str]]:
    """The names that an annotated file has given to mentions, at the new tokens."""
    found = []
    for mention, names in mention_names(doc).items():
        entity, start, end = map(int, mention.split(":"))
        found += [(entity, first[start], first[end - 1] + 1, name) for name in names]
    return found
