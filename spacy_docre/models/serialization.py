"""Weights as safetensors: nothing that is loaded runs code."""

from contextlib import contextmanager
from typing import Dict, Iterator

import safetensors.torch
from torch import Tensor, nn


def save_weights(module: nn.Module) -> bytes:
    """Serialise the weights of a module.

    module (nn.Module): The module.
    RETURNS (bytes): Its state dict, as safetensors.
    """
    weights = {name: weight.contiguous() for name, weight in module.state_dict().items()}
    return safetensors.torch.save(weights)


def read_weights(data: bytes, owner: str) -> Dict[str, Tensor]:
    """Read serialised weights.

    data (bytes): What `save_weights` gave.
    owner (str): Whose weights these are, for the error message.
    RETURNS (Dict[str, Tensor]): The weights by name.
    RAISES (ValueError): If they are damaged.
    """
    with readable(f"The weights of the {owner}"):
        return safetensors.torch.load(data)


def load_weights(module: nn.Module, weights: Dict[str, Tensor], owner: str) -> None:
    """Put weights into a module.

    module (nn.Module): The module.
    weights (Dict[str, Tensor]): The weights by name.
    owner (str): Whose weights these are, for the error message.
    RAISES (ValueError): If they belong to a module of another shape.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"The weights of the {owner} do not fit the model that its config describes. "
            f"Load them with the config they were saved with. {error}"
        ) from error


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn the errors of unreadable serialised data into one that says what to do.

    what (str): What is being read, to begin the message with.
    RAISES (ValueError): If it cannot be read.
    """
    try:
        yield
    except (ValueError, EOFError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"{what} cannot be read: the data is cut off or damaged. Copy or train the "
            f"pipeline again. ({error})"
        ) from error
