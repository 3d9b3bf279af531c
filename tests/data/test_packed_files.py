"""What is packed, in bounded memory."""

import random
import tracemalloc
import zlib
from pathlib import Path

import pytest

from spacy_docre.data.packed_files import check_unpacked_size


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj()
    with (tmp_path / "bomb").open("wb") as file:
        for _ in range(400):
            file.write(packer.compress(bytes(2**20)))
        file.write(packer.flush())
    tracemalloc.start()
    with pytest.raises(ValueError, match="bomb becomes more than .* when it is unpacked"):
        check_unpacked_size(tmp_path / "bomb")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("size", [0, 5, 2**20, 3 * 2**20 + 1])
def test_what_is_packed_well_is_accepted(size: int, tmp_path: Path) -> None:
    packed = zlib.compress(random.Random(0).randbytes(size) + bytes(size))
    (tmp_path / "packed").write_bytes(packed)
    check_unpacked_size(tmp_path / "packed")
    (tmp_path / "packed").write_bytes(packed[:-5])
    with pytest.raises(ValueError, match="cut off"):
        check_unpacked_size(tmp_path / "packed")
