"""Annotated documents to files: one format a class, chosen by the file's suffix.

A new format is a subclass of `Output` with the methods `write` and `close`, and an entry in
`OUTPUTS`.
"""

import csv
import io
import json
import re
import warnings
from pathlib import Path
from typing import ClassVar, Dict, List, Type

import srsly
from spacy.tokens import Doc, DocBin

from ..annotations import Entity
from ..data.corpus_files import drop_hidden_states
from ..display.options import Options
from ..display.render import fill_template
from ..display.view import DocumentView, view_document
from ..extras import import_extra
from ..files import UniqueNames
from ..records import document_record
from .inputs import InputDocument
from .output_file import Output
from .parquet import Parquet
from .rdf import RdfFile, RdfGraph, own_iri, wikidata_iri

_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# What a spreadsheet takes for a formula. Quotes before it count, so that no two cells become one.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


class TextOutput(Output):
    """A text file that is written document by document."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # No newline is changed: those within a field of CSV are its own.
        self.file = path.open("w", encoding="utf8", newline="")

    def close(self) -> None:
        self.file.close()


class JsonLines(TextOutput):
    """A document a line: what was known of it, its entities with their mentions, and its
    relations with score and evidence. Starts and ends are counted in characters."""

    def write(self, doc: Doc, source: InputDocument) -> None:
        own = {"id": source.id, **document_record(doc)}
        if replaced := sorted(own.keys() & source.fields.keys()):
            warnings.warn(
                f"Fields of the input are replaced by those of the output: {', '.join(replaced)}. "
                "Rename them in the input to keep them.",
                stacklevel=2,
            )
        record = {**source.fields, **own}
        # Not srsly, which rounds, and refuses large numbers.
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self.file.write(text + "\n")


class Csv(TextOutput):
    """A relation a line. Cells that a spreadsheet would take for a formula begin with "'"."""

    COLUMNS = (
        "document head head_label relation name tail tail_label score evidence head_id tail_id"
    ).split()

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        csv.writer(self.file).writerow(self.COLUMNS)

    def write(self, doc: Doc, source: InputDocument) -> None:
        lines = io.StringIO(newline="")
        rows = csv.writer(lines)
        for relation in doc._.relations:
            row = {
                **relation,
                "document": source.id,
                "score": f"{relation.score:.4f}",
                "evidence": " ".join(relation["evidence"]),
            }
            cells = [row[column] for column in self.COLUMNS]
            rows.writerow(map(spreadsheet_cell, cells))
        self.file.write(lines.getvalue())


class SpacyFile(Output):
    """spaCy's own format. It is held in memory until the end, some bytes a token."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.docs = DocBin(store_user_data=True)

    def write(self, doc: Doc, source: InputDocument) -> None:
        drop_hidden_states(doc)
        doc.user_data["id"] = source.id
        # A DocBin that fails to add one is damaged, and what it cannot store may show at the end.
        one = DocBin(store_user_data=True, docs=[doc])
        srsly.msgpack_dumps(one.cats)
        self.docs.merge(one)

    def close(self) -> None:
        self.docs.to_disk(self.path)


class Rdf(TextOutput):
    """RDF, a document after the other, as `rdf.py` has it."""

    needs = "rdflib"
    # What rdflib calls it.
    format: ClassVar[str]

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rdf = RdfFile(self.file, self.format)

    def write(self, doc: Doc, source: InputDocument) -> None:
        part = RdfGraph()
        for relation in doc._.relations:
            # A document that says nothing is no source.
            document = part.add_document(source.id)
            head, tail = (
                (_entity_iri(source.id, entity), entity.text, entity.label_)
                for entity in (relation.head, relation.tail)
            )
            part.add_relation(
                own_iri("statement", source.id, str(relation.index)),
                part.add_entity(*head),
                relation.label_,
                part.add_tail(*tail),
                name=relation.name,
                sources=[document],
                facts={"score": [relation.score], "evidence": relation["evidence"]},
            )
        self.rdf.write(part)

    def close(self) -> None:
        self.rdf.close()
        super().close()


class NTriples(Rdf):
    """A triple a line."""

    format = "nt"


class Turtle(Rdf):
    """Triples with names for prefixes."""

    format = "turtle"


class JsonLd(Rdf):
    """One object, whose "@graph" has all nodes."""

    format = "json-ld"


class Html(Output):
    """A page that shows the documents. What it shows is held in memory until the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.options = Options()
        self.documents: List[DocumentView] = []

    def write(self, doc: Doc, source: InputDocument) -> None:
        self.documents.append(view_document(doc, source.id, self.options))

    def close(self) -> None:
        self.path.write_text(fill_template("page.html", documents=self.documents), "utf8")


class GraphMl(Output):
    """The entities of each document as nodes, relations as edges. It is held in memory until the
    end."""

    needs = "networkx"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.graph = import_extra("networkx").MultiDiGraph()
        self.names = UniqueNames()

    def write(self, doc: Doc, source: InputDocument) -> None:
        nodes = [
            {
                "label": xml_text(record["text"]),
                "type": xml_text(record["label"]),
                "kb_id": xml_text(record["kb_id"]),
            }
            for record in document_record(doc)["entities"]
        ]
        edges = [
            (
                (relation.head.index, relation.tail.index),
                {
                    # As Gephi calls them.
                    "label": xml_text(relation.name),
                    "weight": relation.score,
                    "relation": xml_text(relation.label_),
                    "name": xml_text(relation.name),
                    "score": relation.score,
                },
            )
            for relation in doc._.relations
        ]
        # Ids of two documents may differ in what XML cannot hold.
        name = self.names.give(xml_text(source.id))
        for index, node in enumerate(nodes):
            self.graph.add_node(f"{name}#{index}", document=name, **node)
        for (head, tail), values in edges:
            self.graph.add_edge(f"{name}#{head}", f"{name}#{tail}", **values)

    def close(self) -> None:
        import_extra("networkx").write_graphml(self.graph, self.path)


OUTPUTS: Dict[str, Type[Output]] = {
    ".jsonl": JsonLines,
    ".parquet": Parquet,
    ".csv": Csv,
    ".spacy": SpacyFile,
    ".nt": NTriples,
    ".ttl": Turtle,
    ".jsonld": JsonLd,
    ".graphml": GraphMl,
    ".html": Html,
}


def choose_output(path: Path) -> Type[Output]:
    """Choose the format of a file, before there is anything to write.

    path (Path): The file.
    RETURNS (Type[Output]): The format that its suffix stands for.
    RAISES (ValueError): If there is no such format.
    RAISES (ImportError): If it needs a package that is not installed.
    """
    if path.suffix not in OUTPUTS:
        raise ValueError(f"Unknown format of {path}. Name the output with {', '.join(OUTPUTS)}.")
    output = OUTPUTS[path.suffix]
    if output.needs is not None:
        import_extra(output.needs)
    return output


def spreadsheet_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    text (str): What it has.
    RETURNS (str): The same, after "'" where it is needed.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def xml_text(text: str) -> str:
    """Text without the control characters that XML cannot hold, and with its line breaks.

    text (str): The text.
    RETURNS (str): What XML can hold of it.
    """
    return _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _entity_iri(document: str, entity: Entity) -> str:
    """The linked id comes before those that the mentions were given."""
    for id_ in (entity.id, *(span.id_ for span in entity.mentions)):
        if iri := wikidata_iri(id_):
            return iri
    return own_iri("entity", document, str(entity.index))
