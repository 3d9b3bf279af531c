"""Annotated documents to files: one format a class, chosen by the file's suffix."""

import csv
import re
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List
from urllib.parse import quote

import srsly
from spacy.tokens import DocBin, Span

from ..annotations import Entity, Relation
from ..display.options import Options
from ..display.render import fill_template
from ..display.view import DocumentView, view_document
from .engine import AnnotatedDocument

_WIKIDATA_ENTITY = "http://www.wikidata.org/entity/"
_WIKIDATA_PROPERTY = "http://www.wikidata.org/prop/direct/"
_OWN = "urn:spacy-docre:"
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Output(ABC):
    """A file of annotated documents.

    path (Path): Where to write.
    """

    @abstractmethod
    def __init__(self, path: Path) -> None: ...

    @abstractmethod
    def write(self, document: AnnotatedDocument) -> None:
        """Add a document.

        document (AnnotatedDocument): The document.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""


class TextOutput(Output):
    """A text file that is written document by document."""

    def __init__(self, path: Path) -> None:
        # No newline is changed: those within a field of CSV are its own.
        self.file = path.open("w", encoding="utf8", newline="")

    def close(self) -> None:
        self.file.close()


class JsonLines(TextOutput):
    """A document a line: what was known of it, its entities with their mentions, and its
    relations with score and evidence. Places are counted in characters."""

    def write(self, document: AnnotatedDocument) -> None:
        doc = document.doc
        record = {
            **document.source.fields,
            "id": document.source.id,
            "text": doc.text,
            "entities": [_entity_record(entity) for entity in doc._.entities],
            "relations": [_relation_record(relation) for relation in doc._.relations],
        }
        self.file.write(srsly.json_dumps(record) + "\n")


class Csv(TextOutput):
    """A relation a line."""

    COLUMNS = "document head head_label relation name tail tail_label score evidence".split()

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rows = csv.writer(self.file)
        self.rows.writerow(self.COLUMNS)

    def write(self, document: AnnotatedDocument) -> None:
        for relation in document.doc._.relations:
            head, tail = relation.head, relation.tail
            evidence = " ".join(" ".join(sentence.text.split()) for sentence in relation.evidence)
            self.rows.writerow(
                [
                    document.source.id,
                    head.text,
                    head.label_,
                    relation.label_,
                    relation.name,
                    tail.text,
                    tail.label_,
                    f"{relation.score:.4f}",
                    evidence,
                ]
            )


class SpacyFile(Output):
    """spaCy's own format. It is held in memory until the end, some bytes a token."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.docs = DocBin(store_user_data=True)

    def write(self, document: AnnotatedDocument) -> None:
        document.doc.user_data["id"] = document.source.id
        self.docs.add(document.doc)

    def close(self) -> None:
        self.docs.to_disk(self.path)


class Rdf(TextOutput):
    """RDF, a document after the other. Relations with P-labels and entities with Q-ids are
    those of Wikidata; others have names of their own (urn:spacy-docre:...).

    path (Path): Where to write.
    format (str): What rdflib calls the format: "nt", "turtle".
    """

    def __init__(self, path: Path, format: str) -> None:
        super().__init__(path)
        self.format = format

    def write(self, document: AnnotatedDocument) -> None:
        from rdflib import RDFS, Graph, Literal, URIRef

        graph = Graph()
        for relation in document.doc._.relations:
            ends = []
            for entity in (relation.head, relation.tail):
                ends.append(URIRef(_entity_iri(document.source.id, entity)))
                graph.add((ends[-1], RDFS.label, Literal(entity.text)))
            predicate = URIRef(_relation_iri(relation.label_))
            graph.add((ends[0], predicate, ends[1]))
            if predicate.startswith(_OWN):
                graph.add((predicate, RDFS.label, Literal(relation.name)))
        self.file.write(graph.serialize(format=self.format))


class Html(Output):
    """A page that shows the documents. What it shows is held in memory until the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.options = Options()
        self.documents: List[DocumentView] = []

    def write(self, document: AnnotatedDocument) -> None:
        self.documents.append(view_document(document.doc, document.source.id, self.options))

    def close(self) -> None:
        self.path.write_text(fill_template("page.html", documents=self.documents), "utf8")


class GraphMl(Output):
    """One graph of all documents: entities as nodes, relations as edges. It is held in memory
    until the end."""

    def __init__(self, path: Path) -> None:
        import networkx

        self.path = path
        self.graph = networkx.MultiDiGraph()

    def write(self, document: AnnotatedDocument) -> None:
        name = _xml_text(document.source.id)
        for entity in document.doc._.entities:
            self.graph.add_node(
                f"{name}#{entity.index}",
                document=name,
                text=_xml_text(entity.text),
                label=_xml_text(entity.label_),
            )
        for relation in document.doc._.relations:
            self.graph.add_edge(
                f"{name}#{relation.head.index}",
                f"{name}#{relation.tail.index}",
                relation=_xml_text(relation.label_),
                name=_xml_text(relation.name),
                score=relation.score,
            )

    def close(self) -> None:
        import networkx

        networkx.write_graphml(self.graph, self.path)


OUTPUTS: Dict[str, Callable[[Path], Output]] = {
    ".jsonl": JsonLines,
    ".csv": Csv,
    ".spacy": SpacyFile,
    ".nt": partial(Rdf, format="nt"),
    ".ttl": partial(Rdf, format="turtle"),
    ".graphml": GraphMl,
    ".html": Html,
}


def _entity_record(entity: Entity) -> Dict[str, Any]:
    return {
        "id": entity.index,
        "text": entity.text,
        "label": entity.label_,
        "mentions": [_span_record(span) for span in entity.mentions],
    }


def _relation_record(relation: Relation) -> Dict[str, Any]:
    return {
        "head": relation.head.index,
        "tail": relation.tail.index,
        "label": relation.label_,
        "name": relation.name,
        "score": relation.score,
        "evidence": [_span_record(span) for span in relation.evidence],
    }


def _span_record(span: Span) -> Dict[str, Any]:
    return {"start": span.start_char, "end": span.end_char, "text": span.text}


def _xml_text(text: str) -> str:
    """Text without the control characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def _entity_iri(document: str, entity: Entity) -> str:
    ids = [span.id_ for span in entity.mentions if re.fullmatch(r"Q\d+", span.id_)]
    if ids:
        return _WIKIDATA_ENTITY + ids[0]
    return f"{_OWN}entity:{quote(document, safe='')}:{entity.index}"


def _relation_iri(label: str) -> str:
    if re.fullmatch(r"P\d+", label):
        return _WIKIDATA_PROPERTY + label
    return f"{_OWN}relation:{quote(label, safe='')}"
