"""The pairs of the pairs of a batch in one flat list."""

from typing import List

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_docre import pairs as pairs_module
from spacy_docre.pairs import Pairs

BATCHES = [[2], [7], [2, 2], [3, 5, 2], [2, 7, 4, 3, 6, 5], [4, 0, 3], [1, 2, 1, 3], [0], [1], []]
sizes = st.lists(st.integers(0, 7), max_size=6)


def naive_pairs(num_entities: List[int]) -> List[List[int]]:
    """Heads, tails, unordered pairs, and the row of (tail, head), pair by pair."""
    rows, unordered = [], []
    for document, n in enumerate(num_entities):
        for head in range(n):
            for tail in range(n):
                if head != tail:
                    rows.append((document, head, tail))
                if head < tail:
                    unordered.append((document, head, tail))
    before = [sum(num_entities[:document]) for document in range(len(num_entities))]
    return [
        [before[document] + head for document, head, _ in rows],
        [before[document] + tail for document, _, tail in rows],
        [unordered.index((doc, min(s, o), max(s, o))) for doc, s, o in rows],
        [rows.index((document, tail, head)) for document, head, tail in rows],
    ]


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
    found = list(zip(tails.tolist(), heads.tolist()))
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
