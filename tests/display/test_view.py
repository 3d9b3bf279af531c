"""What a page shows of a document."""

from spacy.tokens import Doc

from spacy_docre import Triple
from spacy_docre.display.options import Options
from spacy_docre.display.view import view_document


def test_places_are_those_of_the_text(doc: Doc) -> None:
    view = view_document(doc, "title", Options())
    assert view.text == doc.text and view.title == "title"
    assert [view.text[start:end] for start, end in view.sentences] == [s.text for s in doc.sents]
    assert [[view.text[start:end] for start, end in e.mentions] for e in view.entities] == [
        ["Ada Lane", "She"],
        ["Oslo", "Oslo"],
        ["<script>alert(1)</script> & Sons"],
        ["town"],
    ]


def test_a_document_without_sentences_is_one(doc: Doc) -> None:
    bare = Doc(doc.vocab, words=["a", "b"])
    bare._.entities = []
    assert view_document(bare, "", Options()).sentences == [(0, 3)]
    assert view_document(Doc(doc.vocab), "", Options()).sentences == []


def test_evidence_by_index(doc: Doc) -> None:
    relations = view_document(doc, "", Options()).relations
    assert [relation.evidence for relation in relations] == [[0], [1, 0], []]


def test_scores_keep_what_can_be_seen(doc: Doc) -> None:
    doc._.relations = [Triple(0, 1, "P19", 0.123456789), Triple(1, 0, "P19", 0.0000123456)]
    scores = [relation.score for relation in view_document(doc, "", Options()).relations]
    assert scores == [0.1235, 0.00001235]


def test_relations_of_one_type(doc: Doc) -> None:
    """One label may have several names, as in a report of errors."""
    names = ["a", "b", "a"]
    doc._.relations = [Triple(0, i + 1, "P19", 0.9 - i / 10, n) for i, n in enumerate(names)]
    view = view_document(doc, "", Options())
    assert [view.types[relation.type].name for relation in view.relations] == names
    assert len(view.types) == 2


def test_options(doc: Doc) -> None:
    def shown(**options):
        view = view_document(doc, "", Options(**options))
        labels = [view.types[relation.type].label for relation in view.relations]
        return [entity.number for entity in view.entities], labels

    assert shown() == ([0, 1, 2, 3], ["P19", "P108", "P159"])
    assert shown(threshold=0.6) == ([0, 1, 2, 3], ["P19", "P108"])
    assert shown(relations=["employer", "P159"]) == ([0, 1, 2, 3], ["P108", "P159"])
    # What a relation is about is shown, whatever the labels.
    assert shown(labels=["MISC"], relations=["P19"]) == ([0, 1, 3], ["P19"])
    assert shown(labels=[], relations=[]) == ([], [])
