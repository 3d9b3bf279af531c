"""The drawing of a document's relations."""

from itertools import combinations
from typing import List, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_docre.display.graph import draw_graph, shorten


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12), st.text(max_size=40)),
        min_size=1,
        max_size=25,
    )
)
@settings(deadline=None, max_examples=25)
def test_boxes_do_not_overlap(relations: List[Tuple[int, int, str]]) -> None:
    entities = {index for head, tail, _ in relations for index in (head, tail)}
    graph = draw_graph({index: "name " * (index % 5) for index in entities}, relations)
    assert {node.entity for node in graph.nodes} == entities
    for one, other in combinations(graph.nodes, 2):
        assert (
            abs(one.x - other.x) >= (one.width + other.width) / 2
            or abs(one.y - other.y) >= (one.height + other.height) / 2
        )
    for node in graph.nodes:
        assert 0 <= node.x - node.width / 2 and node.x + node.width / 2 <= graph.width
        assert 0 <= node.y - node.height / 2 and node.y + node.height / 2 <= graph.height


def test_an_arrow_a_relation() -> None:
    relations = [(0, 1, "a"), (1, 0, "b"), (0, 1, "c"), (2, 3, "d")]
    graph = draw_graph({index: f"entity {index}" for index in range(4)}, relations)
    assert [arrow.name for arrow in graph.arrows] == list("abcd")
    one, back, same, _ = graph.arrows
    # Same head and tail: one line, the names below each other; there and back: two lines.
    assert one.path == same.path and one.x == same.x and one.y < same.y
    assert one.path != back.path and (one.x, one.y) != (back.x, back.y)


def test_same_relations_same_drawing() -> None:
    relations = [(0, 1, "a"), (1, 2, "b"), (3, 4, "c")]
    names = {index: "name" for index in range(5)}
    assert draw_graph(names, relations) == draw_graph(names, relations)


def test_no_relations() -> None:
    assert draw_graph({}, []).nodes == []


def test_long_names_are_shortened() -> None:
    assert shorten("a\n b") == "a b"
    assert len(shorten("x" * 100)) == 26 and shorten("x" * 100).endswith("…")
