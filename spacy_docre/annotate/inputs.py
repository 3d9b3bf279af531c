"""Documents to annotate: from text files, JSONL, `.spacy` files, folders and standard input."""

import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Union
from typing import Counter as CounterType

from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.vocab import Vocab

from ..data.corpus_files import read_spacy_docs
from ..data.json_files import parse_json, read_text

STDIN = "-"
JSON_LINES = ".jsonl"


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


def list_files(paths: Iterable[Path]) -> List[Path]:
    """Find the files of folders, as they are now, without hidden ones.

    paths (Iterable[Path]): Files, folders, or "-" for standard input, which stays.
    RETURNS (List[Path]): The files, folder by folder.
    """
    files: List[Path] = []
    for path in paths:
        if path.is_dir():
            # spaCy's walk_directory takes neither "." nor "..".
            inside = (file for file in path.rglob("*") if file.is_file())
            files += sorted(file for file in inside if not _is_hidden(file.relative_to(path)))
        else:
            files.append(path)
    return files


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def read_inputs(
    files: Iterable[Path], vocab: Vocab, *, text_field: str = "text", id_field: str = "id"
) -> Iterator[Union[InputDocument, Failure]]:
    """Read documents, one after the other.

    A `.jsonl` file has a document a line, a `.spacy` file what spaCy stores; any other file
    is one document of plain text, and "-" is one on standard input. A document without an id
    is named after its file and its number there, and one whose id has been there has a number
    after it.

    files (Iterable[Path]): Files, or "-".
    vocab (Vocab): The vocabulary of documents from `.spacy` files.
    text_field (str): The field of JSONL that holds the text.
    id_field (str): The field of JSONL that holds the document's id.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    seen: CounterType[str] = Counter()
    for file in files:
        try:
            for item in _read_file(file, vocab, text_field, id_field):
                seen[item.id] += 1
                if seen[item.id] > 1:
                    item.id = f"{item.id} ({seen[item.id]})"
                yield item
        except (OSError, ValueError) as error:
            yield Failure(_name(file), str(error))


def _read_file(
    file: Path, vocab: Vocab, text_field: str, id_field: str
) -> Iterator[Union[InputDocument, Failure]]:
    name = _name(file)
    if str(file) == STDIN:
        yield InputDocument("stdin", sys.stdin.read())
    elif file.suffix == FILE_TYPE:
        for number, doc in enumerate(read_spacy_docs(file, vocab)):
            title = doc.user_data.get("title")
            yield InputDocument(f"{name}:{number}", doc, {} if title is None else {"title": title})
    elif file.suffix == JSON_LINES:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _parse_line(line, f"{name}:{number}", text_field, id_field)
    else:
        yield InputDocument(name, read_text(file))


def _name(file: Path) -> str:
    """A file's name as text, also where the file system has no text."""
    return os.fsencode(file).decode("utf8", errors="replace")


def _parse_line(
    line: bytes, where: str, text_field: str, id_field: str
) -> Union[InputDocument, Failure]:
    try:
        record = parse_json(line.decode("utf-8-sig"), where)
        # JSON can hold half of a surrogate pair, which no file can.
        json.dumps(record, ensure_ascii=False).encode("utf8")
    except ValueError as error:
        return Failure(where, str(error))
    if not isinstance(record, dict) or not isinstance(record.get(text_field), str):
        return Failure(
            where,
            f"The line should be an object with the text in the field {text_field!r}. Name "
            "another field with --text-field.",
        )
    fields = {key: value for key, value in record.items() if key not in (text_field, id_field)}
    id_ = record.get(id_field)
    return InputDocument(where if id_ in (None, "") else str(id_), record[text_field], fields)
