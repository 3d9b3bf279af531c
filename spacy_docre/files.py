"""Files: written whole or not at all, read in bounded memory, named, and told from others."""

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

# Of a document: a line of JSON, or a whole file of text. A text of as many characters as a
# pipeline takes by default has 12 MB at most, with each of them escaped.
MAX_BYTES = 2**24
_CHUNK = 2**20

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.tmp", re.DOTALL)
# Places that only lead to what a process has opened, such as /dev/stdout.
_OPENED = ("/dev/std", "/dev/fd/", "/proc/")
_KINDS = (
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


@contextmanager
def written_whole(paths: Iterable[Path]) -> Iterator[Dict[Path, Path]]:
    """Write files under other names, and rename them once all of them are there: an error
    leaves every file as it was. What cannot be written is found at once.

    A link stays, and the file that it leads to is written. What is no file, such as a pipe, is
    written to directly. The temporary names are hidden; those that a killed process has left
    behind are removed.

    paths (Iterable[Path]): The files; their folders are made.
    YIELDS (Dict[Path, Path]): Where to write each file.
    RAISES (ValueError): If two of the paths lead to one file.
    RAISES (OSError): If a file cannot be written there.
    """
    targets: Dict[Path, Path] = {}
    for path in paths:
        target = _target(path)
        for other, taken in targets.items():
            if taken == target:
                raise ValueError(f"{path} and {other} are one file: name each output once.")
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
                # A disk that is full takes a name, and no byte.
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
    """Tell pipes, devices and the like from files, which are or may be made there.

    path (Path): The path.
    RETURNS (bool): Whether it is neither file nor folder, or leads to what is open already.
    """
    return is_opened(path) or (
        os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    )


def is_opened(path: Path) -> bool:
    """Tell the names of what is open already, such as /dev/stdin, and /dev/fd/63 of a shell's
    <(...): no such name says what it holds.

    path (Path): The path.
    RETURNS (bool): Whether it is such a name.
    """
    return str(path).startswith(_OPENED)


def _target(path: Path) -> Path:
    """Where a path leads in the end."""
    target = path if is_stream(path) else Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file.")
    if target.is_symlink():
        raise OSError(f"{path} is a link that leads to itself.")
    return target


def is_temporary(path: Path) -> bool:
    """Tell the files that are being written, or have been left behind.

    path (Path): The file.
    RETURNS (bool): Whether `written_whole` gives such names.
    """
    return _TEMPORARY.fullmatch(path.name) is not None


def _remove_stale(target: Path) -> None:
    """Remove what processes that are no more have left of a file."""
    for path in target.parent.glob(".*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        if found and found["name"] == target.name and not _runs(int(found["process"])):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        # There is no such question elsewhere.
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def path_text(path: Path) -> str:
    """A path as text, also where the file system has none.

    path (Path): The path.
    RETURNS (str): Its text; bytes that are not UTF-8 become "\ufffd".
    """
    return os.fsencode(path).decode("utf8", errors="replace")


def read_bounded(stream: BinaryIO, name: str, limit: int = MAX_BYTES) -> bytes:
    """Read a document, which may be packed, in bounded memory.

    stream (BinaryIO): Where it is read to the end.
    name (str): What to call it in an error.
    limit (int): The most bytes.
    RETURNS (bytes): Its bytes.
    RAISES (ValueError): If there are more.
    """
    data = bytearray()
    while chunk := stream.read(min(_CHUNK, limit + 1 - len(data))):
        data += chunk
        if len(data) > limit:
            raise ValueError(too_long(name, limit))
    return bytes(data)


def read_lines(stream: BinaryIO, limit: int = MAX_BYTES) -> Iterator[Optional[bytes]]:
    """Read lines, each in bounded memory.

    stream (BinaryIO): Where they are read to the end.
    limit (int): The most bytes of a line.
    YIELDS (Optional[bytes]): Each line; None for one that is longer.
    """
    while line := stream.readline(limit + 1):
        if len(line) <= limit:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_CHUNK)
        yield None


def too_long(name: str, limit: int) -> str:
    """What is said of a document that is longer than may be.

    name (str): What it is called.
    limit (int): The most bytes.
    RETURNS (str): The message.
    """
    return f"{name} is longer than {limit:,} bytes: split it, or raise the limit where it can be."


def check_message(data: bytes) -> None:
    """Refuse a message of msgpack that announces more than it holds, before it is read: there would
    be room made for all of it.

    data (bytes): The message.
    RAISES (ValueError): If it does, or is damaged.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    try:
        unpacker.skip()
    except Exception as error:
        raise ValueError(f"It is damaged, or cut off: {error!r}") from None


@dataclass
class FoundFiles:
    """What is in a folder.

    files (List[Path]): The files, sorted.
    failures (Dict[Path, str]): What cannot be read, or is no file, and why.
    aside (Dict[Path, str]): What is left aside by rule, and why.
    """

    files: List[Path] = field(default_factory=list)
    failures: Dict[Path, str] = field(default_factory=dict)
    aside: Dict[Path, str] = field(default_factory=dict)


def find_files(top: Path) -> FoundFiles:
    """Find the files of a folder, as they are now, however deep. Links are followed, and each
    folder is read once. Hidden files are left aside.

    top (Path): The folder.
    RETURNS (FoundFiles): Its files, and what is not read.
    """
    found = FoundFiles()
    seen: Dict[Tuple[int, int], Path] = {}
    folders = [top]
    # Read last, so that what is in a folder of two names has the name that is no link.
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
            found.aside[folder] = f"It is the folder {path_text(known)}, which is read already."
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
    """Tell what cannot be read to its end.

    path (Path): The path.
    RETURNS (Optional[str]): Why it is no file; None for a file.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "It is not there, or a link to what is not there."
    except OSError as error:
        return f"It cannot be read: {error.strerror}."
    if stat.S_ISREG(mode):
        return None
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "thing of another kind")
    return f"It is a {kind}, not a file."


