"""Predicted triples and result files."""

import gzip
import json
from pathlib import Path
from typing import Any, Dict

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_docre.evaluation.answers import Answer, above, read_answers, write_answers
from spacy_docre.evaluation.metrics import ScoredTriple
from tests.evaluation.strategies import triples

ANSWER = {"title": "A", "h_idx": 0, "t_idx": 1, "r": "P19"}
answers = st.dictionaries(
    triples,
    st.builds(
        Answer,
        evidence=st.frozensets(st.integers(0, 9)),
        score=st.none() | st.integers(1, 999).map(lambda score: score / 1000),
    ),
)


@given(answers)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(tmp_path: Path, answers: Dict) -> None:
    write_answers(tmp_path / "result.json", answers)
    assert read_answers(tmp_path / "result.json") == answers


def test_answers_above_a_threshold() -> None:
    scores = {"a": 0.4, "b": 0.5, "c": numpy.nextafter(0.5, 1), "d": None}
    answers = {
        ScoredTriple("A", 0, 1, label): Answer(score=score) for label, score in scores.items()
    }
    assert [triple.label for triple in above(answers, 0.5)] == ["c"]


def test_first_of_equal_answers_counts(tmp_path: Path) -> None:
    path = tmp_path / "result.json.gz"
    path.write_bytes(
        gzip.compress(json.dumps([{**ANSWER, "evidence": [1]}, ANSWER, ANSWER]).encode())
    )
    assert read_answers(path) == {ScoredTriple("A", 0, 1, "P19"): Answer(frozenset({1}))}


@pytest.mark.parametrize(
    "answer, problem",
    [
        ({**ANSWER, "h_idx": "0"}, "answer 1, field h_idx: .* h_idx should be the index of the"),
        ({"title": "A"}, "answer 1, field h_idx: Field required"),
        ({**ANSWER, "r": ""}, "field r: "),
        ({**ANSWER, "evidence": [0.5]}, r"field evidence\[0\]"),
        ({**ANSWER, "score": "high"}, "field score: "),
        ({**ANSWER, "score": -2.5}, "field score: .*a number from 0 to 1"),
        ({**ANSWER, "score": float("nan")}, "field score: "),
        ([], "answer 1 should be an object"),
    ],
)
def test_malformed_answer(tmp_path: Path, answer: Any, problem: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps([ANSWER, answer]))
    with pytest.raises(ValueError, match=f"result.json, {problem}|result.json.*{problem}"):
        read_answers(path)
