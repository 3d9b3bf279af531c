"""Entities and relations as RDF.

A relation becomes a triple, and a statement about the triple (`rdf:Statement`) with score, source
and evidence. Relations with P-ids and entities with Q-ids have the IRIs of Wikidata. All others
have IRIs that begin with urn:spacy-docre. A date that `parse_date` can read is a literal.
"""

import json
import re
from typing import Any, Dict, Iterable, List, Optional, TextIO
from urllib.parse import quote

from ..extras import import_extra
from .dates import DATE_LABELS, parse_date

OWN = "urn:spacy-docre:"
PREFIXES = {
    **{kind: f"{OWN}{kind}:" for kind in ("document", "entity", "relation", "statement", "type")},
    "dcterms": "http://purl.org/dc/terms/",
    "docre": OWN,
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# The type of an ISO 8601 date, by its length.
_DATE_TYPES = {4: "gYear", 7: "gYearMonth", 10: "date"}


def own_iri(*parts: str) -> str:
    """Make a unique IRI.

    parts (str): The kind of the thing, and what identifies the thing among its kind.
    RETURNS (str): The IRI.
    """
    return OWN + ":".join(quote(part, safe="") for part in parts)


def wikidata_iri(id_: str) -> Optional[str]:
    """Make the IRI of an entity in Wikidata.

    id_ (str): A linked id.
    RETURNS (Optional[str]): The IRI; None if the id is no Q-id.
    """
    return PREFIXES["wd"] + id_ if re.fullmatch(r"Q[0-9]+", id_) else None


class RdfGraph:
    """Some of the entities and relations of a file."""

    def __init__(self) -> None:
        self._rdflib = import_extra("rdflib")
        self.graph = self._rdflib.Graph(bind_namespaces="none")
        for prefix, namespace in PREFIXES.items():
            self.graph.bind(prefix, namespace)

    def add_entity(self, iri: str, name: str, label: str) -> Any:
        """Add an entity.

        iri (str): Its IRI.
        name (str): Its name.
        label (str): Its type; "" if unknown.
        RETURNS (URIRef): The node of the entity.
        """
        entity = self._rdflib.URIRef(iri)
        self._add(entity, "rdfs:label", self._rdflib.Literal(name))
        if label:
            self._add(entity, "rdf:type", self._rdflib.URIRef(own_iri("type", label)))
        return entity

    def node(self, iri: str, name: str, label: str) -> Any:
        """Return the node of an entity without adding the entity. Arguments as in `add_entity`.

        RETURNS (Node): The literal of a date without a linked id; for other entities, the IRI.
        """
        date = parse_date(name) if label in DATE_LABELS and iri.startswith(OWN) else None
        if date is None:
            return self._rdflib.URIRef(iri)
        # Not normalized: rdflib would turn a year into a full date.
        type_ = self._rdflib.URIRef(PREFIXES["xsd"] + _DATE_TYPES[len(date)])
        return self._rdflib.Literal(date, datatype=type_, normalize=False)

    def add_tail(self, iri: str, name: str, label: str) -> Any:
        """Add the tail of a relation. Arguments as in `add_entity`.

        RETURNS (Node): The literal of a date without a linked id; for other entities, the IRI.
        """
        node = self.node(iri, name, label)
        is_literal = isinstance(node, self._rdflib.Literal)
        return node if is_literal else self.add_entity(iri, name, label)

    def add_document(self, id_: str) -> Any:
        """Add a document.

        id_ (str): Its id.
        RETURNS (URIRef): The node of the document.
        """
        document = self._rdflib.URIRef(own_iri("document", id_))
        self._add(document, "rdf:type", self._rdflib.URIRef(PREFIXES["prov"] + "Entity"))
        self._add(document, "dcterms:identifier", self._rdflib.Literal(id_))
        return document

    def add_relation(
        self,
        iri: str,
        head: Any,
        label: str,
        tail: Any,
        *,
        name: str,
        sources: Iterable[Any],
        facts: Dict[str, Iterable[Any]],
    ) -> None:
        """Add a relation.

        iri (str): The IRI of the statement about the relation.
        head (URIRef): The node that `add_entity` returned.
        label (str): The relation.
        tail (Node): The node that `add_tail` returned.
        name (str): The readable name of the relation.
        sources (Iterable[URIRef]): The nodes that `add_document` returned for the documents.
        facts (Dict[str, Iterable[Any]]): Further values of the statement, by names in the namespace
            `docre`, e.g. "score".
        """
        is_property = re.fullmatch(r"P[0-9]+", label)
        relation = self._rdflib.URIRef(
            PREFIXES["wdt"] + label if is_property else own_iri("relation", label)
        )
        self.graph.add((head, relation, tail))
        self._add(relation, "rdfs:label", self._rdflib.Literal(name))
        statement = self._rdflib.URIRef(iri)
        self._add(statement, "rdf:type", self._rdflib.URIRef(PREFIXES["rdf"] + "Statement"))
        self._add(statement, "rdf:subject", head)
        self._add(statement, "rdf:predicate", relation)
        self._add(statement, "rdf:object", tail)
        for source in sources:
            self._add(statement, "prov:wasDerivedFrom", source)
        for fact, values in facts.items():
            for value in values:
                self._add(statement, f"docre:{fact}", self._rdflib.Literal(value))

    def _add(self, subject: Any, predicate: str, value: Any) -> None:
        prefix, _, name = predicate.partition(":")
        self.graph.add((subject, self._rdflib.URIRef(PREFIXES[prefix] + name), value))


class RdfFile:
    """A file of RDF that is written part by part.

    file (TextIO): The file.
    format (str): The name of the format in rdflib: "nt", "turtle" or "json-ld".
    """

    def __init__(self, file: TextIO, format: str) -> None:
        self.file = file
        self.format = format
        self._separator = ""
        if format == "turtle":
            file.writelines(f"{line}\n" for line in _TURTLE_HEADER)
        elif format == "json-ld":
            file.write(f'{{"@context": {json.dumps(PREFIXES)}, "@graph": [')

    def write(self, part: RdfGraph) -> None:
        """Add a part, whole or not at all.

        part (RdfGraph): Its entities and relations.
        """
        if self.format == "json-ld":
            text = self._nodes(part)
        else:
            text = part.graph.serialize(format=self.format)
        if self.format == "turtle":
            text = _without_header(text)
        self.file.write(text)

    def close(self) -> None:
        """Write the end of the RDF. The file stays open."""
        if self.format == "json-ld":
            self.file.write("\n]}\n")

    def _nodes(self, part: RdfGraph) -> str:
        compacted = json.loads(part.graph.serialize(format="json-ld", context=PREFIXES))
        del compacted["@context"]
        # For a single node, rdflib writes no list.
        nodes: List[Any] = compacted.get("@graph", [compacted] if compacted else [])
        text = ""
        for node in nodes:
            text += f"{self._separator}\n{json.dumps(node, ensure_ascii=False)}"
            self._separator = ","
        return text


_TURTLE_HEADER = [f"@prefix {prefix}: <{iri}> ." for prefix, iri in PREFIXES.items()]


def _without_header(text: str) -> str:
    """Remove the prefixes with which the file begins."""
    lines = text.split("\n")
    first = next((n for n, line in enumerate(lines) if not line.startswith("@prefix ")), 0)
    # rdflib adds other prefixes for names that do not fit these prefixes.
    others = [line for line in lines[:first] if line not in _TURTLE_HEADER]
    return "\n".join([*others, *lines[first:]])
