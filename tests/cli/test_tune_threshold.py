"""`python -m spacy docre tune-threshold`."""

from pathlib import Path
from typing import Callable

import pytest
import spacy
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.evaluation.gold import read_gold
from spacy_docre.evaluation.predict import predict_answers
from spacy_docre.pipeline.components import relation_extractors


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "tune-threshold", *map(str, arguments)])


@pytest.fixture
def gold(make_examples: Callable, tmp_path: Path) -> Path:
    # Those that the pipeline has learnt by heart, and a few that it has not seen.
    docs = [example.reference for example in [*make_examples(10), *make_examples(6, seed=3)]]
    for number, doc in enumerate(docs):
        doc.user_data["title"] = str(number)
    write_docs({tmp_path / "gold.spacy": docs})
    return tmp_path / "gold.spacy"


def f1(path: Path, gold: Path, threshold: float) -> float:
    """The F1 of a pipeline with another threshold."""
    nlp = spacy.load(path)
    relation_extractors(nlp)[-1].cfg["threshold"] = threshold
    known = read_gold(gold, nlp.vocab)
    found = {triple for part, _ in predict_answers(nlp, known.docs) for triple in part}
    triples = {triple for document in known.documents.values() for triple in document.triples}
    return 2 * len(found & triples) / (len(found) + len(triples))


def test_no_threshold_is_better(trained_folder: Path, gold: Path, tmp_path: Path) -> None:
    # It begins with one that is bad.
    nlp = spacy.load(trained_folder)
    (extractor,) = relation_extractors(nlp)
    extractor.cfg["threshold"] = 0.999
    nlp.get_pipe_config(extractor.name)["threshold"] = 0.999
    nlp.to_disk(tmp_path / "strict")
    result = run(tmp_path / "strict", gold, tmp_path / "out")
    assert result.exit_code == 0, result.output
    tuned = spacy.load(tmp_path / "out")
    threshold = relation_extractors(tuned)[-1].cfg["threshold"]
    assert tuned.config["components"]["doc_relation_extractor"]["threshold"] == threshold
    # The threshold of before can be chosen again.
    for other in (0.5, 0.6, 0.999):
        chosen = spacy.load(
            tmp_path / "out", config={f"components.{extractor.name}.threshold": other}
        )
        assert relation_extractors(chosen)[-1].cfg["threshold"] == other
    best = f1(tmp_path / "out", gold, threshold)
    text = " ".join(result.output.split())
    assert f"threshold is now {threshold:.3f}, and was 0.999" in text
    assert f"F1 is {best:.3f}" in text
    others = [f1(tmp_path / "out", gold, other) for other in (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999)]
    assert best >= max(others) and best > others[-1]


def test_a_folder_that_cannot_be_replaced(
    trained_folder: Path, gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told before the documents are scored."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spacy_docre.cli.tune_threshold.score_gold", None)
    result = run(trained_folder, gold, Path("."), "--force")
    assert result.exit_code == 1 and "in use" in " ".join(result.output.split())


def test_refused(trained_folder: Path, gold: Path, make_doc: Callable, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert "Already there" in run(trained_folder, gold, tmp_path / "there").output
    doc = make_doc(["A", "likes", "B"], [[(0, 1)], [(2, 3)]])
    doc._.entities = [[doc[0:1]], [doc[2:3]]]
    doc._.relations = []
    write_docs({tmp_path / "few.spacy": [doc]})
    result = run(trained_folder, tmp_path / "few.spacy", tmp_path / "out")
    assert result.exit_code == 1 and "no threshold is better" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()
