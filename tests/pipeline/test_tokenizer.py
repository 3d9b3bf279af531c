"""`spacy_docre.Tokenizer.v1`: ranges of numbers and dates are divided."""

from typing import List

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language

from tests.pinned import PIPELINE

SETTING = {"nlp": {"tokenizer": {"@tokenizers": "spacy_docre.Tokenizer.v1"}}}
DASHES = "‐‑‒–—−-"
ENGLISH = spacy.blank("en", config=SETTING)


def words(nlp: Language, text: str) -> List[str]:
    return [token.text for token in nlp.make_doc(text)]


@pytest.mark.parametrize("dash", DASHES)
@pytest.mark.parametrize("lang", ["en", "de", "fr", "xx"])
@pytest.mark.parametrize(
    "text, expected",
    [
        ("(1867{0}1934)", ["(", "1867", "{0}", "1934", ")"]),
        ("11 May 1930{0}6 June 2005", ["11", "May", "1930", "{0}", "6", "June", "2005"]),
    ],
)
def test_ranges(lang: str, dash: str, text: str, expected: List[str]) -> None:
    nlp = spacy.blank(lang, config=SETTING)
    assert words(nlp, text.format(dash)) == [word.format(dash) for word in expected]


def test_the_rest_is_as_in_spacy() -> None:
    """With the exceptions, prefixes and suffixes of the language, after it is stored, too."""
    nlp = ENGLISH
    stored = spacy.blank("en", config=SETTING).from_bytes(nlp.to_bytes())
    plain = spacy.blank("en")
    others = "Don't go to the U.K. (co-founder), e.g. −15°C, well–known, £3.5bn, COVID–19, F–16."
    for text in (others, "1930s–40s"):
        assert words(nlp, text) == words(stored, text)
        assert (words(nlp, text) == words(plain, text)) == ("40s" not in text)


@given(st.lists(st.sampled_from(["1867", "Oslo", "May", "3.5", *DASHES, " ", "(", ")"])))
def test_no_character_is_lost(parts: List[str]) -> None:
    text = "".join(parts)
    assert ENGLISH.make_doc(text).text == text


def test_dates_of_a_person() -> None:
    """The shipped pipeline finds both, and what they are."""
    nlp = spacy.load(PIPELINE)
    doc = nlp("Marta Ilvane (1867–1934) was a Polish chemist who was born in Warsaw.")
    assert {"1867", "1934"} <= {mention.text for mention in doc.ents}
