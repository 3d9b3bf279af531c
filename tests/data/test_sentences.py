"""Sentences by the numbers that an annotated file gives them."""

from typing import Optional, Sequence

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre.data.sentences import (
    sentence_distance,
    sentences_by_number,
    sentences_of_entities,
    set_sentence_numbers,
    token_sentence_numbers,
)


def make_doc(sentence_starts: Optional[Sequence[bool]]) -> Doc:
    return Doc(Vocab(), words=list("abcde"), sent_starts=sentence_starts)


@pytest.mark.parametrize("first, second", [(0, 1), (0, 3), (2, 3)])
def test_numbers(first: int, second: int) -> None:
    """A file may have sentences without tokens, which a Doc has not."""
    doc = make_doc([True, False, True, False, False])
    set_sentence_numbers(doc, [first, second])
    assert {number: span.text for number, span in sentences_by_number(doc).items()} == {
        first: "a b",
        second: "c d e",
    }
    assert token_sentence_numbers(doc) == [first] * 2 + [second] * 3


def test_no_boundaries() -> None:
    doc = make_doc(None)
    assert sentences_by_number(doc) == {} and token_sentence_numbers(doc) == []


def test_entities_in_sentences() -> None:
    """A mention that crosses a boundary is in both sentences."""
    doc = make_doc([True, False, True, True, True])
    doc._.entities = [[doc[1:3]], [doc[4:5], doc[0:1]], [doc[4:5]]]
    assert sentences_of_entities(doc) == [{0, 1}, {0, 3}, {3}]


@pytest.mark.parametrize("head, tail, distance", [({0, 1}, {1, 4}, 0), ({5}, {0, 3}, 2)])
def test_distance(head: set, tail: set, distance: int) -> None:
    assert sentence_distance(head, tail) == sentence_distance(tail, head) == distance
