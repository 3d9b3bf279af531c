"""Weights as safetensors: nothing that is loaded runs code."""

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

ModuleT = TypeVar("ModuleT", bound=nn.Module)

StoredPrecision = Literal["float32", "float16"]

# How the files of `torch.save` begin.
STOCK_FORMAT = b"PK\x03\x04"
# How gzip begins. Safetensors begin with the length of their header, which is shorter, and
# msgpack with the kind of its first item.
_GZIP = b"\x1f\x8b\x08"
# Weights in half precision hardly shrink, and a tokenizer's files to a tenth. What becomes larger
# than this, and larger than so many times its size, was made to fill the memory.
_MOST_UNPACKED = 2**26
_MOST_GROWTH = 20
# Items of a list in a message: those of a model are some hundreds. msgpack makes room for as many
# as are announced.
_MOST_ITEMS = 2**16


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


def read_stock_weights(data: bytes, owner: str) -> Dict[str, Tensor]:
    """Read weights as spacy-transformers serialises them.

    data (bytes): What `torch.save` gave for a state dict.
    owner (str): Whose weights these are, for the error message.
    RETURNS (Dict[str, Tensor]): The weights by name.
    RAISES (ValueError): If they are damaged, or anything else than weights.
    """
    with readable(f"The weights of the {owner}"):
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not all(isinstance(weight, Tensor) for weight in state.values()):
            raise ValueError("they are no weights")
    # A buffer that earlier versions of transformers stored.
    return {name: weight for name, weight in state.items() if not name.endswith("position_ids")}


def read_weights(data: bytes, owner: str) -> Dict[str, Tensor]:
    """Read serialised weights.

    data (bytes): What `save_weights` gave.
    owner (str): Whose weights these are, for the error message.
    RETURNS (Dict[str, Tensor]): The weights by name.
    RAISES (ValueError): If they are damaged.
    """
    with readable(f"The weights of the {owner}"):
        weights = safetensors.torch.load(data)
        for name, weight in weights.items():
            if weight.is_floating_point() and weight.isnan().any():
                raise ValueError(f"{name} is not a number (NaN)")
    return weights


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
    if not data.startswith(_GZIP):
        return data
    most = max(_MOST_UNPACKED, _MOST_GROWTH * len(data))
    with readable(f"The weights of the {owner}"), gzip.open(io.BytesIO(data)) as stream:
        unpacked = stream.read(most + 1)
        if len(unpacked) > most:
            raise ValueError(f"{len(data):,} bytes unpack to more than {most:,}, as no weights do")
    return unpacked


def read_message(data: bytes, what: str, **kinds: Type[Any]) -> Dict[str, Any]:
    """Read a message of msgpack.

    data (bytes): The message.
    what (str): What is being read, to begin an error with.
    **kinds (Type[Any]): What it has to hold, and of which type.
    RETURNS (Dict[str, Any]): What it holds.
    RAISES (ValueError): If it is damaged.
    """
    with readable(what):
        message = msgpack.loads(data, raw=False, max_array_len=_MOST_ITEMS, max_map_len=_MOST_ITEMS)
        require_kinds(message, kinds)
    return message


def require_kinds(data: Any, kinds: Mapping[str, Any]) -> None:
    """Check what should be in a dict.

    data (Any): What should be one.
    kinds (Mapping[str, Any]): The types of its fields, as `isinstance` takes them.
    RAISES (ValueError): If it is none, or a field is missing or of another type.
    """
    if not isinstance(data, dict):
        raise ValueError("it is no object with fields")
    for name, kind in kinds.items():
        if not isinstance(data.get(name), kind):
            raise ValueError(f"{name!r} is {'not as it should be' if name in data else 'missing'}")


def fill_model(model: Model[Any, Any], message: Mapping[str, Any], what: str) -> None:
    """Put what was read into a model of thinc.

    model (Model[Any, Any]): The model.
    message (Mapping[str, Any]): What its `to_bytes` gave, unpacked.
    what (str): What has been read, to begin an error with.
    RAISES (ValueError): If it is of another model, or damaged.
    """
    try:
        nodes = list(model.walk())
        sizes = {len(message[part]) for part in ("nodes", "attrs", "params", "shims")}
        if sizes != {len(nodes)}:
            raise ValueError(
                f"{what} is of a model with {min(sizes)} layers, and the config describes one with "
                f"{len(nodes)}. Load it with the config it was saved with."
            )
        # What is stored are numbers and names; it must not stand where a function is.
        attrs = [
            {name: value for name, value in stored.items() if not callable(node.attrs.get(name))}
            for node, stored in zip(nodes, message["attrs"], strict=True)
        ]
        content = {**message, "attrs": attrs}
        model.from_dict(convert_recursive(is_xp_array, model.ops.asarray, content))
    except (ImportError, ValueError):
        # It says what it is about.
        raise
    except Exception as error:
        raise ValueError(
            f"{what} does not hold what belongs into the model that the config describes: it is of "
            "another model, or damaged. Copy or train the pipeline again. "
            f"({type(error).__name__}: {error})"
        ) from error


def build(make: Callable[[], ModuleT], weights: Mapping[str, Tensor], owner: str) -> ModuleT:
    """Build the module that weights belong to.

    make (Callable[[], ModuleT]): Makes the module, in the sizes that were read with the weights.
    weights (Mapping[str, Tensor]): The weights by name.
    owner (str): Whose weights these are, for the error message.
    RETURNS (ModuleT): The module, with the weights.
    RAISES (ValueError): If they belong to a module of another shape.
    """
    # First without memory: sizes that do not belong to the weights may be any.
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
    owner (str): Whose weights these are, for the error message.
    assign (bool): Whether they take the place of the module's own, instead of being copied there.
    RAISES (ValueError): If they belong to a module of another shape.
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
    """Turn the errors of unreadable serialised data into one that says what to do.

    what (str): What is being read, to begin the message with.
    RAISES (ValueError): If it cannot be read.
    """
    try:
        yield
    except Exception as error:
        # What libraries raise for damaged data is anything, from EOFError to struct.error.
        raise ValueError(
            f"{what} cannot be read: the data is cut off or damaged. Copy or train the "
            f"pipeline again. ({error})"
        ) from error
