"""Docs without their white space."""

import numpy
import spacy
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre.words import count_words, words_of

NLP = spacy.blank("en")
TEXT = "\n I don't know\r\n\r\nMarie \n Curie\t. \n"


def test_words_alone() -> None:
    doc = NLP.make_doc(TEXT)
    words = words_of(doc)
    expected = NLP.make_doc("I don't know Marie Curie .")
    for attribute in ("ORTH", "NORM", "SHAPE"):
        assert (words.doc.to_array(attribute) == expected.to_array(attribute)).all()
    assert [doc[token].text for token in words.tokens.tolist()] == [t.text for t in expected]
    assert not words.doc.has_annotation("ENT_IOB") and not words.doc.has_annotation("SENT_START")


def test_any_vocabulary() -> None:
    """One without a language does not know white space, and gives the same words."""
    doc = NLP.make_doc(TEXT)
    bare = Doc(Vocab(), words=[token.text for token in doc], spaces=[False] * len(doc))
    assert words_of(bare).tokens.tolist() == words_of(doc).tokens.tolist()
    assert len(words_of(bare).doc) == count_words(bare)


def test_nothing_to_leave_out() -> None:
    for text in ("", "Marie Curie.", " \n\t "):
        doc = NLP.make_doc(text)
        words = words_of(doc)
        assert words.doc is doc and words.tokens.tolist() == list(range(len(doc)))


def test_annotations_and_spans() -> None:
    doc = NLP.make_doc(TEXT)
    index = [token.text for token in doc].index("Marie")
    doc[index].is_sent_start = True
    doc.ents = [Span(doc, index, index + 3, label="PER", kb_id="Q7186")]
    words = words_of(doc)
    (mention,) = words.doc.ents
    assert (mention.text, mention.label_, mention.kb_id_) == ("Marie Curie", "PER", "Q7186")
    assert mention[0].is_sent_start
    found = words.span_in(doc, mention)
    assert found == doc.ents[0] and found.kb_id_ == "Q7186" and found.text == "Marie \n Curie"


def test_what_is_missing_stays_so() -> None:
    doc = NLP.make_doc(TEXT)
    doc.set_ents([], outside=[doc[:3]], default="missing")
    iob = doc.to_array("ENT_IOB")
    words = words_of(doc)
    assert {0, 2} == set(iob.tolist())
    numpy.testing.assert_array_equal(words.doc.to_array("ENT_IOB"), iob[words.tokens])


def test_windows_have_all_tokens() -> None:
    doc = Doc(NLP.vocab, words=["\n", "a", " ", "b", "c", " ", "\n"])
    words = words_of(doc)
    windows = words.windows_in(doc, [words.doc[0:2], words.doc[1:3]])
    assert [(window.start, window.end) for window in windows] == [(0, 4), (3, 7)]
