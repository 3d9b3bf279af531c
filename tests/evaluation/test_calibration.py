"""How often triples with a score are right."""

import numpy
import pytest

from spacy_docre.evaluation.calibration import fit, reliability
from spacy_docre.evaluation.metrics import ScoredTriple


def triples(number: int):
    return [ScoredTriple("a", index, 0, "P1") for index in range(number)]


def test_against_a_naive_loop() -> None:
    random = numpy.random.default_rng(0)
    scores = dict(zip(triples(500), random.random(500) ** 2, strict=True))
    gold = {triple for triple in scores if random.random() < 0.4}
    found = reliability(gold, scores)
    error = 0.0
    for low in numpy.arange(10) / 10:
        inside = [t for t, score in scores.items() if low <= score < low + 0.1]
        mean = sum(scores[t] for t in inside) / len(inside)
        right = sum(t in gold for t in inside) / len(inside)
        assert right in found.correct and mean == pytest.approx(found.scores[int(low * 10)])
        error += len(inside) / 500 * abs(mean - right)
    assert found.error == pytest.approx(error) and found.counts.sum() == 500


def test_ends_and_nothing() -> None:
    first, second = triples(2)
    found = reliability({first}, {first: 1.0, second: 0.0})
    assert found.error == 0 and found.counts.tolist() == [1, 1]
    assert reliability({first}, {}).error == 0


@pytest.mark.parametrize("scale, shift", [(0.4, 0.0), (1.0, -1.5), (2.5, 0.7)])
def test_a_known_distortion_is_found(scale: float, shift: float) -> None:
    random = numpy.random.default_rng(1)
    margins = random.normal(size=40_000) * 2
    correct = random.random(40_000) < 1 / (1 + numpy.exp(-(scale * margins + shift)))
    found = fit(1 / (1 + numpy.exp(-margins)), correct)
    assert found == pytest.approx((scale, shift), abs=0.08)


def test_scores_that_say_nothing() -> None:
    with pytest.raises(ValueError, match="right and others that are wrong"):
        fit([0.9, 0.8], [True, True])
    with pytest.raises(ValueError, match="not right more often"):
        fit([0.9, 0.8, 0.2, 0.1], [False, True, True, True])
    with pytest.raises(ValueError, match="right and others that are wrong"):
        fit([], [])
