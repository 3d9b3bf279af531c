"""Folders that are written whole: a kill leaves the old one, the new one, or none."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional


@contextmanager
def folder_written_whole(folder: Path, stale: Optional[str] = None) -> Iterator[Path]:
    """Write a folder under another name, and put it in its place once it is whole. An error
    leaves what was there.

    folder (Path): The folder. Arguments as in `put_in_place`.
    YIELDS (Path): Where to write it.
    RAISES (OSError): If it cannot be put in its place.
    """
    folder = real_folder(folder)
    unfinished = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    put_in_place(unfinished, folder, stale)


def real_folder(folder: Path) -> Path:
    """Find the folder that can be replaced: a link stays, and leads to the new folder.

    folder (Path): A folder, or a link to one.
    RETURNS (Path): The folder itself.
    RAISES (OSError): If it cannot be replaced, because something is in it or on it.
    """
    real = Path(os.path.realpath(folder))
    if os.path.ismount(real) or real in (Path.cwd(), *Path.cwd().parents):
        raise OSError(f"{folder} is in use, and is replaced as a whole: name a folder in it.")
    return real


def put_in_place(new: Path, folder: Path, stale: Optional[str] = None) -> None:
    """Put a folder that is whole where another may be. What the other has besides is kept.

    There is a moment in which no folder has the name, and both are whole under other names.

    new (Path): The folder.
    folder (Path): Where to put it, beside.
    stale (Optional[str]): What is not kept, e.g. "part-*"; None to keep all.
    """
    # Hidden, and no name that a user gives.
    earlier = folder.with_name(f".{folder.name}.docre-old")
    shutil.rmtree(earlier, ignore_errors=True)
    if folder.exists():
        _keep_others(folder, new, stale)
        folder.rename(earlier)
    try:
        new.rename(folder)
    except Exception:
        if earlier.exists():
            earlier.rename(folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _keep_others(folder: Path, new: Path, stale: Optional[str]) -> None:
    for entry in folder.iterdir():
        copy = new / entry.name
        if os.path.lexists(copy) or (stale is not None and entry.match(stale)):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, copy, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(copy))
    shutil.copystat(folder, new)


def _link(source: str, goal: str) -> None:
    """Give a file a second name, or copy it where the file system knows no such thing."""
    try:
        os.link(source, goal, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, goal, follow_symlinks=False)
