"""Write a folder as a whole: if the process is killed, the old folder, the new one or none is
there."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional


@contextmanager
def folder_written_whole(folder: Path, stale: Optional[str] = None) -> Iterator[Path]:
    """Write a folder under a temporary name, and move it to its place once it is whole. After an
    error, the old folder is unchanged.

    folder (Path): The folder. Arguments as in `put_in_place`.
    YIELDS (Path): The temporary folder to write to.
    RAISES (OSError): If the folder cannot be moved to its place.
    """
    folder = real_folder(folder)
    unfinished = unfinished_folder(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    put_in_place(unfinished, folder, stale)


def unfinished_folder(folder: Path) -> Path:
    """Name the temporary folder of a folder that is being written.

    folder (Path): The folder.
    RETURNS (Path): A hidden folder beside it, whose name no user gives.
    """
    return folder.with_name(f".{folder.name}.docre-new")


def real_folder(folder: Path) -> Path:
    """Find the folder to replace. A link stays, and then leads to the new folder.

    folder (Path): A folder, or a link to one.
    RETURNS (Path): The folder itself.
    RAISES (OSError): If the folder cannot be replaced: it is a mount point, or it holds the current
        directory.
    """
    real = Path(os.path.realpath(folder))
    if os.path.ismount(real) or real in (Path.cwd(), *Path.cwd().parents):
        raise OSError(f"{folder} is in use and cannot be replaced: name a folder within it.")
    return real


def put_in_place(new: Path, folder: Path, stale: Optional[str] = None) -> None:
    """Move a whole folder to its place. If a folder is there already, its other files are kept.

    For a moment, no folder has the name, and both folders are whole under other names.

    new (Path): The new folder.
    folder (Path): Its place, in the same parent folder.
    stale (Optional[str]): Pattern of the files that are not kept, e.g. "part-*"; None to keep all.
    """
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


def _keep_others(folder: Path, new: Path, stale: Optional[str] = None) -> None:
    for entry in folder.iterdir():
        copy = new / entry.name
        if stale is not None and entry.match(stale):
            continue
        is_folder = entry.is_dir() and not entry.is_symlink()
        if is_folder and copy.is_dir() and not copy.is_symlink():
            _keep_others(entry, copy)
        elif os.path.lexists(copy):
            continue
        elif is_folder:
            shutil.copytree(entry, copy, symlinks=True, copy_function=_link)
        else:
            _link(str(entry), str(copy))
    shutil.copystat(folder, new)


def _link(source: str, goal: str) -> None:
    """Make a hard link to a file, or copy the file if the file system has no hard links."""
    try:
        os.link(source, goal, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, goal, follow_symlinks=False)
