"""The ordered pairs of the entities of a batch, as rows of one table."""

from typing import List

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_docre import pairs as pairs_module
from spacy_docre.pairs import Pairs

BATCHES = [[2], [7], [2, 2], [3, 5, 2], [2, 7, 4, 3, 6, 5], [4, 0, 3], [1, 2, 1, 3], [0], [1], []]
sizes = st.lists(st.integers(0, 7), max_size=6)


def naive_pairs(num_entities: List[int], diagonal: bool = False) -> List[List[int]]:
    """Heads, tails, unordered pairs, and the row of (tail, head), pair by pair."""
    rows, unordered = [], []
    for document, n in enumerate(num_entities):
        for head in range(n):
            for tail in range(n):
                if head != tail or diagonal:
                    rows.append((document, head, tail))
                if head < tail or (head == tail and diagonal):
                    unordered.append((document, head, tail))
    before = [sum(num_entities[:document]) for document in range(len(num_entities))]
    return [
        [before[document] + head for document, head, _ in rows],
        [before[document] + tail for document, _, tail in rows],
        [unordered.index((doc, min(s, o), max(s, o))) for doc, s, o in rows],
        [rows.index((document, tail, head)) for document, head, tail in rows],
    ]


def test_number_of_entities() -> None:
    assert [Pairs.num_entities_of(Pairs.count(n)) for n in range(1, 60)] == [*range(1, 60)]
    assert Pairs.num_entities_of(0) == 1


def as_lists(pairs: Pairs) -> List[List[int]]:
    return [
        indices.tolist()
        for indices in (pairs.heads, pairs.tails, pairs.unordered, pairs.transposed)
    ]


@pytest.mark.parametrize("num_entities", BATCHES, ids=str)
def test_layout_agrees_with_naive_loops(num_entities):
    pairs = Pairs.of(num_entities)
    assert as_lists(pairs) == naive_pairs(num_entities)
    assert pairs.num_entities == tuple(num_entities)
    assert pairs.num_pairs == [n * (n - 1) for n in num_entities]


@given(sizes)
@settings(max_examples=40, deadline=None)
def test_transposing_twice_changes_nothing(num_entities):
    pairs = Pairs.of(num_entities)
    number = sum(pairs.num_pairs)
    assert pairs.transposed[pairs.transposed].tolist() == list(range(number))
    assert pairs.heads[pairs.transposed].tolist() == pairs.tails.tolist()
    assert pairs.tails[pairs.transposed].tolist() == pairs.heads.tolist()
    assert pairs.unordered[pairs.transposed].tolist() == pairs.unordered.tolist()


@given(sizes)
@settings(max_examples=40, deadline=None)
def test_transposed_sorts_the_pairs_of_each_document_tail_by_tail(num_entities):
    pairs = Pairs.of(num_entities)
    tails, heads = pairs.tails[pairs.transposed], pairs.heads[pairs.transposed]
    found = list(zip(tails.tolist(), heads.tolist(), strict=True))
    assert found == sorted(found)


def test_a_layout_does_not_change_what_the_next_one_is_made_of():
    """The indices of one document are cached."""
    before = pairs_module._document(4, False).clone()
    pairs = Pairs.of([4])
    for indices in (pairs.heads, pairs.tails, pairs.unordered, pairs.transposed):
        indices.add_(100)
    assert torch.equal(pairs_module._document(4, False), before)


def test_indices_are_integers_even_of_an_empty_batch():
    pairs = Pairs.of([])
    for indices in (pairs.heads, pairs.tails, pairs.unordered, pairs.transposed):
        assert indices.dtype == torch.int64 and len(indices) == 0


@pytest.mark.parametrize("num_entities", BATCHES, ids=str)
def test_with_the_diagonal_they_agree_with_naive_loops(num_entities):
    pairs = Pairs.of(num_entities, diagonal=True)
    assert as_lists(pairs) == naive_pairs(num_entities, diagonal=True)
    assert pairs.num_pairs == [n * n for n in num_entities]
    without = Pairs.of(num_entities)
    assert pairs.heads[pairs.off_diagonal].tolist() == without.heads.tolist()
    assert pairs.tails[pairs.off_diagonal].tolist() == without.tails.tolist()
    assert without.off_diagonal.tolist() == list(range(sum(without.num_pairs)))


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("n", range(6))
def test_counts(n, diagonal):
    pairs = Pairs.of([n], diagonal=diagonal)
    assert Pairs.count(n, diagonal) == len(pairs.heads)
    assert Pairs.count_unordered(n, diagonal) == len(set(pairs.unordered.tolist()))


