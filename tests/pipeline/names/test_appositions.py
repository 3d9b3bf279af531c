"""Two names that a text says to be of the same."""

import pytest

from spacy_docre.pipeline.names import make_name_rules

HOLD = make_name_rules("en").appositions.hold


@pytest.mark.parametrize(
    "kind, between, same_initial",
    [
        ("ORG", " (", False),
        ("ORG", ' (the "', False),
        ("LOC", ", also known as ", False),
        ("LOC", ", Also\nknown  as the “", False),
        ("PER", " (née ", False),
        ("MISC", " (formerly ", False),
        ("ORG", ", or simply ", False),
        ("PER", ", or ", True),
        ("LOC", " (", True),
        ("LOC", " (or ", True),
    ],
)
def test_the_same(kind: str, between: str, same_initial: bool) -> None:
    assert HOLD(kind, between, ") is", same_initial)


@pytest.mark.parametrize(
    "kind, between, following, same_initial",
    [
        ("ORG", "", " is", True),
        ("ORG", ", ", " is", True),
        ("ORG", " and ", " is", True),
        # An actor, and who he plays; a town, and where it lies; a choice.
        ("PER", " (", ")", False),
        ("LOC", " (", ")", False),
        ("LOC", " or ", " is", False),
        ("LOC", " to ", " is", True),
        # Of two sentences, after a bracket, and with other words between.
        ("ORG", ". Also ", " is", True),
        ("ORG", ") (", ")", True),
        ("ORG", ", also known in ", " as", True),
        # A language.
        ("MISC", " (", ": ", True),
    ],
)
def test_another(kind: str, between: str, following: str, same_initial: bool) -> None:
    assert not HOLD(kind, between, following, same_initial)
