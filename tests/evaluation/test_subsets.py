"""Parts of the triples that are scored on their own."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_docre.evaluation.metrics import ScoredTriple, score_groups
from spacy_docre.evaluation.subsets import (
    PAPER_FREQUENT,
    frequent_labels,
    inferable_triples,
    size_class,
    size_classes,
    two_hop_pairs,
)
from tests.evaluation.strategies import triple_sets


@given(triple_sets)
def test_two_hops_are_those_of_the_definition(gold: set) -> None:
    pairs = {
        (first.document, first.head, second.tail)
        for first, second in product(gold, gold)
        if first.document == second.document
        and first.tail == second.head
        and len({first.head, first.tail, second.tail}) == 3
    }
    assert two_hop_pairs(gold) == pairs


def test_two_hops() -> None:
    gold = [
        ScoredTriple("A", 0, 1, "r"),
        ScoredTriple("A", 1, 2, "s"),
        ScoredTriple("B", 2, 3, "r"),
    ]
    assert two_hop_pairs(gold) == {("A", 0, 2)}
    back = [ScoredTriple("A", 0, 1, "r"), ScoredTriple("A", 1, 0, "s")]
    assert two_hop_pairs(back) == set()


@given(triple_sets)
def test_inferable_triples_are_those_of_the_definition(gold: set) -> None:
    """Every three facts of which the third closes the chain of the two others."""
    chained = {
        fact
        for first, second, third in product(gold, gold, gold)
        if first.document == second.document == third.document
        and first.tail == second.head
        and (third.head, third.tail) == (first.head, second.tail)
        and len({first.head, first.tail, second.tail}) == 3
        for fact in (first, second, third)
    }
    assert inferable_triples(gold) == chained


def test_inferable_triples() -> None:
    first, second = ScoredTriple("A", 0, 1, "r"), ScoredTriple("A", 1, 2, "s")
    assert inferable_triples({first, second}) == set()
    # Both relations between head and tail count, and a triple beside the chain does not.
    closing = {ScoredTriple("A", 0, 2, label) for label in "rs"}
    beside = {ScoredTriple("A", 2, 3, "r"), ScoredTriple("B", 0, 2, "r")}
    assert inferable_triples({first, second, *closing, *beside}) == {first, second, *closing}


def test_frequent_labels_of_the_paper() -> None:
    """Written down again: a slip of either would show."""
    assert PAPER_FREQUENT == tuple("P17 P131 P27 P150 P175 P577 P463 P527 P495 P361".split())


def test_frequent_labels() -> None:
    counts = Counter({"P3": 5, "P2": 5, "P1": 1, "P4": 9})
    assert frequent_labels(counts, 2) == ["P4", "P2"]
    assert frequent_labels(counts) == ["P4", "P2", "P3", "P1"]


@pytest.mark.parametrize(
    "size, name", [(0, "0"), (1, "1-10"), (10, "1-10"), (11, "11-20"), (21, "21 or more")]
)
def test_size_class(size: int, name: str) -> None:
    assert size_class(size, [0, 10, 20]) == name


def test_size_classes() -> None:
    assert size_classes([0, 10, 20]) == ["0", "1-10", "11-20", "21 or more"]


@given(triple_sets, triple_sets, st.randoms(use_true_random=False))
def test_groups_are_scored_apart(gold: set, predicted: set, random) -> None:
    names = {triple: random.choice([None, "x", "y"]) for triple in sorted_triples(gold | predicted)}
    scores = score_groups(gold, predicted, names.get)
    for name in {"x", "y"}:
        ours = {triple for triple in gold if names[triple] == name}
        theirs = {triple for triple in predicted if names[triple] == name}
        if not ours and not theirs:
            assert name not in scores
            continue
        assert scores[name].precision == pytest.approx(len(ours & theirs) / max(len(theirs), 1))
        assert scores[name].recall == pytest.approx(len(ours & theirs) / max(len(ours), 1))


def sorted_triples(triples: set) -> list:
    return sorted(triples, key=lambda triple: (*triple.pair, triple.label))
