"""Markers around mentions, e.g. "*", in the input of the encoder, as in ATLOP and the released code
of KD-DocRE."""

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
    """The marker, and the source of the mentions.

    marker (str): The marker.
    entities (EntityGetter): The source of the mentions. They have to be set before the transformer
        runs.
    """

    marker: str
    entities: EntityGetter


def make_mention_markers(
    marker: str = "*", entities: Optional[EntityGetter] = None
) -> MentionMarkers:
    """`spacy_docre.MentionMarkers.v1`: markers around mentions, for the setting
    `mention_markers` of `spacy_docre.TransformerModel.v1`.

    A marker comes before the first token and after the last token of a mention, and belongs to that
    token. Tokens are cut into word pieces one by one, as in the released code. So the tokenizer
    does not see the spaces between tokens.

    marker (str): The marker.
    entities (Optional[EntityGetter]): The source of the mentions, by default
        `spacy_docre.entities.v1`. The component that sets them has to be before the transformer in
        the pipeline.
    RETURNS (MentionMarkers): The markers.
    RAISES (ValueError): If the marker is empty.
    """
    if not marker:
        raise ValueError('The marker of mentions is empty: give it a character, e.g. "*".')
    return MentionMarkers(marker, entities or make_default_entities())


def mark_mentions(
    tokenizer: PreTrainedTokenizerBase, windows: Sequence[Sequence[Span]], markers: MentionMarkers
) -> Pieces:
    """Cut windows into word pieces, with markers. The number of pieces has no limit.

    tokenizer (PreTrainedTokenizerBase): The tokenizer of the transformer.
    windows (Sequence[Sequence[Span]]): The windows of each document.
    markers (MentionMarkers): The markers.
    RETURNS (Pieces): The word pieces, one row for each window. Each piece has the characters of its
        token, and so has each marker.
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
    """Make the word pieces of each token, with the markers of mentions that begin or end there."""
    starts, ends = _mention_boundaries(doc, markers)
    marker, *pieces = _ids(tokenizer, [markers.marker, *(token.text for token in doc)])
    return [
        marker * (index in starts) + token + marker * (index in ends)
        for index, token in enumerate(pieces)
    ]


def _mention_boundaries(doc: Doc, markers: MentionMarkers) -> Boundaries:
    """Find the first tokens and the last tokens of mentions; none if no component has set entities.
    The relation extractor warns of missing entities."""
    entities: List[List[Span]] = []
    with suppress(MissingEntities):
        entities = find_entities(doc, markers.entities)
    mentions = [span for mentions in entities for span in mentions]
    return {span.start for span in mentions}, {span.end - 1 for span in mentions}


def _ids(tokenizer: PreTrainedTokenizerBase, texts: List[str]) -> List[List[int]]:
    """Cut each text separately into word pieces."""
    return tokenizer(texts, add_special_tokens=False)["input_ids"]
