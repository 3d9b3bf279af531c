"""What a Doc stores of entities and relations, checked where it is read."""

import math
from typing import Any, Callable, Dict, List

import pytest
from spacy.tokens import Doc

from spacy_docre import Triple
from spacy_docre.entity_sources import find_entities, make_default_entities
from spacy_docre.stored import stored_entities, stored_possible, stored_relations

GOOD_MENTION = [0, 1, "PER", "", ""]
GOOD_RELATION = [0, 1, "P19", 0.5, "", [[0, 4]]]


@pytest.fixture
def doc(make_doc: Callable[..., Doc]) -> Doc:
    doc = make_doc("Ada was born in Oslo".split())
    doc._.entities = [[doc[0:1]], [doc[4:5]]]
    doc._.relations = [Triple(0, 1, "P19", evidence=((0, 5),))]
    return doc


@pytest.mark.parametrize(
    "entities",
    [
        *(None, 3, "x", b"x", {"x": 1}, True, [3], [None], ["x"], [[]], [{}], [[3]]),
        [[[]]],
        [[[0, 1]]],
        [[[0, 1, "PER", "", "", ""]]],
        [[["0", "1", "PER", "", ""]]],
        [[[0.0, 1.0, "PER", "", ""]]],
        [[[-1, 1, "PER", "", ""]]],
        [[[0, 6, "PER", "", ""]]],
        [[[3, 3, "PER", "", ""]]],
        [[[4, 2, "PER", "", ""]]],
        [[[10**30, 10**31, "PER", "", ""]]],
        [[[0, 1, None, "", ""]]],
        [[GOOD_MENTION, [0, 1, "PER", 7, ""]]],
        [[GOOD_MENTION], [[0, 1, "PER", "", b"Q1"]]],
    ],
)
def test_damaged_entities(entities: Any, doc: Doc) -> None:
    doc.user_data["docre_entities"] = entities
    for read in (lambda: doc._.entities, lambda: doc._.relations):
        with pytest.raises(ValueError, match="'docre_entities'.* is damaged.*'Ada was born in Os"):
            read()
    doc.user_data["docre_given_entities"] = entities
    with pytest.raises(ValueError, match="'docre_given_entities'.* is damaged"):
        find_entities(doc, make_default_entities())


@pytest.mark.parametrize(
    "change",
    [
        *({0: 2}, {0: -1}, {1: 10**30}, {0: "0"}, {0: 0.0}, {1: None}, {2: None}, {2: 19}),
        *({3: math.nan}, {3: math.inf}, {3: -0.1}, {3: 1.1}, {3: "0.5"}, {3: None}, {4: None}),
        *({5: None}, {5: 3}, {5: [3]}, {5: [[0]]}, {5: [[0, 6]]}, {5: [[-1, 2]]}, {5: [[3, 2]]}),
        {5: [["0", "1"]]},
    ],
)
def test_damaged_relations(change: Dict[int, Any], doc: Doc) -> None:
    relation: List[Any] = list(GOOD_RELATION)
    for index, value in change.items():
        relation[index] = value
    doc.user_data["docre_relations"] = [GOOD_RELATION, relation]
    with pytest.raises(
        ValueError, match="'docre_relations'.* is damaged.* should be head and tail"
    ):
        doc._.relations  # noqa: B018


@pytest.mark.parametrize("relations", [None, 3, "x", {"x": 1}, [[]], [GOOD_RELATION[:5]], [None]])
def test_what_are_no_relations(relations: Any, doc: Doc) -> None:
    doc.user_data["docre_relations"] = relations
    with pytest.raises(ValueError, match="'docre_relations'.* is damaged"):
        doc._.relations  # noqa: B018


def test_relations_without_their_entities(doc: Doc) -> None:
    del doc.user_data["docre_entities"]
    with pytest.raises(ValueError, match="head and tail of 0 entities"):
        doc._.relations  # noqa: B018


def test_what_earlier_versions_stored(doc: Doc) -> None:
    """Mentions without the linked id; and tuples, which come out of a DocBin."""
    doc.user_data["docre_entities"] = (((0, 1, "PER", "x"),), ((4, 5, "LOC", ""),))
    doc.user_data["docre_relations"] = ((0, 1, "P19", 1, "", ()),)
    assert [entity.text for entity in doc._.entities] == ["Ada", "Oslo"]
    assert doc._.relations[0].triple == Triple(0, 1, "P19", 1)


def test_nothing_stored(make_doc: Callable[..., Doc]) -> None:
    doc = make_doc(["a"])
    assert not stored_entities(doc) and not stored_relations(doc)
    assert doc._.entities == doc._.relations == []


@pytest.mark.parametrize("score", [math.nan, -0.5, 1.5])
def test_scores_that_are_no_probabilities_are_not_stored(score: float, doc: Doc) -> None:
    before = list(doc.user_data["docre_relations"])
    with pytest.raises(ValueError, match="is not a probability"):
        doc._.relations = [Triple(0, 1, "P19", score)]
    assert doc.user_data["docre_relations"] == before


@pytest.mark.parametrize(
    "stored",
    [
        *(False, None, 3, "x", b"x", {"x": 1}, [3], [None], ["x"], [[]], [{}]),
        *([[0, 1]], [[0, 1, "P19", 1.0]], [[0, 2, "P19"]], [[-1, 1, "P19"]], [["0", 1, "P19"]]),
        *([[0, 1, None]], [[0, 1, "P19"], [0, 1, 19]]),
    ],
)
def test_damaged_possible_relations(stored: Any, doc: Doc) -> None:
    doc.user_data["docre_partial"] = stored
    with pytest.raises(ValueError, match="'docre_partial'.* is damaged"):
        stored_possible(doc)
