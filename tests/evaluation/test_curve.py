"""Precision and recall over the threshold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_docre.evaluation.curve import precision_recall_curve
from spacy_docre.evaluation.metrics import score_triples
from tests.evaluation.strategies import triple_sets, triples


@given(
    triple_sets,
    st.dictionaries(triples, st.sampled_from([0.1, 0.25, 0.5, 0.9]), max_size=40),
)
def test_points_are_those_of_the_scorer(gold: set, scores: dict) -> None:
    curve = precision_recall_curve(gold, scores)
    assert list(curve.scores) == sorted(set(scores.values()), reverse=True)
    for index, threshold in enumerate(curve.thresholds):
        above = {triple for triple, score in scores.items() if score > threshold}
        score = score_triples(gold, above)
        assert curve.precision[index] == pytest.approx(score.precision)
        assert curve.recall[index] == pytest.approx(score.recall)
        assert curve.fscore[index] == pytest.approx(score.fscore)


def test_nothing_predicted() -> None:
    assert not len(precision_recall_curve(set(), {}).fscore)
