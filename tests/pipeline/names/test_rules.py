"""Which mentions are the same name."""

from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_docre.pipeline.names import NameKey, NameRules, NameTables, make_name_rules
from spacy_docre.pipeline.names.rules import split_words

ENGLISH = make_name_rules("en")


def same(first: str, second: str, label: str) -> bool:
    return ENGLISH.normalize(first, label) == ENGLISH.normalize(second, label)


def shortens(full: str, short: str, label: str) -> bool:
    key = ENGLISH.normalize(full, label)
    return ENGLISH.normalize(short, label) in ENGLISH.shorten(key)


@pytest.mark.parametrize(
    "first, second, label",
    [
        ("Tears for Fears", "TEARS FOR FEARS", "ORG"),
        ("Nikólaos Aliágas", "Nikolaos Aliagas", "PER"),
        ("Louis-Philippe", "Louis - Philippe", "PER"),
        ("the Balkans", "Balkans", "LOC"),
        ("Marsby's", "Marsby", "LOC"),
        ("Marsby ’s", "Marsby", "LOC"),
        ("Taito Corporation", "Taito", "ORG"),
        ("Beijing Jinyu Group Co. , Ltd.", "Beijing Jinyu", "ORG"),
        ("King Louie", "Louie", "PER"),
        ("U.S.", "the United States of America", "LOC"),
        ("U. S.", "USA", "LOC"),
        ("USA", "United States", "GPE"),
        ("the U.S.", "United States", "LOC"),
        ("New York", "New York City", "LOC"),
        ("Second World War", "WWII", "EVENT"),
    ],
)
def test_the_same_name(first: str, second: str, label: str) -> None:
    assert same(first, second, label)


@pytest.mark.parametrize(
    "first, second, label",
    [
        ("King", "Queen", "PER"),
        ("Taito Corporation", "Taito", "PER"),
        ("King Louie", "Louie", "ORG"),
        ("James III", "James IV", "PER"),
        ("France", "French", "LOC"),
        ("!", "?", "MISC"),
        ("", "!", "MISC"),
        # Marks that are no accents: Paris and Bali, Hindi and Hindu.
        ("パリ", "バリ", "LOC"),
        ("हिन्दी", "हिन्दू", "MISC"),
    ],
)
def test_another_name(first: str, second: str, label: str) -> None:
    assert not same(first, second, label)


@pytest.mark.parametrize(
    "full, short, label",
    [
        ("Michel Ancel", "Ancel", "PER"),
        ("Michel Ancel", "Michel", "PER"),
        ("Berenguer Ramon II", "Berenguer Ramon", "PER"),
        ("Fradique de Menezes", "de Menezes", "PER"),
        ("Christian Atsu Twasam", "Atsu", "PER"),
        ("Luis Armando Roche", "Luis Roche", "PER"),
        ("John Henry Dearle", "J. H. Dearle", "PER"),
        ("John Henry Dearle", "J. Dearle", "PER"),
        ("John Henry Dearle", "John H. Dearle", "PER"),
        ("Christine Anna Weber", "Dr. Weber", "PERSON"),
        ("Recording Industry Association of America", "RIAA", "ORG"),
        ("Recording Industry Association of America", "R.I.A.A.", "ORG"),
        ("U.S. Office of Management and Budget", "OMB", "ORG"),
        ("Samsung Electronics", "Samsung", "ORG"),
    ],
)
def test_short_form(full: str, short: str, label: str) -> None:
    assert shortens(full, short, label)


@pytest.mark.parametrize(
    "full, short, label",
    [
        ("Ancel", "Ancel", "PER"),
        ("Michel Ancel", "Michel Ancel", "PER"),
        ("Albany County", "Albany", "LOC"),
        ("June 4, 1996", "1996", "TIME"),
        ("Ada Lane", "Bruno Lane", "PER"),
    ],
)
def test_no_short_form(full: str, short: str, label: str) -> None:
    assert not shortens(full, short, label)


@given(st.text(max_size=30), st.sampled_from(["PER", "ORG", "LOC", "MISC", "TIME", "X"]))
def test_any_text(text: str, label: str) -> None:
    key = ENGLISH.normalize(text, label)
    assert key.words
    assert key == ENGLISH.normalize(f" {text.strip()} ", label) or not split_words(text)
    for short in ENGLISH.shorten(key):
        assert short.kind == key.kind and short.words and all(short.words)
        assert len(short.words) <= len(key.words) and short != key


def test_tables_are_extended() -> None:
    rules = make_name_rules(
        "en",
        {
            "titles": {"PER": ["swami"]},
            "aliases": {"LOC": [["Kyiv", "Kiev"]]},
            "short_forms": {"LOC": ["first_word"]},
            "kinds": {"CITY": "LOC"},
        },
    )
    assert rules.normalize("Swami Dr. Rao", "PER") == NameKey("PER", ("rao",))
    assert rules.normalize("Kiev", "CITY") == rules.normalize("Kyiv", "LOC")
    assert rules.normalize("US", "LOC") == rules.normalize("United States", "LOC")
    assert NameKey("LOC", ("albany",)) in rules.shorten(rules.normalize("Albany County", "LOC"))
    assert same("Swami Rao", "Swami Rao", "PER") and not same("Swami Rao", "Rao", "PER")


@pytest.mark.parametrize("row", [["Foo", "USA"], ["USA", "Foo"], ["America", "Foo"]])
def test_aliases_join_the_names_that_are_there(row: List[str]) -> None:
    rules = make_name_rules("en", {"aliases": {"LOC": [row, ["Foo", "Bar"]]}})
    names = ["Foo", "Bar", "US", "USA", "America", "United States"]
    assert len({rules.normalize(name, "LOC") for name in names}) == 1


@pytest.mark.parametrize(
    "text, words",
    [
        ("서울 대학교", ("서울", "대학교")),
        ("हिन्दी भाषा", ("हिन्दी", "भाषा")),
        ("Ελλάδα", ("ελλαδα",)),
        ("Morris & Co.", ("morris", "&", "co")),
        ("AT&T", ("at", "&", "t")),
        ("U.S.", ("us",)),
    ],
)
def test_words(text: str, words: Tuple[str, ...]) -> None:
    assert split_words(text) == words


def test_without_tables() -> None:
    rules = make_name_rules(None)
    assert rules.normalize("The Dr. Rao", "PER").words == ("the", "dr", "rao")
    assert rules.shorten(NameKey("PER", ("dr", "rao"))) == set()


@pytest.mark.parametrize(
    "make, problem",
    [
        (lambda: make_name_rules("tlh"), "no tables of names for the language 'tlh', only for: en"),
        (lambda: make_name_rules("en", {"title": {}}), "malformed"),
        (lambda: make_name_rules("en", {"titles": ["swami"]}), "malformed"),
        (lambda: make_name_rules("en", []), "malformed"),
        (
            lambda: NameRules(NameTables(short_forms={"PER": ["nickname"]})),
            "Unknown short_forms: nickname. Choose from: last_words",
        ),
        (lambda: make_name_rules("en", {"aliases": {"LOC": [[]]}}), "malformed"),
    ],
)
def test_malformed(make, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make()
