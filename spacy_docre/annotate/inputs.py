"""Documents to annotate: from text files, JSONL, DocRED's JSON, `.spacy` files, folders and
standard input."""

import json
import os
import re
import sys
import warnings
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Union

from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.vocab import Vocab

from ..data.corpus_files import try_spacy_docs
from ..data.docred import try_docred
from ..data.json_files import decode, parse_json, read_text, unpacked, unpacked_suffix
from ..entity_sources import give_entities, gold_entities
from ..errors import describe_error
from ..files import (
    MAX_BYTES,
    UniqueNames,
    find_files,
    no_file,
    path_text,
    read_bounded,
    read_lines,
    too_long,
)

STDIN = "-"
JSON_LINES = ".jsonl"
DOCRED = ".json"
ID_FIELD = "id"
# What files of plain text are called. Of an ending that holds no letter, or a space, it is part of
# the name: "chapter 1.2", "Mr. Smith".
_TEXT = ("", ".txt", ".md")
_ENDING = re.compile(r"\.(?=\d*[^\W\d])\w+")
# Where a shell puts what <(...) gives, and standard input has its name.
_OPENED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


class Place(NamedTuple):
    """How far inputs have been read.

    file (int): The number of the file; 0 for those that are none, and cannot be read.
    items (int): How many documents and failures of it have been read.
    """

    file: int = 0
    items: int = 0


START = Place()


@dataclass
class InputDocument:
    """A document to annotate.

    id (str): What names it in the output.
    content (Union[str, Doc]): Its text, or what is stored of it already.
    fields (Dict[str, Any]): What else is known of it, to be kept.
    place (Place): How far the inputs have been read with it.
    """

    id: str
    content: Union[str, Doc]
    fields: Dict[str, Any] = field(default_factory=dict)
    place: Place = field(default=START, compare=False, repr=False)


@dataclass
class Failure:
    """A document that cannot be annotated.

    id (str): What names it.
    problem (str): Why.
    place (Place): How far the inputs have been read with it.
    """

    id: str
    problem: str
    place: Place = field(default=START, compare=False, repr=False)


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

    @property
    def has_json_lines(self) -> bool:
        """RETURNS (bool): Whether a file has documents with fields."""
        return any(_kind(file) == JSON_LINES for file in self.files)


def list_files(paths: Iterable[Path]) -> Listing:
    """Find the files of folders, as they are now. Links are followed, and each folder is read
    once. Hidden files are left aside, and those whose ending is of no kind that is read; to name
    such a file is a failure.

    paths (Iterable[Path]): Files, folders, or "-" for standard input, which stays.
    RETURNS (Listing): The files, and what is not read.
    """
    listing = Listing()
    for path in paths:
        if os.path.isdir(path):
            found = find_files(path)
            kinds = {file: _problem_of_kind(file) for file in found.files}
            listing.files += [file for file, problem in kinds.items() if problem is None]
            unknown = {file: problem for file, problem in kinds.items() if problem is not None}
            listing.failures += _failures(found.failures)
            listing.aside += _failures({**found.aside, **unknown})
        elif str(path) == STDIN or str(path).startswith(_OPENED):
            listing.files.append(path)
        elif problem := no_file(path):
            hint = "Give what it holds on standard input: -"
            listing.failures.append(Failure(path_text(path), f"{problem} {hint}"))
        elif problem := _problem_of_kind(path):
            listing.failures.append(Failure(path_text(path), problem))
        else:
            listing.files.append(path)
    return listing


def _failures(problems: Mapping[Path, str]) -> List[Failure]:
    return [Failure(path_text(path), problem) for path, problem in problems.items()]


def _kind(file: Path) -> str:
    """The ending of a name, of whatever case, or "" where it has none."""
    ending = unpacked_suffix(file)
    return ending.lower() if _ENDING.fullmatch(ending) else ""


def _problem_of_kind(file: Path) -> Optional[str]:
    """Why a file is not read whose ending says that it is no text, such as CSV or HTML."""
    kind = _kind(file)
    if kind in (*_TEXT, JSON_LINES, DOCRED) or (
        kind == FILE_TYPE and unpacked_suffix(file) == file.suffix
    ):
        return None
    return (
        f"Files ending in {''.join(file.suffixes[-2:])} are not read: give text as .txt or .md, "
        f"documents as {JSON_LINES} (one in each line), {FILE_TYPE} or DocRED's {DOCRED}, or one "
        "text on standard input: -"
    )


