"""The named hand-overs between the torch modules."""

from dataclasses import dataclass
from functools import lru_cache
from typing import List, Sequence

import torch
from torch import Tensor


@dataclass
class EncodedDocument:
    """One document as the encoder left it: its windows, and where they belong.

    A *position* is a word piece of the document. Overlapping windows hold the same
    position more than once; pieces that belong to no token (padding, and special tokens
    where they are left out) hold none.

    hidden (Tensor): Last hidden states, shape (windows, pieces, width).
    attention (Tensor): The last layer's attention probabilities, shape
        (windows, heads, pieces, pieces).
    piece_positions (Tensor): The document position of each piece, -1 for none, shape
        (windows * pieces,).
    num_positions (int): The number of positions in the document.
    mention_pieces (Tensor): The pieces of all mentions, one mention after the other, as
        indices into the flattened windows, shape (mention pieces,).
    piece_mentions (Tensor): The mention each of `mention_pieces` belongs to, shape
        (mention pieces,).
    mention_entities (Tensor): The entity each mention belongs to, shape (mentions,).
    num_entities (int): The number of entities.
    position_sentences (Tensor): The sentence each position lies in, -1 for a special token,
        shape (positions,).
    num_sentences (int): The number of sentences.
    """

    hidden: Tensor
    attention: Tensor
    piece_positions: Tensor
    num_positions: int
    mention_pieces: Tensor
    piece_mentions: Tensor
    mention_entities: Tensor
    num_entities: int
    position_sentences: Tensor
    num_sentences: int


@dataclass
class PairLayout:
    """How the ordered pairs of a batch of documents lie in one flat list.

    A document with n entities has n * (n - 1) ordered pairs (head, tail), head by head,
    the tails in order; head = tail is left out. The documents follow one another.

    num_entities (List[int]): Entities of each document.
    heads (Tensor): Index of each pair's head among all entities of the batch, shape
        (pairs,).
    tails (Tensor): Index of each pair's tail among all entities of the batch, shape
        (pairs,).
    contexts (Tensor): Index of each pair among the unordered pairs of the batch, which
        (head, tail) and (tail, head) share, shape (pairs,).
    transposed (Tensor): Index of the pair (tail, head) of each pair (head, tail): the
        permutation that sorts the pairs of each document tail by tail, and back, shape
        (pairs,).
    """

    num_entities: List[int]
    heads: Tensor
    tails: Tensor
    contexts: Tensor
    transposed: Tensor

    @property
    def num_pairs(self) -> List[int]:
        """The number of ordered pairs of each document."""
        return [n * (n - 1) for n in self.num_entities]

    @classmethod
    def of(cls, num_entities: Sequence[int], device: torch.device) -> "PairLayout":
        """Lay out the pairs of a batch.

        num_entities (Sequence[int]): Entities of each document.
        device (torch.device): Where the index tensors are wanted.
        RETURNS (PairLayout): The layout.
        """
        entities = unordered = pairs = 0
        heads, tails, contexts, transposed = [], [], [], []
        for n in num_entities:
            document = document_layout(n)
            heads.append(document[0] + entities)
            tails.append(document[1] + entities)
            contexts.append(document[2] + unordered)
            transposed.append(document[3] + pairs)
            entities += n
            unordered += n * (n - 1) // 2
            pairs += n * (n - 1)
        return cls(
            num_entities=list(num_entities),
            heads=_concatenate(heads).to(device),
            tails=_concatenate(tails).to(device),
            contexts=_concatenate(contexts).to(device),
            transposed=_concatenate(transposed).to(device),
        )


def _concatenate(tensors: List[Tensor]) -> Tensor:
    return torch.cat(tensors) if tensors else torch.empty(0, dtype=torch.long)


@lru_cache(maxsize=64)
def document_layout(n: int) -> Tensor:
    """Heads, tails, unordered pairs and transposition of one document's pairs.

    n (int): The number of entities.
    RETURNS (Tensor): Four rows of indices, shape (4, n * (n - 1)).
    """
    table = torch.arange(n * n).reshape(n, n)
    real = ~torch.eye(n, dtype=torch.bool)
    heads, tails = (table // max(n, 1))[real], (table % max(n, 1))[real]
    lower, upper = torch.minimum(heads, tails), torch.maximum(heads, tails)
    contexts = lower * n - lower * (lower + 1) // 2 + upper - lower - 1
    place = torch.zeros_like(table)
    place[real] = torch.arange(n * (n - 1))
    return torch.stack([heads, tails, contexts, place.T[real]])


@dataclass
class PairScores:
    """What the network says of every ordered pair of a batch.

    logits (Tensor): One row a pair in the order of `layout`, the threshold class TH in
        column 0 and the relations after it, shape (pairs, 1 + relations).
    evidence (List[Tensor]): For each document, the share of each unordered pair's
        attention that falls on each sentence, shape (unordered pairs, sentences).
    layout (PairLayout): Where each pair is.
    """

    logits: Tensor
    evidence: List[Tensor]
    layout: PairLayout
