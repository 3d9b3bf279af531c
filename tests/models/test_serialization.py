"""Serialised weights: bounded, and checked."""

import gzip
import json
import resource
import struct
from typing import Dict

import pytest
import torch
from srsly import msgpack
from torch import Tensor, nn

from spacy_docre.models.serialization import (
    build,
    pack,
    read_message,
    read_weights,
    save_weights,
    unpack,
)


def memory() -> int:
    """The most that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_packed_and_unpacked(precision) -> None:
    data = save_weights(nn.Linear(300, 200), precision)
    assert unpack(pack(data, precision), "network") == data


@pytest.mark.parametrize("chunks", [70, 2000])
def test_weights_that_unpack_to_far_more(chunks: int) -> None:
    """A small file, 70 MB or 2 GB when it is unpacked."""
    bomb = gzip.compress(bytes(2**20)) * chunks
    before = memory()
    with pytest.raises(ValueError, match="weights of the network cannot be read.* unpack to more"):
        unpack(bomb, "network")
    assert memory() - before < 300


def test_zeros_that_are_not_many() -> None:
    data = save_weights(nn.utils.skip_init(nn.Linear, 1000, 1000))
    assert unpack(gzip.compress(bytes(2**25) + data), "network").endswith(data)


@pytest.mark.parametrize(
    "message",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xdd\x00\x20\x00\x00" * 500 + bytes(2**22),
        b"\x91" * 2**20,
        b"\x81" * 2**20,
        b"",
        b"\xc1",
        b"\x07",
        b"\x81\x80\x01",
        msgpack.dumps({"attrs": 7}),
        msgpack.dumps({"x": []}),
        msgpack.dumps({"attrs": {b"nd": True, b"type": 3, b"data": b"", b"shape": (10**12,)}}),
        msgpack.dumps({"attrs": {b"nd": True, b"type": "|O", b"data": bytes(8), b"shape": (1,)}}),
    ],
)
def test_messages_that_are_damaged_or_announce_too_much(message: bytes) -> None:
    before = memory()
    with pytest.raises(ValueError, match="^It cannot be read: the data is cut off or damaged"):
        read_message(message, "It", attrs=list)
    assert memory() - before < 500


def tensors(**shapes: object) -> bytes:
    header = json.dumps(shapes).encode()
    return struct.pack("<Q", len(header)) + header


def entry(*shape: int, end: int = 0, dtype: str = "F32") -> Dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}


@pytest.mark.parametrize(
    "data",
    [
        tensors(weight=entry(10**9, 10**9)),
        tensors(weight=entry(10**9, 10**9, end=4 * 10**18)),
        tensors(weight=entry(2**62, 4, end=0)),
        tensors(weight=entry(-1, 2)),
        struct.pack("<Q", 2**60),
        tensors(weight=entry(1, end=4)) + struct.pack("<f", float("nan")),
    ],
)
def test_weights_of_absurd_shapes(data: bytes) -> None:
    with pytest.raises(ValueError, match="weights of the network cannot be read"):
        read_weights(data, "network")


def test_sizes_without_weights_ask_for_no_memory() -> None:
    """A tensor without elements may have any width."""
    weights = {"weight": torch.empty(0, 2**40), "bias": torch.zeros(3)}
    with pytest.raises(ValueError, match="weights of the network do not fit the model"):
        build(lambda: nn.Linear(weights["weight"].shape[1], 3), weights, "network")


def test_built_with_its_weights() -> None:
    linear = nn.Linear(3, 2)
    weights: Dict[str, Tensor] = {name: w.half() for name, w in linear.state_dict().items()}
    built = build(lambda: nn.Linear(3, 2), weights, "network")
    assert built.weight.dtype == torch.float32 and built.weight.device.type == "cpu"
    torch.testing.assert_close(built.weight, linear.weight.half().float())
