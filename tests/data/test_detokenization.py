from itertools import pairwise
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_docre.data.detokenization import detokenize

TOKENS = st.one_of(
    st.sampled_from(
        ["the", "Ann", "'", '"', "“", "”", "’s", "n't", "(", ")", ",", ".", "$", "-", "–", "/"]
        + ["1998", "05", "@-@", "&amp;", "|", "\xa0", " ", "\u3000", "日", "本", "'s", "`", "%"]
    ),
    st.text(min_size=1, max_size=5),
)


def prose(*sentences: str, lang: str = "en") -> str:
    return written([sentence.split(" ") for sentence in sentences], lang)


def written(sentences: List[List[str]], lang: str = "en") -> str:
    tokens = [token for sentence in sentences for token in sentence]
    spaces = detokenize(sentences, lang)
    assert len(spaces) == len(tokens)
    return "".join(token + " " * space for token, space in zip(tokens, spaces, strict=True))


@pytest.mark.parametrize(
    "tokens, expected",
    [
        ("He ( also known as Willi ) left .", "He (also known as Willi) left."),
        ('Wilfried " Willi " Schneider', 'Wilfried "Willi" Schneider'),
        ("a “ Macrista ” and a “ Devidista ” .", "a “Macrista” and a “Devidista”."),
        ("the “ Digital Bangladesh ” ’s plan", "the “Digital Bangladesh”’s plan"),
        ("Ann 's house and one ’s cook", "Ann's house and one’s cook"),
        ("its members ' products", "its members' products"),
        ("They do n't know .", "They don't know."),
        ("in the U.S . Congress", "in the U.S. Congress"),
        ("August 30 , 1998 : 55.5 % of $ 5 million", "August 30, 1998: 55.5% of $5 million"),
        ("the 2000 – 01 season", "the 2000–01 season"),
        ("women of 25 - 55 , Detroit 1 - 8 - 7", "women of 25-55, Detroit 1-8-7"),
        ("the two - and - a - half - year plan", "the two-and-a-half-year plan"),
        ("his newspaper / media group", "his newspaper/media group"),
        # Dashes, not hyphens.
        ("( May 19 , 1896 - April 12 , 1970 )", "(May 19, 1896 - April 12, 1970)"),
        ("a system – which reduces it", "a system – which reduces it"),
        ('the album " Run " - their first', 'the album "Run" - their first'),
    ],
)
def test_prose(tokens: str, expected: str) -> None:
    assert prose(tokens) == expected


def test_one_space_between_sentences_and_none_at_the_end() -> None:
    assert prose('" One "', '" Two "', "( three )") == '"One" "Two" (three)'


def test_quotes_are_paired_within_a_sentence() -> None:
    assert prose('" One', '" Two "') == '"One "Two"'


def test_white_space_tokens_are_the_space() -> None:
    assert written([["8", "\xa0", "cm", "."], ["a", " "], [], ["b"]]) == "8\xa0cm. a b"


def test_language() -> None:
    assert prose("l' école", lang="fr") == "l'école"
    assert prose("l' école", lang="de") == "l' école"
    assert written([["日", "本", "語"]], "zh") == "日本語"


@pytest.mark.parametrize("token", ["@-@", "a @-@ b"])
def test_space_after_each_token_where_the_detokenizer_changes_a_character(token: str) -> None:
    assert written([["(", token, ")", "."], ["(", "b", ")"]]) == f"( {token} ) . (b)"


@pytest.mark.parametrize("sentences", [[], [[]], [[], []]])
def test_nothing(sentences: List[List[str]]) -> None:
    assert detokenize(sentences) == []


@given(
    st.lists(st.lists(TOKENS, max_size=12), max_size=4), st.sampled_from(["en", "fr", "de", "fi"])
)
def test_only_spaces_are_added(sentences: List[List[str]], lang: str) -> None:
    text = written(sentences, lang)
    tokens = [token for sentence in sentences for token in sentence]
    assert "".join(text.split()) == "".join("".join(tokens).split())
    assert not text.endswith(" ") or tokens[-1].endswith(" ")
    if not any(character.isspace() for token in tokens for character in token):
        assert text == " ".join(text.split())
    for first, second in pairwise(sentences):
        if first and second and not (first[-1].isspace() or second[0].isspace()):
            assert f"{first[-1]} {second[0]}" in text


def test_languages_without_spaces() -> None:
    sentences = [[*"他在北京（中国）工作，2010年。"], ["New", "York", "人", "。"], ["他", "。"]]
    assert written(sentences, "zh") == "他在北京（中国）工作，2010年。New York人。他。"
