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
from urllib.parse import quote

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

_WIKIDATA_ENTITY = "http://www.wikidata.org/entity/"
_WIKIDATA_PROPERTY = "http://www.wikidata.org/prop/direct/"
_OWN = "urn:spacy-docre:"
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

    COLUMNS = "document head head_label relation name tail tail_label score evidence".split()

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        csv.writer(self.file).writerow(self.COLUMNS)

    def write(self, doc: Doc, source: InputDocument) -> None:
        lines = io.StringIO(newline="")
        rows = csv.writer(lines)
        for relation in doc._.relations:
            head, tail = relation.head, relation.tail
            evidence = " ".join(" ".join(sentence.text.split()) for sentence in relation.evidence)
            cells = [
                source.id,
                head.text,
                head.label_,
                relation.label_,
                relation.name,
                tail.text,
                tail.label_,
                f"{relation.score:.4f}",
                evidence,
            ]
            rows.writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
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
    """RDF, a document after the other. Relations with P-labels and entities with Q-ids are
    those of Wikidata; others have names of their own (urn:spacy-docre:...)."""

    needs = "rdflib"
    # What rdflib calls it.
    format: ClassVar[str]

    def write(self, doc: Doc, source: InputDocument) -> None:
        rdflib = import_extra("rdflib")
        graph = rdflib.Graph()
        for relation in doc._.relations:
            ends = []
            for entity in (relation.head, relation.tail):
                ends.append(rdflib.URIRef(_entity_iri(source.id, entity)))
                graph.add((ends[-1], rdflib.RDFS.label, rdflib.Literal(entity.text)))
            predicate = rdflib.URIRef(_relation_iri(relation.label_))
            graph.add((ends[0], predicate, ends[1]))
            if predicate.startswith(_OWN):
                graph.add((predicate, rdflib.RDFS.label, rdflib.Literal(relation.name)))
        self.file.write(graph.serialize(format=self.format))


class NTriples(Rdf):
    """A triple a line."""

    format = "nt"


class Turtle(Rdf):
    """Triples with names for prefixes."""

    format = "turtle"


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
    """One graph of all documents: entities as nodes, relations as edges. It is held in memory
    until the end."""

    needs = "networkx"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.graph = import_extra("networkx").MultiDiGraph()
        self.names = UniqueNames()

    def write(self, doc: Doc, source: InputDocument) -> None:
        nodes = [(_xml_text(entity.text), _xml_text(entity.label_)) for entity in doc._.entities]
        edges = [
            (
                (relation.head.index, relation.tail.index),
                {
                    "relation": _xml_text(relation.label_),
                    "name": _xml_text(relation.name),
                    "score": relation.score,
                },
            )
            for relation in doc._.relations
        ]
        # Ids of two documents may differ in what XML cannot hold.
        name = self.names.give(_xml_text(source.id))
        for index, (text, label) in enumerate(nodes):
            self.graph.add_node(f"{name}#{index}", document=name, text=text, label=label)
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


def _xml_text(text: str) -> str:
    """Text without the control characters that XML cannot hold, and with its line breaks."""
    return _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _entity_iri(document: str, entity: Entity) -> str:
    """The linked id comes before those that the mentions were given."""
    for id_ in (entity.id, *(span.id_ for span in entity.mentions)):
        if re.fullmatch(r"Q[0-9]+", id_):
            return _WIKIDATA_ENTITY + id_
    return f"{_OWN}entity:{quote(document, safe='')}:{entity.index}"


def _relation_iri(label: str) -> str:
    if re.fullmatch(r"P[0-9]+", label):
        return _WIKIDATA_PROPERTY + label
    return f"{_OWN}relation:{quote(label, safe='')}"
