"""Windows through an encoder one by one, without padding."""

from typing import Any, Callable, List

import torch
from thinc.api import ArgsKwargs
from torch import Tensor
from transformers.utils.generic import ModelOutput

from .attention import ATTENTION

# Not, for instance, a cache of keys and values.
_OF_WINDOWS = ("last_hidden_state", "pooler_output", "hidden_states", "attentions", ATTENTION)


def run_single_windows(run: Callable[[ArgsKwargs], ModelOutput], inputs: ArgsKwargs) -> ModelOutput:
    """Run an encoder on each window of a batch as if it were alone.

    A processor chooses how to add up a matrix product by its shape, so what comes of a window
    differs in the last digit with the windows, and the padding, beside it. In bfloat16 these
    differences grow until scores differ by hundredths.

    run (Callable[[ArgsKwargs], ModelOutput]): The encoder.
    inputs (ArgsKwargs): The batch: tensors of shape (windows, pieces), among them
        `attention_mask`.
    RETURNS (ModelOutput): Of what `run` would give for the batch all that belongs to windows or
        their pieces, and zeros for padding.
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
    """One tensor of what the windows have given, or a tuple of tensors of as many layers."""
    if not isinstance(values[0], Tensor):
        return tuple(_together(list(layer), mask) for layer in zip(*values, strict=True))
    number, length = mask.shape
    # (1, width) of a whole window, (1, pieces, width), or (1, heads, pieces, pieces)
    dims = values[0].dim()
    if dims == 2:
        return torch.cat(values)
    shape = values[0].shape
    whole = (length, shape[2]) if dims == 3 else (shape[1], length, length)
    result = values[0].new_zeros(number, *whole)
    for row, value, kept in zip(result, values, mask, strict=True):
        pieces = kept.nonzero().squeeze(1)
        first, end = int(pieces[0]), int(pieces[-1]) + 1
        # Padding is at one end, as a rule: a slice is copied many times faster.
        chosen: Any = slice(first, end) if end - first == len(pieces) else pieces
        if dims == 3:
            row[chosen] = value[0]
        elif isinstance(chosen, slice):
            row[:, chosen, chosen] = value[0]
        else:
            row[:, chosen.unsqueeze(1), chosen] = value[0]
    return result
