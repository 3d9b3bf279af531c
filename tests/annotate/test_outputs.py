"""Formats of annotated documents."""

import csv
import json
import math
from pathlib import Path
from typing import Any, Dict

import networkx
import pytest
import rdflib
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_docre import Triple
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import OUTPUTS, Output, choose_output


class Titles(Output):
    """The ids of the documents: a format that somebody else might add."""

    ids = ""

    def write(self, doc: Doc, source: InputDocument) -> None:
        self.ids += f"{source.id}\n"

    def close(self) -> None:
        self.path.write_text(self.ids, "utf8")


def write_file(path: Path, doc: Doc) -> str:
    output = choose_output(path)(path)
    output.write(doc, InputDocument("a", doc))
    output.close()
    return path.read_text("utf8")


def test_a_new_format_is_write_close_and_an_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OUTPUTS, ".titles", Titles)
    assert write_file(tmp_path / "out.titles", Doc(spacy.blank("en").vocab)) == "a\n"


@pytest.mark.parametrize(
    "linked, given, iri",
    [
        ("Q90", "", "http://www.wikidata.org/entity/Q90"),
        ("Q90", "Q1", "http://www.wikidata.org/entity/Q90"),
        ("NIL", "Q1", "http://www.wikidata.org/entity/Q1"),
        ("", "Q1", "http://www.wikidata.org/entity/Q1"),
        ("", "", "urn:spacy-docre:entity:a:0"),
    ],
)
def test_entities_of_wikidata(tmp_path: Path, linked: str, given: str, iri: str) -> None:
    """What an entity linker says of an entity comes first, then the ids of its mentions."""
    doc = Doc(spacy.blank("en").vocab, words=["Paris", "of", "France"])
    doc.ents = [Span(doc, 0, 1, label="LOC", kb_id=linked)]
    doc._.entities = [
        [Span(doc, 0, 1, label="LOC", span_id=given)],
        [Span(doc, 2, 3, label="LOC", span_id="Q142")],
    ]
    doc._.relations = [Triple(0, 1, "P17")]
    graph = rdflib.Graph().parse(data=write_file(tmp_path / "out.nt", doc), format="nt")
    ((head, tail),) = graph.subject_objects(
        rdflib.URIRef("http://www.wikidata.org/prop/direct/P17")
    )
    assert (str(head), str(tail)) == (iri, "http://www.wikidata.org/entity/Q142")


def make_doc(text: str = "Paris is in France", label: str = "P17") -> Doc:
    """A document of two entities and one relation."""
    doc = Doc(spacy.blank("en").vocab, words=text.split(" "))
    doc._.entities = [[doc[0:1]], [doc[-1:]]]
    doc._.relations = [Triple(0, 1, label)]
    return doc


def write_all(path: Path, documents: Dict[str, Doc], **fields: Any) -> None:
    output = choose_output(path)(path)
    for id_, doc in documents.items():
        output.write(doc, InputDocument(id_, doc, fields))
    output.close()


@pytest.mark.parametrize(
    "value",
    [10**20, -(10**300), 1e-12, 1.7976931348623157e308, 0.1 + 0.2, 5e-324, 2**63, [{"a": -0.0}]],
)
def test_fields_are_kept_to_the_last_digit(tmp_path: Path, value: Any) -> None:
    write_all(tmp_path / "out.jsonl", {"a": make_doc()}, kept=value)
    record = json.loads((tmp_path / "out.jsonl").read_text())
    assert repr(record["kept"]) == repr(value)


@pytest.mark.parametrize("suffix", OUTPUTS)
def test_a_document_is_written_whole_or_not_at_all(tmp_path: Path, suffix: str) -> None:
    """What has failed leaves nothing, and does not hinder others."""
    output = choose_output(tmp_path / f"out{suffix}")(tmp_path / f"out{suffix}")
    good, bad = make_doc(), make_doc("Rome was Italy")
    bad._.relations = [Triple(0, 1, "P17"), Triple(1, 0, "P36")]
    bad.user_data["docre_entities"][1][0][:2] = [7, 9]
    bad.user_data["other"] = object()
    with pytest.raises((IndexError, ValueError, TypeError)):
        output.write(bad, InputDocument("bad", bad))
    output.write(good, InputDocument("good", good))
    output.close()
    content = (tmp_path / f"out{suffix}").read_bytes()
    if suffix == ".spacy":
        (read,) = DocBin().from_bytes(content).get_docs(good.vocab)
        assert read._.relations[0].tail.text == "France"
    else:
        assert b"France" in content and b"Rome" not in content and b"Italy" not in content


def test_what_json_cannot_hold_is_the_documents_failure(tmp_path: Path) -> None:
    output = choose_output(tmp_path / "out.jsonl")(tmp_path / "out.jsonl")
    fields = {"measured": math.nan}
    for source in (InputDocument("a", make_doc(), fields), InputDocument("\ud800", make_doc())):
        with pytest.raises(ValueError):
            output.write(source.content, source)
    output.close()
    assert not (tmp_path / "out.jsonl").read_text()


