"""Attention of a pair over the chains of two pairs that lead from its head to its tail."""

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Compute softmax over the allowed scores of the last dimension; zeros if no score is allowed.

    scores (Tensor): The scores, shape (..., length).
    allowed (Tensor): Whether a score takes part, booleans of the same shape.
    RETURNS (Tensor): The shares, of the same shape.
    """
    lowest = torch.finfo(scores.dtype).min
    # Finite, so that a row without allowed scores has no NaN.
    return scores.masked_fill(~allowed, lowest).softmax(-1).masked_fill(~allowed, 0)


def attend_over_chains(queries: Tensor, table: Tensor, linked: Tensor, start: int) -> Tensor:
    """Compute the sum over o of softmax_o(q(h, t) . c_o) c_o, for some heads h and all tails t. The
    chain c_o = [f(h, o); f(o, t)] goes through an entity o that is linked to both. The sum is zeros
    if there is no such o.

    The chains are never in memory: there is one number for each of them.

    queries (Tensor): q of the heads from `start` on, shape (heads, entities, 2 * width).
    table (Tensor): f, shape (entities, entities, width).
    linked (Tensor): Whether two different entities are linked, symmetric booleans of shape
        (entities, entities).
    start (int): The index of the first head.
    RETURNS (Tensor): The sums, shape (heads, entities, 2 * width).
    """
    here = slice(start, start + len(queries))
    first, second = queries.chunk(2, dim=-1)
    scores = torch.einsum("htw,how->hto", first, table[here])
    scores = scores + torch.einsum("htw,otw->hto", second, table)  # (heads, tails, entities)
    shares = masked_softmax(scores, linked[here].unsqueeze(1) & linked)
    to_middle = torch.einsum("hto,how->htw", shares, table[here])
    from_middle = torch.einsum("hto,otw->htw", shares, table)
    return torch.cat([to_middle, from_middle], dim=-1)  # (heads, entities, 2 * width)
