"""What a folder of annotated documents is made from: inputs, model and settings."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from spacy.util import get_package_path, is_package

from ..files import digest, file_digest, find_files, path_text

# So many differences are named one by one.
_MOST = 5


class InputFile(NamedTuple):
    """A file, as it was when it was looked at.

    path (str): Its path.
    bytes (int): Its size.
    changed (int): The time of its last change, in nanoseconds.
    digest (str): The digest of what it holds; why it cannot be read, where it cannot.
    """

    path: str
    bytes: int
    changed: int
    digest: str


@dataclass
class MadeFrom:
    """What documents are made from.

    inputs (List[InputFile]): The files, in order.
    settings (Dict[str, Any]): What else they depend on, by names that users know; plain data.
    """

    inputs: List[InputFile]
    settings: Dict[str, Any]

    def differences(self, other: "MadeFrom") -> List[str]:
        """Tell what differs.

        other (MadeFrom): What it is to be now.
        RETURNS (List[str]): Each difference in words; of many, the first.
        """
        names = {**self.settings, **other.settings}
        differences = [
            f"{name} was {_told(self.settings, name)} and is {_told(other.settings, name)}"
            for name in names
            if self.settings.get(name) != other.settings.get(name)
        ]
        before = {file.path: (file.bytes, file.digest) for file in self.inputs}
        now = {file.path: (file.bytes, file.digest) for file in other.inputs}
        differences += [f"{path} is no input any more" for path in before.keys() - now.keys()]
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
    """Look at files, which may be many and large.

    files (Iterable[Path]): The files.
    earlier (Optional[MadeFrom]): What is known of them already: those whose size and time are
        still the same are not read again.
    RETURNS (List[InputFile]): What is to be known of each.
    """
    known = {file[:3]: file.digest for file in earlier.inputs} if earlier else {}
    return [_look_at(file, known) for file in files]


def _look_at(file: Path, known: Mapping[Tuple[str, int, int], str]) -> InputFile:
    try:
        stamp = _stamp(file)
        return InputFile(*stamp, known.get(stamp) or file_digest(file))
    except OSError as error:
        # Reading it says so, too, and is this file's failure alone.
        return InputFile(path_text(file), 0, 0, f"It cannot be read: {error.strerror}")


def _stamp(file: Path) -> Tuple[str, int, int]:
    stat = file.stat()
    return path_text(file), stat.st_size, stat.st_mtime_ns


def refuse_changed(files: Iterable[Path], inputs: Iterable[InputFile]) -> None:
    """Refuse files that are not what they were when they were looked at.

    files (Iterable[Path]): The files.
    inputs (Iterable[InputFile]): What is known of each.
    RAISES (ValueError): If one has changed since.
    """
    for file, known in zip(files, inputs, strict=True):
        now = _look_at(file, {known[:3]: known.digest})
        if (now.bytes, now.digest) != (known.bytes, known.digest):
            raise ValueError(
                f"{known.path} has changed while it was read. The parts before are as it was. "
                "Leave it as it is, and start anew."
            )


def model_digest(model: str) -> str:
    """Tell a pipeline from others by its files.

    model (str): A package or a folder.
    RETURNS (str): Hexadecimal digits.
    RAISES (OSError): If there is none, or a file of it cannot be read.
    """
    folder = get_package_path(model) if is_package(model) else Path(model)
    if not folder.is_dir():
        raise OSError(f"{model} is no installed package and no folder.")
    files = [file for file in find_files(folder).files if file.suffix != ".pyc"]
    return digest(
        os.fsencode(f"{file.relative_to(folder)}: {file_digest(file)}\n") for file in files
    )
