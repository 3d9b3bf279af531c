"""How often triples with a score are right."""

import numpy
import pytest

from spacy_docre.evaluation.calibration import fit, reliability, with_cuts
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


@pytest.mark.parametrize("scale, shift, slope", [(0.4, 0.0, 0.5), (1.0, -1.5, 0.0), (2.5, 3, -0.8)])
def test_a_known_distortion_is_found(scale: float, shift: float, slope: float) -> None:
    random = numpy.random.default_rng(1)
    margins = random.normal(size=40_000) * 2
    words = random.integers(5, 600, size=40_000)
    lengths = numpy.log(words.clip(max=256))
    true = scale * margins + shift + slope * lengths
    correct = random.random(40_000) < 1 / (1 + numpy.exp(-true))
    found = fit(1 / (1 + numpy.exp(-margins)), correct, words)
    assert (found.scale, found.slope) == pytest.approx((scale, slope), abs=0.1)
    usual = lengths.mean()
    assert found.shift + found.slope * usual == pytest.approx(shift + slope * usual, abs=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_documents_of_about_one_length(seed: int) -> None:
    """They say little of others."""
    random = numpy.random.default_rng(seed)
    margins = random.normal(size=300) * 2
    correct = random.random(300) < 1 / (1 + numpy.exp(-margins))
    scores = 1 / (1 + numpy.exp(-margins))
    assert fit(scores, correct, [20] * 300).slope == 0
    assert abs(fit(scores, correct, random.integers(150, 250, 300)).slope) < 0.5


def test_passages_have_all_relations(make_examples) -> None:
    docs = {str(number): each.reference for number, each in enumerate(make_examples(6))}
    found = with_cuts(docs)
    assert docs.items() <= found.items() and with_cuts(docs).keys() == found.keys()
    # Each has one of a sentence, and one of more.
    assert len(found) == 3 * len(docs)
    told = 0
    for title in found.keys() - docs.keys():
        passage, whole = found[title], docs[title.partition("\n")[0]]
        assert passage.text in whole.text
        gold = {(names(r.head), r.label_, names(r.tail)) for r in whole._.relations}
        inside = {(names(r.head), r.label_, names(r.tail)) for r in passage._.relations}
        assert inside <= gold and len(passage) < len(whole)
        told += len(inside)
    assert told


def names(entity) -> str:
    return entity.mentions[0].text


def test_scores_that_say_nothing() -> None:
    with pytest.raises(ValueError, match="right and others that are wrong"):
        fit([0.9, 0.8], [True, True], [1, 1])
    with pytest.raises(ValueError, match="not right more often"):
        fit([0.9, 0.8, 0.2, 0.1], [False, True, True, True], [1, 1, 1, 1])
    with pytest.raises(ValueError, match="right and others that are wrong"):
        fit([], [], [])