class GivenNames(Protocol):
    """Names, and how often each has been asked for: a dictionary, or what is kept elsewhere."""

    def __contains__(self, name: object, /) -> bool: ...

    def __getitem__(self, name: str, /) -> int: ...

    def __setitem__(self, name: str, times: int, /) -> None: ...


class UniqueNames:
    """Names, each given once.

    given (Optional[GivenNames]): How often each name has been asked for, to be gone on with; None
        to begin with none.
    """

    def __init__(self, given: Optional[GivenNames] = None) -> None:
        self._given: GivenNames = {} if given is None else given

    def give(self, name: str) -> str:
        """Make a name that has not been given yet.

        name (str): What is to be named.
        RETURNS (str): The name itself the first time, later with a number after it.
        """
        given = name
        while given in self._given:
            self._given[name] += 1
            given = f"{name} ({self._given[name]})"
        self._given[given] = 1
        return given


@contextmanager
def writing_tensors(file: Path) -> Iterator[None]:
    """Give the error of a file of safetensors that cannot be written the class that others have.

    file (Path): The file.
    RAISES (OSError): If it cannot be written.
    """
    try:
        yield
    except SafetensorError as error:
        raise OSError(f"{file} cannot be written: {error}") from error


def file_stamps(path: Path) -> List[Tuple[str, int, int]]:
    """Tell files from what they were before by size and time, however large they are.

    path (Path): A file, or a folder.
    RETURNS (List[Tuple[str, int, int]]): Path, bytes and time of the last change (nanoseconds) of
        the file, or of each in the folder.
    """
    files = find_files(path).files if path.is_dir() else [path]
    stats = [(file, file.stat()) for file in files]
    return [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats]


def file_digest(path: Path) -> str:
    """Tell what is in a file from what is in others.

    path (Path): The file.
    RETURNS (str): Hexadecimal digits.
    RAISES (OSError): If it cannot be read.
    """
    with path.open("rb") as stream:
        return digest(iter(lambda: stream.read(_CHUNK), b""))


def digest(parts: Iterable[bytes]) -> str:
    """Tell bytes from others.

    parts (Iterable[bytes]): The bytes.
    RETURNS (str): Hexadecimal digits.
    """
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(part)
    return state.hexdigest()
