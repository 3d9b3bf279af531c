"""Long documents, scored passage by passage. Each passage is scored like a separate document. Two
entities are a pair if they share a passage. A pair gets its best score in all its passages.

The network was trained on short documents, and a passage is as short as they are. The time grows
with the length of the document. With all pairs it would grow with the square of the length.
"""

from dataclasses import dataclass
from typing import Iterator, List, NamedTuple, Tuple

import numpy
import torch
from thinc.api import to_numpy
from thinc.types import ArrayXd
from torch import Tensor

from ..pairs import ScoredPairs
from .encoded_document import EncodedDocument
from .slots import Evidence


@dataclass(frozen=True)
class Passages:
    """Where to cut long documents.

    length (int): The largest length of a passage, in word pieces. A passage has whole sentences,
        unless a sentence is longer than `stride`.
    stride (int): The largest distance between the starts of consecutive passages, in word pieces.
        Two entities share a passage if they have mentions at most `length` - `stride` word pieces
        apart, less a sentence.
    whole (int): The largest length of a document that is not cut, in word pieces.
    RAISES (ValueError): If a number is out of range.
    """

    length: int = 320
    stride: int = 160
    whole: int = 512

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.length <= self.whole:
            raise ValueError(
                f"stride = {self.stride}, length = {self.length} and whole = {self.whole} do not "
                "fit together. Set numbers of word pieces with 1 <= stride <= length <= whole."
            )

    def are_needed(self, document: EncodedDocument) -> bool:
        """Tell whether a document is too long to be scored whole.

        document (EncodedDocument): The document.
        RETURNS (bool): Whether the document is longer than `whole`.
        """
        return int((document.position_sentences >= 0).sum()) > self.whole

    def cut(self, document: EncodedDocument) -> Iterator["Passage"]:
        """Cut a document into overlapping passages.

        document (EncodedDocument): The document.
        YIELDS (Passage): The passages in which at least two entities have mentions.
        """
        sentences = document.position_sentences[document.position_sentences >= 0]
        for start, end in self._places(sentences.cpu().numpy()):
            passage = cut_out(document, start, end)
            if passage.document.num_entities > 1:
                yield passage

    def _places(self, sentences: numpy.ndarray) -> Iterator[Tuple[int, int]]:
        """Yield the first position and the end position of each passage."""
        begins = numpy.flatnonzero(numpy.r_[True, sentences[1:] != sentences[:-1]])
        ends = numpy.r_[begins[1:], len(sentences)]
        # Where a passage may begin or end.
        breaks = numpy.concatenate(
            [
                *(numpy.arange(*part, self.stride) for part in zip(begins, ends, strict=True)),
                [len(sentences)],
            ]
        )
        start = done = 0
        while done < len(sentences):
            end = _last(breaks, start, self.length)
            if end > done:
                yield start, end
            done = end
            start = _last(breaks, start, self.stride)


def _last(breaks: numpy.ndarray, start: int, most: int) -> int:
    """Return the last break at most `most` positions after a start. The start is a break, too."""
    return int(breaks[numpy.searchsorted(breaks, start + most, side="right") - 1])


class Passage(NamedTuple):
    """A part of a document.

    document (EncodedDocument): The part, as a separate document.
    entities (Tensor): The index of each of its entities in the whole document, shape (entities,).
    first_sentence (int): The number of its first sentence in the whole document.
    """

    document: EncodedDocument
    entities: Tensor
    first_sentence: int


def cut_out(document: EncodedDocument, start: int, end: int) -> Passage:
    """Make a document of a part of a document. The encoder's output stays as it is.

    document (EncodedDocument): The document.
    start (int): The first position of the part.
    end (int): The position to stop before.
    RETURNS (Passage): The part.
    """
    windows, _, pieces, _ = document.attention.shape
    places = document.piece_positions.view(windows, pieces)
    inside = (places >= start) & (places < end)
    kept = inside.any(1).nonzero().squeeze(1)  # (kept windows,)
    # Special tokens have the last positions. They stay with their window.
    special = (document.position_sentences < 0).nonzero().squeeze(1)
    used = (inside | torch.isin(places, special))[kept].flatten()
    positions, new = places[kept].flatten()[used].unique(return_inverse=True)
    piece_positions = places.new_full((len(kept) * pieces,), -1)
    piece_positions[used] = new
    # Keep the mentions that have pieces inside.
    chosen = inside.flatten()[document.mention_pieces].nonzero().squeeze(1)
    mentions, piece_mentions = document.piece_mentions[chosen].unique(return_inverse=True)
    entities, mention_entities = document.mention_entities[mentions].unique(return_inverse=True)
    window = document.mention_pieces[chosen] // pieces
    renumbered = torch.searchsorted(kept, window) * pieces
    sentences = document.position_sentences[positions]
    first, last = (int(sentences[sentences >= 0].aminmax()[which]) for which in (0, 1))
    part = EncodedDocument(
        hidden=document.hidden[kept],
        attention=document.attention[kept],
        piece_positions=piece_positions,
        num_positions=len(positions),
        mention_pieces=renumbered + document.mention_pieces[chosen] % pieces,
        piece_mentions=piece_mentions,
        mention_entities=mention_entities,
        num_entities=len(entities),
        position_sentences=torch.where(sentences < 0, sentences, sentences - first),
        num_sentences=1 + last - first,
        # Near enough: words have about as many pieces everywhere.
        num_words=round(document.num_words * len(positions) / document.num_positions),
    )
    return Passage(part, entities, first)


