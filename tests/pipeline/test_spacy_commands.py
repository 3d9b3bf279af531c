"""spaCy's own commands, on pipelines with the component."""

from pathlib import Path
from typing import Callable

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.cli.find_threshold import find_threshold
from spacy.tokens import DocBin
from typer.testing import CliRunner

from tests.conftest import as_stock

EXTRACTOR = "doc_relation_extractor"
LABELS = ["based in", "born in", "works for"]
TRAINING = {
    "max_steps": 60,
    "eval_frequency": 30,
    "patience": 0,
    "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.0005},
    "batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": 5},
    "logger": {"@loggers": "spacy.ConsoleLogger.v3"},
}


def run(*arguments: object) -> str:
    """Run `spacy` with some arguments, and give what it writes."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def data(make_examples: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten documents with gold entities and relations."""
    path = tmp_path_factory.mktemp("data") / "train.spacy"
    docs = [example.reference for example in make_examples(10)]
    DocBin(store_user_data=True, docs=docs).to_disk(path)
    return path


@pytest.fixture
def config_path(make_pipeline: Callable, data: Path, tmp_path: Path) -> Path:
    """A training config."""
    config = make_pipeline(learn_rate_factor=10.0, threshold=0.25).config
    reader = {"@readers": "spacy_docre.Corpus.v1", "path": str(data)}
    config["corpora"] = {"train": {**reader, "shuffle": True}, "dev": reader}
    config["training"].update(TRAINING)
    config.to_disk(tmp_path / "config.cfg")
    return tmp_path / "config.cfg"


def test_train_and_evaluate(config_path, data, tmp_path):
    output = run("train", config_path, "--output", tmp_path / "output")
    assert "REL_F" in output
    best = spacy.load(tmp_path / "output" / "model-best")
    assert best.get_pipe(EXTRACTOR).label_data == LABELS
    performance = best.meta["performance"]
    assert set(performance) >= {"rel_f", "rel_p", "rel_r", "rel_ign_f", "rel_per_type"}
    assert performance["rel_f"] > 0.1
    metrics = tmp_path / "metrics.json"
    run("evaluate", best.path, data, "--output", metrics, "--per-component")
    score = srsly.read_json(metrics)[EXTRACTOR]["rel_f"]
    assert score == pytest.approx(performance["rel_f"], abs=1e-4)


def test_train_from_the_stock_transformer(config_path, tmp_path):
    config = spacy.util.load_config(config_path)
    transformer = config["components"]["transformer"]
    transformer["model"] = as_stock(transformer["model"])
    config["training"]["max_steps"] = 2
    config.to_disk(config_path)
    run("train", config_path, "--output", tmp_path / "output")
    config = spacy.load(tmp_path / "output" / "model-last").config
    model = config["components"]["transformer"]["model"]
    assert model["@architectures"] == "spacy_docre.TransformerModel.v1"


def test_init_labels(config_path, tmp_path):
    run("init", "labels", config_path, tmp_path / "labels")
    assert srsly.read_json(tmp_path / "labels" / f"{EXTRACTOR}.json") == LABELS


def test_fill_config(config_path, tmp_path):
    config = spacy.util.load_config(config_path)
    for setting in ("loss", "entities", "scorer", "threshold"):
        del config["components"][EXTRACTOR][setting]
    config.to_disk(config_path)
    run("init", "fill-config", config_path, tmp_path / "filled.cfg")
    filled = spacy.util.load_config(tmp_path / "filled.cfg")["components"][EXTRACTOR]
    assert filled["loss"]["@misc"] == "spacy_docre.AdaptiveFocalLoss.v1"
    assert filled["threshold"] == 0.5


def test_debug_config(config_path):
    output = run("debug", "config", config_path, "--show-functions")
    assert "Config is valid" in output
    assert "spacy_docre.DocRelationModel.v1" in output


@pytest.mark.parametrize("component", [EXTRACTOR, "transformer"])
def test_debug_model(config_path, component):
    output = run("debug", "model", config_path, component, "--print-step3")
    assert "model looks good" in output


def test_init_config(config_path, data, tmp_path):
    """It leaves the transformer out. With what the error says to add, the config is trainable."""
    made = tmp_path / "made.cfg"
    run("init", "config", made, "--pipeline", f"transformer,{EXTRACTOR}")
    train = ["train", made, "--paths.train", data, "--paths.dev", data, "--training.max_steps", "2"]
    with pytest.raises(ValueError, match=r"\[components.transformer\] factory = \"transformer\""):
        run(*train)
    config = spacy.util.load_config(made)
    config["nlp"]["pipeline"].insert(0, "transformer")
    config["components"]["transformer"] = {"factory": "transformer"}
    config.to_disk(made)
    run("init", "fill-config", made, made)
    encoder = spacy.util.load_config(config_path)["components"]["transformer"]["model"]["name"]
    assert "REL_F" in run(*train, "--components.transformer.model.name", encoder)


def test_assemble(config_path, trained_folder, tmp_path):
    config = spacy.util.load_config(config_path)
    for name in ("transformer", EXTRACTOR):
        config["components"][name] = {"source": str(trained_folder)}
    config.to_disk(config_path)
    run("assemble", config_path, tmp_path / "assembled")
    assembled = spacy.load(tmp_path / "assembled").get_pipe(EXTRACTOR)
    assert assembled.label_data == LABELS


def test_evaluate(trained_folder, data, tmp_path):
    """spaCy's own corpus gives bare documents: the gold entities are used."""
    run("evaluate", trained_folder, data, "--output", tmp_path / "metrics.json")
    metrics = srsly.read_json(tmp_path / "metrics.json")
    assert metrics["rel_f"] >= 0.95
    assert set(metrics["rel_per_type"]) == set(LABELS)


def test_apply(trained_folder, trained, make_examples, tmp_path):
    docs = [example.predicted for example in make_examples(4)]
    DocBin(docs=docs).to_disk(tmp_path / "docs.spacy")
    run("apply", trained_folder, tmp_path / "docs.spacy", tmp_path / "out.spacy")
    found = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(trained.vocab))
    assert len(found) == 4
    for doc, expected in zip(found, trained.pipe(docs), strict=True):
        assert doc._.relations
        assert [relation.triple.label for relation in doc._.relations] == [
            relation.triple.label for relation in expected._.relations
        ]


def test_find_threshold(trained_folder, data):
    output = run(
        "find-threshold", trained_folder, data, EXTRACTOR, "threshold", "rel_f", "--n_trials", 5
    )
    assert "Best threshold" in output
    best, score, scores = find_threshold(
        str(trained_folder), data, EXTRACTOR, "threshold", "rel_f", n_trials=5
    )
    assert score >= 0.95
    assert 0 < best < 1
    assert scores[0.0] < score and scores[1.0] == 0


def test_benchmark_speed(trained_folder, data):
    output = run(
        "benchmark", "speed", trained_folder, data, "--batches", 30, "--batch-size", 2, "-w", 1
    )
    assert "Mean:" in output


def test_package(trained_folder, make_examples, tmp_path):
    run("package", trained_folder, tmp_path, "--build", "none", "--name", "docre_tiny")
    folder = tmp_path / "en_docre_tiny-0.0.0"
    requirements = " ".join(srsly.read_json(folder / "meta.json")["requirements"])
    assert "spacy-docre" in requirements and "spacy-transformers" in requirements
    nlp = spacy.load(folder / "en_docre_tiny" / folder.name)
    assert nlp(make_examples(1)[0].predicted)._.relations
