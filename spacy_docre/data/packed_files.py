"""Read packed files in bounded memory."""

import gzip
import io
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Union, cast

from ..extras import import_extra

GZIP, ZSTANDARD = ".gz", ".zst"
# Packed bytes that are read at once. So few become some 30 MB at most.
_PACKED = 2**10
# The allowed size of unpacked data in zlib's format: so many bytes in any case, or so many times
# the packed size. Annotated documents become some 10 times as large, a bomb 1,000 times.
_UNPACKED_BYTES = 2**27
_UNPACKED_TIMES = 100
_CHUNK = 2**20


def is_packed(path: Path) -> bool:
    """Check whether a file is packed, by its name.

    path (Path): The path.
    RETURNS (bool): Whether it ends in .gz or .zst.
    """
    return path.suffix in (GZIP, ZSTANDARD)


def unpacked_suffix(path: Path) -> str:
    """Return the suffix of a file's name, without .gz or .zst.

    path (Path): The path.
    RETURNS (str): ".json" for "dev.json", "dev.json.gz" and "dev.json.zst".
    """
    return (path.with_suffix("") if is_packed(path) else path).suffix


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file. It is unpacked while it is read if its name ends in ".gz" or ".zst".

    path (Path): The file.
    YIELDS (BufferedReader): Its bytes.
    RAISES (ValueError): If the file is packed, and cut off or damaged. This shows during reading.
    RAISES (ImportError): If the name ends in ".zst", and zstandard is not installed.
    """
    damage: Any = (EOFError, zlib.error, gzip.BadGzipFile)
    if path.suffix == ZSTANDARD:
        damage = (EOFError, import_extra("zstandard").ZstdError)
    try:
        with _open(path) as stream:
            yield cast(io.BufferedReader, stream)
    except damage as error:
        raise ValueError(f"{path} cannot be unpacked: {error}. Download it again.") from None


def _open(path: Path) -> Union[BinaryIO, gzip.GzipFile]:
    if path.suffix == GZIP:
        return gzip.open(path)
    if path.suffix == ZSTANDARD:
        return io.BufferedReader(_Zstandard(path))
    return path.open("rb")


# Not zstandard's own stream_reader 0.25: it reads a file that is cut off without an error.
class _Zstandard(io.RawIOBase):
    """The unpacked bytes of a file of Zstandard frames."""

    def __init__(self, path: Path) -> None:
        self._packed = path.open("rb")
        self._unpacker = import_extra("zstandard").ZstdDecompressor()
        self._frame: Any = None
        # Packed bytes after a frame, and unpacked bytes that nobody has read yet.
        self._rest = self._bytes = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._bytes:
            packed = self._rest or self._packed.read(_PACKED)
            if not packed:
                if self._frame is not None:
                    raise EOFError("it is cut off")
                return 0
            self._frame = self._frame or self._unpacker.decompressobj()
            self._bytes = self._frame.decompress(packed)
            self._rest = b""
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._bytes))
        buffer[:size], self._bytes = self._bytes[:size], self._bytes[size:]
        return size

    def close(self) -> None:
        self._packed.close()
        super().close()


def check_unpacked_size(path: Path) -> None:
    """Raise an error for a file in zlib's format that would be too large when it is unpacked.

    path (Path): The file, such as a `.spacy` file.
    RAISES (ValueError): If the file would be too large, or is damaged.
    """
    unpacker = zlib.decompressobj()
    unpacked = 0
    with path.open("rb") as stream:
        while not unpacker.eof:
            chunk = unpacker.unconsumed_tail or stream.read(_CHUNK)
            try:
                part = unpacker.decompress(chunk, _CHUNK)
            except zlib.error as error:
                raise ValueError(f"{path} is damaged, or not packed: {error}.") from None
            if not chunk and not part:
                raise ValueError(f"{path} is damaged: it is cut off.")
            unpacked += len(part)
            packed = stream.tell() - len(unpacker.unconsumed_tail)
            if unpacked > max(_UNPACKED_BYTES, _UNPACKED_TIMES * packed):
                raise ValueError(
                    f"{path} becomes more than {unpacked // 2**20:,} MB when it is unpacked, over "
                    f"{_UNPACKED_TIMES} times its size: it may be a trap. Pack fewer documents in "
                    "one file."
                )
