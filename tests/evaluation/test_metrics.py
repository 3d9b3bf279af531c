"""Metrics of triples and of their evidence."""

from typing import Set

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_docre.evaluation.metrics import (
    ScoredTriple,
    ignore_known_f,
    score_evidence,
    score_per_label,
    score_related_pairs,
    score_triples,
)
from tests.evaluation.official import Document, evaluate, harmonic_mean

LABELS = ["P17", "P19", "P27"]
triples = st.sets(
    st.builds(
        ScoredTriple,
        document=st.sampled_from(["first", "second"]),
        head=st.integers(0, 2),
        tail=st.integers(0, 2),
        label=st.sampled_from(LABELS),
    ),
    max_size=12,
)
few_examples = settings(max_examples=60, deadline=None)
A = ScoredTriple("one", 0, 1, "P17")
B = ScoredTriple("one", 1, 0, "P17")
C = ScoredTriple("one", 0, 1, "P19")
D = ScoredTriple("two", 0, 1, "P17")


def name(document: str, entity: int) -> str:
    return f"{document} {entity}"


def official(gold: Set[ScoredTriple], predicted: Set[ScoredTriple], known: Set[ScoredTriple]):
    """The official evaluation, an entity of the gold documents having one name of its own."""
    documents = [
        Document(title, [[name(title, entity)] for entity in range(3)])
        for title in ("first", "second")
    ]
    for document in documents:
        document.labels = [
            (triple.head, triple.tail, triple.label)
            for triple in gold
            if triple.document == document.title
        ]
    answers: dict = {"first": [], "second": []}
    for triple in predicted:
        answers[triple.document].append((triple.head, triple.tail, triple.label))
    facts = {
        (name(triple.document, triple.head), name(triple.document, triple.tail), triple.label)
        for triple in known
    }
    return evaluate(documents, answers, facts)


class TestAgainstTheOfficialEvaluation:
    @given(triples, triples)
    @few_examples
    def test_precision_recall_and_f(self, gold, predicted):
        expected = official(gold, predicted, set())
        score = score_triples(gold, predicted)
        assert score.precision == pytest.approx(expected["rel_p"])
        assert score.recall == pytest.approx(expected["rel_r"])
        assert score.fscore == pytest.approx(expected["rel_f"])

    @given(triples, triples, triples)
    @few_examples
    def test_ign_f(self, gold, predicted, some):
        known = gold & some
        expected = official(gold, predicted, known)["rel_ign_f"]
        assert ignore_known_f(gold, predicted, known) == pytest.approx(expected, rel=1e-12)


class TestProperties:
    @given(triples, triples)
    @few_examples
    def test_scores_lie_between_zero_and_one(self, gold, predicted):
        score = score_triples(gold, predicted)
        found = [score.precision, score.recall, score.fscore]
        found.append(ignore_known_f(gold, predicted, gold & predicted))
        assert all(0 <= value <= 1 for value in found)

    @given(triples.filter(bool))
    @few_examples
    def test_the_gold_triples_score_one(self, gold):
        assert score_triples(gold, set(gold)).fscore == pytest.approx(1)
        assert ignore_known_f(gold, set(gold), set()) == pytest.approx(1, abs=1e-4)

    @given(triples, triples)
    @few_examples
    def test_precision_and_recall_are_swapped_with_gold_and_predicted(self, gold, predicted):
        score, other = score_triples(gold, predicted), score_triples(predicted, gold)
        assert score.precision == other.recall
        assert score.fscore == pytest.approx(other.fscore)

    @given(triples, triples)
    @few_examples
    def test_ign_f_with_nothing_known_is_f(self, gold, predicted):
        score = score_triples(gold, predicted)
        assert ignore_known_f(gold, predicted, set()) == pytest.approx(score.fscore, abs=1e-4)

    @given(triples, triples, triples)
    @few_examples
    def test_known_triples_do_not_raise_ign_f(self, gold, predicted, some):
        all_unknown = ignore_known_f(gold, predicted, set())
        assert ignore_known_f(gold, predicted, gold & some) <= all_unknown + 1e-9

    @given(triples, triples)
    @few_examples
    def test_per_label_scores_are_those_of_the_triples_of_the_label(self, gold, predicted):
        scores = score_per_label(gold, predicted)
        assert list(scores) == sorted({triple.label for triple in gold | predicted})
        for label, score in scores.items():
            mine = {triple for triple in gold if triple.label == label}
            ours = {triple for triple in predicted if triple.label == label}
            assert score.to_dict() == score_triples(mine, ours).to_dict()


class TestExamples:
    def test_each_part_of_a_triple_counts(self):
        assert score_triples({A}, {B, C, D}).fscore == 0
        assert score_triples({A, B}, {A, C, D}).precision == pytest.approx(1 / 3)
        assert score_triples({A, B}, {A, C, D}).recall == pytest.approx(1 / 2)

    def test_ign_f_leaves_recall_as_it_is(self):
        """Of three answers two are right, one of these known: 1/2 precision, 2/4 recall."""
        gold, predicted = {A, B, C, D}, {A, B, ScoredTriple("one", 2, 0, "P17")}
        expected = harmonic_mean(1 / (2 + 1e-5), 2 / 4)
        assert ignore_known_f(gold, predicted, {A, C}) == pytest.approx(expected, rel=1e-12)

    def test_ign_f_where_all_answers_are_known(self):
        assert ignore_known_f({A, B}, {A}, {A}) == 0

    @pytest.mark.parametrize("gold, predicted", [(set(), set()), ({A}, set()), (set(), {A})])
    def test_nothing_to_find_or_nothing_found(self, gold, predicted):
        score = score_triples(gold, predicted)
        assert (score.precision, score.recall, score.fscore) == (0, 0, 0)
        assert ignore_known_f(gold, predicted, set()) == 0

    def test_per_label(self):
        scores = score_per_label({A, B, C}, {A, D, ScoredTriple("one", 0, 1, "P1")})
        assert list(scores) == ["P1", "P17", "P19"]
        assert scores["P17"].precision == pytest.approx(1 / 2)
        assert scores["P17"].recall == pytest.approx(1 / 2)
        assert scores["P1"].fscore == scores["P19"].fscore == 0
        assert score_per_label(set(), set()) == {}


def test_related_pairs():
    def triple(label: str, tail: int = 1) -> ScoredTriple:
        return ScoredTriple("A", 0, tail, label)

    gold = {triple("P17"), triple("P19"), triple("P27", 2), triple("P1", 3)}
    predicted = {triple("P1"), triple("P1", 2), triple("P2", 2), triple("P1", 4)}
    score = score_related_pairs(gold, predicted)
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(2 / 3)


class TestEvidence:
    BORN, LEFT, DIED = (ScoredTriple("A", 0, 1, label) for label in ("P19", "P1", "P20"))

    def test_sentences_of_correct_triples_are_compared(self):
        gold = {self.BORN: [0, 2], self.LEFT: [1, 3, 4]}
        score = score_evidence(gold, {self.BORN: [0, 1], self.DIED: [0], self.LEFT: []})
        assert (score.tp, score.fp, score.fn) == (1, 2, 4)

    def test_nothing_predicted(self):
        score = score_evidence({self.BORN: [0]}, {})
        assert (score.precision, score.recall, score.fscore) == (0, 0, 0)
