"""Result files, and what an evaluation reads."""

import gzip
import json
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_docre.data.corpus_files import write_docs
from spacy_docre.evaluation.answers import Answer, read_answers, write_answers
from spacy_docre.evaluation.inputs import read_annotated, read_training_data
from spacy_docre.evaluation.relations import ScoredTriple
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


def test_first_of_equal_answers_counts(tmp_path: Path) -> None:
    path = tmp_path / "result.json.gz"
    path.write_bytes(
        gzip.compress(json.dumps([{**ANSWER, "evidence": [1]}, ANSWER, ANSWER]).encode())
    )
    assert read_answers(path) == {ScoredTriple("A", 0, 1, "P19"): Answer(frozenset({1}))}


@pytest.mark.parametrize(
    "answer, problem",
    [
        ({**ANSWER, "h_idx": "0"}, "answer 1, field h_idx: .* h_idx should be the place of the"),
        ({"title": "A"}, "answer 1, field h_idx: Field required"),
        ({**ANSWER, "r": ""}, "field r: "),
        ({**ANSWER, "evidence": [0.5]}, r"field evidence\[0\]"),
        ({**ANSWER, "score": "high"}, "field score: "),
        ({**ANSWER, "score": -2.5}, "field score: .*a number of 0 to 1"),
        ({**ANSWER, "score": float("nan")}, "field score: "),
        ([], "answer 1 should be an object"),
    ],
)
def test_malformed_answer(tmp_path: Path, answer: Any, problem: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps([ANSWER, answer]))
    with pytest.raises(ValueError, match=f"result.json, {problem}|result.json.*{problem}"):
        read_answers(path)


def test_documents_of_one_title(tmp_path: Path, make_examples: Callable) -> None:
    docs = [example.reference for example in make_examples(2)]
    for doc in docs:
        doc.user_data["title"] = "A"
    write_docs({tmp_path / "gold.spacy": docs})
    with pytest.raises(ValueError, match="two documents with the title 'A'.*user_data"):
        read_annotated(tmp_path / "gold.spacy", Vocab())


def test_documents_without_annotated_relations(tmp_path: Path, make_examples: Callable) -> None:
    docs = [example.reference for example in make_examples(3)]
    del docs[1].user_data["docre_relations"]
    write_docs({tmp_path / "some.spacy": docs, tmp_path / "none.spacy": docs[1:2]})
    documents = read_annotated(tmp_path / "some.spacy", Vocab())
    assert list(documents.docs) == ["Document 1", "Document 3"]
    assert documents.not_annotated == ["Document 2"]
    with pytest.raises(ValueError, match="none.spacy has no document with annotated relations"):
        read_annotated(tmp_path / "none.spacy", Vocab())
    with pytest.raises(ValueError, match="none.spacy holds no relations"):
        read_training_data(tmp_path / "none.spacy", set())


def test_only_facts_that_are_asked_for_are_kept(tmp_path: Path, make_examples: Callable) -> None:
    docs = [example.reference for example in make_examples(5)]
    write_docs({tmp_path / "train.spacy": docs})
    relation = docs[0]._.relations[0]
    fact = (relation.head.text, relation.tail.text, relation.label_)
    training = read_training_data(tmp_path / "train.spacy", {fact, ("Ada", "Oslo", "P0")})
    assert training.facts == {fact}
    assert sum(training.labels.values()) == sum(len(doc._.relations) for doc in docs)
