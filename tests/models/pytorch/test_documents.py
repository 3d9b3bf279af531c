"""The layout of the pairs of a batch in one flat list."""

from typing import List

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_docre.models.pytorch.documents import PairLayout, document_layout

CPU = torch.device("cpu")
BATCHES = [[2], [7], [2, 2], [3, 5, 2], [2, 7, 4, 3, 6, 5], [4, 0, 3], [1, 2, 1, 3], [0], [1], []]
sizes = st.lists(st.integers(0, 7), max_size=6)


def naive_layout(num_entities: List[int]) -> List[List[int]]:
    """Heads, tails, unordered pairs, and the place of (tail, head), pair by pair."""
    pairs, unordered = [], []
    for document, n in enumerate(num_entities):
        for head in range(n):
            for tail in range(n):
                if head != tail:
                    pairs.append((document, head, tail))
                if head < tail:
                    unordered.append((document, head, tail))
    before = [sum(num_entities[:document]) for document in range(len(num_entities))]
    return [
        [before[document] + head for document, head, _ in pairs],
        [before[document] + tail for document, _, tail in pairs],
        [unordered.index((doc, min(s, o), max(s, o))) for doc, s, o in pairs],
        [pairs.index((document, tail, head)) for document, head, tail in pairs],
    ]


def as_lists(layout: PairLayout) -> List[List[int]]:
    return [
        indices.tolist()
        for indices in (layout.heads, layout.tails, layout.contexts, layout.transposed)
    ]


@pytest.mark.parametrize("num_entities", BATCHES, ids=str)
def test_layout_agrees_with_naive_loops(num_entities):
    layout = PairLayout.of(num_entities, CPU)
    assert as_lists(layout) == naive_layout(num_entities)
    assert layout.num_entities == num_entities
    assert layout.num_pairs == [n * (n - 1) for n in num_entities]


@given(sizes)
@settings(max_examples=40, deadline=None)
def test_transposing_twice_changes_nothing(num_entities):
    layout = PairLayout.of(num_entities, CPU)
    number = sum(layout.num_pairs)
    assert layout.transposed[layout.transposed].tolist() == list(range(number))
    assert layout.heads[layout.transposed].tolist() == layout.tails.tolist()
    assert layout.tails[layout.transposed].tolist() == layout.heads.tolist()
    assert layout.contexts[layout.transposed].tolist() == layout.contexts.tolist()


@given(sizes)
@settings(max_examples=40, deadline=None)
def test_transposed_sorts_the_pairs_of_each_document_tail_by_tail(num_entities):
    layout = PairLayout.of(num_entities, CPU)
    tails, heads = layout.tails[layout.transposed], layout.heads[layout.transposed]
    found = list(zip(tails.tolist(), heads.tolist()))
    assert found == sorted(found)


def test_a_layout_does_not_change_what_the_next_one_is_made_of():
    """The indices of one document are cached."""
    before = document_layout(4).clone()
    layout = PairLayout.of([4], CPU)
    for indices in (layout.heads, layout.tails, layout.contexts, layout.transposed):
        indices.add_(100)
    assert torch.equal(document_layout(4), before)


def test_indices_are_integers_even_of_an_empty_batch():
    layout = PairLayout.of([], CPU)
    for indices in (layout.heads, layout.tails, layout.contexts, layout.transposed):
        assert indices.dtype == torch.int64 and len(indices) == 0
