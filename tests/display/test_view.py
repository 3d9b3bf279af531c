"""What a page shows of a document."""

from typing import List, Tuple

import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_docre.display.options import Options
from spacy_docre.display.view import view_document

NUM_TOKENS = 12
spans = st.tuples(st.integers(0, NUM_TOKENS - 1), st.integers(1, 6)).map(
    lambda pair: (pair[0], min(pair[0] + pair[1], NUM_TOKENS))
)


@given(
    st.lists(st.lists(spans, min_size=1, max_size=3), max_size=5),
    st.sets(st.integers(1, NUM_TOKENS - 1)),
    st.lists(st.booleans(), min_size=NUM_TOKENS, max_size=NUM_TOKENS),
)
@settings(deadline=None)
def test_segments_are_the_text(
    entities: List[List[Tuple[int, int]]], starts: set, spaces: List[bool]
) -> None:
    """However mentions overlap and cross sentences, nothing of the text is lost or doubled,
    and each character belongs to the entities that have a mention there."""
    doc = Doc(
        spacy.blank("en").vocab,
        words=[f"w{index}" for index in range(NUM_TOKENS)],
        spaces=spaces,
        sent_starts=[index == 0 or index in starts for index in range(NUM_TOKENS)],
    )
    doc._.entities = [[Span(doc, *mention, label="X") for mention in e] for e in entities]
    view = view_document(doc, "title", Options())
    assert len(view.sentences) == len(list(doc.sents))
    segments = [segment for sentence in view.sentences for segment in sentence]
    assert "".join(segment.text + segment.space for segment in segments) == doc.text
    covering = [set(segment.entities) for segment in segments for _ in segment.text.split("w")[1:]]
    # A segment without spaces holds several words, so count them by their letter.
    assert covering == [
        {
            index
            for index, mentions in enumerate(entities)
            if any(start <= token < end for start, end in mentions)
        }
        for token in range(NUM_TOKENS)
    ]


def test_a_document_without_sentences_is_one(doc: Doc) -> None:
    bare = Doc(doc.vocab, words=["a", "b"])
    bare._.entities = []
    assert len(view_document(bare, "", Options()).sentences) == 1
    assert view_document(Doc(doc.vocab), "", Options()).sentences == []


def test_evidence_by_index(doc: Doc) -> None:
    relations = view_document(doc, "", Options()).relations
    assert [relation.evidence for relation in relations] == [(0,), (1, 0), ()]


def test_options(doc: Doc) -> None:
    def shown(**options):
        view = view_document(doc, "", Options(**options))
        return sorted(view.entities), [relation.label for relation in view.relations]

    assert shown() == ([0, 1, 2, 3], ["P19", "P108", "P159"])
    assert shown(threshold=0.6) == ([0, 1, 2, 3], ["P19", "P108"])
    assert shown(relations=["employer", "P159"]) == ([0, 1, 2, 3], ["P108", "P159"])
    # What a relation is about is shown, whatever the labels.
    assert shown(labels=["MISC"], relations=["P19"]) == ([0, 1, 3], ["P19"])
    assert shown(labels=[], relations=[]) == ([], [])
