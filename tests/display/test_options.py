"""Names in options that nothing has."""

import warnings
from typing import Any, Dict

import pytest
from spacy.language import Language
from spacy.tokens import Doc

from spacy_docre.display import render
from spacy_docre.display.options import mistyped_names

KNOWN = {"place of birth", "place of death", "employer", "P19"}


@pytest.mark.parametrize(
    "name, near",
    [
        ("place of brith", "place of birth"),
        ("Place Of Birth", "place of birth"),
        ("PLACE_OF_DEATH", "place of death"),
        ("p19", "P19"),
        ("emploier", "employer"),
    ],
)
def test_near_names(name: str, near: str) -> None:
    (problem,) = mistyped_names([name, *KNOWN], KNOWN, "relation")
    assert problem.startswith(f"No relation is called {name!r}. Nearly the same are: {near}")


def test_no_near_names() -> None:
    (problem,) = mistyped_names(["xyz"], KNOWN, "relation")
    assert problem.endswith("There are: P19, employer, place of birth, place of death.")
    (problem,) = mistyped_names(["xyz"], {f"name {i}" for i in range(30)}, "relation")
    assert problem.endswith(", ....") and problem.count(",") == 20
    (problem,) = mistyped_names(["xyz"], set(), "relation")
    assert problem == "No relation is called 'xyz'. There is none."


def test_known_names() -> None:
    assert mistyped_names(None, KNOWN, "relation") == []
    assert mistyped_names([], KNOWN, "relation") == []
    assert mistyped_names(["employer", "other"], KNOWN, "relation", {"other"}) == []


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"relations": ["P20"]}, "No relation is called 'P20'. There are: P108, P159"),
        ({"relations": ["P19", "place of brith"]}, "'place of brith'.*: place of birth"),
        ({"labels": ["PER", "LOK"]}, "No entity label is called 'LOK'. Nearly .*: LOC"),
    ],
)
def test_mistyped_names_are_refused(doc: Doc, options: Dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        render([doc, doc], options=options)


def test_colors_of_mistyped_labels(doc: Doc) -> None:
    with pytest.warns(UserWarning, match="No entity label is called 'PERSN'. Nearly .* PERSON"):
        render(doc, options={"colors": {"PERSN": "red"}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(doc, options={"colors": {"GPE": "red", "ORG": "blue"}})


def test_names_that_the_pipeline_knows(nlp: Language) -> None:
    """A document may be without them."""
    nlp.get_pipe("doc_relation_extractor").label_names["born in"] = "place of birth"
    empty = nlp("Nothing .")
    assert not empty._.relations
    for name in ("born in", "works for", "place of birth"):
        render(empty, options={"relations": [name]})
    with pytest.raises(ValueError, match="No relation is called 'lives in'"):
        render(empty, options={"relations": ["lives in"]})


def test_nothing_to_render() -> None:
    render([], options={"relations": ["P19"]})
