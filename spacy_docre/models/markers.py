"""Markers around mentions, e.g. "*", as ATLOP and the released code of KD-DocRE put them into
what the encoder reads."""

from contextlib import suppress
from dataclasses import dataclass
from typing import List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from ..entity_sources import EntityGetter, MissingEntities, find_entities, make_default_entities
from .windows import Pieces, pad, special_tokens

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
) -> Pieces:
    """Cut windows into word pieces, with markers, however many they become.

    tokenizer (PreTrainedTokenizerBase): The tokenizer of the transformer.
    windows (Sequence[Sequence[Span]]): The windows of each document.
    markers (MentionMarkers): The markers.
    RETURNS (Pieces): The word pieces, a row for each window. The characters of a piece are those
        of its token, to which a marker belongs, too.
    """
    prefix, suffix = special_tokens(tokenizer)
    rows: List[List[int]] = []
    characters: List[List[Tuple[int, int]]] = []
    for spans in windows:
        pieces = _marked_pieces(tokenizer, spans[0].doc, markers) if spans else []
        for span in spans:
            row, places = list(prefix), [(0, 0)] * len(prefix)
            for token in span:
                row += pieces[token.i]
                places += [(token.idx, token.idx + len(token))] * len(pieces[token.i])
            rows.append(row + suffix)
            characters.append(places + [(0, 0)] * len(suffix))
    return pad(tokenizer, rows, characters)


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
