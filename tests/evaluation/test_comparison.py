"""Tables of systems: means over seeds, and differences that hold for other documents and seeds."""

import csv
import io
import itertools
from typing import List, Sequence

import numpy
import pytest

from spacy_docre.evaluation.answers import Answer
from spacy_docre.evaluation.bootstrap import TripleCounts, bootstrap, seeds_bootstrap
from spacy_docre.evaluation.comparison import SystemScores, difference, make_table, to_csv
from spacy_docre.evaluation.evaluation import Evaluation
from spacy_docre.evaluation.gold import GoldDocument
from spacy_docre.evaluation.metrics import ScoredTriple


def counts(correct: Sequence[int], predicted: Sequence[int], gold: Sequence[int]) -> TripleCounts:
    known = numpy.zeros(len(gold), dtype="int64")
    return TripleCounts(*map(numpy.array, (correct, known, predicted, gold)))


def f_score(of: TripleCounts) -> float:
    return 2 * of.correct.sum() / (of.predicted.sum() + of.gold.sum())


def test_the_difference_is_that_of_the_means() -> None:
    ours = [counts([3, 2], [4, 4], [5, 5]), counts([4, 4], [4, 4], [5, 5])]
    theirs = [counts([1, 2], [3, 3], [5, 5])]
    interval = seeds_bootstrap(ours, theirs)["rel_f"]
    expected = numpy.mean([f_score(each) for each in ours]) - f_score(theirs[0])
    assert interval.value == pytest.approx(expected)
    assert interval.low <= interval.value <= interval.high


def test_seeds_are_drawn_as_documents_are() -> None:
    """Documents that are all alike: only the choice of trainings makes an interval."""
    gold, predicted = [10] * 50, [10] * 50
    ours = [counts([correct] * 50, predicted, gold) for correct in (4, 6, 8)]
    theirs = [counts([5] * 50, predicted, gold)]
    interval = seeds_bootstrap(ours, theirs)["rel_f"]
    draws = [numpy.mean(chosen) / 10 - 0.5 for chosen in itertools.product((4, 6, 8), repeat=3)]
    low, high = numpy.percentile(draws, [2.5, 97.5], method="inverted_cdf")
    assert interval.value == pytest.approx(0.1)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.02)
    share = numpy.mean([draw <= 1e-12 for draw in draws])
    assert interval.share_below == pytest.approx(share, abs=0.04)


def test_one_training_against_nothing_is_its_own_interval() -> None:
    random = numpy.random.default_rng(0)
    gold = random.integers(1, 9, 40)
    mine = counts(random.integers(0, gold), gold, gold)
    nothing = counts([0] * 40, [0] * 40, gold)
    interval, expected = seeds_bootstrap([mine], [nothing])["rel_f"], bootstrap(mine)["rel_f"]
    assert interval.value == pytest.approx(expected.value)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.02)


def evaluation(found: Sequence[int]) -> Evaluation:
    """Two documents with two gold triples each, of which some numbers are found."""
    triples = [ScoredTriple(str(n // 2), 0, 1, f"R{n % 2}") for n in range(4)]
    documents = {
        title: GoldDocument(
            title, 9, [{"a"}, {"b"}], [{0}, {0}],
            {triple: frozenset() for triple in triples if triple.document == title},
        )
        for title in "01"
    }  # fmt: skip
    return Evaluation(documents, {triples[number]: Answer() for number in found})


def system(label: str, found: List[Sequence[int]], reference: str = "") -> SystemScores:
    evaluations = [evaluation(each) for each in found]
    metrics = [
        {"rel_f": each.metrics["rel_f"], "minutes": 2.0, "shares": {"W": 0.25}}
        for each in evaluations
    ]
    return SystemScores(label, metrics, evaluations, {"rel_f": 61.5}, reference or None)


COLUMNS = {"rel_f": "F1", "minutes": "minutes", "x.y": "X", "shares.W": "W"}


def test_table() -> None:
    first, second = system("A", [[0, 1], [0, 1, 2]]), system("B", [[0]], reference="A")
    table = make_table("T", COLUMNS, [first, second])
    header = ["system", "seeds", "F1", "F1, paper", "minutes", "X", "W"]
    assert list(table.header) == [*header, "difference in F1", "95% interval"]
    a, b = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    # F1 is 2/3 and 6/7, the standard deviation that of two numbers.
    assert a["F1"] == "76.2 ± 13.5" and a["F1, paper"] == "61.5"
    assert (
        a["minutes"] == "2.0 ± 0.0"
        and a["X"] == "–"
        and a["W"] == "25.0 ± 0.0"
        and a["difference in F1"] == ""
    )
    assert b["seeds"] == "1" and b["F1"] == "40.0" and b["difference in F1"] == "-36.2"
    assert difference(second, first).value == pytest.approx(0.4 - (2 / 3 + 6 / 7) / 2)
    assert list(csv.reader(io.StringIO(to_csv(table)))) == [
        list(table.header), *map(list, table.rows)
    ]  # fmt: skip
