"""A small run of the fuzzing, with fixed seeds; `python -m benchmarks.fuzzing` is the long one."""

import json
from pathlib import Path
from typing import Callable

import pytest
import spacy
from spacy.tokens import DocBin

from .fuzzing import fuzz_annotate, fuzz_files, fuzz_pipeline, fuzz_texts
from .pinned import PIPELINE, load_in_float32

DOCRED = Path(__file__).parent.parent / "assets" / "quickstart" / "dev.json"
PRODIGY = DOCRED.with_name("prodigy.jsonl")


@pytest.fixture(scope="module")
def finding(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained pipeline of tests, which finds its entities in bare text."""
    nlp = spacy.load(trained_folder)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    names = ["Ada Lane", "Bruno Falk", "Oslo", "Porto", "Borealis", "Acme Works", "Norway"]
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in names])
    nlp.add_pipe("sentencizer", first=True)
    folder = tmp_path_factory.mktemp("fuzzing") / "model"
    nlp.to_disk(folder)
    return folder


def test_texts() -> None:
    assert fuzz_texts(load_in_float32(), seed=1, number=64) > 10


def test_texts_of_a_small_pipeline(finding: Path) -> None:
    assert fuzz_texts(spacy.load(finding), seed=2, number=300) > 10


@pytest.mark.parametrize("seed", range(3))
def test_lines(finding: Path, tmp_path: Path, seed: int) -> None:
    # Some lines are damaged, most are not.
    assert 0 < fuzz_annotate(finding, tmp_path, seed, number=60) < 40


def test_damaged_json(tmp_path: Path) -> None:
    source = tmp_path / DOCRED.name
    source.write_text(json.dumps(json.loads(DOCRED.read_text("utf8"))[:2]), "utf8")
    commands = [["convert", "INPUT", tmp_path / "out.spacy", "--force"], ["stats", "INPUT"]]
    results = fuzz_files(commands, source, tmp_path, seed=3, number=40)
    assert {result.exit_code for result in results} == {0, 1}


def test_damaged_prodigy_files(tmp_path: Path) -> None:
    command = ["convert", "INPUT", tmp_path / "out.spacy", "--force"]
    results = fuzz_files([command], PRODIGY, tmp_path, seed=4, number=40)
    assert {result.exit_code for result in results} == {0, 1}


def test_damaged_spacy_files(finding: Path, make_examples: Callable, tmp_path: Path) -> None:
    source = tmp_path / "docs.spacy"
    docs = [example.reference for example in make_examples(4)]
    DocBin(docs=docs, store_user_data=True).to_disk(source)
    commands = [["stats", "INPUT"], ["annotate", finding, "INPUT", "--output", "OUTPUT"]]
    results = fuzz_files(commands, source, tmp_path, seed=5, number=25)
    assert 1 in {result.exit_code for result in results}


def test_damaged_pipelines(finding: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Ada Lane was born in Oslo. Bruno Falk was born in Porto.", "utf8")
    results = fuzz_pipeline(finding, text, tmp_path, seed=6, number=30)
    assert {result.exit_code for result in results} == {0, 1}


def test_damaged_weights_of_the_shipped_pipeline(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Marie Curie was born in Warsaw.", "utf8")
    assert fuzz_pipeline(PIPELINE, text, tmp_path, seed=7, number=3)
