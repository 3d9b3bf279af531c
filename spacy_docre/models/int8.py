"""Matrix products of prediction in int8.

Each row of the input, and each column of the weights, has a scale: 127 stands for its largest
value. Integers add up without rounding, so the result of a row does not depend on the other rows.
"""

from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Sequence, Tuple, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from .bilinear_kernel import chunks, grouped_bilinear, outer_products

_LARGEST = 127
_SMALLEST = 1e-30  # The smallest divisor: a row of zeros stays one.


class Int8Products(TorchFunctionMode):
    """A context for predictions. Linear maps and the grouped bilinear product are computed in int8.
    Weights stay as they are, and the output is float32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Tuple[Any, ...] = (),
        kwargs: Optional[Dict[str, Any]] = None,
    ) -> Any:
        """Torch calls this method instead of each of its functions."""
        return _IN_INT8.get(func, func)(*args, **(kwargs or {}))


class _Rounded(NamedTuple):
    """A matrix in int8.

    values (Tensor): int8, shape (rows, columns).
    scales (Tensor): The number that a value of 1 stands for, shape (rows, 1) or (1, columns).
    """

    values: Tensor
    scales: Tensor


# Each weight that has been used, in int8, and the state of the weight at that time.
_weights = WeakTensorKeyDictionary()


def _int8_weight(weight: Tensor, as_matrix: Callable[[Tensor], Tensor]) -> _Rounded:
    """Round a weight, unless its rounded values are known and it has not changed since.

    weight (Tensor): The weight.
    as_matrix (Callable[[Tensor], Tensor]): Gives it the shape (width in, width out).
    RETURNS (_Rounded): The weight, with scales of shape (1, width out).
    """
    if weight.is_inference():
        # Torch does not tell whether the weight has changed.
        return _round(as_matrix(weight), dim=0)
    # `weight.data = ...` changes only the second.
    state = weight._version, weight.data_ptr()
    known_state, rounded = _weights.get(weight, (None, None))
    if known_state != state:
        rounded = _round(as_matrix(weight.detach()), dim=0)
        _weights[weight] = state, rounded
    return cast(_Rounded, rounded)


def forget(weights: Iterable[Tensor]) -> None:
    """Forget the rounded values of weights, so that the weights are rounded again at their next
    use.

    weights (Iterable[Tensor]): Weights that have changed, unnoticed by torch.
    """
    for weight in weights:
        _weights.pop(weight, None)


def _round(matrix: Tensor, dim: int) -> _Rounded:
    """Round a matrix, with one scale for all values along a dimension."""
    scales = matrix.abs().amax(dim, keepdim=True).clamp_min_(_SMALLEST).div_(_LARGEST)
    return _Rounded((matrix / scales).round_().to(torch.int8).contiguous(), scales)


def _linear(input: Tensor, weight: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    """Compute `torch.nn.functional.linear`."""
    if weight.dim() != 2 or torch.is_grad_enabled():
        # A weight with a single output, or a product that needs a gradient.
        return nn.functional.linear(input, weight, bias)
    known = _int8_weight(weight, torch.t)
    values, scales = _round(input.float().reshape(-1, weight.shape[1]), dim=1)
    output = torch._int_mm(values, known.values).float()
    output.mul_(scales).mul_(known.scales)
    if bias is not None:
        output.add_(bias)
    return output.view(*input.shape[:-1], len(weight))


def _grouped_bilinear(heads: Tensor, tails: Tensor, weight: Tensor) -> Tensor:
    """Compute `grouped_bilinear`. The largest outer product of a block is that of its largest
    values."""
    known = _int8_weight(weight, lambda blocks: blocks.flatten(0, 1))
    num_blocks, squared, pair_width = weight.shape
    head_blocks, tail_blocks = (z.float().unflatten(1, (num_blocks, -1)) for z in (heads, tails))
    largest = head_blocks.abs().amax(2) * tail_blocks.abs().amax(2)  # (pairs, blocks)
    output = torch.zeros(len(heads), pair_width, device=heads.device)
    for rows, blocks, columns in chunks(heads, weight):
        scales = largest[rows, blocks].amax(1, keepdim=True).clamp_min_(_SMALLEST).div_(_LARGEST)
        outer = outer_products(heads[rows, columns] / scales, tails[rows, columns], weight)
        values = known.values[blocks.start * squared : blocks.stop * squared]
        output[rows] += torch._int_mm(outer.round_().to(torch.int8), values).float().mul_(scales)
    return output.mul_(known.scales)


_IN_INT8: Dict[Callable[..., Any], Callable[..., Any]] = {
    nn.functional.linear: _linear,
    grouped_bilinear: _grouped_bilinear,
}
