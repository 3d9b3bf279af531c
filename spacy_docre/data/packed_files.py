"""Files that are packed, as the end of their name says, unpacked while they are read."""

import gzip
import io
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Union, cast

from ..extras import import_extra

GZIP, ZSTANDARD = ".gz", ".zst"
# So few packed bytes at once become some 30 MB at most.
_PACKED = 2**10


def is_packed(path: Path) -> bool:
    """Tell packed files by their name.

    path (Path): The path.
    RETURNS (bool): Whether it ends in .gz or .zst.
    """
    return path.suffix in (GZIP, ZSTANDARD)


def unpacked_suffix(path: Path) -> str:
    """The suffix of a file's name, without that of packing.

    path (Path): The path.
    RETURNS (str): ".json" for "dev.json", "dev.json.gz" and "dev.json.zst".
    """
    return (path.with_suffix("") if is_packed(path) else path).suffix


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file, which is unpacked while it is read if its name ends in ".gz" or ".zst".

    path (Path): The file.
    YIELDS (BufferedReader): Its bytes.
    RAISES (ValueError): If it is packed, and found to be cut off or damaged while it is read.
    RAISES (ImportError): If it ends in ".zst", and zstandard is not installed.
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


# Not zstandard's own stream_reader 0.25, for which a file that is cut off ends there.
class _Zstandard(io.RawIOBase):
    """The bytes of a file of Zstandard's frames."""

    def __init__(self, path: Path) -> None:
        self._packed = path.open("rb")
        self._unpacker = import_extra("zstandard").ZstdDecompressor()
        self._frame: Any = None
        # Packed bytes that are after a frame, and bytes that nobody has read yet.
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
