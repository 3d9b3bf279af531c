"""Equation 6: the grouped bilinear product of head and tail."""

import math
from typing import Any, Iterator, Tuple

import torch
from torch import Tensor, nn


class GroupedBilinear(nn.Module):
    """g_i = sum over blocks j of z_s^j W_i^j z_o^j + b_i (eq. 6).

    Head and tail are split into `width / block_size` blocks, and only values of the
    same block meet. The outer products of all pairs and blocks are never held at once,
    neither in the forward nor in the backward pass.

    width (int): Width of the head and tail embeddings.
    output_width (int): Width of g.
    block_size (int): Width of a block; must divide `width`.
    RAISES (ValueError): If `block_size` does not divide `width`.
    """

    def __init__(self, width: int, output_width: int, block_size: int) -> None:
        super().__init__()
        if width % block_size != 0:
            raise ValueError(
                f"block_size = {block_size} does not divide width = {width}. Set a "
                "block_size that does, for instance a power of two."
            )
        self.block_size = block_size
        blocks = width // block_size
        self.weight = nn.Parameter(torch.empty(blocks, block_size**2, output_width))
        self.bias = nn.Parameter(torch.zeros(output_width))
        bound = 1.0 / math.sqrt(width * block_size)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, heads: Tensor, tails: Tensor) -> Tensor:
        """Multiply heads and tails.

        heads (Tensor): Head embeddings z_s, shape (pairs, width).
        tails (Tensor): Tail embeddings z_o, shape (pairs, width).
        RETURNS (Tensor): g, float32, shape (pairs, output width).
        """
        # Autocast does not see inside a custom Function.
        device = heads.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        weight = self.weight.to(dtype) if dtype else self.weight
        return _GroupedBilinear.apply(heads.float(), tails.float(), weight) + self.bias


class _GroupedBilinear(torch.autograd.Function):
    """The product without bias, a chunk of the outer products at a time."""

    @staticmethod
    def forward(ctx: Any, heads: Tensor, tails: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(heads, tails, weight)
        output = torch.zeros(len(heads), weight.shape[2], dtype=torch.float32, device=heads.device)
        for rows, blocks in _chunks(heads, weight):
            outer = _outer(heads, tails, weight, rows, blocks)
            output[rows] += outer @ weight[blocks].flatten(0, 1)
        return output

    @staticmethod
    def backward(ctx: Any, *d_outputs: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        heads, tails, weight = ctx.saved_tensors
        d_output = d_outputs[0].to(weight.dtype)
        size = math.isqrt(weight.shape[1])
        d_heads, d_tails = torch.empty_like(heads), torch.empty_like(tails)
        d_weight = torch.zeros_like(weight, dtype=torch.float32)
        for rows, blocks in _chunks(heads, weight):
            outer = _outer(heads, tails, weight, rows, blocks)
            d_weight[blocks] += (outer.T @ d_output[rows]).view_as(weight[blocks])
            d_outer = (d_output[rows] @ weight[blocks].flatten(0, 1).T).float()
            d_outer = d_outer.view(-1, size, size)
            columns = slice(blocks.start * size, blocks.stop * size)
            head = heads[rows, columns].reshape(-1, size)
            tail = tails[rows, columns].reshape(-1, size)
            d_heads[rows, columns] = torch.bmm(d_outer, tail.unsqueeze(2)).view_as(
                heads[rows, columns]
            )
            d_tails[rows, columns] = torch.bmm(head.unsqueeze(1), d_outer).view_as(
                tails[rows, columns]
            )
        return d_heads, d_tails, d_weight.to(weight.dtype)


# Values of the outer product held at once: small enough for a processor's cache.
_CHUNK = 2**21
# Columns of the outer product multiplied at once, if the blocks are smaller than that.
_COLUMNS = 4096


def _chunks(heads: Tensor, weight: Tensor) -> Iterator[Tuple[slice, slice]]:
    """Walk over the outer products in slices of pairs and of blocks."""
    num_blocks, squared, _ = weight.shape
    block_step = min(num_blocks, max(1, _COLUMNS // squared))
    row_step = max(1, _CHUNK // (block_step * squared))
    for block in range(0, num_blocks, block_step):
        for row in range(0, len(heads), row_step):
            yield (
                slice(row, min(row + row_step, len(heads))),
                slice(block, min(block + block_step, num_blocks)),
            )


def _outer(heads: Tensor, tails: Tensor, weight: Tensor, rows: slice, blocks: slice) -> Tensor:
    """The outer products of some blocks of some pairs, shape (pairs, columns).

    They are multiplied in float32 and rounded after: in bfloat16 that is faster, too.
    """
    size = math.isqrt(weight.shape[1])
    columns = slice(blocks.start * size, blocks.stop * size)
    num_blocks = blocks.stop - blocks.start
    head = heads[rows, columns].unflatten(1, (num_blocks, size, 1))
    tail = tails[rows, columns].unflatten(1, (num_blocks, 1, size))
    return (head * tail).flatten(1).to(weight.dtype)
