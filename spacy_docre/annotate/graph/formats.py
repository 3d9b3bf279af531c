"""Write the merged graph to files: one function a format, chosen by the path's suffix.

To add a format, write a function of graph and path, and add it to `FORMATS`. All functions stream.
"""

import csv
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional
from urllib.parse import quote
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from spacy.util import minibatch

from ...extras import import_extra
from ..dates import DATE_LABELS
from ..outputs import spreadsheet_cell, xml_text
from ..rdf import RdfFile, RdfGraph, own_iri, wikidata_iri
from .merge import MergedEntity, MergedGraph, MergedRelation
from .page import write_page

# Entities or relations that rdflib serializes at a time.
_PART = 500


def write_rdf(graph: MergedGraph, path: Path, *, format: str) -> None:
    """Write RDF, in the form that `rdf.py` describes. The sources of a relation are the documents
    whose evidence is kept.

    graph (MergedGraph): The graph.
    path (Path): The file.
    format (str): The name of the format in rdflib.
    """
    with path.open("w", encoding="utf8", newline="") as file:
        rdf = RdfFile(file, format)
        for entities in minibatch(graph.entities(), _PART):
            part = RdfGraph()
            for entity in entities:
                part.add_tail(*_described(entity))
            rdf.write(part)
        for relations in minibatch(graph.relations(), _PART):
            part = RdfGraph()
            for relation in relations:
                _add_relation(part, relation)
            rdf.write(part)
        rdf.close()


def _add_relation(part: RdfGraph, relation: MergedRelation) -> None:
    # A literal cannot be a head. A date as head becomes an entity, which is written only here.
    is_date = relation.head.label in DATE_LABELS
    head = (part.add_entity if is_date else part.node)(*_described(relation.head))
    part.add_relation(
        own_iri("statement", relation.head.id, relation.label, relation.tail.id),
        head,
        relation.label,
        part.node(*_described(relation.tail)),
        name=relation.name,
        sources=[part.add_document(document) for document, _ in relation.evidence],
        facts={
            "score": [relation.best_score],
            "meanScore": [relation.mean_score],
            "documents": [relation.documents],
            "contradicted": [relation.contradicted],
            "evidence": [text for _, text in relation.evidence if text],
        },
    )


def _described(entity: MergedEntity) -> Iterator[str]:
    yield wikidata_iri(entity.kb_id) or own_iri("entity", entity.id)
    yield entity.name
    yield entity.label


def write_graphml(graph: MergedGraph, path: Path) -> None:
    """Write GraphML, with the attributes that Gephi shows.

    graph (MergedGraph): The graph.
    path (Path): The file.
    """
    with path.open("w", encoding="utf8", newline="\n") as file:
        xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
        xml.startDocument()
        xml.startElement(
            "graphml", AttributesImpl({"xmlns": "http://graphml.graphdrawing.org/xmlns"})
        )
        for owner, keys in (("node", _NODE_TYPES), ("edge", _EDGE_TYPES)):
            for key, type_ in keys.items():
                names = {"for": owner, "attr.name": key, "attr.type": type_}
                xml.startElement("key", AttributesImpl({"id": f"{owner}_{key}", **names}))
                xml.endElement("key")
        xml.startElement("graph", AttributesImpl({"edgedefault": "directed"}))
        for entity in graph.entities():
            _write_element(xml, "node", {"id": _xml_id(entity)}, _node(entity))
        for number, relation in enumerate(graph.relations()):
            ends = {"source": _xml_id(relation.head), "target": _xml_id(relation.tail)}
            _write_element(xml, "edge", {"id": f"e{number}", **ends}, _edge(relation))
        xml.endElement("graph")
        xml.endElement("graphml")
        xml.endDocument()


_NODE_TYPES = {"label": "string", "type": "string", "kb_id": "string", "documents": "long"}
_EDGE_TYPES = {
    "label": "string",
    "relation": "string",
    "weight": "double",
    "mean_score": "double",
    "documents": "long",
    "contradicted": "boolean",
    "evidence": "string",
}


def _xml_id(entity: MergedEntity) -> str:
    # An id may hold characters that XML cannot. Quoting keeps different ids different.
    return quote(entity.id, safe=": ")


