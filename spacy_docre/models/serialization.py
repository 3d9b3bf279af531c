"""Weights as safetensors: loading them runs no code."""

import gzip
import io
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Literal, Mapping, Type, TypeVar

import safetensors.torch
import torch
from srsly import msgpack
from thinc.api import Model
from thinc.util import convert_recursive, is_xp_array
from torch import Tensor, nn

from ..files import check_message

ModuleT = TypeVar("ModuleT", bound=nn.Module)

StoredPrecision = Literal["float32", "float16"]

# The first bytes of a file of `torch.save`.
STOCK_FORMAT = b"PK\x03\x04"
# The first bytes of gzip data. Safetensors begin with the length of their header, which is a
# smaller number. msgpack begins with the kind of its first item.
_GZIP = b"\x1f\x8b\x08"
# Weights in half precision hardly shrink, and a tokenizer's files shrink to a tenth. Data that
# unpacks to more bytes than this, and to more than this multiple of its size, was made to fill the
# memory.
_MOST_UNPACKED = 2**26
_MOST_GROWTH = 20


def save_weights(module: nn.Module, precision: StoredPrecision = "float32") -> bytes:
    """Serialise the weights of a module.

    module (nn.Module): The module.
    precision (StoredPrecision): The precision that weights are rounded to; weights that are not
        floats stay as they are.
    RETURNS (bytes): Its state dict, as safetensors.
    """
    dtype = getattr(torch, precision)
    weights = {
        name: (weight.to(dtype) if weight.is_floating_point() else weight).contiguous()
        for name, weight in module.state_dict().items()
    }
    return safetensors.torch.save(weights)


def read_stock_weights(data: bytes, owner: str) -> Dict[str, Tensor]:
    """Read weights that spacy-transformers has serialised.

    data (bytes): The output of `torch.save` for a state dict.
    owner (str): The owner of the weights, for the error message.
    RETURNS (Dict[str, Tensor]): The weights by name.
    RAISES (ValueError): If the data is damaged, or is not weights.
    """
    with readable(f"The weights of the {owner}"):
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not all(isinstance(weight, Tensor) for weight in state.values()):
            raise ValueError("they are not weights")
    # Earlier versions of transformers stored this buffer.
    return {name: weight for name, weight in state.items() if not name.endswith("position_ids")}


def read_weights(data: bytes, owner: str) -> Dict[str, Tensor]:
    """Read serialised weights.

    data (bytes): The output of `save_weights`.
    owner (str): The owner of the weights, for the error message.
    RETURNS (Dict[str, Tensor]): The weights by name.
    RAISES (ValueError): If the data is damaged.
    """
    with readable(f"The weights of the {owner}"):
        weights = safetensors.torch.load(data)
        for name, weight in weights.items():
            if weight.is_floating_point() and weight.isnan().any():
                raise ValueError(f"{name} is not a number (NaN)")
    return weights


def pack(data: bytes, precision: StoredPrecision) -> bytes:
    """Compress data that should be small on disk.

    data (bytes): Safetensors, or a message of msgpack.
    precision (StoredPrecision): The precision of the weights in the data.
    RETURNS (bytes): The data; in half precision it is compressed by gzip.
    """
    # Without the time, so that the same weights give the same file.
    return gzip.compress(data, compresslevel=6, mtime=0) if precision == "float16" else data


def unpack(data: bytes, owner: str) -> bytes:
    """Undo `pack`.

    data (bytes): The output of `pack`.
    owner (str): The owner of the weights in the data, for the error message.
    RETURNS (bytes): The data.
    RAISES (ValueError): If the data is damaged.
    """
    if not data.startswith(_GZIP):
        return data
    most = max(_MOST_UNPACKED, _MOST_GROWTH * len(data))
    with readable(f"The weights of the {owner}"), gzip.open(io.BytesIO(data)) as stream:
        unpacked = stream.read(most + 1)
        if len(unpacked) > most:
            raise ValueError(
                f"{len(data):,} bytes unpack to more than {most:,}: too many for weights"
            )
    return unpacked