def read_inputs(
    listing: Listing,
    vocab: Vocab,
    *,
    text_field: str = "text",
    id_field: str = ID_FIELD,
    max_bytes: int = MAX_BYTES,
    start: Place = START,
    names: Optional[UniqueNames] = None,
) -> Iterator[Union[InputDocument, Failure]]:
    """Read documents, one after the other.

    A `.jsonl` file has a document a line, a `.spacy` file what spaCy stores, a `.json` file is
    DocRED's: its documents have the title as id, and are given their entities. Any other file is
    one document of plain text, and "-" is one on standard input. A document without an id is named
    after its file and its number there, and one whose id has been there has a number after it.

    listing (Listing): The files, which are unpacked if their names end in ".gz".
    vocab (Vocab): The vocabulary of documents from `.spacy` and `.json` files; its language is
        that of the latter.
    text_field (str): The field of JSONL that holds the text.
    id_field (str): The field of JSONL that holds the document's id.
    max_bytes (int): The most bytes of a text file or of a line of JSONL.
    start (Place): Where to go on. Files before it are not opened, lines before it not parsed.
    names (Optional[UniqueNames]): The ids that have been there; None for none.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    names = UniqueNames() if names is None else names
    for number in range(start.file, len(listing.files) + 1):
        done = start.items if number == start.file else 0
        items: Iterable[Union[InputDocument, Failure]] = listing.failures
        if number:
            file = listing.files[number - 1]
            items = _try_file(_read_file(file, vocab, text_field, id_field, max_bytes, done), file)
        for count, item in enumerate(islice(items, done, None), start=done + 1):
            item.id = names.give(item.id)
            item.place = Place(number, count)
            yield item


def _try_file(
    items: Iterator[Union[InputDocument, Failure]], file: Path
) -> Iterator[Union[InputDocument, Failure]]:
    try:
        yield from items
    # Whatever is in one file, the others are read.
    except Exception as error:
        yield Failure(path_text(file), describe_error(error))


def _read_file(
    file: Path, vocab: Vocab, text_field: str, id_field: str, max_bytes: int, done: int
) -> Iterator[Union[InputDocument, Failure]]:
    """The first `done` of them may be anything."""
    name = path_text(file)
    if str(file) == STDIN:
        data = read_bounded(sys.stdin.buffer, "Standard input", max_bytes)
        yield InputDocument("stdin", decode(data, "Standard input"))
    elif _kind(file) == FILE_TYPE:
        for number, doc in enumerate(try_spacy_docs(file, vocab)):
            where = f"{name}:{number}"
            if isinstance(doc, ValueError):
                yield Failure(where, str(doc))
                continue
            title = doc.user_data.get("title")
            fields = {} if title is None else {"title": title}
            yield InputDocument(_id(doc.user_data.get("id"), where), doc, fields)
    elif _kind(file) == DOCRED:
        for number, doc in enumerate(try_docred(file, vocab, lang=vocab.lang)):
            where = f"{name}:{number}"
            if isinstance(doc, ValueError):
                yield Failure(where, str(doc))
                continue
            give_entities(doc, gold_entities(doc))
            title = doc.user_data["title"]
            yield InputDocument(_id(title, where), doc, {"title": title})
    elif _kind(file) == JSON_LINES:
        yield from _read_json_lines(file, name, text_field, id_field, max_bytes, done)
    else:
        yield InputDocument(name, read_text(file, max_bytes))


def _read_json_lines(
    file: Path, name: str, text_field: str, id_field: str, max_bytes: int, done: int
) -> Iterator[Union[InputDocument, Failure]]:
    items = documents = named = 0
    with unpacked(file) as stream:
        for number, line in enumerate(read_lines(stream, max_bytes), start=1):
            where = f"{name}:{number}"
            if line is not None and line.isspace():
                continue
            items += 1
            if items <= done:
                yield Failure(where, "It is done.")
            elif line is None:
                yield Failure(where, too_long("The line", max_bytes))
            else:
                item = _parse_line(line, where, text_field, id_field)
                documents += isinstance(item, InputDocument)
                named += item.id != where
                yield item
    if documents and not named and id_field != ID_FIELD:
        warnings.warn(
            f"No document of {name} has an id in the field {id_field!r}: each is named after its "
            "line. Name another field with --id-field.",
            stacklevel=2,
        )


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