def _node(entity: MergedEntity) -> Dict[str, Any]:
    values = (entity.name, entity.label, entity.kb_id, entity.documents)
    return dict(zip(_NODE_TYPES, values, strict=True))


def _edge(relation: MergedRelation) -> Dict[str, Any]:
    scores = (relation.best_score, relation.mean_score)
    support = (relation.documents, relation.contradicted, _evidence_json(relation))
    values = (relation.name, relation.label, *scores, *support)
    return dict(zip(_EDGE_TYPES, values, strict=True))


def _write_element(
    xml: XMLGenerator, name: str, names: Dict[str, str], data: Dict[str, Any]
) -> None:
    xml.startElement(name, AttributesImpl(names))
    for key, value in data.items():
        xml.startElement("data", AttributesImpl({"key": f"{name}_{key}"}))
        xml.characters(xml_text(_written(value)))
        xml.endElement("data")
    xml.endElement(name)
    xml.characters("\n")


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _evidence_json(relation: MergedRelation) -> str:
    records = [{"document": document, "text": text} for document, text in relation.evidence]
    return json.dumps(records, ensure_ascii=False)


def write_csv(graph: MergedGraph, path: Path) -> None:
    """Write one relation a line, for spreadsheets. The evidence is a JSON list.

    graph (MergedGraph): The graph.
    path (Path): The file.
    """
    columns = (
        "head head_label relation name tail tail_label documents best_score mean_score "
        "contradicted evidence head_id tail_id"
    ).split()
    rows = (
        [
            *(relation.head.name, relation.head.label, relation.label, relation.name),
            *(relation.tail.name, relation.tail.label, str(relation.documents)),
            *(f"{relation.best_score:.4f}", f"{relation.mean_score:.4f}"),
            *(_written(relation.contradicted), _evidence_json(relation)),
            *(relation.head.id, relation.tail.id),
        ]
        for relation in graph.relations()
    )
    _write_rows(path, columns, (map(spreadsheet_cell, row) for row in rows))


def write_neo4j(graph: MergedGraph, path: Path) -> None:
    """Write `nodes.csv` and `relationships.csv`, for `neo4j-admin database import full`.

    graph (MergedGraph): The graph.
    path (Path): The folder.
    """
    nodes = (
        [
            *(entity.id, entity.name, entity.label, entity.kb_id, entity.documents),
            # ";" separates labels.
            ";".join(filter(None, ["Entity", entity.label.replace(";", ",")])),
        ]
        for entity in graph.entities()
    )
    relationships = (
        [
            *(relation.head.id, relation.tail.id, relation.label, relation.name),
            *(relation.documents, relation.best_score, relation.mean_score),
            *(_written(relation.contradicted), _evidence_json(relation)),
        ]
        for relation in graph.relations()
    )
    _write_rows(path / "nodes.csv", NODES_HEADER, map(_on_one_line, nodes))
    _write_rows(path / "relationships.csv", RELATIONSHIPS_HEADER, map(_on_one_line, relationships))


NODES_HEADER = "id:ID name:string type:string kb_id:string documents:long :LABEL".split()
RELATIONSHIPS_HEADER = (
    ":START_ID :END_ID :TYPE name:string documents:long best_score:double mean_score:double "
    "contradicted:boolean evidence:string"
).split()


def _on_one_line(row: Iterable[Any]) -> List[str]:
    # By default, neo4j-admin reads each line as a row.
    return [" ".join(str(cell).splitlines()) for cell in row]