def test_what_spacy_cannot_store_is_the_documents_failure(tmp_path: Path) -> None:
    output = choose_output(tmp_path / "out.spacy")(tmp_path / "out.spacy")
    doc = make_doc()
    doc.cats = {"a": object()}
    with pytest.raises(TypeError):
        output.write(doc, InputDocument("a", doc))
    output.close()
    assert len(DocBin().from_disk(tmp_path / "out.spacy")) == 0


def test_hidden_states_are_not_stored(tmp_path: Path) -> None:
    doc = make_doc()
    doc.user_data[("._.", "trf_data", None, None)] = list(range(10_000))
    write_all(tmp_path / "out.spacy", {"a": doc})
    assert (tmp_path / "out.spacy").stat().st_size < 2000
    (read,) = DocBin().from_disk(tmp_path / "out.spacy").get_docs(doc.vocab)
    assert read.user_data.keys() >= {"docre_entities", "docre_relations", "id"}
    assert not any("trf_data" in key for key in read.user_data)


def test_documents_stay_apart_where_xml_cannot_hold_their_ids(tmp_path: Path) -> None:
    ids = ["x\x01", "x\x02", "x\ufffd", "x\ufffd (2)", "x\r", "x\n", "x", "x#0", "x#0#0"]
    write_all(tmp_path / "out.graphml", {id_: make_doc() for id_ in ids})
    graph = networkx.read_graphml(tmp_path / "out.graphml")
    assert graph.number_of_nodes() == 2 * len(ids) and graph.number_of_edges() == len(ids)
    assert len({name for _, name in graph.nodes(data="document")}) == len(ids)
    for component in networkx.weakly_connected_components(graph):
        assert len(component) == 2


@pytest.mark.parametrize(
    "suffix, format", [(".nt", "nt"), (".ttl", "turtle"), (".jsonld", "json-ld")]
)
def test_documents_stay_apart_in_rdf(tmp_path: Path, suffix: str, format: str) -> None:
    ids = ["a b", "a%20b", "a+b", "a:0", "a", "é", "e\u0301", "a\n", "a\\n", "<a>", '"']
    labels = ["born in", "born%20in", "born_in", "P１"]
    documents = {f"{id_}": make_doc(label=labels[n % 4]) for n, id_ in enumerate(ids)}
    write_all(tmp_path / f"out{suffix}", documents)
    graph = rdflib.Graph().parse(tmp_path / f"out{suffix}", format=format)
    named = list(graph.triples((None, rdflib.RDFS.label, rdflib.Literal("Paris"))))
    assert len(named) == len(ids)
    assert len(set(graph.objects(None, rdflib.RDF.predicate))) == len(labels)


CELLS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''-1"]


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    """And no two become one."""
    ids = [*CELLS, "'t Hooft", "plain", "a=1", " =1"]
    write_all(tmp_path / "out.csv", {id_: make_doc("=cmd() is -x", "@a") for id_ in ids})
    with (tmp_path / "out.csv").open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [row["document"] for row in rows]
    assert found == [f"'{id_}" for id_ in CELLS] + ids[len(CELLS) :]
    assert {(row["head"], row["relation"], row["tail"]) for row in rows} == {
        ("'=cmd()", "'@a", "'-x")
    }


def linked_doc() -> Doc:
    doc = make_doc("Paris is in France")
    doc.ents = [Span(doc, 0, 1, label="LOC", kb_id="Q90"), Span(doc, 3, 4, label="LOC")]
    doc._.entities = [[ent] for ent in doc.ents]
    doc._.relations = [Triple(0, 1, "P17", 0.5, "country")]
    return doc


def test_linked_ids_are_written(tmp_path: Path) -> None:
    write_all(tmp_path / "out.jsonl", {"a": linked_doc()})
    entities = json.loads((tmp_path / "out.jsonl").read_text())["entities"]
    assert [(entity["id"], entity["kb_id"]) for entity in entities] == [(0, "Q90"), (1, "")]
    write_all(tmp_path / "out.csv", {"a": linked_doc()})
    header, row = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    # What reads columns by their number goes on.
    assert header[:9] == (
        "document head head_label relation name tail tail_label score evidence".split()
    )
    assert header[9:] == ["head_id", "tail_id"]
    assert row == ["a", "Paris", "LOC", "P17", "country", "France", "LOC", "0.5000", "", "Q90", ""]


def test_gephi_finds_its_names(tmp_path: Path) -> None:
    write_all(tmp_path / "out.graphml", {"a": linked_doc()})
    graph = networkx.read_graphml(tmp_path / "out.graphml")
    assert graph.nodes["a#0"] == {"document": "a", "label": "Paris", "type": "LOC", "kb_id": "Q90"}
    ((_, _, edge),) = graph.edges(data=True)
    assert edge["label"] == "country" and edge["weight"] == 0.5 and edge["relation"] == "P17"


def test_fields_that_are_replaced_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with pytest.warns(UserWarning, match="replaced by fields of the output: entities, id. To"):
        write_all(path, {"a": make_doc()}, id="mine", entities=[1], kept=2)
    record = json.loads(path.read_text("utf8"))
    assert record["id"] == "a" and record["kept"] == 2
