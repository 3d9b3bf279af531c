"""Formats of the merged graph, read back."""

import csv
import json
import re
from pathlib import Path
from typing import Dict, Iterator, List

import networkx
import pytest
import rdflib
from rdflib.compare import isomorphic

from spacy_docre.annotate.graph.formats import (
    FORMATS,
    NODES_HEADER,
    RELATIONSHIPS_HEADER,
    choose_format,
    cypher_name,
    cypher_text,
    write_contradictions,
)
from spacy_docre.annotate.graph.merge import MergedGraph, MergeOptions, merge_triples
from spacy_docre.annotate.rdf import PREFIXES
from spacy_docre.pipeline.names import make_name_rules
from tests.annotate.graph.test_merge import record, write

# What formats may stumble over.
HOSTILE = ['a"b', "a\\", "a`b", "a\u2028b", "a\x01b", "=1+1", "a;b,c", "</a>&", "\U0001f600", "a'b"]
DATES = ["7 November 1867", "1868"]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MergedGraph]:
    """Two documents that contradict each other, and names of all kinds."""
    entities = [("Marie Curie", "PER", "Q7186"), *((name, "MISC", name) for name in HOSTILE)]
    relations = [(0, n, name, 0.5) for n, name in enumerate(HOSTILE, 1)]
    records = [record("hostile \n \"'", entities, relations)]
    for n, date in enumerate(DATES):
        entities = [("Marie Curie", "PER", "Q7186"), (date, "TIME", "")]
        records.append(record(f"doc {n}", entities, [(0, 1, "P569", 0.25 + n / 2)]))
    path = write(tmp_path_factory.mktemp("graph") / "a.jsonl", records)
    with merge_triples([path], make_name_rules(), MergeOptions(), 500) as graph:
        yield graph


@pytest.fixture(scope="module")
def written(graph: MergedGraph, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    folder = tmp_path_factory.mktemp("written")
    paths = {suffix: folder / f"out{suffix}" for suffix in FORMATS}
    paths[""].mkdir()
    for path in paths.values():
        choose_format(path).write(graph, path)
    return paths


def test_rdf_says_the_same(written: Dict[str, Path], graph: MergedGraph) -> None:
    formats = {".nt": "nt", ".ttl": "turtle", ".jsonld": "json-ld"}
    graphs = [rdflib.Graph().parse(written[key], format=name) for key, name in formats.items()]
    assert isomorphic(graphs[0], graphs[1]) and isomorphic(graphs[0], graphs[2])
    statements = list(graphs[0].subjects(rdflib.RDF.type, rdflib.RDF.Statement))
    assert len(statements) == graph.count("relations") == len(HOSTILE) + 2
    curie = rdflib.URIRef(PREFIXES["wd"] + "Q7186")
    born = {str(date) for date in graphs[0].objects(curie, rdflib.URIRef(PREFIXES["wdt"] + "P569"))}
    assert born == {"1867-11-07", "1868"}
    own = rdflib.Namespace(PREFIXES["docre"])
    for statement in statements:
        assert graphs[0].value(statement, own.documents).toPython() == 1
        is_birth = str(graphs[0].value(statement, rdflib.RDF.predicate)).endswith("P569")
        assert graphs[0].value(statement, own.contradicted).toPython() == is_birth


def test_graphml(written: Dict[str, Path], graph: MergedGraph) -> None:
    found = networkx.read_graphml(written[".graphml"])
    assert found.number_of_nodes() == graph.count("entities") == len(HOSTILE) + 3
    assert found.number_of_edges() == graph.count("relations")
    assert found.nodes["Q7186"] == {
        **{"label": "Marie Curie", "type": "PER", "kb_id": "Q7186", "documents": 3}
    }
    edge = found.edges["Q7186", "name:TIME:1868"]
    assert edge["label"] == "the P569" and edge["weight"] == 0.75 and edge["contradicted"] is True
    assert json.loads(edge["evidence"]) == [{"document": "doc 1", "text": "doc 1 says"}]
    names = {data["label"] for _, data in found.nodes(data=True)}
    assert names >= {name for name in HOSTILE if "\x01" not in name and "\u2028" not in name}


def rows_of(path: Path) -> List[Dict[str, str]]:
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv(written: Dict[str, Path], graph: MergedGraph) -> None:
    rows = rows_of(written[".csv"])
    assert len(rows) == graph.count("relations")
    assert {row["tail_id"].removeprefix("'") for row in rows} >= set(HOSTILE)
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_neo4j(written: Dict[str, Path], graph: MergedGraph) -> None:
    """The fields of neo4j-admin: name:type, and those of its own."""
    own = {":LABEL", ":START_ID", ":END_ID", ":TYPE", "id:ID"}
    for field in [*NODES_HEADER, *RELATIONSHIPS_HEADER]:
        assert field in own or re.fullmatch(r"\w+:(string|long|double|boolean)", field)
    nodes, relationships = (
        rows_of(written[""] / "nodes.csv"),
        rows_of(written[""] / "relationships.csv"),
    )
    ids = [node["id:ID"] for node in nodes]
    assert len(set(ids)) == len(ids) == graph.count("entities")
    assert {row[key] for row in relationships for key in (":START_ID", ":END_ID")} <= set(ids)
    assert len(relationships) == graph.count("relations")
    assert next(n for n in nodes if n["id:ID"] == "Q7186")[":LABEL"] == "Entity;PER"
    for name, rows in (("nodes.csv", nodes), ("relationships.csv", relationships)):
        # A line is a row.
        assert len((written[""] / name).read_text("utf8").split("\n")) == len(rows) + 2


def test_cypher(written: Dict[str, Path], graph: MergedGraph) -> None:
    lines = written[".cypher"].read_text("utf8").split("\n")
    assert len(lines) == 1 + graph.count("entities") + graph.count("relations") + 1
    quoted = re.compile(r'"(?:[^"\\]|\\.)*"|`(?:[^`]|``)*`')
    for line in lines[1:-1]:
        # Beside what is quoted, there is nothing of the data.
        rest = quoted.sub("x", line)
        assert re.fullmatch(r"(MERGE|MATCH) [\w :(){},.=+>\[\]-]*;", rest), line


@pytest.mark.parametrize("text", [*HOSTILE, "a\nb", "a\r\n", '\\"', "\\u0022", "', \\", ""])
def test_texts_of_cypher(text: str) -> None:
    quoted = cypher_text(text)
    assert json.loads(quoted) == text and quoted.isascii() and "\n" not in quoted


def test_names_of_cypher() -> None:
    assert cypher_name("P19") == "`P19`"
    assert cypher_name("a`]->() DELETE r //") == "`a``]->() DELETE r //`"
    assert cypher_name("a\nb") == "`a b`"
    assert "\\u0060" not in cypher_name("a\\u0060b")


def test_contradictions(graph: MergedGraph, tmp_path: Path) -> None:
    write_contradictions(graph, tmp_path / "a.jsonl")
    (found,) = map(json.loads, (tmp_path / "a.jsonl").read_text("utf8").splitlines())
    assert (found["head"], found["relation"]) == ("Marie Curie", "P569")
    assert [value["tail"] for value in found["values"]] == DATES[::-1]
    assert found["values"][0]["evidence"] == [{"document": "doc 1", "text": "doc 1 says"}]


def test_unknown_formats() -> None:
    with pytest.raises(ValueError, match="Unknown format of a.docx. Use one of the endings .ttl"):
        choose_format(Path("a.docx"))
