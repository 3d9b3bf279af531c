"""Files that are written whole or not at all, and what tells whether they have changed."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Tuple

from safetensors import SafetensorError


@contextmanager
def written_whole(paths: Iterable[Path]) -> Iterator[Dict[Path, Path]]:
    """Write files under other names, and rename them once all of them are there: an error
    leaves every file as it was.

    paths (Iterable[Path]): The files; their folders are made.
    YIELDS (Dict[Path, Path]): Where to write each file.
    """
    # In the same folder, so that the file system can rename them at once.
    temporary = {path: path.with_name(f"{path.name}.{os.getpid()}.tmp") for path in paths}
    try:
        for path in temporary:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        for path, written in temporary.items():
            os.replace(written, path)
    finally:
        for written in temporary.values():
            written.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """Write a folder under another name, and rename it once all of it is there: an error leaves
    what was there as it was; so does a kill, or it is whole under another name.

    folder (Path): The folder.
    YIELDS (Path): Where to write it.
    """
    # A link stays one.
    folder = folder.resolve()
    new, earlier = (folder.with_name(f"{folder.name}{end}") for end in (".new", ".old"))
    for left in (new, earlier):
        shutil.rmtree(left, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield new
        if folder.exists():
            folder.rename(earlier)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(earlier, ignore_errors=True)


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
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(file, file.stat()) for file in files if file.is_file()]
    return [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats]
