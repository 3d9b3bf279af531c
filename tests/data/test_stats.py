"""What a data set holds."""

from typing import Callable

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre.annotations import mark_partial
from spacy_docre.data.stats import Stats

WORDS = "Ann lives in Oslo . It is big . Bo met Ann . He is from Lyon . End . Lyon".split()
# Sentences begin at 0, 5, 9, 13, 18 and 20.
SENTENCES = [0, 5, 9, 13, 18, 20]
ANN, OSLO, BO, LYON = range(4)
ENTITIES = [[(0, 1), (11, 12)], [(3, 4)], [(9, 10), (13, 14)], [(16, 17), (20, 21)]]


def count(make_example: Callable, relations: list) -> Stats:
    stats = Stats()
    stats.add(make_example(WORDS, ENTITIES, relations, sentences=SENTENCES).reference)
    return stats


@pytest.mark.parametrize(
    "head, tail, distance, two_hop",
    [
        (ANN, OSLO, 0, False),
        (ANN, BO, 0, False),
        (BO, LYON, 0, False),
        # Bo is with both.
        (ANN, LYON, 1, True),
        # Ann is with Bo and with Oslo.
        (OSLO, BO, 2, True),
        (LYON, OSLO, 3, False),
    ],
)
def test_distance(make_example, head: int, tail: int, distance: int, two_hop: bool) -> None:
    stats = count(make_example, [(head, tail, "r")])
    assert dict(stats.distances) == {distance: 1}
    assert stats.two_hop == two_hop


def test_figures(make_example) -> None:
    relations = [(ANN, OSLO, "a"), (ANN, OSLO, "b"), (OSLO, ANN, "a"), (LYON, OSLO, "a")]
    stats = count(make_example, relations)
    stats.add(Doc(Vocab(), words=["Ann"]))
    figures = stats.to_dict()
    assert {name: pytest.approx(value) for name, value in figures.items()} == {
        "documents": 2,
        "documents with relations annotated": 1,
        "documents with partial relations": 0,
        "relation types": 2,
        "entities": 4,
        "mentions": 7,
        "relations": 4,
        "tokens per document": 11,
        "entities per document": 2,
        "mentions per entity": 7 / 4,
        "relations per annotated document": 4,
        "related pairs with several relations": 1 / 3,
        "relations across sentences": 1 / 4,
        "relations in two hops": 0,
        "relations at a distance of 0": 3 / 4,
        "relations at a distance of 1": 0,
        "relations at a distance of 2": 0,
        "relations at a distance of 3": 1 / 4,
        "relations at a distance of 4 or more": 0,
    }


def test_without_sentences(make_example) -> None:
    stats = Stats()
    stats.add(make_example(WORDS, ENTITIES, [(ANN, OSLO, "r")]).reference)
    assert stats.relations == 1 and not stats.distances
    assert stats.to_dict()["relations across sentences"] is None


def test_relations_that_nobody_has_annotated(make_example) -> None:
    stats = count(make_example, [])
    stats.add(Doc(Vocab(), words=["Ann"]))
    assert (stats.documents, stats.without_relations, stats.not_annotated) == (2, 1, 1)


def test_partial_relations(make_example) -> None:
    stats = count(make_example, [(ANN, OSLO, "a")])
    partial = make_example(WORDS, ENTITIES, [(ANN, OSLO, "a")]).reference
    mark_partial(partial)
    stats.add(partial)
    assert (stats.documents, stats.annotated_documents, stats.partial) == (2, 2, 1)
    assert stats.to_dict()["documents with partial relations"] == 1


def test_nothing() -> None:
    """No share of nothing is known."""
    assert set(Stats().to_dict().values()) == {0, None}
