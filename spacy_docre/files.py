"""Files that are written whole or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterable, Iterator


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