def read_message(data: bytes, what: str, **kinds: Type[Any]) -> Dict[str, Any]:
    """Read a message of msgpack.

    data (bytes): The message.
    what (str): The name of the data, to begin an error with.
    **kinds (Type[Any]): The fields that the message has to hold, and their types.
    RETURNS (Dict[str, Any]): The fields.
    RAISES (ValueError): If the data is damaged.
    """
    with readable(what):
        check_message(data)
        message = msgpack.loads(data, raw=False)
        require_kinds(message, kinds)
    return message


def require_kinds(data: Any, kinds: Mapping[str, Any]) -> None:
    """Check the fields of a dict.

    data (Any): The value that should be a dict.
    kinds (Mapping[str, Any]): The types of its fields, as `isinstance` takes them.
    RAISES (ValueError): If it is not a dict, or a field is missing or of another type.
    """
    if not isinstance(data, dict):
        raise ValueError("it is not an object with fields")
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind):
            raise ValueError(f"{name!r} is {'not as it should be' if name in data else 'missing'}")


def fill_model(model: Model[Any, Any], message: Mapping[str, Any], what: str) -> None:
    """Put stored data into a thinc model.

    model (Model[Any, Any]): The model.
    message (Mapping[str, Any]): The output of the model's `to_bytes`, unpacked.
    what (str): The name of the data, to begin an error with.
    RAISES (ValueError): If the data is of another model, or damaged.
    """
    try:
        nodes = list(model.walk())
        sizes = {len(message[part]) for part in ("nodes", "attrs", "params", "shims")}
        if sizes != {len(nodes)}:
            raise ValueError(
                f"{what} is from a model with {min(sizes)} layers, but the config describes a "
                f"model with {len(nodes)}. Load it with the config it was saved with."
            )
        # Stored attributes are numbers and names. They must not replace a function.
        attrs = [
            {name: value for name, value in stored.items() if not callable(node.attrs.get(name))}
            for node, stored in zip(nodes, message["attrs"], strict=True)
        ]
        content = {**message, "attrs": attrs}
        model.from_dict(convert_recursive(is_xp_array, model.ops.asarray, content))
    except (ImportError, ValueError):
        # The error names its cause.
        raise
    except Exception as error:
        raise ValueError(
            f"{what} does not fit the model that the config describes: it is from another model, "
            f"or damaged. Copy or train the pipeline again. ({type(error).__name__}: {error})"
        ) from error


def build(make: Callable[[], ModuleT], weights: Mapping[str, Tensor], owner: str) -> ModuleT:
    """Build a module and load its weights.

    make (Callable[[], ModuleT]): Makes the module, in the sizes that were stored with the weights.
    weights (Mapping[str, Tensor]): The weights by name.
    owner (str): The owner of the weights, for the error message.
    RETURNS (ModuleT): The module, with the weights.
    RAISES (ValueError): If the weights belong to a module of another shape.
    """
    # First build without memory: if the stored sizes do not fit the weights, they may be huge.
    with torch.device("meta"):
        load_weights(make(), weights, owner, assign=True)
    module = make()
    load_weights(module, weights, owner)
    return module


def load_weights(
    module: nn.Module, weights: Mapping[str, Tensor], owner: str, *, assign: bool = False
) -> None:
    """Put weights into a module.

    module (nn.Module): The module.
    weights (Mapping[str, Tensor]): The weights by name.
    owner (str): The owner of the weights, for the error message.
    assign (bool): Whether the weights replace the module's parameters, instead of being copied into
        them.
    RAISES (ValueError): If the weights belong to a module of another shape.
    """
    try:
        module.load_state_dict(weights, assign=assign)
    except RuntimeError as error:
        raise ValueError(
            f"The weights of the {owner} do not fit the model that its config describes. "
            f"Load them with the config they were saved with. {error}"
        ) from error


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn all errors of unreadable data into one that says what to do.

    what (str): The name of the data, to begin the message with.
    RAISES (ValueError): If the data cannot be read.
    """
    try:
        yield
    except Exception as error:
        # Libraries raise many kinds of errors for damaged data, from EOFError to struct.error.
        raise ValueError(
            f"{what} cannot be read: the data is cut off or damaged. Copy or train the "
            f"pipeline again. ({error})"
        ) from error
