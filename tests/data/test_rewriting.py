"""Documents in other words."""

from typing import Any, List, Sequence, Tuple

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_docre import Triple
from spacy_docre.annotations import has_partial_relations, mark_partial, possible_relations
from spacy_docre.data.gold_annotations import entity_names, set_mention_names
from spacy_docre.data.rewriting import rewrite
from spacy_docre.data.sentences import set_sentence_numbers, token_sentence_numbers

# It tells white space.
VOCAB = spacy.blank("en").vocab
WORDS = "Ada Lane lives in New Haven . Lane left .".split()
# Where sentences begin and end.
BOUNDS = [0, 7, 10]


@pytest.fixture(scope="module")
def doc() -> Doc:
    """With all that a document may have."""
    doc = Doc(
        VOCAB,
        words=WORDS,
        sent_starts=[index in BOUNDS for index in range(len(WORDS))],
        tags=["NNP"] * len(WORDS),
        pos=["PROPN"] * len(WORDS),
        lemmas=[word.lower() for word in WORDS],
        morphs=["Number=Sing"] * len(WORDS),
    )
    doc.set_ents(
        [Span(doc, 0, 2, label="PER", kb_id="Q1"), Span(doc, 4, 6, label="LOC")],
        missing=[doc[7:9]],
    )
    doc._.entities = [
        [Span(doc, 0, 2, label="PER", kb_id="Q1"), Span(doc, 7, 8, label="PER")],
        [Span(doc, 4, 6, label="LOC", span_id="x")],
    ]
    doc.spans["entities"] = [mention for entity in doc._.entities for mention in entity.mentions]
    doc.spans["none"] = []
    doc._.relations = [
        Triple(0, 1, "P551", name="residence", evidence=((0, 7), (7, 10))),
        Triple(1, 0, "P1"),
    ]
    mark_partial(doc, [Triple(1, 0, "P2")])
    set_mention_names(doc, [(0, 7, 8, "Mrs Lane"), (1, 4, 6, "New Haven")])
    set_sentence_numbers(doc, [2, 5])
    doc.user_data["title"] = "Ada"
    doc.cats["good"] = 1.0
    return doc


def contents(doc: Doc) -> Any:
    """All that a document has, by its words; a token of white space has nothing of its own."""

    def words(span: Span) -> List[str]:
        assert not span[0].is_space or not span[-1].is_space
        return [token.lower_ for token in span if not token.is_space]

    def described(span: Span) -> Tuple[Any, ...]:
        return words(span), span.label_, span.kb_id_, span.id_

    tokens = [token for token in doc if not token.is_space]
    return {
        "tokens": [
            (t.lower_, t.tag_, t.pos_, t.lemma_, str(t.morph), t.ent_iob_, t.is_sent_start)
            for t in tokens
        ],
        "ents": [described(span) for span in doc.ents],
        "sents": [words(sentence) for sentence in doc.sents],
        "spans": {key: [described(span) for span in group] for key, group in doc.spans.items()},
        "entities": [[described(m) for m in entity.mentions] for entity in doc._.entities],
        "relations": [
            (r.triple.head, r.triple.tail, r.label_, r.name, [*map(words, r.evidence)])
            for r in doc._.relations
        ],
        "possible": possible_relations(doc),
        "numbers": sorted({*token_sentence_numbers(doc)}),
        "title": doc.user_data["title"],
        "cats": doc.cats,
    }


lists_of_spaces = st.lists(
    st.sampled_from([[], ["\n"], [" "], ["\t", "\n\n"]]), min_size=len(WORDS), max_size=len(WORDS)
)


@given(spaces=lists_of_spaces, upper=st.booleans())
@settings(deadline=None, max_examples=60)
def test_all_stays(doc: Doc, spaces: Sequence[List[str]], upper: bool) -> None:
    before = doc.to_bytes()
    pieces = [
        [(word.upper() if upper else word, not after), *((text, False) for text in after)]
        for word, after in zip(WORDS, spaces, strict=True)
    ]
    written = rewrite(doc, pieces)
    assert [(token.text, bool(token.whitespace_)) for token in written] == sum(pieces, [])
    assert contents(written) == contents(doc) and doc.to_bytes() == before
    assert has_partial_relations(written)
    # Names that an annotated file gives; others are the words.
    names = [entity_names(entity) for entity in written._.entities]
    assert "Mrs Lane" in names[0]
    for token in written:
        if token.is_space:
            assert not token.tag_ and not token.lemma_ and not token.is_sent_start
            inside = token.i + 1 < len(written) and token.nbor().ent_iob_ == "I"
            known = token.nbor(-1).ent_iob_
            assert token.ent_iob_ in ("I" if inside else "O" if known else "", "I")
            assert bool(token.ent_type_) == (token.ent_iob_ == "I")
    # It can be stored.
    assert contents(Doc(VOCAB).from_bytes(written.to_bytes())) == contents(doc)


def test_nothing_is_made_up() -> None:
    """Nor is what nobody has annotated."""
    bare = Doc(VOCAB, words=["a", "b"])
    written = rewrite(bare, [[("a", False), ("\n", False)], [("b", False)]])
    assert written.text == "a\nb" and not dict(written.spans)
    for attribute in ("ENT_IOB", "SENT_START", "TAG"):
        assert not written.has_annotation(attribute)
    assert written.user_data.keys() <= {"docre_mention_names"}
    assert rewrite(Doc(VOCAB), []).text == ""


def test_a_document_without_entities_may_be_annotated() -> None:
    bare = Doc(VOCAB, words=["a"])
    bare._.entities = []
    bare._.relations = []
    written = rewrite(bare, [[("A", True)]])
    assert written.text == "A "
    keys = {"docre_entities", "docre_relations"}
    assert keys <= written.user_data.keys() and written._.relations == []
