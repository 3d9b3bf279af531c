"""Checkpoints that are damaged."""

import json
import random
from pathlib import Path
from typing import Any, Callable

import pytest
from spacy.language import Language

from spacy_docre.training.checkpoint import (
    EvaluatedStep,
    read_checkpoint,
    restore,
    save_checkpoint,
)
from spacy_docre.training.optimizer import make_adamw
from tests.damage import BYTES, JSON_STRANGE, change_field

STATE = "state.json"


@pytest.fixture(scope="module")
def nlp(make_pipeline: Callable, make_examples: Callable) -> Language:
    return make_pipeline(examples=make_examples(2))


@pytest.fixture
def folder(nlp: Language, tmp_path: Path) -> Path:
    """A checkpoint."""
    evaluations = [EvaluatedStep(4, 0.5, {"rel_f": 0.5})]
    state = random.Random(0).getstate()
    save_checkpoint(tmp_path, nlp, make_adamw(0.1), evaluations, {"train": "abc"}, [state])
    (folder,) = tmp_path.iterdir()
    return folder


def test_a_good_one(folder: Path, nlp: Language) -> None:
    found = read_checkpoint(folder.parent)
    assert found is not None and found.steps == 5
    restore(folder.parent, nlp, make_adamw(0.1))


@pytest.mark.parametrize(
    "change",
    [
        {"evaluations": []},
        {"evaluations": [7]},
        {"evaluations": [{"step": "x", "score": 0.5, "other_scores": {}}]},
        {"evaluations": [{"step": 4, "score": None, "other_scores": {}}]},
        {"config": 7},
        {"inputs": []},
        {"epochs": [7]},
        {"epochs": [[3, [1, 2], None]]},
        {"random_states": {}},
        {"unknown": 7},
    ],
)
def test_damaged_state(change: Any, folder: Path) -> None:
    state = json.loads((folder / STATE).read_text())
    (folder / STATE).write_text(json.dumps({**state, **change}))
    with pytest.raises(ValueError, match="checkpoint .* is damaged. Start over with --force"):
        read_checkpoint(folder.parent)


@pytest.mark.parametrize("seed", range(30))
def test_damaged(seed: int, folder: Path, nlp: Language) -> None:
    choice = random.Random(seed)
    file = choice.choice(sorted(folder.iterdir()))
    if file.name == STATE and seed % 2:
        file.write_text(
            json.dumps(change_field(json.loads(file.read_text()), choice, JSON_STRANGE))
        )
    else:
        file.write_bytes(choice.choice(BYTES)(file.read_bytes(), choice))
    try:
        read_checkpoint(folder.parent)
        restore(folder.parent, nlp, make_adamw(0.1))
    except ValueError as error:
        assert "damaged" in str(error) or "do not fit" in str(error)


@pytest.mark.parametrize("name", ["state.json", "weights.safetensors", "optimizer.safetensors"])
def test_missing_file(name: str, folder: Path, nlp: Language) -> None:
    (folder / name).unlink()
    with pytest.raises(ValueError, match="is damaged"):
        read_checkpoint(folder.parent)
        restore(folder.parent, nlp, make_adamw(0.1))
