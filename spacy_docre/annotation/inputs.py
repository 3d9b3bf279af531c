"""Documents to annotate: from text files, JSONL, `.spacy` files, folders and standard input."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Union

from spacy.cli._util import walk_directory
from spacy.tokens import Doc, DocBin
from spacy.training.corpus import FILE_TYPE
from spacy.vocab import Vocab

from ..corpora.validation import parse_json, read_text

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


def read_inputs(
    paths: Iterable[Path], vocab: Vocab, *, text_field: str = "text", id_field: str = "id"
) -> Iterator[Union[InputDocument, Failure]]:
    """Read documents, one after the other.

    A `.jsonl` file has a document a line, a `.spacy` file what spaCy stores; any other file
    is one document of plain text, and "-" is one on standard input. Folders are searched for
    all of them. A document without an id is named after its file and place.

    paths (Iterable[Path]): Files, folders, or "-".
    vocab (Vocab): The vocabulary of documents from `.spacy` files.
    text_field (str): The field of JSONL that holds the text.
    id_field (str): The field of JSONL that holds the document's id.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    for path in paths:
        if str(path) == STDIN:
            yield InputDocument("stdin", sys.stdin.read())
            continue
        for file in walk_directory(path):
            try:
                yield from _read_file(file, vocab, text_field, id_field)
            except (OSError, ValueError) as error:
                yield Failure(str(file), str(error))


def _read_file(
    file: Path, vocab: Vocab, text_field: str, id_field: str
) -> Iterator[Union[InputDocument, Failure]]:
    if file.suffix == FILE_TYPE:
        for place, doc in enumerate(DocBin().from_disk(file).get_docs(vocab)):
            title = doc.user_data.get("title")
            fields = {} if title is None else {"title": title}
            yield InputDocument(f"{file}:{place}", doc, fields)
    elif file.suffix == JSON_LINES:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _parse_line(line, f"{file}:{number}", text_field, id_field)
    else:
        yield InputDocument(str(file), read_text(file))


def _parse_line(
    line: str, where: str, text_field: str, id_field: str
) -> Union[InputDocument, Failure]:
    try:
        record = parse_json(line, where)
    except ValueError as error:
        return Failure(where, str(error))
    if not isinstance(record, dict) or not isinstance(record.get(text_field), str):
        return Failure(
            where,
            f"The line should be an object with the text in the field {text_field!r}. Name "
            "another field with --text-field.",
        )
    fields = {key: value for key, value in record.items() if key not in (text_field, id_field)}
    return InputDocument(str(record.get(id_field, where)), record[text_field], fields)
