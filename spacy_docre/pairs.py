"""The ordered pairs of a document's entities. Only this module knows their order."""

from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Iterator, List, NamedTuple, Sequence, Tuple, TypeVar, Union

import numpy
import torch
from torch import Tensor

IndexT = TypeVar("IndexT", int, numpy.ndarray, Tensor)
Device = Union[str, torch.device]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The ordered pairs of the entities of a batch of documents, as rows of one flat table.

    A document with n entities has n * (n - 1) pairs (head, tail), sorted by head, then by tail.
    With the diagonal (s, s), it has n * n pairs. The documents follow one another.

    num_entities (Tuple[int, ...]): The number of entities of each document.
    diagonal (bool): Whether each entity is paired with itself, too.
    heads (Tensor): Index of each pair's head among all entities of the batch, shape (pairs,).
    tails (Tensor): Index of each pair's tail among all entities of the batch, shape (pairs,).
    unordered (Tensor): Index of {head, tail} among the unordered pairs of the batch, shape
        (pairs,). (head, tail) and (tail, head) share this index.
    transposed (Tensor): Row of (tail, head) for each pair (head, tail), shape (pairs,). This
        permutation sorts the pairs of each document by tail, and is its own inverse.
    """

    num_entities: Tuple[int, ...]
    diagonal: bool
    heads: Tensor
    tails: Tensor
    unordered: Tensor
    transposed: Tensor

    @classmethod
    def of(
        cls,
        num_entities: Sequence[int],
        *,
        diagonal: bool = False,
        device: Device = "cpu",
    ) -> "Pairs":
        """Lay out the pairs of a batch.

        num_entities (Sequence[int]): The number of entities of each document.
        diagonal (bool): Whether each entity is paired with itself, too.
        device (Device): The device of the index tensors.
        RETURNS (Pairs): The pairs.
        """
        columns: List[Tensor] = [torch.empty(4, 0, dtype=torch.long)]
        entities = unordered = rows = 0
        for n in num_entities:
            offsets = torch.tensor([entities, entities, unordered, rows]).unsqueeze(1)
            columns.append(_document(n, diagonal) + offsets)  # (4, pairs of the document)
            entities += n
            unordered += cls.count_unordered(n, diagonal)
            rows += cls.count(n, diagonal)
        return cls(tuple(num_entities), diagonal, *torch.cat(columns, 1).to(device))

    @staticmethod
    def count(num_entities: int, diagonal: bool = False) -> int:
        """Count the pairs of one document.

        num_entities (int): The number of its entities.
        diagonal (bool): Whether each entity is paired with itself, too.
        RETURNS (int): The number of pairs.
        """
        return num_entities * (num_entities - (not diagonal))

    @staticmethod
    def num_entities_of(num_pairs: int) -> int:
        """Compute the number of entities from the number of pairs, without the diagonal.

        num_pairs (int): The number of pairs of a document.
        RETURNS (int): The number of its entities; 1 if it has no pairs.
        """
        return (1 + isqrt(1 + 4 * num_pairs)) // 2

    @staticmethod
    def count_unordered(num_entities: int, diagonal: bool = False) -> int:
        """Count the unordered pairs of one document. Arguments as in `count`."""
        return num_entities * (num_entities - 1) // 2 + num_entities * diagonal

    @staticmethod
    def row(head: IndexT, tail: IndexT, num_entities: int, diagonal: bool = False) -> IndexT:
        """Compute the row of a pair of one document, or of several pairs.

        head (Union[int, numpy.ndarray, Tensor]): Index of the head of each pair.
        tail (Union[int, numpy.ndarray, Tensor]): Index of the tail of each pair. Without the
            diagonal, head and tail must differ.
        num_entities (int): The number of entities.
        diagonal (bool): Whether each entity is paired with itself, too.
        RETURNS (Union[int, numpy.ndarray, Tensor]): The row of each pair.
        """
        if diagonal:
            return head * num_entities + tail
        return head * (num_entities - 1) + tail - 1 * (tail > head)

    @classmethod
    def rows_between(cls, entities: Sequence[int], num_entities: int) -> numpy.ndarray:
        """Compute the rows of all pairs between some entities of one document. The rows come in the
        order that the pairs of these entities alone would have.

        entities (Sequence[int]): The indices of the entities.
        num_entities (int): The number of all entities.
        RETURNS (numpy.ndarray): The rows, shape (pairs between the chosen entities,).
        """
        chosen = cls.of([len(entities)])
        indices = numpy.asarray(entities, dtype="int64")
        return cls.row(indices[chosen.heads.numpy()], indices[chosen.tails.numpy()], num_entities)

    @staticmethod
    def unordered_between(
        num_entities: int,
        start: int,
        end: int,
        diagonal: bool = False,
        device: Device = "cpu",
    ) -> Tuple[Tensor, Tensor]:
        """List the unordered pairs {s, o} of a document with start <= s < end and s < o, in order.

        num_entities (int): The number of entities.
        start (int): The first s.
        end (int): The end of s; the pairs of this s are left out.
        diagonal (bool): Whether to include the pairs {s, s}.
        device (Device): The device of the index tensors.
        RETURNS (Tuple[Tensor, Tensor]): s and o, each of shape (unordered pairs,).
        """
        lines = min(end, num_entities) - start
        s, o = torch.triu_indices(
            lines, num_entities, offset=start + (not diagonal), device=torch.device(device)
        )
        return s + start, o

    @property
    def num_pairs(self) -> List[int]:
        """RETURNS (List[int]): The number of pairs of each document."""
        return [self.count(n, self.diagonal) for n in self.num_entities]

    @property
    def off_diagonal(self) -> Tensor:
        """RETURNS (Tensor): The rows of pairs of two different entities, shape (rows,)."""
        return (self.heads != self.tails).nonzero().squeeze(1)

    def lines(self, table: Tensor) -> List[Tensor]:
        """Split a table of pairs into documents, and each document into one line for each head.

        table (Tensor): A row for each pair, shape (pairs, width).
        RETURNS (List[Tensor]): The lines of each document, shape (entities, tails, width).
        """
        return [
            rows.unflatten(0, (n, len(rows) // max(n, 1)))
            for n, rows in zip(self.num_entities, table.split(self.num_pairs), strict=True)
        ]

    def line_blocks(self, most: int, columns: bool = False) -> Iterator[Tensor]:
        """Go over the lines of the documents in blocks of a few lines.

        most (int): The largest number of pairs of a block. A block has at least one line.
        columns (bool): Whether a line holds the pairs of one tail, and not of one head.
        YIELDS (Tensor): The rows of the pairs of one block, shape (lines, length). All lines of a
            block are of one document.
        """
        start = 0
        for n, number in zip(self.num_entities, self.num_pairs, strict=True):
            if number:
                rows = torch.arange(start, start + number, device=self.heads.device)
                chosen = self.transposed[rows] if columns else rows
                yield from chosen.unflatten(0, (n, number // n)).split(max(1, most * n // number))
            start += number


class ScoredPairs(NamedTuple):
    """Pairs of a document that have scores: all pairs, or some of the pairs of a long document.

    heads (numpy.ndarray): Index of the head of each pair, shape (pairs,).
    tails (numpy.ndarray): Index of the tail of each pair, shape (pairs,).
    unordered (numpy.ndarray): The row of the evidence of each pair, shape (pairs,).
    """

    heads: numpy.ndarray
    tails: numpy.ndarray
    unordered: numpy.ndarray

    @classmethod
    def all_of(cls, num_entities: int) -> "ScoredPairs":
        """List all pairs of a document, in the order of `Pairs`.

        num_entities (int): The number of its entities.
        RETURNS (ScoredPairs): The pairs.
        """
        pairs = Pairs.of([num_entities])
        return cls(pairs.heads.numpy(), pairs.tails.numpy(), pairs.unordered.numpy())


def _document(n: int, diagonal: bool) -> Tensor:
    """Compute heads, tails, unordered and transposed of one document, shape (4, pairs)."""
    # Large tables are not cached: few documents have so many pairs, and the tables take much
    # memory.
    return _small_document(n, diagonal) if n <= _SMALL else _lay_out(n, diagonal)


_SMALL = 100


@lru_cache(maxsize=64)
def _small_document(n: int, diagonal: bool) -> Tensor:
    return _lay_out(n, diagonal)


def _lay_out(n: int, diagonal: bool) -> Tensor:
    heads, tails = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    real = torch.ones(n, n, dtype=torch.bool) if diagonal else ~torch.eye(n, dtype=torch.bool)
    rows = torch.zeros(n, n, dtype=torch.long)
    rows[real] = torch.arange(int(real.sum()))
    lower, upper = torch.minimum(heads, tails), torch.maximum(heads, tails)
    # The number of unordered pairs in the lines above the line of `lower`.
    skipped = 0 if diagonal else 1
    before = lower * n - lower * (lower + 1) // 2 + lower * (1 - skipped)
    unordered = before + upper - lower - skipped
    return torch.stack([table[real] for table in (heads, tails, unordered, rows.T)])
