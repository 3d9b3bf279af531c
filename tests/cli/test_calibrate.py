"""`python -m spacy docre calibrate`."""

from pathlib import Path
from typing import Callable

import pytest
import spacy
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.evaluation.calibration import reliability
from spacy_docre.evaluation.gold import read_gold
from spacy_docre.evaluation.predict import predict_answers
from spacy_docre.pipeline.components import relation_extractors


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "calibrate", *map(str, arguments)])


@pytest.fixture
def gold(make_examples: Callable, tmp_path: Path) -> Path:
    # Those that the pipeline has learnt by heart, and a few that it has not seen.
    examples = [*make_examples(10), *make_examples(3, seed=3)]
    docs = [example.reference for example in examples]
    for number, doc in enumerate(docs):
        doc.user_data["title"] = str(number)
    write_docs({tmp_path / "gold.spacy": docs})
    return tmp_path / "gold.spacy"


def answers(path: Path, gold: Path):
    """The calibration error of a pipeline, its answers and their scores."""
    nlp = spacy.load(path)
    known = read_gold(gold, nlp.vocab)
    found, candidates = {}, {}
    for part, less_probable in predict_answers(nlp, known.docs):
        found.update(part)
        candidates.update(less_probable)
    triples = {triple for document in known.documents.values() for triple in document.triples}
    scores = {triple: answer.score for triple, answer in candidates.items()}
    return reliability(triples, scores).error, set(found), scores, nlp


def test_scores_are_better_and_answers_the_same(
    trained_folder: Path, gold: Path, tmp_path: Path
) -> None:
    # Far too sure of itself.
    sure = spacy.load(trained_folder)
    (extractor,) = relation_extractors(sure)
    extractor.calibrate(5.0, 1.0)
    sure.get_pipe_config(extractor.name)["threshold"] = extractor.cfg["threshold"]
    sure.to_disk(tmp_path / "sure")
    result = run(tmp_path / "sure", gold, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "the calibration error was" in " ".join(result.output.split())
    error, found, scores, nlp = answers(tmp_path / "sure", gold)
    new_error, new_found, new_scores, new_nlp = answers(tmp_path / "out", gold)
    assert new_found == found and found
    assert new_error < 0.7 * error
    both = scores.keys() & new_scores.keys()
    order = sorted(both, key=lambda triple: scores[triple])
    values = [new_scores[triple] for triple in order]
    assert values == sorted(values)
    threshold = new_nlp.get_pipe("doc_relation_extractor").cfg["threshold"]
    assert threshold == new_nlp.config["components"]["doc_relation_extractor"]["threshold"]
    assert threshold != nlp.get_pipe("doc_relation_extractor").cfg["threshold"]


def test_refused(trained_folder: Path, gold: Path, make_doc: Callable, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert "Already there" in run(trained_folder, gold, tmp_path / "there").output
    doc = make_doc(["A", "likes", "B"], [[(0, 1)], [(2, 3)]])
    doc._.entities = [[doc[0:1]], [doc[2:3]]]
    doc._.relations = []
    write_docs({tmp_path / "few.spacy": [doc]})
    result = run(trained_folder, tmp_path / "few.spacy", tmp_path / "out")
    assert result.exit_code == 1 and "give more" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()
