"""What a folder of annotated documents is made from: inputs, model and settings."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from spacy.util import get_package_path, is_package

from ..files import digest, file_digest, find_files, path_text

# The most differences that are named one by one.
_MOST = 5


class InputFile(NamedTuple):
    """The recorded state of an input file.

    path (str): Its path.
    bytes (int): Its size.
    changed (int): The time of its last change, in nanoseconds.
    digest (str): The digest of its content. If the file cannot be read, the reason.
    """

    path: str
    bytes: int
    changed: int
    digest: str


@dataclass
class MadeFrom:
    """What documents are made from.

    inputs (List[InputFile]): The files, in order.
    settings (Dict[str, Any]): All other values that change the documents, by names that users know.
        The values are plain data.
    """

    inputs: List[InputFile]
    settings: Dict[str, Any]

    def differences(self, other: "MadeFrom") -> List[str]:
        """List the differences.

        other (MadeFrom): The inputs and settings of now.
        RETURNS (List[str]): Each difference in words. Of many differences, the first ones.
        """
        names = {**self.settings, **other.settings}
        differences = [
            f"{name} was {_told(self.settings, name)} and is {_told(other.settings, name)}"
            for name in names
            if self.settings.get(name) != other.settings.get(name)
        ]
        before = {file.path: (file.bytes, file.digest) for file in self.inputs}
        now = {file.path: (file.bytes, file.digest) for file in other.inputs}
        differences += [f"{path} is no longer an input" for path in before.keys() - now.keys()]
        differences += [f"{path} is a new input" for path in now.keys() - before.keys()]
        differences += [
            f"{path} has changed"
            for path, content in now.items()
            if before.get(path, content) != content
        ]
        if not differences and [*before] != [*now]:
            differences.append("the inputs are in another order")
        if len(differences) > _MOST:
            differences[_MOST:] = [f"{len(differences) - _MOST} more"]
        return differences


def _told(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return "not given" if value is None else str(value)


def look_at_inputs(files: Iterable[Path], earlier: Optional[MadeFrom]) -> List[InputFile]:
    """Record the state of files, which may be many and large.

    files (Iterable[Path]): The files.
    earlier (Optional[MadeFrom]): An earlier record. Files of the same size and time are not read
        again.
    RETURNS (List[InputFile]): The state of each file.
    """
    known = {file[:3]: file.digest for file in earlier.inputs} if earlier else {}
    return [_look_at(file, known) for file in files]


def _look_at(file: Path, known: Mapping[Tuple[str, int, int], str]) -> InputFile:
    try:
        stamp = _stamp(file)
        return InputFile(*stamp, known.get(stamp) or file_digest(file))
    except OSError as error:
        # The reader reports this error, too, as a failure of this file alone.
        return InputFile(path_text(file), 0, 0, f"It cannot be read: {error.strerror}")


def _stamp(file: Path) -> Tuple[str, int, int]:
    stat = file.stat()
    return path_text(file), stat.st_size, stat.st_mtime_ns


def refuse_changed(files: Iterable[Path], inputs: Iterable[InputFile]) -> None:
    """Refuse files that have changed since their state was recorded.

    files (Iterable[Path]): The files.
    inputs (Iterable[InputFile]): The recorded state of each file.
    RAISES (ValueError): If a file has changed.
    """
    for file, known in zip(files, inputs, strict=True):
        now = _look_at(file, {known[:3]: known.digest})
        if (now.bytes, now.digest) != (known.bytes, known.digest):
            raise ValueError(
                f"{known.path} has changed while it was read. Earlier parts have the old content. "
                "Leave the file unchanged, and start again."
            )


def model_digest(model: str) -> str:
    """Compute a digest of the files of a pipeline.

    model (str): A package or a folder.
    RETURNS (str): Hexadecimal digits.
    RAISES (OSError): If the pipeline does not exist, or one of its files cannot be read.
    """
    folder = get_package_path(model) if is_package(model) else Path(model)
    if not folder.is_dir():
        raise OSError(f"{model} is no installed package and no folder. Check the name.")
    files = [file for file in find_files(folder).files if file.suffix != ".pyc"]
    return digest(
        os.fsencode(f"{file.relative_to(folder)}: {file_digest(file)}\n") for file in files
    )
