"""Weights as safetensors: nothing that is loaded runs code."""

import gzip
import zlib
from contextlib import contextmanager
from typing import Dict, Iterator, Literal

import safetensors.torch
import torch
from torch import Tensor, nn

StoredPrecision = Literal["float32", "float16"]

# How gzip begins. Safetensors begin with the length of their header, which is shorter, and
# msgpack with the kind of its first item.
_GZIP = b"\x1f\x8b\x08"


def save_weights(module: nn.Module, precision: StoredPrecision = "float32") -> bytes:
    """Serialise the weights of a module.

    module (nn.Module): The module.
    precision (StoredPrecision): What the weights are rounded to; those that are no floats stay
        as they are.
    RETURNS (bytes): Its state dict, as safetensors.
    """
    dtype = getattr(torch, precision)
    weights = {
        name: (weight.to(dtype) if weight.is_floating_point() else weight).contiguous()
        for name, weight in module.state_dict().items()
    }
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


def pack(data: bytes, precision: StoredPrecision) -> bytes:
    """Compress what is stored, where it is to be small.

    data (bytes): Safetensors, or a message of msgpack.
    precision (StoredPrecision): Precision of the weights in it.
    RETURNS (bytes): The data; in half precision, compressed by gzip.
    """
    # Without the time, so that the same weights give the same file.
    return gzip.compress(data, compresslevel=6, mtime=0) if precision == "float16" else data


def unpack(data: bytes, owner: str) -> bytes:
    """Undo `pack`.

    data (bytes): What `pack` gave.
    owner (str): Whose weights are in it, for the error message.
    RETURNS (bytes): The data.
    RAISES (ValueError): If it is damaged.
    """
    with readable(f"The weights of the {owner}"):
        return gzip.decompress(data) if data.startswith(_GZIP) else data


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
    except (ValueError, EOFError, OSError, zlib.error, safetensors.SafetensorError) as error:
        raise ValueError(
            f"{what} cannot be read: the data is cut off or damaged. Copy or train the "
            f"pipeline again. ({error})"
        ) from error
