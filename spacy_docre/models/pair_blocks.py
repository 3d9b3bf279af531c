"""A few pairs of a document at a time: documents with many pairs need little memory."""

from typing import Callable, Iterator, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn

from ..pairs import Pairs
from .encoded_document import EncodedDocument
from .slots import KEPT_SENTENCES, Evidence, strongest

# Small enough for little memory, large enough for fast matrix products.
PAIRS_AT_ONCE = 4096
VALUES_AT_ONCE = 2**21


class PairBlock(NamedTuple):
    """Some pairs of one document: (s, o) and (o, s) are in the same block.

    heads, tails (Tensor): The index of the head and of the tail of each pair, both of shape
        (pairs,).
    rows (Tensor): The row of each pair in the table of all pairs, shape (pairs,).
    unordered (Tensor): The row of each pair in `contexts`, shape (pairs,).
    contexts (Tensor): c, shape (unordered pairs, hidden width), or (unordered pairs, 0) without
        context pooling.
    evidence (Evidence): The evidence of the unordered pairs of two different entities.
    """

    heads: Tensor
    tails: Tensor
    rows: Tensor
    unordered: Tensor
    contexts: Tensor
    evidence: Evidence


def walk(
    context_pooling: Optional[nn.Module],
    hidden: Tensor,
    document: EncodedDocument,
    diagonal: bool,
) -> Iterator[PairBlock]:
    """Yield the pairs of a document in blocks.

    context_pooling (Optional[nn.Module]): The layer of eq. 3 and 4; None for no context. A layer
        without a method `blocks` computes all pairs at once.
    hidden (Tensor): H, shape (positions, hidden width).
    document (EncodedDocument): The document.
    diagonal (bool): Whether each entity is also paired with itself.
    YIELDS (PairBlock): The blocks.
    """
    n, done = document.num_entities, 0
    kept = kept_sentences(document)
    if context_pooling is None:
        blocks = _without_context(hidden, document, diagonal)
    else:
        few = getattr(context_pooling, "blocks", lambda *whole: iter([context_pooling(*whole)]))
        blocks = few(hidden, document, diagonal)
    all_s, all_o = Pairs.unordered_between(n, 0, n, diagonal, hidden.device)
    for contexts, shares in blocks:
        chosen = slice(done, done + len(contexts))
        s, o, done = all_s[chosen], all_o[chosen], chosen.stop
        different = (s != o).nonzero().squeeze(1)
        heads, tails = torch.cat([s, o[different]]), torch.cat([o, s[different]])
        yield PairBlock(
            heads=heads,
            tails=tails,
            rows=Pairs.row(heads, tails, n, diagonal),
            unordered=torch.cat([torch.arange(len(s), device=s.device), different]),
            contexts=contexts,
            evidence=strongest(shares, kept),
        )


def _without_context(
    hidden: Tensor, document: EncodedDocument, diagonal: bool
) -> Iterator[Tuple[Tensor, Tensor]]:
    """Yield contexts of width 0, and shares that are zero for all sentences."""
    n = document.num_entities
    for start, end in steps(n):
        s, o = Pairs.unordered_between(n, start, end, diagonal, hidden.device)
        shares = hidden.new_zeros(int((s != o).sum()), document.num_sentences)
        yield hidden.new_zeros(len(s), 0), shares


def kept_sentences(document: EncodedDocument) -> int:
    """Count the sentences that the evidence of each pair has.

    document (EncodedDocument): The document.
    RETURNS (int): The number; all sentences if they are asked for.
    """
    number = document.num_sentences
    return number if document.all_sentences else min(number, KEPT_SENTENCES)


def no_evidence(document: EncodedDocument) -> Evidence:
    """Make the evidence of a network that has no attention on sentences: all shares are zero.

    document (EncodedDocument): The document.
    RETURNS (Evidence): Zero shares for each unordered pair.
    """
    shape = Pairs.count_unordered(document.num_entities), kept_sentences(document)
    shares = document.hidden.new_zeros(shape)
    sentences = torch.arange(shape[1], dtype=torch.int, device=shares.device)
    return Evidence(sentences.repeat(shape[0], 1), shares)


def steps(num_entities: int, positions: int = 1) -> Iterator[Tuple[int, int]]:
    """Cut the entities of a document into steps. The entities of a step have few pairs with all
    entities.

    num_entities (int): The number of entities.
    positions (int): The number of values in memory for each pair.
    YIELDS (Tuple[int, int]): The first entity of each step, and the entity to stop before.
    """
    step = max(1, min(PAIRS_AT_ONCE, VALUES_AT_ONCE // max(1, positions)) // num_entities)
    for start in range(0, num_entities, step):
        yield start, min(start + step, num_entities)


def lines_of(pairs: Pairs, columns: bool = False) -> Iterator[Tensor]:
    """Yield the lines of the table, a few at a time.

    pairs (Pairs): The pair of each row.
    columns (bool): Whether a line has the pairs of one tail; else those of one head.
    RETURNS (Iterator[Tensor]): The rows of each block, shape (lines, length).
    """
    return pairs.line_blocks(PAIRS_AT_ONCE, columns)


def add_along_lines(
    output: Tensor,
    source: Tensor,
    pairs: Pairs,
    columns: bool,
    attend: Callable[[Tensor], Tensor],
) -> None:
    """Add to each pair the result of `attend` on its line, a few lines at a time.

    output (Tensor): The table that is changed, shape (pairs, pair width).
    source (Tensor): The table that is read. It may be `output`, since no line reads another line.
    pairs (Pairs): The pair of each row.
    columns (bool): Whether the lines are columns (of one tail) or rows (of one head).
    attend (Callable[[Tensor], Tensor]): Keeps the shape (lines, length, pair width).
    """
    for rows in lines_of(pairs, columns):
        lines = source.index_select(0, rows.flatten()).unflatten(0, rows.shape)
        output[rows] = output[rows] + attend(lines).to(output.dtype)
