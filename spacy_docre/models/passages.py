"""Long documents, passage by passage: the pairs that a passage brings together are scored as if it
were a document of its own, and a pair has the best score of all its passages.

A document of any length is then scored as the short ones that the network was trained on, and in
time that grows with its length, where the number of all pairs grows with its square.
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
    """How long documents are cut.

    length (int): The longest passage, in word pieces. It has whole sentences, but where a single
        sentence is longer than `stride`.
    stride (int): The next passage begins at most so many word pieces further on. Two entities meet
        in a passage where they have mentions no further apart than `length` less `stride`, less a
        sentence.
    whole (int): Documents of up to so many word pieces are not cut.
    RAISES (ValueError): If one is out of its range.
    """

    length: int = 320
    stride: int = 160
    whole: int = 512

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.length <= self.whole:
            raise ValueError(
                f"stride = {self.stride}, length = {self.length} and whole = {self.whole} are "
                "numbers of word pieces: each should be at least 1, and no larger than the next."
            )

    def are_needed(self, document: EncodedDocument) -> bool:
        """Tell whether a document is too long to be scored whole.

        document (EncodedDocument): The document.
        RETURNS (bool): Whether it is.
        """
        return int((document.position_sentences >= 0).sum()) > self.whole

    def cut(self, document: EncodedDocument) -> Iterator["Passage"]:
        """Cut a document into passages, which overlap.

        document (EncodedDocument): The document.
        YIELDS (Passage): Those in which two entities or more have mentions.
        """
        sentences = document.position_sentences[document.position_sentences >= 0]
        for start, end in self._places(sentences.cpu().numpy()):
            passage = cut_out(document, start, end)
            if passage.document.num_entities > 1:
                yield passage

    def _places(self, sentences: numpy.ndarray) -> Iterator[Tuple[int, int]]:
        """First and end position of each passage."""
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
    """The last break that is not too far from a start, which is a break itself."""
    return int(breaks[numpy.searchsorted(breaks, start + most, side="right") - 1])


class Passage(NamedTuple):
    """A part of a document.

    document (EncodedDocument): The part, as a document of its own.
    entities (Tensor): The index that each of its entities has in the whole document, shape
        (entities,).
    first_sentence (int): The number that its first sentence has in the whole document.
    """

    document: EncodedDocument
    entities: Tensor
    first_sentence: int


def cut_out(document: EncodedDocument, start: int, end: int) -> Passage:
    """Make a document of a part of a document. What the encoder says of it stays as it is.

    document (EncodedDocument): The document.
    start (int): The first position of the part.
    end (int): The position to stop before.
    RETURNS (Passage): The part.
    """
    windows, _, pieces, _ = document.attention.shape
    places = document.piece_positions.view(windows, pieces)
    inside = (places >= start) & (places < end)
    kept = inside.any(1).nonzero().squeeze(1)  # (kept windows,)
    # Special tokens have the last positions, and those of a window stay with it.
    special = (document.position_sentences < 0).nonzero().squeeze(1)
    used = (inside | torch.isin(places, special))[kept].flatten()
    positions, new = places[kept].flatten()[used].unique(return_inverse=True)
    piece_positions = places.new_full((len(kept) * pieces,), -1)
    piece_positions[used] = new
    # Mentions, by the pieces that are inside.
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
    """What the network says of the pairs of a passage.

    pairs (ScoredPairs): The pairs, by the entities of the whole document.
    logits (numpy.ndarray): Their logits, shape (pairs, 1 + relations).
    sentences (numpy.ndarray): The sentences that are kept as evidence, of the whole document, shape
        (unordered pairs, kept sentences).
    shares (numpy.ndarray): Their shares of the attention, of the same shape.
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
        pairs (ScoredPairs): Its pairs, by its own entities.
        logits (ArrayXd): Their logits.
        evidence (Evidence): Their evidence, by its own sentences, as arrays.
        RETURNS (PassageScores): The same for the whole document.
        """
        entities = passage.entities.cpu().numpy()
        return cls(
            ScoredPairs(entities[pairs.heads], entities[pairs.tails], pairs.unordered),
            to_numpy(logits),
            to_numpy(evidence.sentences) + passage.first_sentence,
            to_numpy(evidence.shares),
        )


def merge(passages: List[PassageScores], num_entities: int, num_classes: int) -> PassageScores:
    """Bring together what is said of a pair in several passages: of each relation the largest
    margin l_r - l_TH, and the evidence of the passage that is surest of any.

    passages (List[PassageScores]): The scores of each passage.
    num_entities (int): The number of entities of the document.
    num_classes (int): The number of relations, with TH.
    RETURNS (PassageScores): Each pair once, each with evidence of its own.
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
    # The surest passage of a pair comes first.
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
    """Rows of arrays, below each other; zeros where one is less wide than another."""
    width = max(array.shape[1] for array in arrays)
    return numpy.concatenate(
        [
            numpy.pad(array, ((0, 0), (0, width - array.shape[1])))[chosen]
            for array, chosen in zip(arrays, rows, strict=True)
        ]
    )
