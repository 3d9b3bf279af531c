"""The component `blank_lines`: sentences and mentions end at blank lines."""

from pathlib import Path
from typing import List

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam

from tests.pinned import PIPELINE

BLANK = ["\n\n", "\n \n", "\r\n\r\n", " \n\t\n  ", "\n\n\n\n", "\n\xa0\n"]
NOT_BLANK = [" ", "  ", "\n", " \n  ", "\r\n", "\t", "\xa0"]


@pytest.fixture(scope="module")
def shipped() -> Language:
    return spacy.load(PIPELINE, exclude=["doc_relation_extractor"])


def sentences(doc: Doc) -> List[str]:
    return [sentence.text.strip() for sentence in doc.sents]


@pytest.mark.parametrize("blank", BLANK, ids=repr)
@pytest.mark.parametrize("others", ["sentencizer", "parser", "senter"])
def test_sentences_end(blank: str, others: str) -> None:
    """Whatever finds the other sentences, of which there may be some."""
    nlp = spacy.blank("en")
    nlp.add_pipe("blank_lines")
    component = nlp.add_pipe(others)
    if others != "sentencizer":
        gold = Doc(nlp.vocab, ["Ada", "met", "Bo"], heads=[1, 1, 1], deps=["a", "ROOT", "b"])
        component.initialize(lambda: [Example(nlp.make_doc(gold.text), gold)], nlp=nlp)
    items = ["Ada met Bo", "Bo", "Cleo left"]
    doc = nlp(f"\n\n{blank.join(items)}{blank}")
    assert all(any(text in item for item in items) for text in sentences(doc))
    starts = {token.idx for token in doc if token.is_sent_start}
    assert {doc.text.index(f"{blank}{item}") + len(blank) for item in items[1:]} <= starts


@pytest.mark.parametrize("space", NOT_BLANK, ids=repr)
def test_other_white_space_ends_nothing(space: str) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("blank_lines")
    text = space.join(["Ada", "met", "Bo", ".", "He", "left"])
    assert [token.is_sent_start for token in nlp(text)] == [
        token.is_sent_start for token in nlp.make_doc(text)
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "Ada", "\n\nAda", "Ada\n\n"])
def test_texts_without_two_paragraphs(text: str) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("blank_lines")
    assert [token.is_sent_start for token in nlp(text)] == [
        token.is_sent_start for token in nlp.make_doc(text)
    ]


@pytest.mark.parametrize("words", [["Ada", "\n", "\n", "Bo"], ["Ada", "\n\n", "Bo"]])
def test_boundaries_that_are_there_stay(words: List[str]) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("blank_lines")
    spaces = [False] * len(words)
    assert len(list(nlp(Doc(nlp.vocab, words, spaces)).sents)) == 2
    given = Doc(nlp.vocab, words, spaces, sent_starts=[True, *[False] * (len(words) - 1)])
    assert len(list(nlp(given).sents)) == 1


@pytest.mark.parametrize("factory", ["ner", "word_ner"])
@pytest.mark.parametrize("blank", BLANK, ids=repr)
def test_mentions_end(factory: str, blank: str) -> None:
    """A recogniser that has learnt that everything is one mention."""
    nlp = spacy.blank("en")
    nlp.add_pipe("blank_lines")
    nlp.add_pipe(factory)
    docs = [Doc(nlp.vocab, ["Ada"] * length) for length in range(1, 7)]
    for doc in docs:
        doc.ents = [Span(doc, 0, len(doc), "PER")]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.005)
    for _ in range(40):
        nlp.update([Example(nlp.make_doc(doc.text), doc) for doc in docs], sgd=optimizer)
    items = ["Ada Ada", "Ada", "Ada Ada Ada"]
    (whole,) = nlp(" ".join(items)).ents
    assert len(whole) == 6
    found = [span.text.strip() for span in nlp(blank.join(items)).ents]
    assert found and not any("\n" in text for text in found)


@pytest.mark.parametrize("blank", BLANK, ids=repr)
@pytest.mark.parametrize(
    "items",
    [
        ["The cities are these.", "Berlin", "Paris", "New York", "Germany"],
        ["Marie Curie", "Pierre Curie", "Irène Joliot-Curie", "Warsaw"],
        ["Name", "Born", "Marie Curie", "1867", "Pierre Curie", "1859"],
    ],
)
def test_the_shipped_pipeline(shipped: Language, blank: str, items: List[str]) -> None:
    doc = shipped(blank.join(items))
    assert sentences(doc) == items
    assert doc.ents
    for span in (*doc.ents, *doc.spans["entities"]):
        assert any(span.text in item for item in items), span


def test_the_shipped_pipeline_on_other_texts(shipped: Language) -> None:
    """The component says nothing of them."""
    text = "Marie Curie was born in Warsaw\nin 1867.  Pierre Curie was born \n in Paris."
    doc = shipped.get_pipe("blank_lines")(shipped.make_doc(text))
    assert not doc.has_annotation("SENT_START")


def test_it_is_loaded_by_its_name(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("blank_lines")
    nlp.to_disk(tmp_path)
    assert sentences(spacy.load(tmp_path)("Ada\n\nBo")) == ["Ada", "Bo"]
