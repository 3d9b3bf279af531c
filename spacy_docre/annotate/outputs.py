"""Write annotated documents to files: one class a format, chosen by the file's suffix.

To add a format, write a subclass of `Output` with the methods `write` and `close`, and add it to
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
# What a spreadsheet reads as a formula. Quotes before it count, so that different cells stay
# different.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


class TextOutput(Output):
    """A text file that is written document by document."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # Newlines stay as they are, since a field of CSV may hold some.
        self.file = path.open("w", encoding="utf8", newline="")

    def close(self) -> None:
        self.file.close()


class JsonLines(TextOutput):
    """One document a line: the fields of the input, the entities with their mentions, and the
    relations with score and evidence. Starts and ends are counted in characters."""

    def write(self, doc: Doc, source: InputDocument) -> None:
        own = {"id": source.id, **document_record(doc)}
        if replaced := sorted(own.keys() & source.fields.keys()):
            warnings.warn(
                f"Fields of the input are replaced by fields of the output: {', '.join(replaced)}. "
                "To keep them, rename them in the input.",
                stacklevel=2,
            )
        record = {**source.fields, **own}
        # Not srsly: it rounds numbers, and refuses large ones.
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self.file.write(text + "\n")


class Csv(TextOutput):
    """One relation a line. A cell that a spreadsheet would read as a formula begins with "'"."""

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
    """spaCy's binary format. All documents stay in memory until the end, some bytes a token."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.docs = DocBin(store_user_data=True)

    def write(self, doc: Doc, source: InputDocument) -> None:
        drop_hidden_states(doc)
        doc.user_data["id"] = source.id
        # A failure while adding a document damages a DocBin, and some failures show only when the
        # DocBin is stored. So each document is first tried in a separate DocBin.
        one = DocBin(store_user_data=True, docs=[doc])
        srsly.msgpack_dumps(one.cats)
        self.docs.merge(one)

    def close(self) -> None:
        self.docs.to_disk(self.path)


class Rdf(TextOutput):
    """RDF, one document after the other, in the form that `rdf.py` describes."""

    needs = "rdflib"
    # The name of the format in rdflib.
    format: ClassVar[str]

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rdf = RdfFile(self.file, self.format)

    def write(self, doc: Doc, source: InputDocument) -> None:
        part = RdfGraph()
        for relation in doc._.relations:
            # A document without relations is no source.
            document = part.add_document(source.id)
            # The record has the linked ids, which an Entity would search for in all of doc.ents.
            head, tail = (
                (
                    _entity_iri(source.id, entity, linked_id=relation[f"{end}_id"]),
                    relation[end],
                    relation[f"{end}_label"],
                )
                for end, entity in (("head", relation.head), ("tail", relation.tail))
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
    """One triple a line."""

    format = "nt"


class Turtle(Rdf):
    """Triples with prefixed names."""

    format = "turtle"


class JsonLd(Rdf):
    """One JSON object. Its "@graph" has all nodes."""

    format = "json-ld"


class Html(Output):
    """A page that shows the documents. The data of the page stays in memory until the end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.options = Options()
        self.documents: List[DocumentView] = []

    def write(self, doc: Doc, source: InputDocument) -> None:
        self.documents.append(view_document(doc, source.id, self.options))

    def close(self) -> None:
        self.path.write_text(fill_template("page.html", documents=self.documents), "utf8")


class GraphMl(Output):
    """A graph: the entities of each document as nodes, the relations as edges. The graph stays in
    memory until the end."""

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
                    # The names that Gephi reads.
                    "label": xml_text(relation.name),
                    "weight": relation.score,
                    "relation": xml_text(relation.label_),
                    "name": xml_text(relation.name),
                    "score": relation.score,
                },
            )
            for relation in doc._.relations
        ]
        # Two ids may differ only in characters that XML cannot hold.
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
    """Choose the format of a file, and check that its package is installed.

    path (Path): The file.
    RETURNS (Type[Output]): The class that writes files of this suffix.
    RAISES (ValueError): If the suffix has no format.
    RAISES (ImportError): If the format needs a package that is not installed.
    """
    if path.suffix not in OUTPUTS:
        raise ValueError(f"Unknown format of {path}. Use one of the endings {', '.join(OUTPUTS)}.")
    output = OUTPUTS[path.suffix]
    if output.needs is not None:
        import_extra(output.needs)
    return output


def spreadsheet_cell(text: str) -> str:
    """Make a cell that no spreadsheet reads as a formula.

    text (str): The text of the cell.
    RETURNS (str): The text, with "'" before it if it looks like a formula.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def xml_text(text: str) -> str:
    """Replace the control characters that XML cannot hold. Line breaks stay line breaks.

    text (str): The text.
    RETURNS (str): Text that XML can hold.
    """
    return _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _entity_iri(document: str, entity: Entity, linked_id: str) -> str:
    """Return the IRI of an entity. The linked id has priority over the ids of the mentions."""
    for id_ in (linked_id, *(span.id_ for span in entity.mentions)):
        if iri := wikidata_iri(id_):
            return iri
    return own_iri("entity", document, str(entity.index))
