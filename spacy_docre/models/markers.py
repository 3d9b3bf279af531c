"""Markers around mentions, e.g. "*", as ATLOP and the released code of KD-DocRE put them into
what the encoder reads."""

from contextlib import suppress
from dataclasses import dataclass
from os.path import commonprefix
from typing import List, Optional, Sequence, Set, Tuple, cast

import numpy
from spacy.tokens import Doc, Span
from spacy_transformers.align import get_alignment_via_offset_mapping
from spacy_transformers.data_classes import WordpieceBatch
from thinc.types import Floats2d, Ints2d, Ragged
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from ..entity_sources import EntityGetter, MissingEntities, find_entities, make_default_entities

Boundaries = Tuple[Set[int], Set[int]]


@dataclass
class MentionMarkers:
    """Which markers, around which mentions.

    marker (str): The marker.
    entities (EntityGetter): Where the mentions come from. They are there before the transformer
        runs.
    """

    marker: str
    entities: EntityGetter


def make_mention_markers(
    marker: str = "*", entities: Optional[EntityGetter] = None
) -> MentionMarkers:
    """`spacy_docre.MentionMarkers.v1`: markers around mentions, for the setting
    `mention_markers` of `spacy_docre.TransformerModel.v1`.

    A marker comes before the first and after the last token of a mention, and belongs to that
    token. Tokens are cut into word pieces one by one, as in the released code, so what the
    tokenizer would do at a space it does not do.

    marker (str): The marker.
    entities (Optional[EntityGetter]): Where the mentions come from, by default
        `spacy_docre.entities.v1`. Whatever sets them stands before the transformer in the
        pipeline.
    RETURNS (MentionMarkers): The markers.
    RAISES (ValueError): If the marker is empty.
    """
    if not marker:
        raise ValueError('The marker of mentions is empty: give it a character, e.g. "*".')
    return MentionMarkers(marker, entities or make_default_entities())


def mark_mentions(
    tokenizer: PreTrainedTokenizerBase, windows: Sequence[Sequence[Span]], markers: MentionMarkers
) -> Tuple[List[List[Span]], WordpieceBatch, Ragged]:
    """Cut windows into word pieces, with markers. One that is too long for the transformer
    becomes several that overlap.

    tokenizer (PreTrainedTokenizerBase): The tokenizer of the transformer.
    windows (Sequence[Sequence[Span]]): The windows of each document.
    markers (MentionMarkers): The markers.
    RETURNS (Tuple[List[List[Span]], WordpieceBatch, Ragged]): The windows that fit, their word
        pieces, a row for each window, and the pieces of each token, as spacy-transformers
        aligns them.
    """
    prefix, suffix = _special_tokens(tokenizer)
    room = tokenizer.model_max_length - len(prefix) - len(suffix)
    fitting: List[List[Span]] = []
    rows: List[List[int]] = []
    offsets: List[List[Tuple[int, int]]] = []
    for spans in windows:
        fitting.append([])
        pieces = _marked_pieces(tokenizer, spans[0].doc, markers) if spans else []
        for span in (part for window in spans for part in _fit(window, pieces, room)):
            fitting[-1].append(span)
            row, characters = list(prefix), [(0, 0)] * len(prefix)
            for token in span:
                start = token.idx - span.start_char
                row += pieces[token.i]
                characters += [(start, start + len(token))] * len(pieces[token.i])
            rows.append(row + suffix)
            offsets.append(characters + [(0, 0)] * len(suffix))
    # Not tokenizer.pad, which warns of what is meant here.
    shape = (len(rows), max(map(len, rows), default=0))
    input_ids = numpy.full(shape, tokenizer.pad_token_id)
    attention_mask = numpy.zeros(shape, dtype="int64")
    padded_offsets = numpy.zeros((*shape, 2), dtype="int64")
    for number, (row, characters) in enumerate(zip(rows, offsets, strict=True)):
        input_ids[number, : len(row)] = row
        attention_mask[number, : len(row)] = 1
        padded_offsets[number, : len(characters)] = characters
    wordpieces = WordpieceBatch(
        strings=[tokenizer.convert_ids_to_tokens(row) for row in input_ids],
        input_ids=cast(Ints2d, input_ids),
        attention_mask=cast(Floats2d, attention_mask),
        lengths=[len(row) for row in input_ids],
        token_type_ids=None,
    )
    align = get_alignment_via_offset_mapping(
        [span for spans in fitting for span in spans], cast(Ints2d, padded_offsets)
    )
    return fitting, wordpieces, align


def _marked_pieces(
    tokenizer: PreTrainedTokenizerBase, doc: Doc, markers: MentionMarkers
) -> List[List[int]]:
    """The word pieces of each token, with the markers around mentions that begin or end there."""
    starts, ends = _mention_boundaries(doc, markers)
    marker, *pieces = _ids(tokenizer, [markers.marker, *(token.text for token in doc)])
    return [
        marker * (index in starts) + token + marker * (index in ends)
        for index, token in enumerate(pieces)
    ]


def _fit(span: Span, pieces: Sequence[Sequence[int]], room: int) -> List[Span]:
    """A window as it is, where it has room; else as much as there is room for of its beginning,
    of what follows, and so on, and of its end."""
    parts = []
    start = span.start
    while start < span.end:
        end = start + 1
        length = len(pieces[start])
        while end < span.end and length + len(pieces[end]) <= room:
            length += len(pieces[end])
            end += 1
        if end == span.end:
            # The last one has as much context as the others.
            while start > span.start and length + len(pieces[start - 1]) <= room:
                start -= 1
                length += len(pieces[start])
        parts.append(span.doc[start:end])
        start = end
    return parts


def _mention_boundaries(doc: Doc, markers: MentionMarkers) -> Boundaries:
    """The first tokens and the last tokens of mentions; none where nothing has set entities,
    which the relation extractor warns of."""
    entities: List[List[Span]] = []
    with suppress(MissingEntities):
        entities = find_entities(doc, markers.entities)
    mentions = [span for mentions in entities for span in mentions]
    return {span.start for span in mentions}, {span.end - 1 for span in mentions}


def _ids(tokenizer: PreTrainedTokenizerBase, texts: List[str]) -> List[List[int]]:
    """The word pieces of texts, each on its own."""
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> Tuple[List[int], List[int]]:
    """The special tokens before and after a text."""
    empty, text = tokenizer("")["input_ids"], tokenizer("a")["input_ids"]
    before = len(commonprefix([empty, text]))
    return empty[:before], empty[before:]
