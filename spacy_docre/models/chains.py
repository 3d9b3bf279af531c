"""Attention of a pair over the chains of two pairs that lead from its head to its tail."""

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """softmax over the last dimension, of what is allowed; zeros where nothing is.

    scores (Tensor): The scores, shape (..., length).
    allowed (Tensor): What takes part, booleans of the same shape.
    RETURNS (Tensor): The shares, of the same shape.
    """
    lowest = torch.finfo(scores.dtype).min
    # Finite, so that a row without anything has no NaN.
    return scores.masked_fill(~allowed, lowest).softmax(-1).masked_fill(~allowed, 0)


def attend_over_chains(queries: Tensor, table: Tensor, linked: Tensor, start: int) -> Tensor:
    """For some heads h and all tails t: sum over o of softmax_o(q(h, t) . c_o) c_o, where the chain
    c_o = [f(h, o); f(o, t)] goes by an entity o that is linked to both; zeros without any.

    No chain is ever made: what is held at once is a number for each.

    queries (Tensor): q of the heads from `start` on, shape (heads, entities, 2 * width).
    table (Tensor): f, shape (entities, entities, width).
    linked (Tensor): Whether two different entities are linked, symmetric booleans of shape
        (entities, entities).
    start (int): The first head.
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