class PassageScores(NamedTuple):
    """The scores of the pairs of a passage.

    pairs (ScoredPairs): The pairs. Entities are numbered as in the whole document.
    logits (numpy.ndarray): Their logits, shape (pairs, 1 + relations).
    sentences (numpy.ndarray): The sentences that are kept as evidence, numbered as in the whole
        document, shape (unordered pairs, kept sentences).
    shares (numpy.ndarray): The shares of attention on these sentences, of the same shape.
    """

    pairs: ScoredPairs
    logits: numpy.ndarray
    sentences: numpy.ndarray
    shares: numpy.ndarray

    @classmethod
    def of(
        cls, passage: Passage, pairs: ScoredPairs, logits: ArrayXd, evidence: Evidence
    ) -> "PassageScores":
        """Number entities and sentences as in the whole document.

        passage (Passage): The passage.
        pairs (ScoredPairs): The pairs of the passage. Entities are numbered as in the passage.
        logits (ArrayXd): The logits of the pairs.
        evidence (Evidence): The evidence of the pairs, as arrays. Sentences are numbered as in the
            passage.
        RETURNS (PassageScores): The scores, numbered as in the whole document.
        """
        entities = passage.entities.cpu().numpy()
        return cls(
            ScoredPairs(entities[pairs.heads], entities[pairs.tails], pairs.unordered),
            to_numpy(logits),
            to_numpy(evidence.sentences) + passage.first_sentence,
            to_numpy(evidence.shares),
        )


def merge(passages: List[PassageScores], num_entities: int, num_classes: int) -> PassageScores:
    """Merge the scores that a pair has in several passages. Each relation gets its largest margin
    l_r - l_TH. The evidence comes from the passage with the largest margin of any relation.

    passages (List[PassageScores]): The scores of each passage.
    num_entities (int): The number of entities of the document.
    num_classes (int): The number of relations, plus one for TH.
    RETURNS (PassageScores): The scores. Each ordered pair is there once, and has its own row of
        evidence.
    """
    if not passages:
        none = numpy.zeros((0, 1))
        return PassageScores(ScoredPairs.all_of(0), numpy.zeros((0, num_classes)), none, none)
    heads = numpy.concatenate([scores.pairs.heads for scores in passages])  # (all rows,)
    tails = numpy.concatenate([scores.pairs.tails for scores in passages])
    logits = numpy.concatenate([scores.logits for scores in passages])
    rows = [scores.pairs.unordered for scores in passages]
    sentences = _stack([scores.sentences for scores in passages], rows)
    shares = _stack([scores.shares for scores in passages], rows)  # (all rows, kept sentences)
    margins = logits[:, 1:] - logits[:, :1]  # (all rows, relations)
    keys = heads * num_entities + tails
    # The passage with the largest margin of a pair comes first.
    order = numpy.lexsort((-margins.max(1, initial=-numpy.inf), keys))
    _, starts = numpy.unique(keys[order], return_index=True)
    surest = order[starts]  # (pairs,)
    best = numpy.maximum.reduceat(margins[order], starts, axis=0)  # (pairs, relations)
    threshold = logits[surest, :1]
    pairs = ScoredPairs(heads[surest], tails[surest], numpy.arange(len(surest)))
    return PassageScores(
        pairs,
        numpy.concatenate([threshold, threshold + best], axis=1),
        sentences[surest],
        shares[surest],
    )


def _stack(arrays: List[numpy.ndarray], rows: List[numpy.ndarray]) -> numpy.ndarray:
    """Stack the chosen rows of several arrays. Narrow arrays are padded with zeros."""
    width = max(array.shape[1] for array in arrays)
    return numpy.concatenate(
        [
            numpy.pad(array, ((0, 0), (0, width - array.shape[1])))[chosen]
            for array, chosen in zip(arrays, rows, strict=True)
        ]
    )
