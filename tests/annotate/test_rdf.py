"""Annotated documents as RDF, read back by rdflib."""

import json
from pathlib import Path
from typing import Dict

import pytest
import rdflib
import spacy
from rdflib import RDF, RDFS, XSD
from rdflib.compare import isomorphic
from spacy.tokens import Doc, Span

from spacy_docre import Triple
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import choose_output
from spacy_docre.annotate.rdf import PREFIXES

FORMATS = {".nt": "nt", ".ttl": "turtle", ".jsonld": "json-ld"}
WD, WDT, DOCRE, PROV = (rdflib.Namespace(PREFIXES[key]) for key in ("wd", "wdt", "docre", "prov"))


def make_doc(born: str = "7 November 1867", date_id: str = "", name: str = "Marie Curie") -> Doc:
    """A person, a place and a date."""
    words = [*name.split(" "), "was", "born", "in", "Warsaw", "on", *born.split(" "), "."]
    doc = Doc(spacy.blank("en").vocab, words=words)
    start, end = len(name.split(" ")), len(words) - 1 - len(born.split(" "))
    doc._.entities = [
        [Span(doc, 0, start, label="PER", kb_id="Q7186")],
        [Span(doc, start + 3, start + 4, label="LOC")],
        [Span(doc, end, len(words) - 1, label="TIME", kb_id=date_id)],
    ]
    doc._.relations = [
        Triple(0, 2, "P569", 0.75, "date of birth", ((0, len(words)),)),
        Triple(0, 1, "born in", 0.5),
    ]
    return doc


def write(path: Path, documents: Dict[str, Doc]) -> rdflib.Graph:
    output = choose_output(path)(path)
    for id_, doc in documents.items():
        output.write(doc, InputDocument(id_, doc))
    output.close()
    return rdflib.Graph().parse(path, format=FORMATS[path.suffix])


def test_all_that_is_said(tmp_path: Path) -> None:
    graph = write(tmp_path / "out.ttl", {"a": make_doc()})
    curie, warsaw = WD["Q7186"], DOCRE["entity:a:1"]
    born = rdflib.Literal("1867-11-07", datatype=XSD.date)
    assert (curie, WDT["P569"], born) in graph
    assert (curie, DOCRE["relation:born%20in"], warsaw) in graph
    assert (warsaw, RDF.type, DOCRE["type:LOC"]) in graph
    assert str(graph.value(curie, RDFS.label)) == "Marie Curie"
    assert str(graph.value(WDT["P569"], RDFS.label)) == "date of birth"
    (statement,) = graph.subjects(RDF.object, born)
    assert graph.value(statement, RDF.subject) == curie
    assert graph.value(statement, RDF.predicate) == WDT["P569"]
    assert graph.value(statement, DOCRE.score).toPython() == 0.75
    assert str(graph.value(statement, DOCRE.evidence)).startswith("Marie Curie was born")
    document = graph.value(statement, PROV.wasDerivedFrom)
    assert (document, RDF.type, PROV.Entity) in graph
    assert str(graph.value(document, rdflib.DCTERMS.identifier)) == "a"
    assert len(list(graph.subjects(RDF.type, RDF.Statement))) == 2


@pytest.mark.parametrize(
    "born, type_, value",
    [
        ("1867", XSD.gYear, "1867"),
        ("November 1867", XSD.gYearMonth, "1867-11"),
        ("November 7 , 1867", XSD.date, "1867-11-07"),
    ],
)
def test_dates_are_as_precise_as_the_text(
    tmp_path: Path, born: str, type_: rdflib.URIRef, value: str
) -> None:
    graph = write(tmp_path / "out.nt", {"a": make_doc(born)})
    literal = graph.value(WD["Q7186"], WDT["P569"])
    assert literal.datatype == type_
    assert f'"{value}"^^' in (tmp_path / "out.nt").read_text()


@pytest.mark.parametrize("born, id_", [("yesterday", ""), ("1867", "Q7835")])
def test_what_is_no_literal(tmp_path: Path, born: str, id_: str) -> None:
    """A date that cannot be read, or is linked."""
    graph = write(tmp_path / "out.nt", {"a": make_doc(born, id_)})
    iri = WD[id_] if id_ else DOCRE["entity:a:2"]
    assert graph.value(WD["Q7186"], WDT["P569"]) == iri
    assert str(graph.value(iri, RDFS.label)) == born


def test_formats_say_the_same(tmp_path: Path) -> None:
    """With whatever a name may have, and documents without relations between others."""
    names = ["Marie Curie", 'a"b\\n', "a\\", "@prefix wd: <x> .", "é\x7f<a>&", "]}", "\U0001f600"]
    documents = {f"{n} {name}": make_doc(name=name) for n, name in enumerate(names)}
    empty = make_doc()
    empty._.relations = []
    odd = make_doc()
    odd._.relations = [Triple(0, 1, "7th child % of")]
    documents = {"no": empty, **documents, "none": empty, "odd": odd}
    graphs = [write(tmp_path / f"out{suffix}", documents) for suffix in FORMATS]
    assert isomorphic(graphs[0], graphs[1]) and isomorphic(graphs[0], graphs[2])
    assert {str(label) for label in graphs[0].objects(WD["Q7186"], RDFS.label)} == set(names)


def test_prefixes_stand_once(tmp_path: Path) -> None:
    write(tmp_path / "out.ttl", {"a": make_doc(), "b": make_doc()})
    lines = (tmp_path / "out.ttl").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("@prefix")] == [
        f"{prefix}:" for prefix in PREFIXES
    ]
    assert "wd:Q7186 a" in "\n".join(lines) and "wdt:P569" in "\n".join(lines)
    assert "ns1:" not in "\n".join(lines)


def test_nothing_is_json_too(tmp_path: Path) -> None:
    assert len(write(tmp_path / "out.jsonld", {})) == 0
    assert json.loads((tmp_path / "out.jsonld").read_text())["@graph"] == []
