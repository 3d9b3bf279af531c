"""Find the input files, and read their documents one file after the other."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, List, Mapping, Optional

from spacy.vocab import Vocab

from ...errors import describe_error
from ...files import MAX_BYTES, UniqueNames, find_files, is_opened, no_file, path_text
from .documents import ID_FIELD, START, TEXT_FIELD, Failure, Items, Place, Settings
from .formats import find_format, problem_of_format
from .plain import read_stdin, read_text
from .tables import dataset_parts

STDIN = "-"


@dataclass
class Listing:
    """The inputs to read.

    files (List[Path]): The files, folder by folder.
    failures (List[Failure]): Inputs that cannot be read, or are no files.
    aside (List[Failure]): Files that are ignored by rule, such as hidden files.
    """

    files: List[Path] = field(default_factory=list)
    failures: List[Failure] = field(default_factory=list)
    aside: List[Failure] = field(default_factory=list)

    @property
    def has_fields(self) -> bool:
        """RETURNS (bool): Whether the documents of a file have fields, one of which is the text."""
        formats = [find_format(file) for file in self.files if not _is_stream(file)]
        return any(found is not None and found.has_fields for found in formats)


def list_files(paths: Iterable[Path]) -> Listing:
    """Find files, and the present files of folders. Links are followed, and each folder is read
    once. In folders, hidden files and files with an unknown ending are ignored. A named file with
    an unknown ending is a failure.

    paths (Iterable[Path]): Files, folders, or "-" for standard input, which is listed as a file.
    RETURNS (Listing): The files, and the inputs that are not read.
    """
    listing = Listing()
    for path in paths:
        if os.path.isdir(path):
            found = find_files(path)
            parts = set(dataset_parts(found.files))
            kinds = {file: problem_of_format(file) for file in found.files if file not in parts}
            listing.files += [file for file, problem in kinds.items() if problem is None]
            unknown = {file: problem for file, problem in kinds.items() if problem is not None}
            listing.failures += _failures(found.failures)
            listing.aside += _failures({**found.aside, **unknown})
        elif _is_stream(path):
            listing.files.append(path)
        elif problem := no_file(path):
            hint = "Give its content on standard input: -"
            listing.failures.append(Failure(path_text(path), f"{problem} {hint}"))
        elif problem := problem_of_format(path):
            listing.failures.append(Failure(path_text(path), problem))
        else:
            listing.files.append(path)
    return listing


def _is_stream(path: Path) -> bool:
    """Whether a path is standard input, or a stream that the shell has opened."""
    return str(path) == STDIN or is_opened(path)


def _failures(problems: Mapping[Path, str]) -> List[Failure]:
    return [Failure(path_text(path), problem) for path, problem in problems.items()]


def read_inputs(
    listing: Listing, vocab: Vocab, *, names: Optional[UniqueNames] = None, **settings: Any
) -> Items:
    """Read documents, one after the other, and give each an id of its own. If an earlier document
    has the same id, a number follows the id.

    listing (Listing): The files, and "-" for one text on standard input.
    vocab (Vocab): The vocabulary, see `read_items`.
    names (Optional[UniqueNames]): The ids of earlier documents; None if there are none.
    settings (Any): Further arguments of `read_items`.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    names = UniqueNames() if names is None else names
    for item in read_items(listing, vocab, **settings):
        item.id = names.give(item.id)
        yield item


def read_items(
    listing: Listing,
    vocab: Vocab,
    *,
    text_field: str = TEXT_FIELD,
    id_field: str = ID_FIELD,
    max_bytes: int = MAX_BYTES,
    start: Place = START,
) -> Items:
    """Read documents, one after the other. Several of them may have the same id. The ending of a
    file chooses its reader (`formats.INPUTS`).

    A document without an id is named after its file and its number in the file. Documents of
    `.json` files (DocRED's format) have the title as id, and keep their entities.

    listing (Listing): The files, and "-" for one text on standard input.
    vocab (Vocab): The vocabulary of documents from `.spacy` and `.json` files. Documents from
        `.json` files have its language.
    text_field (str): The field that holds the text, if documents have fields.
    id_field (str): The field that holds the document's id.
    max_bytes (int): The most bytes of a text, of a line, or of a row.
    start (Place): The place from which to read. Files before it are not opened.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    settings = Settings(vocab, text_field, id_field, max_bytes)
    for number in range(start.file, len(listing.files) + 1):
        done = start.items if number == start.file else 0
        items = _try_file(listing.files[number - 1], settings) if number else listing.failures
        for count, item in enumerate(items, start=1):
            if isinstance(item, Failure) and item.ends_file:
                # What was read before may be what fails now.
                count = max(count, done + 1)
            if count > done:
                item.place = Place(number, count)
                yield item


def _try_file(file: Path, settings: Settings) -> Items:
    try:
        yield from _read_file(file, settings)
    # Any error in one file: the other files are still read.
    except Exception as error:
        yield Failure(path_text(file), describe_error(error), ends_file=True)


def _read_file(file: Path, settings: Settings) -> Items:
    if str(file) == STDIN:
        return iter([read_stdin(settings)])
    found = None if _is_stream(file) else find_format(file)
    return read_text(file, settings) if found is None else found.read(file, settings)
