"""`python -m spacy docre calibrate`."""

from pathlib import Path
from typing import Callable

import pytest
import spacy
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.evaluation import predict
from spacy_docre.evaluation.calibration import with_cuts
from spacy_docre.evaluation.gold import GoldSet, read_gold
from spacy_docre.models.calibration import Calibration
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


def answers(path: Path, gold: Path, monkeypatch: pytest.MonkeyPatch, lowest: float):
    """A pipeline, its answers to documents and short passages, the scores of these and of less
    probable ones, and gold."""
    nlp = spacy.load(path)
    known = GoldSet(with_cuts(read_gold(gold, nlp.vocab).docs), [], [])
    monkeypatch.setattr(predict, "LOWEST", lowest)
    found, candidates = set(), {}
    for part, less_probable in predict.predict_answers(nlp, known.docs):
        found.update(part)
        candidates.update(less_probable)
    triples = {triple for document in known.documents.values() for triple in document.triples}
    return nlp, found, {triple: answer.score for triple, answer in candidates.items()}, triples


def test_scores_are_better_and_answers_the_same(
    trained_folder: Path, gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It takes far too much for possible.
    unsure = spacy.load(trained_folder)
    (extractor,) = relation_extractors(unsure)
    extractor.calibrate(Calibration(0.3, 2.0), num_words=1)
    unsure.get_pipe_config(extractor.name)["threshold"] = extractor.cfg["threshold"]
    unsure.to_disk(tmp_path / "unsure")
    result = run(tmp_path / "unsure", gold, tmp_path / "out")
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "the calibration error was" in text
    # All changes together.
    changes = relation_extractors(spacy.load(tmp_path / "out"))[0].model.get_ref("pair_scorer")
    scale, shift, slope = changes.attrs["calibration"]
    assert f"sigmoid({scale:.3f} m + ({shift:.3f}) + ({slope:.3f}) log n)" in text
    nlp, found, scores, triples = answers(tmp_path / "unsure", gold, monkeypatch, 0.05)
    new_nlp, new_found, new_scores, _ = answers(tmp_path / "out", gold, monkeypatch, 1e-9)
    # The documents, all about as long, keep their relations. Passages need not.
    kept, before = (
        {triple for triple in each if triple.document.isdigit()} for each in (new_found, found)
    )
    assert len(kept ^ before) <= 0.1 * len(before) and before
    # Where the likelihood is largest, as many are right as the scores add up to.
    right = len(scores.keys() & triples)
    assert sum(new_scores[triple] for triple in scores) == pytest.approx(right, rel=0.01)
    assert sum(scores.values()) > 1.1 * right
    order = sorted(scores, key=lambda triple: scores[triple])
    for document in {triple.document for triple in order}:
        values = [new_scores[triple] for triple in order if triple.document == document]
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
