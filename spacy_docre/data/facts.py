"""Read files of facts: CSV, JSON lines, and the triples of Wikidata."""

import csv
import io
import re
from pathlib import Path
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    TextIO,
)

from ..extras import import_extra
from ..files import MAX_BYTES, too_long
from .json_files import parse_json, unpacked_utf8
from .knowledge_base import KnowledgeBase
from .packed_files import unpacked_suffix

BY_NAME = ("head", "relation", "tail")
BY_ID = ("head_id", "relation", "tail_id")
# Characters of a line that an error shows.
_SHOWN = 200


class KnowledgeFact(NamedTuple):
    """A fact of a knowledge base.

    head (str): The head: a name or an id.
    relation (str): The relation.
    tail (str): The tail: a name or an id.
    by_id (bool): Whether head and tail are ids.
    """

    head: str
    relation: str
    tail: str
    by_id: bool


def read_knowledge_base(path: Path, relations: Optional[Container[str]] = None) -> KnowledgeBase:
    """Read a knowledge base.

    path (Path): A file, packed if its name ends in ".gz" or ".zst". `.csv` or `.tsv`: the first
        line names the columns (head, relation, tail, or head_id, relation, tail_id). Other columns
        are ignored. `.jsonl`: objects with the same keys. `.tsv` or `.txt` without a first line of
        names: facts as in Wikidata5M (Q76, P26, Q13133, in this order). `.nt`: the triples of
        Wikidata.
    relations (Optional[Container[str]]): The relations whose facts are kept; None for all.
    RETURNS (KnowledgeBase): The facts.
    RAISES (ValueError): If the file is of none of these kinds, or malformed.
    RAISES (ImportError): If the file is `.nt`, and rdflib is not installed.
    """
    kind = unpacked_suffix(path)
    if kind not in _READERS:
        raise ValueError(
            f"{path} is not of a known kind. Give a file of {', '.join(_READERS)}, or set "
            "--from-gold for annotated .spacy documents."
        )
    knowledge = KnowledgeBase(relations)
    with unpacked_utf8(path) as stream:
        lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            for fact in _READERS[kind](_bounded(lines, str(path)), str(path)):
                add = knowledge.add_by_id if fact.by_id else knowledge.add_by_name
                add(fact.head, fact.relation, fact.tail)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8: {error.reason}. Save it as UTF-8.") from None
    return knowledge


def _bounded(lines: TextIO, name: str) -> Iterator[str]:
    """The lines of a file, each in bounded memory. Lines of CSV may end in "\\r" alone."""
    number = 0
    while line := lines.readline(MAX_BYTES + 1):
        number += 1
        if len(line) > MAX_BYTES:
            raise ValueError(too_long(f"{name}, line {number}", MAX_BYTES))
        yield line


def _read_csv(lines: Iterable[str], name: str) -> Iterator[KnowledgeFact]:
    return _read_rows(csv.reader(lines), name, ",")


def _read_tsv(lines: Iterable[str], name: str) -> Iterator[KnowledgeFact]:
    # Quotes are ordinary characters here, as in David Bowie's "Heroes".
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return _read_rows(rows, name, "\t")


def _read_rows(rows: Any, name: str, delimiter: str) -> Iterator[KnowledgeFact]:
    """The facts of rows of csv.reader."""
    try:
        header: List[str] = next(rows, [])
        if _is_wikidata(header):
            header, first = list(BY_ID), header
            yield _fact(dict(zip(header, first, strict=True)), f"{name}, line 1")
        elif len(header) != len({*header}):
            raise ValueError(
                f"{name}: the first line names a column twice: {delimiter.join(header)[:_SHOWN]!r}."
            )
        elif not (set(BY_NAME) <= set(header) or set(BY_ID) <= set(header)):
            raise ValueError(
                f"{name}: the first line should name the columns {', '.join(BY_NAME)}, or "
                f"{', '.join(BY_ID)}. It is {delimiter.join(header)[:_SHOWN]!r}."
            )
        for row in rows:
            where = f"{name}, line {rows.line_num}"
            if len(row) > len(header):
                raise ValueError(
                    f"{where} has {len(row)} columns, but the first line {len(header)}. In .csv, "
                    "put values with a comma in quotes."
                )
            if row:
                yield _fact(dict(zip(header[: len(row)], row, strict=True)), where)
    except csv.Error as error:
        raise ValueError(f"{name}, line {rows.line_num}: {error}.") from None


def _is_wikidata(row: Iterable[str]) -> bool:
    """Whether a first line is a fact: Q76, P26, Q13133."""
    return [re.sub(r"\d+", "", value) for value in row] == ["Q", "P", "Q"]


def _read_json_lines(lines: Iterable[str], name: str) -> Iterator[KnowledgeFact]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{name}, line {number}"
            yield _fact(parse_json(line, where), where)


def _fact(record: Any, where: str) -> KnowledgeFact:
    """A fact about ids if the record has ids, else about names."""
    record = record if isinstance(record, dict) else {}
    for keys, by_id in ((BY_ID, True), (BY_NAME, False)):
        head, relation, tail = (record.get(key) for key in keys)
        if all(isinstance(value, str) and value.strip() for value in (head, relation, tail)):
            return KnowledgeFact(head.strip(), relation.strip(), tail.strip(), by_id)
    raise ValueError(
        f"{where} is no fact: it should have {', '.join(BY_NAME)}, or {', '.join(BY_ID)}, each a "
        "string of one character or more."
    )


def _read_n_triples(lines: Iterable[str], name: str) -> Iterator[KnowledgeFact]:
    """The triples of URIs. The id is at the end of a URI. Triples with literals are left out:
    literals are not entities."""
    rdflib = import_extra("rdflib")
    ntriples = import_extra("rdflib.plugins.parsers.ntriples")

    class Sink:
        """Receives the triples of the parser."""

        def __init__(self) -> None:
            self.facts: List[KnowledgeFact] = []

        def triple(self, *terms: object) -> None:
            if all(isinstance(term, rdflib.URIRef) for term in terms):
                head, relation, tail = (re.split("[/#]", str(term))[-1] for term in terms)
                self.facts.append(KnowledgeFact(head, relation, tail, by_id=True))

    sink = Sink()
    parser = ntriples.W3CNTriplesParser(sink)
    for number, line in enumerate(lines, start=1):
        # Not the parser's own `parse`: its time grows with the square of a line's length.
        parser.line = line.rstrip("\r\n")
        try:
            parser.parseline()
        # Any exception: an escape, for example, may name a character that does not exist.
        except Exception:
            shown = line.strip()[:_SHOWN]
            raise ValueError(f"{name}, line {number}, is no N-triple: {shown!r}.") from None
        yield from sink.facts
        sink.facts.clear()


_READERS: Dict[str, Callable[[Iterable[str], str], Iterator[KnowledgeFact]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".txt": _read_tsv,
    ".jsonl": _read_json_lines,
    ".nt": _read_n_triples,
}
