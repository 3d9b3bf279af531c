"""Every command that writes says that the disk is full, and leaves nothing half written."""

import json
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import pytest
import spacy
from spacy.cli._util import app
from spacy.language import Language
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import write_docs

CONFIG = Path(__file__).parents[2] / "configs" / "quickstart.cfg"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", *map(str, arguments)])


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file becomes larger than so many bytes, as on a disk that has no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def folder(make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with documents."""
    monkeypatch.chdir(tmp_path)
    docs = [example.reference for example in make_examples(4)]
    for index, doc in enumerate(docs):
        doc.user_data["title"] = f"Document {index}"
    write_docs({Path("docs.spacy"): docs})
    record = {
        "title": "A",
        "sents": [["Ada", "Lane", "saw", "Oslo"]],
        "vertexSet": [
            [{"name": "Ada Lane", "pos": [0, 2], "sent_id": 0, "type": "PER"}],
            [{"name": "Oslo", "pos": [3, 4], "sent_id": 0, "type": "LOC"}],
        ],
        "labels": [],
    }
    Path("docs.json").write_text(json.dumps([record]))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "teach MODEL docs.spacy out",
        "convert docs.json out.spacy",
        "convert docs.json out",
        "distant docs.spacy docs.spacy out.spacy --from-gold",
        *(
            f"annotate MODEL docs.spacy -o out.{suffix} -t 0"
            for suffix in ("jsonl", "csv", "spacy", "nt", "ttl", "graphml", "html", "parquet")
        ),
        "evaluate MODEL docs.spacy -o out",
        "predict MODEL docs.spacy -o out.json -t 0",
        "stats docs.spacy -o out.json",
        "render docs.spacy out.html",
    ],
)
def test_full_disk(command: str, folder: Path, trained_folder: Path) -> None:
    arguments: List[object] = [trained_folder if a == "MODEL" else a for a in command.split()]
    before = {path for path in folder.iterdir()}
    with full_disk(64):
        result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "too large" in " ".join(result.output.split())
    left = [path for path in folder.iterdir() if path not in before]
    # What a run that was broken off goes on from, under a name of its own.
    assert all(
        path.name == ".out.docre-new" or not any(path.iterdir()) for path in left if path.is_dir()
    )
    assert all(path.is_dir() for path in left)
    # There is room again.
    assert run(*arguments).exit_code == 0


@pytest.mark.parametrize("command", ["calibrate", "tune-threshold"])
def test_a_pipeline_that_is_replaced(
    command: str, folder: Path, trained_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays whole until the new one is. Other files stay."""

    def files() -> Dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path("model").rglob("*") if path.is_file()}

    def save_on_a_full_disk(nlp: Language, path: Path) -> None:
        with full_disk(64):
            save(nlp, path)

    save = Language.to_disk
    shutil.copytree(trained_folder, "model")
    Path("model/vocab/mine.txt").write_text("mine")
    before = files()
    arguments = (command, "model", "docs.spacy", "model", "--force")
    monkeypatch.setattr(Language, "to_disk", save_on_a_full_disk)
    result = run(*arguments)
    assert result.exit_code == 1 and "too large" in " ".join(result.output.split())
    assert files() == before
    monkeypatch.setattr(Language, "to_disk", save)
    assert run(*arguments).exit_code == 0
    assert files().keys() == before.keys() and files() != before
    spacy.load("model")


def test_training_on_a_full_disk(
    make_pipeline: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipelines and the checkpoint of before stay whole, and the training can go on."""
    config = spacy.util.load_config(CONFIG)
    pipeline = make_pipeline()
    config["nlp"]["pipeline"] = pipeline.pipe_names
    config["components"] = pipeline.config["components"]
    config["paths"].update(train="docs.spacy", dev="docs.spacy")
    config["training"].update(max_steps=6, eval_frequency=2, patience=0, max_epochs=0)
    config["training"]["score_weights"] = {"rel_f": 1.0}
    config.to_disk("config.cfg")
    finished: List[Path] = []

    # The first pipeline is written, and what follows is not.
    from spacy_docre.training import loop

    save = loop.save_checkpoint

    def save_and_fill(output: Path, *arguments: object) -> None:
        with full_disk(10_000 if finished else 10**9):
            save(output, *arguments)
        finished.append(output)

    monkeypatch.setattr(loop, "save_checkpoint", save_and_fill)
    result = run("train", "config.cfg", "-o", "out")
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert "cannot be written" in result.output
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["checkpoint-00000000", "checkpoint-begun.tmp", "model-best", "model-last"]
    spacy.load("out/model-last")
    monkeypatch.setattr(loop, "save_checkpoint", save)
    for size in (10_000, 10**9):
        with full_disk(size):
            result = run("train", "config.cfg", "-o", "out")
        assert result.exit_code == (1 if size == 10_000 else 0), result.output
        spacy.load("out/model-last")
        spacy.load("out/model-best")
