"""The grouped bilinear product of eq. 6, in chunks that fit a processor's cache."""

import math
from typing import Any, Iterator, Tuple

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function


def grouped_bilinear(heads: Tensor, tails: Tensor, weight: Tensor) -> Tensor:
    """Compute the sum over blocks j of z_s^j W^j z_o^j, in the precision of autocast.

    The outer products of all pairs and blocks are never in memory at once, in the forward pass or
    in the backward pass.

    heads (Tensor): z_s, shape (pairs, width).
    tails (Tensor): z_o, shape (pairs, width).
    weight (Tensor): W, shape (blocks, block size ** 2, pair width).
    RETURNS (Tensor): The products, float32, shape (pairs, pair width).
    """
    given = (heads, tails, weight)
    if has_torch_function(given):
        return handle_torch_function(grouped_bilinear, given, *given)
    # Autocast does not see inside a custom Function.
    device = heads.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    weight = weight.to(dtype) if dtype else weight
    return _GroupedBilinear.apply(heads.float(), tails.float(), weight)


class _GroupedBilinear(torch.autograd.Function):
    """The product, computed in chunks of the outer products."""

    @staticmethod
    def forward(ctx: Any, heads: Tensor, tails: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(heads, tails, weight)
        output = torch.zeros(len(heads), weight.shape[2], dtype=torch.float32, device=heads.device)
        for rows, blocks, columns in chunks(heads, weight):
            outer = outer_products(heads[rows, columns], tails[rows, columns], weight)
            output[rows] += outer.to(weight.dtype) @ weight[blocks].flatten(0, 1)
        return output

    @staticmethod
    def backward(ctx: Any, *d_outputs: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        heads, tails, weight = ctx.saved_tensors
        d_output = d_outputs[0].to(weight.dtype)
        size = math.isqrt(weight.shape[1])
        d_heads, d_tails = torch.empty_like(heads), torch.empty_like(tails)
        d_weight = torch.zeros_like(weight, dtype=torch.float32)
        for rows, blocks, columns in chunks(heads, weight):
            head, tail = heads[rows, columns], tails[rows, columns]
            outer = outer_products(head, tail, weight).to(weight.dtype)
            d_weight[blocks] += (outer.T @ d_output[rows]).view_as(weight[blocks])
            d_outer = (d_output[rows] @ weight[blocks].flatten(0, 1).T).float()
            d_outer = d_outer.view(-1, size, size)
            head_blocks, tail_blocks = head.reshape(-1, size), tail.reshape(-1, size)
            d_heads[rows, columns] = torch.bmm(d_outer, tail_blocks.unsqueeze(2)).view_as(head)
            d_tails[rows, columns] = torch.bmm(head_blocks.unsqueeze(1), d_outer).view_as(tail)
        return d_heads, d_tails, d_weight.to(weight.dtype)


# The largest number of values of the outer product in memory: a processor's cache holds them.
_CHUNK = 2**21
# The number of columns of the outer product in one matrix product, if the blocks are smaller.
_COLUMNS = 4096


def chunks(heads: Tensor, weight: Tensor) -> Iterator[Tuple[slice, slice, slice]]:
    """Cut the outer products into slices that fit a processor's cache.

    heads (Tensor): z_s, shape (pairs, width).
    weight (Tensor): W, shape (blocks, block size ** 2, pair width).
    YIELDS (Tuple[slice, slice, slice]): Some pairs, some blocks, and the columns of z_s and z_o
        in these blocks.
    """
    num_blocks, squared, _ = weight.shape
    size = math.isqrt(squared)
    block_step = min(num_blocks, max(1, _COLUMNS // squared))
    row_step = max(1, _CHUNK // (block_step * squared))
    for block in range(0, num_blocks, block_step):
        end = min(block + block_step, num_blocks)
        for row in range(0, len(heads), row_step):
            yield (
                slice(row, min(row + row_step, len(heads))),
                slice(block, end),
                slice(block * size, end * size),
            )


def outer_products(heads: Tensor, tails: Tensor, weight: Tensor) -> Tensor:
    """Compute the outer products of some blocks of some pairs.

    The products are computed in float32 and rounded afterwards. This is also faster than bfloat16.

    heads (Tensor): z_s, float32, shape (pairs, columns).
    tails (Tensor): z_o, float32, shape (pairs, columns).
    weight (Tensor): W, shape (blocks, block size ** 2, pair width).
    RETURNS (Tensor): float32, shape (pairs, columns * block size).
    """
    size = math.isqrt(weight.shape[1])
    head = heads.unflatten(1, (-1, size, 1))
    tail = tails.unflatten(1, (-1, 1, size))
    return (head * tail).flatten(1)
