"""Readers that need no extra package: text, JSONL, DocRED's JSON and spaCy's `.spacy` files."""

import sys
from pathlib import Path
from typing import Any, Iterator, Tuple

from ...data.corpus_files import try_spacy_docs
from ...data.docred import try_docred
from ...data.encodings import LineDecoder, decode_any
from ...data.json_files import parse_json, unpacked_utf8
from ...data.packed_files import unpacked
from ...entity_sources import give_entities, gold_entities
from ...files import path_text, read_bounded, read_lines, too_long
from .documents import Failure, InputDocument, Items, Settings, document_id, read_records


def read_text(file: Path, settings: Settings) -> Items:
    """Read a file as one text, in UTF-8 or a guessed encoding.

    file (Path): The file.
    settings (Settings): The settings of readers.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    name = path_text(file)
    with unpacked(file) as stream:
        data = read_bounded(stream, name, settings.max_bytes)
    yield InputDocument(name, decode_any(data, name))


def read_stdin(settings: Settings) -> InputDocument:
    """Read standard input as one text.

    settings (Settings): The settings of readers.
    RETURNS (InputDocument): The document.
    """
    data = read_bounded(sys.stdin.buffer, "Standard input", settings.max_bytes)
    return InputDocument("stdin", decode_any(data, "Standard input"))


def read_json_lines(file: Path, settings: Settings) -> Items:
    """Read one document from each line. Arguments as in `read_text`."""
    return read_records(_parsed_lines(file, settings.max_bytes), path_text(file), settings)


def _parsed_lines(file: Path, max_bytes: int) -> Iterator[Tuple[str, Any]]:
    name = path_text(file)
    decode = LineDecoder(file)
    with unpacked_utf8(file) as stream:
        for number, line in enumerate(read_lines(stream, max_bytes), start=1):
            where = f"{name}:{number}"
            if line is None:
                yield where, ValueError(too_long("The line", max_bytes))
            elif line.strip():
                try:
                    yield where, parse_json(decode(line, where), where)
                except Exception as error:
                    yield where, error


def read_docred(file: Path, settings: Settings) -> Items:
    """Read documents of DocRED's JSON, with their entities. Arguments as in `read_text`."""
    for number, doc in enumerate(try_docred(file, settings.vocab, lang=settings.vocab.lang)):
        where = f"{path_text(file)}:{number}"
        if isinstance(doc, ValueError):
            yield Failure(where, str(doc))
            continue
        give_entities(doc, gold_entities(doc))
        title = doc.user_data["title"]
        yield InputDocument(document_id(title, where), doc, {"title": title})


def read_spacy(file: Path, settings: Settings) -> Items:
    """Read the documents of a `.spacy` file. Arguments as in `read_text`."""
    for number, doc in enumerate(try_spacy_docs(file, settings.vocab)):
        where = f"{path_text(file)}:{number}"
        if isinstance(doc, ValueError):
            yield Failure(where, str(doc))
            continue
        title = doc.user_data.get("title")
        fields = {} if title is None else {"title": title}
        yield InputDocument(document_id(doc.user_data.get("id"), where), doc, fields)