@pytest.mark.parametrize("n", range(2, 6))
def test_row_finds_each_pair(n):
    pairs = Pairs.of([n])
    expected = list(range(len(pairs.heads)))
    assert Pairs.row(pairs.heads, pairs.tails, n).tolist() == expected
    assert Pairs.row(pairs.heads.numpy(), pairs.tails.numpy(), n).tolist() == expected
    of_ints = [
        Pairs.row(s, o, n) for s, o in zip(pairs.heads.tolist(), pairs.tails.tolist(), strict=True)
    ]
    assert of_ints == expected


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_rows_between_some_entities(data):
    n = data.draw(st.integers(1, 7))
    chosen = data.draw(st.lists(st.integers(0, n - 1), unique=True))
    table = list(zip(Pairs.of([n]).heads.tolist(), Pairs.of([n]).tails.tolist(), strict=True))
    found = [table[row] for row in Pairs.rows_between(chosen, n)]
    assert found == [(s, o) for s in chosen for o in chosen if s != o]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_unordered_pairs_in_parts_are_those_in_one_go(data):
    n, step = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    diagonal = data.draw(st.booleans())
    whole = [(s, o) for s in range(n) for o in range(s + (not diagonal), n)]
    parts = [
        Pairs.unordered_between(n, start, start + step, diagonal) for start in range(0, n, step)
    ]
    assert [pair for s, o in parts for pair in zip(s.tolist(), o.tolist(), strict=True)] == whole
    # In the order in which `unordered` counts them.
    pairs = Pairs.of([n], diagonal=diagonal)
    for s, o, index in zip(
        pairs.heads.tolist(), pairs.tails.tolist(), pairs.unordered.tolist(), strict=True
    ):
        assert whole[index] == (min(s, o), max(s, o))


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("num_entities", BATCHES, ids=str)
def test_lines_have_one_head_each(num_entities, diagonal):
    pairs = Pairs.of(num_entities, diagonal=diagonal)
    lines = pairs.lines(torch.stack([pairs.heads, pairs.tails], dim=1))
    assert len(lines) == len(num_entities)
    first = 0
    for n, document in zip(num_entities, lines, strict=True):
        assert document.shape == (n, max(n - (not diagonal), 0), 2)
        for head in range(n):
            assert (document[head, :, 0] == first + head).all()
            tails = [first + tail for tail in range(n) if tail != head or diagonal]
            assert document[head, :, 1].tolist() == tails
        first += n


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_blocks_of_lines_hold_all_pairs_line_by_line(data):
    num_entities, diagonal = data.draw(sizes), data.draw(st.booleans())
    columns, most = data.draw(st.booleans()), data.draw(st.integers(1, 20))
    pairs = Pairs.of(num_entities, diagonal=diagonal)
    of_line, across = (pairs.tails, pairs.heads) if columns else (pairs.heads, pairs.tails)
    seen = []
    for rows in pairs.line_blocks(most, columns):
        assert rows.numel() <= most or len(rows) == 1
        for line in rows:
            assert len(set(of_line[line].tolist())) == 1
            assert across[line].tolist() == sorted(across[line].tolist())
        seen += rows.flatten().tolist()
    assert sorted(seen) == list(range(sum(pairs.num_pairs)))


@pytest.mark.parametrize("n", range(1, 5))
def test_row_with_the_diagonal(n):
    pairs = Pairs.of([n], diagonal=True)
    assert Pairs.row(pairs.heads, pairs.tails, n, True).tolist() == list(range(n * n))


def test_indices_of_large_documents_are_not_kept():
    pairs_module._small_document.cache_clear()
    for n in (2, 101, 300):
        Pairs.of([n])
    assert pairs_module._small_document.cache_info().currsize == 1


def test_pairs_are_compared_by_identity():
    """Tensors cannot be compared by ==."""
    pairs = Pairs.of([3])
    assert pairs == pairs and pairs != Pairs.of([3])