def _write_rows(path: Path, header: List[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_cypher(graph: MergedGraph, path: Path) -> None:
    """Write one Cypher statement a line, for a running database: `cypher-shell --file`.

    graph (MergedGraph): The graph.
    path (Path): The file.
    """
    with path.open("w", encoding="utf8", newline="\n") as file:
        file.write(
            "CREATE CONSTRAINT entity_id IF NOT EXISTS FOR (e:Entity) REQUIRE e.id IS UNIQUE;\n"
        )
        for entity in graph.entities():
            facts = _cypher_map({"name": entity.name, **_node(entity)}, leave_out=("label",))
            label = f":{cypher_name(entity.label)}" if entity.label else ""
            file.write(
                f"MERGE (e:Entity {{id: {cypher_text(entity.id)}}}) SET e += {facts}"
                f"{f' SET e{label}' if label else ''};\n"
            )
        for relation in graph.relations():
            facts = _cypher_map({"name": relation.name, **_edge(relation)}, leave_out=("label",))
            file.write(
                f"MATCH (h:Entity {{id: {cypher_text(relation.head.id)}}}), "
                f"(t:Entity {{id: {cypher_text(relation.tail.id)}}}) "
                f"MERGE (h)-[r:{cypher_name(relation.label)}]->(t) SET r += {facts};\n"
            )


def cypher_text(text: str) -> str:
    """Quote a text for Cypher, which reads the escapes of JSON.

    text (str): The text.
    RETURNS (str): The text in quotes, on one line.
    """
    return json.dumps(text)


def cypher_name(name: str) -> str:
    """Quote the name of a label or relationship for Cypher. The name may hold any character.

    name (str): The name.
    RETURNS (str): The name in backticks, on one line.
    """
    # Cypher reads "\\u0060" as a backtick, too.
    plain = " ".join(name.splitlines()).replace("\\u", "\\u005Cu").replace("`", "``")
    return f"`{plain}`"


def _cypher_map(values: Dict[str, Any], leave_out: Iterable[str]) -> str:
    pairs = (
        f"{key}: {cypher_text(value) if isinstance(value, str) else _written(value)}"
        for key, value in values.items()
        if key not in leave_out
    )
    return f"{{{', '.join(pairs)}}}"


@dataclass(frozen=True)
class GraphFormat:
    """A format of the merged graph.

    write (Callable[[MergedGraph, Path], None]): The function that writes the graph.
    needs (Optional[str]): The package of an extra that the function needs.
    """

    write: Callable[[MergedGraph, Path], None]
    needs: Optional[str] = None


# The format of each suffix. "" is the suffix of a folder.
FORMATS: Dict[str, GraphFormat] = {
    ".ttl": GraphFormat(partial(write_rdf, format="turtle"), needs="rdflib"),
    ".nt": GraphFormat(partial(write_rdf, format="nt"), needs="rdflib"),
    ".jsonld": GraphFormat(partial(write_rdf, format="json-ld"), needs="rdflib"),
    ".graphml": GraphFormat(write_graphml),
    ".cypher": GraphFormat(write_cypher),
    ".csv": GraphFormat(write_csv),
    ".html": GraphFormat(write_page),
    "": GraphFormat(write_neo4j),
}


def choose_format(path: Path) -> GraphFormat:
    """Choose the format of a file or folder, and check that its package is installed.

    path (Path): The file or folder.
    RETURNS (GraphFormat): The format of the suffix.
    RAISES (ValueError): If the suffix has no format.
    RAISES (ImportError): If the format needs a package that is not installed.
    """
    if path.suffix not in FORMATS:
        known = ", ".join(filter(None, FORMATS))
        raise ValueError(
            f"Unknown format of {path}. Use one of the endings {known}, or no ending for a "
            "folder that neo4j-admin imports."
        )
    if needs := FORMATS[path.suffix].needs:
        import_extra(needs)
    return FORMATS[path.suffix]


def write_contradictions(graph: MergedGraph, path: Path) -> None:
    """Write the contradictions between documents, one line of JSON for each entity and relation. A
    line has all values with their support, the best supported first.

    graph (MergedGraph): The graph.
    path (Path): The file.
    """
    with path.open("w", encoding="utf8") as file:
        for relations in graph.contradictions():
            head = relations[0].head
            record = {
                **{"head": head.name, "head_id": head.id},
                **{"relation": relations[0].label, "name": relations[0].name},
                "values": [
                    {
                        **{"tail": item.tail.name, "tail_id": item.tail.id},
                        "documents": item.documents,
                        "best_score": item.best_score,
                        "mean_score": item.mean_score,
                        "evidence": [{"document": d, "text": text} for d, text in item.evidence],
                    }
                    for item in relations
                ],
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
