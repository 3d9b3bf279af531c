"""Run an encoder on windows one by one, without padding."""

from typing import Any, Callable, List

import torch
from thinc.api import ArgsKwargs
from torch import Tensor
from transformers.utils.generic import ModelOutput

from .attention import ATTENTION

# Outputs of windows; a cache of keys and values, for instance, is not one of them.
_OF_WINDOWS = ("last_hidden_state", "pooler_output", "hidden_states", "attentions", ATTENTION)


def run_single_windows(run: Callable[[ArgsKwargs], ModelOutput], inputs: ArgsKwargs) -> ModelOutput:
    """Run an encoder on each window of a batch separately.

    A processor adds up a matrix product in an order that depends on its shape. So the last digit of
    a window's output depends on the padding and on the other windows. In bfloat16 these differences
    grow until scores differ by hundredths.

    run (Callable[[ArgsKwargs], ModelOutput]): The encoder.
    inputs (ArgsKwargs): The batch: tensors of shape (windows, pieces), including `attention_mask`.
    RETURNS (ModelOutput): The outputs of `run` that belong to windows or pieces, for the whole
        batch; zeros for padding.
    """
    mask = inputs.kwargs["attention_mask"].bool()
    # A window without pieces stays as it is.
    mask |= ~mask.any(1, keepdim=True)
    outputs = []
    for index, kept in enumerate(mask):
        window = {
            name: value[index : index + 1, kept] if isinstance(value, Tensor) else value
            for name, value in inputs.kwargs.items()
        }
        outputs.append(run(ArgsKwargs(args=inputs.args, kwargs=window)))
    return ModelOutput(
        {
            name: _together([output[name] for output in outputs], mask)
            for name in outputs[0]
            if name in _OF_WINDOWS
        }
    )


def _together(values: List[Any], mask: Tensor) -> Any:
    """Join the outputs of windows to one tensor, or to a tuple with a tensor for each layer."""
    if not isinstance(values[0], Tensor):
        return tuple(_together(list(layer), mask) for layer in zip(*values, strict=True))
    number, length = mask.shape
    # The shape of a value: (1, width) for a whole window, (1, pieces, width), or (1, heads, pieces,
    # pieces).
    dims = values[0].dim()
    if dims == 2:
        return torch.cat(values)
    shape = values[0].shape
    whole = (length, shape[2]) if dims == 3 else (shape[1], length, length)
    result = values[0].new_zeros(number, *whole)
    for row, value, kept in zip(result, values, mask, strict=True):
        pieces = kept.nonzero().squeeze(1)
        first, end = int(pieces[0]), int(pieces[-1]) + 1
        # Padding is usually at one end, and a slice is copied many times faster.
        chosen: Any = slice(first, end) if end - first == len(pieces) else pieces
        if dims == 3:
            row[chosen] = value[0]
        elif isinstance(chosen, slice):
            row[:, chosen, chosen] = value[0]
        else:
            row[:, chosen.unsqueeze(1), chosen] = value[0]
    return result
