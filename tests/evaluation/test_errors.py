"""What a model gets wrong."""

from collections import Counter

import pytest
from hypothesis import given

from spacy_docre.evaluation.errors import (
    ErrorClass,
    Outcome,
    class_shares,
    classify,
    confusions,
    count_classes,
)
from spacy_docre.evaluation.metrics import ScoredTriple
from tests.evaluation.strategies import triple_sets


def triple(label: str, tail: int = 1, document: str = "A") -> ScoredTriple:
    return ScoredTriple(document, 0, tail, label)


@given(triple_sets, triple_sets)
def test_classes_add_up(gold: set, predicted: set) -> None:
    outcomes = classify(gold, predicted)
    counts = count_classes(outcomes)
    assert counts["C"] == len(gold & predicted)
    assert counts["C"] + counts["W"] + counts["MR"] == len(gold)
    assert counts["C"] + counts["W"] + counts["MS"] == len(predicted)
    assert Counter(outcome.gold for outcome in outcomes if outcome.gold) == Counter(gold)
    found = Counter(outcome.predicted for outcome in outcomes if outcome.predicted)
    assert found == Counter(predicted)
    for outcome in outcomes:
        if outcome.kind is ErrorClass.wrong:
            assert outcome.gold.pair == outcome.predicted.pair
            assert outcome.gold not in predicted and outcome.predicted not in gold


@given(triple_sets, triple_sets)
def test_no_pair_has_both_a_missed_and_a_spurious_relation(gold: set, predicted: set) -> None:
    kinds: dict = {}
    for outcome in classify(gold, predicted):
        kinds.setdefault(outcome.triple.pair, set()).add(outcome.kind)
    assert not any({ErrorClass.missed, ErrorClass.spurious} <= kind for kind in kinds.values())


def test_each_class() -> None:
    gold = {triple("P17"), triple("P19"), triple("P27", 2), triple("P1", 3)}
    predicted = {triple("P17"), triple("P20"), triple("P21"), triple("P1", 2), triple("P1", 4)}
    assert classify(gold, predicted) == [
        Outcome(ErrorClass.correct, triple("P17"), triple("P17")),
        Outcome(ErrorClass.wrong, triple("P19"), triple("P20")),
        Outcome(ErrorClass.spurious, None, triple("P21")),
        Outcome(ErrorClass.wrong, triple("P27", 2), triple("P1", 2)),
        Outcome(ErrorClass.missed, triple("P1", 3), None),
        Outcome(ErrorClass.spurious, None, triple("P1", 4)),
    ]


@given(triple_sets, triple_sets)
def test_shares_are_those_of_all_triples(gold: set, predicted: set) -> None:
    """Pair by pair: a gold and a predicted triple that are wrong together are one."""
    correct = wrong = missed = more = 0
    for pair in {triple.pair for triple in gold | predicted}:
        ours = {triple.label for triple in gold if triple.pair == pair}
        theirs = {triple.label for triple in predicted if triple.pair == pair}
        lost, extra = len(ours - theirs), len(theirs - ours)
        correct += len(ours & theirs)
        wrong += min(lost, extra)
        missed += max(lost - extra, 0)
        more += max(extra - lost, 0)
    total = correct + wrong + missed + more
    shares = class_shares(count_classes(classify(gold, predicted)))
    assert [shares[kind] * total for kind in ("C", "W", "MR", "MS")] == pytest.approx(
        [correct, wrong, missed, more]
    )
    assert sum(shares.values()) == pytest.approx(1.0 if total else 0.0)


def test_confusions() -> None:
    gold = {triple("P17"), triple("P17", 2), triple("P19", 3), triple("P19", 4)}
    predicted = {triple("P19"), triple("P19", 2), triple("P17", 3), triple("P19", 5)}
    counts = confusions(classify(gold, predicted))
    assert counts == {("P17", "P19"): 2, ("P19", "P17"): 1}
