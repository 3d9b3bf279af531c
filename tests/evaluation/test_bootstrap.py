"""How sure scores are."""

import random
from collections import Counter

import numpy
import pytest
from hypothesis import given, settings

from spacy_docre.evaluation.bootstrap import bootstrap, count_by_document, paired_bootstrap
from spacy_docre.evaluation.metrics import ScoredTriple, ignore_known_f, score_triples
from tests.evaluation.strategies import triple_sets

DOCUMENTS = [f"D{number}" for number in range(60)]


def draw(seed: int, share: float) -> set:
    """Some of the gold triples, and others."""
    choice = random.Random(seed)
    right = {triple for triple in sorted(GOLD) if choice.random() < share}
    return right | {ScoredTriple(choice.choice(DOCUMENTS), 9, tail, "P1") for tail in range(80)}


GOLD = {
    ScoredTriple(document, head, 8, "P17")
    for document in DOCUMENTS
    for head in range(1 + int(document[1:]) % 7)
}
KNOWN = {triple for triple in GOLD if triple.head == 0}


@given(triple_sets, triple_sets, triple_sets)
@settings(max_examples=20, deadline=None)
def test_value_is_that_of_the_scorer(gold: set, predicted: set, others: set) -> None:
    known = gold & others
    found = bootstrap(count_by_document(["A", "B", "C"], gold, predicted, known))
    assert found["rel_f"].value == pytest.approx(score_triples(gold, predicted).fscore)
    assert found["rel_ign_f"].value == pytest.approx(ignore_known_f(gold, predicted, known))
    for interval in found.values():
        assert interval.low <= interval.high


def test_interval_is_that_of_naive_resampling() -> None:
    predicted = draw(0, 0.6)
    interval = bootstrap(count_by_document(DOCUMENTS, GOLD, predicted, KNOWN))["rel_f"]
    choice, values = random.Random(0), []
    correct, total = (
        Counter(triple.document for triple in triples)
        for triples in (GOLD & predicted, [*GOLD, *predicted])
    )
    for _ in range(5000):
        drawn = choice.choices(DOCUMENTS, k=len(DOCUMENTS))
        values.append(2 * sum(correct[d] for d in drawn) / sum(total[d] for d in drawn))
    low, high = numpy.quantile(values, [0.025, 0.975])
    # An interval of 90 % would be off by more.
    assert interval.low == pytest.approx(low, abs=0.005)
    assert interval.high == pytest.approx(high, abs=0.005)
    assert numpy.quantile(values, 0.05) > low + 0.005
    assert interval.low < interval.value < interval.high


def test_better_model() -> None:
    better, worse = (
        count_by_document(DOCUMENTS, GOLD, draw(seed, share), KNOWN)
        for seed, share in ((0, 0.8), (1, 0.5))
    )
    found = paired_bootstrap(better, worse)["rel_f"]
    assert found.low > 0 and found.share_below == 0
    turned = paired_bootstrap(worse, better)["rel_f"]
    assert turned.value == pytest.approx(-found.value) and turned.share_below == 1


def test_same_model() -> None:
    counts = count_by_document(DOCUMENTS, GOLD, draw(0, 0.5), KNOWN)
    found = paired_bootstrap(counts, counts)["rel_ign_f"]
    assert (found.low, found.value, found.high) == (0, 0, 0)


def test_draws_are_repeatable() -> None:
    counts = count_by_document(DOCUMENTS, GOLD, draw(0, 0.5), KNOWN)
    assert bootstrap(counts) == bootstrap(counts) != bootstrap(counts, seed=1)


def test_one_document() -> None:
    gold = {ScoredTriple("A", 0, 1, "P17")}
    interval = bootstrap(count_by_document(["A"], gold, gold, set()))["rel_f"]
    assert (interval.low, interval.value, interval.high) == (1, 1, 1)
