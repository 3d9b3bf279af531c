"""Write files whole or not at all, read them in bounded memory, find them, and compare them."""

import hashlib
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Dict, Iterable, Iterator, List, Optional, Protocol, Tuple

from safetensors import SafetensorError
from srsly import msgpack

# The default limit of a document: a line of JSON, or a whole file of text. By default, a pipeline
# takes texts of a million characters. With each character escaped, such a text has 12 MB at most.
MAX_BYTES = 2**24
_CHUNK = 2**20

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.tmp", re.DOTALL)
# Paths of streams that a process has open, such as /dev/stdout.
_OPENED = ("/dev/std", "/dev/fd/", "/proc/")
_KINDS = (
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


@contextmanager
def written_whole(paths: Iterable[Path]) -> Iterator[Dict[Path, Path]]:
    """Write files under temporary names, and rename them once all of them are written. After an
    error, every file is unchanged. A file that cannot be written raises an error at the start.

    A link stays, and its target is written. A pipe or a device is written to directly. The
    temporary names are hidden. Temporary files that a killed process left behind are removed.

    paths (Iterable[Path]): The files. Missing folders are made.
    YIELDS (Dict[Path, Path]): The temporary path of each file.
    RAISES (ValueError): If two of the paths lead to one file.
    RAISES (OSError): If a file cannot be written there.
    """
    targets: Dict[Path, Path] = {}
    for path in paths:
        target = _target(path)
        for other, taken in targets.items():
            if taken == target:
                raise ValueError(f"{path} and {other} are the same file: name each output once.")
        targets[path] = target
    temporary = {
        path: target.with_name(f".{target.name}.{os.getpid()}.tmp")
        for path, target in targets.items()
        if not is_stream(path)
    }
    begun: List[Path] = []
    try:
        for path, written in temporary.items():
            written.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(targets[path])
            with written.open("wb") as file:
                begun.append(written)
                # On a full disk, a file can be made, but no byte can be written.
                file.write(b"\0")
                file.flush()
                file.truncate(0)
        yield {path: temporary.get(path, path) for path in targets}
        for path, written in temporary.items():
            os.replace(written, targets[path])
    finally:
        for written in begun:
            written.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Tell whether a path is a pipe, a device or the like, and not a file that exists or can be
    made.

    path (Path): The path.
    RETURNS (bool): Whether it exists and is neither file nor folder, or leads to an open stream.
    """
    return is_opened(path) or (
        os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    )


def is_opened(path: Path) -> bool:
    """Tell whether a path leads to an open stream, such as /dev/stdin, or /dev/fd/63 of a shell's
    <(...). Such a path says nothing about the content.

    path (Path): The path.
    RETURNS (bool): Whether it leads to an open stream.
    """
    return str(path).startswith(_OPENED)


def _target(path: Path) -> Path:
    """Follow the links of a path."""
    target = path if is_stream(path) else Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file.")
    if target.is_symlink():
        raise OSError(f"{path} is a link that leads to itself.")
    return target


def is_temporary(path: Path) -> bool:
    """Tell whether a file is a temporary file: one that is being written, or was left behind.

    path (Path): The file.
    RETURNS (bool): Whether `written_whole` gives such names.
    """
    return _TEMPORARY.fullmatch(path.name) is not None


def _remove_stale(target: Path) -> None:
    """Remove the temporary files of a target whose processes have ended."""
    for path in target.parent.glob(".*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        if found and found["name"] == target.name and not _runs(int(found["process"])):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        # Other systems have no such check.
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def path_text(path: Path) -> str:
    """Turn a path into text, even if its name is not valid text.

    path (Path): The path.
    RETURNS (str): The text. Bytes that are not UTF-8 become "\ufffd".
    """
    return os.fsencode(path).decode("utf8", errors="replace")


def read_bounded(stream: BinaryIO, name: str, limit: int = MAX_BYTES) -> bytes:
    """Read a document in bounded memory. A packed document may be large once it is unpacked.

    stream (BinaryIO): The stream, which is read to its end.
    name (str): The name of the document, for the error message.
    limit (int): The largest number of bytes.
    RETURNS (bytes): The bytes of the document.
    RAISES (ValueError): If the document has more bytes.
    """
    data = bytearray()
    while chunk := stream.read(min(_CHUNK, limit + 1 - len(data))):
        data += chunk
        if len(data) > limit:
            raise ValueError(too_long(name, limit))
    return bytes(data)


def read_lines(stream: BinaryIO, limit: int = MAX_BYTES) -> Iterator[Optional[bytes]]:
    """Read lines, each in bounded memory.

    stream (BinaryIO): The stream, which is read to its end.
    limit (int): The largest number of bytes of a line.
    YIELDS (Optional[bytes]): Each line; None for a line that is longer.
    """
    while line := stream.readline(limit + 1):
        if len(line) <= limit:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_CHUNK)
        yield None


def too_long(name: str, limit: int) -> str:
    """Make the error message for a document that is too long.

    name (str): The name of the document.
    limit (int): The largest number of bytes.
    RETURNS (str): The message.
    """
    return f"{name} is longer than {limit:,} bytes: split it, or raise the limit if you can."


def check_message(data: bytes) -> None:
    """Check that a msgpack message does not announce more than it holds. Check this before you read
    the message, as the reader makes room for all that is announced.

    data (bytes): The message.
    RAISES (ValueError): If the message announces more, or is damaged.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    try:
        unpacker.skip()
    except Exception as error:
        raise ValueError(f"It is damaged, or cut off: {error!r}") from None


@dataclass
class FoundFiles:
    """The content of a folder.

    files (List[Path]): The files, sorted.
    failures (Dict[Path, str]): The paths that cannot be read, or are not files, and the reasons.
    aside (Dict[Path, str]): The paths that are left out by rule, and the reasons.
    """

    files: List[Path] = field(default_factory=list)
    failures: Dict[Path, str] = field(default_factory=dict)
    aside: Dict[Path, str] = field(default_factory=dict)


def find_files(top: Path) -> FoundFiles:
    """Find the files of a folder and of its subfolders, as they are now. Links are followed, and
    each folder is read once. Hidden files are left out.

    top (Path): The folder.
    RETURNS (FoundFiles): Its files, and the paths that are not read.
    """
    found = FoundFiles()
    seen: Dict[Tuple[int, int], Path] = {}
    folders = [top]
    # Links are read last, so that the files of a folder have its real name, and not that of a link.
    links: List[Path] = []
    while folders or links:
        folder = folders.pop() if folders else links.pop()
        try:
            status = folder.stat()
            known = seen.setdefault((status.st_dev, status.st_ino), folder)
            names = sorted(os.listdir(folder)) if known is folder else []
        except OSError as error:
            found.failures[folder] = f"The folder cannot be read: {error.strerror}."
            continue
        if known is not folder:
            found.aside[folder] = f"It is the folder {path_text(known)}, which was read already."
        for path in (folder / name for name in names):
            if path.name.startswith("."):
                if not is_temporary(path):
                    found.aside[path] = "It is hidden."
            elif os.path.isdir(path):
                (links if path.is_symlink() else folders).append(path)
            elif problem := no_file(path):
                found.failures[path] = problem
            else:
                found.files.append(path)
    found.files.sort()
    return found


def no_file(path: Path) -> Optional[str]:
    """Tell why a path is not a file that can be read to its end.

    path (Path): The path.
    RETURNS (Optional[str]): The reason; None for a file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "It does not exist, or is a link to a missing file."
    except OSError as error:
        return f"It cannot be read: {error.strerror}."
    if stat.S_ISREG(mode):
        return None
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "thing of another kind")
    return f"It is a {kind}, not a file."


class GivenNames(Protocol):
    """Names, and how often each was asked for: a dictionary, or another store."""

    def __contains__(self, name: object, /) -> bool: ...

    def __getitem__(self, name: str, /) -> int: ...

    def __setitem__(self, name: str, times: int, /) -> None: ...


class UniqueNames:
    """Give each name only once.

    given (Optional[GivenNames]): How often each name was asked for in an earlier run; None to start
        without names.
    """

    def __init__(self, given: Optional[GivenNames] = None) -> None:
        self._given: GivenNames = {} if given is None else given

    def give(self, name: str) -> str:
        """Make a name that has not been given yet.

        name (str): The wanted name.
        RETURNS (str): The name itself the first time; later the name with a number after it.
        """
        given = name
        while given in self._given:
            self._given[name] += 1
            given = f"{name} ({self._given[name]})"
        self._given[given] = 1
        return given


@contextmanager
def writing_tensors(file: Path) -> Iterator[None]:
    """Turn an error of safetensors into an OSError, as for other files that cannot be written.

    file (Path): The file.
    RAISES (OSError): If the file cannot be written.
    """
    try:
        yield
    except SafetensorError as error:
        raise OSError(f"{file} cannot be written: {error}") from error


def file_stamps(path: Path) -> List[Tuple[str, int, int]]:
    """Describe files by size and time, to notice a change quickly, even of a large file.

    path (Path): A file, or a folder.
    RETURNS (List[Tuple[str, int, int]]): Path, bytes and time of the last change (nanoseconds) of
        the file, or of each file in the folder.
    """
    files = find_files(path).files if path.is_dir() else [path]
    stats = [(file, file.stat()) for file in files]
    return [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats]


def file_digest(path: Path) -> str:
    """Compute a digest of the content of a file.

    path (Path): The file.
    RETURNS (str): The digest, in hexadecimal digits.
    RAISES (OSError): If the file cannot be read.
    """
    with path.open("rb") as stream:
        return digest(iter(lambda: stream.read(_CHUNK), b""))


def digest(parts: Iterable[bytes]) -> str:
    """Compute a digest of bytes.

    parts (Iterable[bytes]): The bytes.
    RETURNS (str): The digest, in hexadecimal digits.
    """
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(part)
    return state.hexdigest()
