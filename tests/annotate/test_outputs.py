"""Formats of annotated documents."""

from pathlib import Path

import pytest
import rdflib
import spacy
from spacy.tokens import Doc, Span

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
