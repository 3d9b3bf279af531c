"""Documents to annotate: from text files, JSONL, `.spacy` files, folders and standard input."""

import json
import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Tuple, Union

from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.vocab import Vocab

from ..data.corpus_files import try_spacy_docs
from ..data.json_files import decode, parse_json, read_text, unpacked, unpacked_suffix
from ..files import (
    MAX_BYTES,
    UniqueNames,
    is_temporary,
    path_text,
    read_bounded,
    read_lines,
    too_long,
)

STDIN = "-"
JSON_LINES = ".jsonl"
# Where a shell puts what <(...) gives, and standard input has its name.
_OPENED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_KINDS = (
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


@dataclass
class InputDocument:
    """A document to annotate.

    id (str): What names it in the output.
    content (Union[str, Doc]): Its text, or what is stored of it already.
    fields (Dict[str, Any]): What else is known of it, to be kept.
    """

    id: str
    content: Union[str, Doc]
    fields: Dict[str, Any] = field(default_factory=dict)


@dataclass
class Failure:
    """A document that cannot be annotated.

    id (str): What names it.
    problem (str): Why.
    """

    id: str
    problem: str


@dataclass
class Listing:
    """What is to be read.

    files (List[Path]): The files, folder by folder.
    failures (List[Failure]): What cannot be read, or is no file.
    aside (List[Failure]): What is left aside by rule, as hidden files are.
    """

    files: List[Path] = field(default_factory=list)
    failures: List[Failure] = field(default_factory=list)
    aside: List[Failure] = field(default_factory=list)


def list_files(paths: Iterable[Path]) -> Listing:
    """Find the files of folders, as they are now. Links are followed, and each folder is read
    once. Hidden files are left aside.

    paths (Iterable[Path]): Files, folders, or "-" for standard input, which stays.
    RETURNS (Listing): The files, and what is not read.
    """
    listing = Listing()
    for path in paths:
        if os.path.isdir(path):
            # spaCy's walk_directory takes neither "." nor "..".
            _list_folder(path, listing)
        elif str(path) == STDIN or str(path).startswith(_OPENED) or _is_file(path, listing):
            listing.files.append(path)
    return listing


def _list_folder(top: Path, listing: Listing) -> None:
    found: List[Path] = []
    seen: Dict[Tuple[int, int], Path] = {}
    folders: List[Path] = [top]
    # Read last, so that what is in a folder of two names has the name that is no link.
    links: List[Path] = []
    while folders or links:
        folder = folders.pop() if folders else links.pop()
        try:
            status = folder.stat()
            known = seen.setdefault((status.st_dev, status.st_ino), folder)
            names = sorted(os.listdir(folder)) if known is folder else []
        except OSError as error:
            _fail(listing, folder, f"The folder cannot be read: {error.strerror}.")
            continue
        if known is not folder:
            problem = f"It is the folder {path_text(known)}, which is read already."
            listing.aside.append(Failure(path_text(folder), problem))
        for path in (folder / name for name in names):
            if path.name.startswith("."):
                if not is_temporary(path):
                    listing.aside.append(Failure(path_text(path), "It is hidden."))
            elif os.path.isdir(path):
                (links if path.is_symlink() else folders).append(path)
            elif _is_file(path, listing):
                found.append(path)
    listing.files += sorted(found)


def _is_file(path: Path, listing: Listing) -> bool:
    """Whether it can be read to its end; what is none fails."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        _fail(listing, path, "It is not there, or a link to what is not there.")
        return False
    except OSError as error:
        _fail(listing, path, f"It cannot be read: {error.strerror}.")
        return False
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "thing of another kind")
        _fail(listing, path, f"It is a {kind}, not a file. Give its text on standard input: -")
    return stat.S_ISREG(mode)


def _fail(listing: Listing, path: Path, problem: str) -> None:
    listing.failures.append(Failure(path_text(path), problem))


def read_inputs(
    listing: Listing,
    vocab: Vocab,
    *,
    text_field: str = "text",
    id_field: str = "id",
    max_bytes: int = MAX_BYTES,
) -> Iterator[Union[InputDocument, Failure]]:
    """Read documents, one after the other.

    A `.jsonl` file has a document a line, a `.spacy` file what spaCy stores; any other file
    is one document of plain text, and "-" is one on standard input. A document without an id
    is named after its file and its number there, and one whose id has been there has a number
    after it.

    listing (Listing): The files, which are unpacked if their names end in ".gz".
    vocab (Vocab): The vocabulary of documents from `.spacy` files.
    text_field (str): The field of JSONL that holds the text.
    id_field (str): The field of JSONL that holds the document's id.
    max_bytes (int): The most bytes of a text file or of a line of JSONL.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    yield from listing.failures
    names = UniqueNames()
    for file in listing.files:
        try:
            for item in _read_file(file, vocab, text_field, id_field, max_bytes):
                item.id = names.give(item.id)
                yield item
        # Whatever is in one file, the others are read.
        except Exception as error:
            yield Failure(path_text(file), describe_error(error))


def describe_error(error: BaseException) -> str:
    """What is said of an error that is one document's.

    error (BaseException): The error.
    RETURNS (str): Its message, with its kind unless it is one that explains itself.
    """
    message = str(error)
    if message and isinstance(error, (OSError, ValueError)):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _read_file(
    file: Path, vocab: Vocab, text_field: str, id_field: str, max_bytes: int
) -> Iterator[Union[InputDocument, Failure]]:
    name = path_text(file)
    if str(file) == STDIN:
        data = read_bounded(sys.stdin.buffer, "Standard input", max_bytes)
        yield InputDocument("stdin", decode(data, "Standard input"))
    elif file.suffix == FILE_TYPE:
        for number, doc in enumerate(try_spacy_docs(file, vocab)):
            where = f"{name}:{number}"
            if isinstance(doc, ValueError):
                yield Failure(where, str(doc))
                continue
            title = doc.user_data.get("title")
            fields = {} if title is None else {"title": title}
            yield InputDocument(_id(doc.user_data.get("id"), where), doc, fields)
    elif unpacked_suffix(file) == JSON_LINES:
        with unpacked(file) as stream:
            for number, line in enumerate(read_lines(stream, max_bytes), start=1):
                where = f"{name}:{number}"
                if line is None:
                    yield Failure(where, too_long("The line", max_bytes))
                elif line.strip():
                    yield _parse_line(line, where, text_field, id_field)
    else:
        yield InputDocument(name, read_text(file, max_bytes))


def _parse_line(
    line: bytes, where: str, text_field: str, id_field: str
) -> Union[InputDocument, Failure]:
    try:
        record = parse_json(decode(line, where), where)
        _check_json(record)
    except Exception as error:
        return Failure(where, describe_error(error))
    if not isinstance(record, dict) or not isinstance(record.get(text_field), str):
        return Failure(
            where,
            f"The line should be an object with the text in the field {text_field!r}. Name "
            "another field with --text-field.",
        )
    fields = {key: value for key, value in record.items() if key not in (text_field, id_field)}
    return InputDocument(_id(record.get(id_field), where), record[text_field], fields)


def _check_json(record: Any) -> None:
    """Python reads what JSON in a file cannot hold."""
    try:
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf8")
    except UnicodeEncodeError:
        raise ValueError("It holds half of a surrogate pair, which is no character.") from None
    except ValueError:
        raise ValueError(
            "It holds a number that JSON cannot: NaN, infinity, or one beyond 1.8e308. Write null."
        ) from None


def _id(given: Any, where: str) -> str:
    return where if given in (None, "") else str(given)
