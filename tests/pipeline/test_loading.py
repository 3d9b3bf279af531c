"""Pipelines whose files are damaged: one error, never another exception."""

import json
import random
import shutil
import warnings
from pathlib import Path
from typing import Callable, Dict

import pytest
import spacy
import srsly
from spacy.cli._util import app
from typer.testing import CliRunner

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.pipeline.loading import load_pipeline
from tests.damage import damage_folder

EXTRACTOR = "doc_relation_extractor"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("part", ["", "transformer", EXTRACTOR])
def test_damaged_folder(part: str, seed: int, trained_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(trained_folder, folder)
    damage_folder(folder / part, random.Random(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # What is in our own files needs nothing to say what is wrong with it.
            nlp = spacy.load(folder) if part == EXTRACTOR else load_pipeline(folder)
            nlp("Ada Lane was born in Oslo .")
        except (OSError, ValueError) as error:
            assert str(error)


@pytest.mark.parametrize(
    "file, content",
    [
        ("vocab/strings.json", b'["a", {"x": 1}]'),
        ("vocab/key2row", b"\x07"),
        ("transformer/cfg", b"7"),
        ("meta.json", b'{"lang": 7}'),
        ("config.cfg", b"[nlp"),
    ],
)
def test_commands_say_what_is_damaged(
    file: str, content: bytes, trained_folder: Path, make_examples: Callable, tmp_path: Path
) -> None:
    """Also what spaCy and its other components read."""
    folder = tmp_path / "damaged"
    shutil.copytree(trained_folder, folder)
    (folder / file).write_bytes(content)
    docs = tmp_path / "docs.spacy"
    write_docs({docs: [example.reference for example in make_examples(2)]})
    for command in (
        ["annotate", folder, docs, "--output", tmp_path / "out.jsonl"],
        ["evaluate", folder, docs],
        ["logits", folder, docs, tmp_path / "logits"],
    ):
        result = CliRunner().invoke(app, ["docre", *map(str, command)])
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
        assert "damaged" in result.output
    assert not (tmp_path / "out.jsonl").exists() and not (tmp_path / "logits").exists()


@pytest.mark.parametrize(
    "settings",
    [
        *([], 7, None, {}, {"labels": None}, {"labels": [1, 2, 3]}, {"labels": "abc"}),
        {"label_names": []},
        {"label_names": {"x": 7}},
        {"label_names": {"x": "\ud800"}},
        *({"labels": ["a", "b", ""]}, {"labels": ["a", "b", "a"]}),
    ],
)
def test_settings_of_other_kinds(settings: object, trained_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(trained_folder, folder)
    file = folder / EXTRACTOR / "cfg"
    if isinstance(settings, dict) and settings:
        settings = {**srsly.read_json(file), **settings}
    file.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=f"settings file .*cfg of '{EXTRACTOR}' cannot be read"):
        spacy.load(folder)


@pytest.mark.parametrize("settings", [{"top_k": 1.5}, {"top_k": True}, {"threshold": True}])
def test_numbers_of_other_kinds(
    settings: Dict[str, object], trained_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained_folder, tmp_path / "damaged")
    file = folder / EXTRACTOR / "cfg"
    srsly.write_json(file, {**srsly.read_json(file), **settings})
    with pytest.raises(ValueError, match="is not a number"):
        spacy.load(folder)


@pytest.mark.parametrize("change", ["state", "nodes", "attrs", "shims", "refs"])
def test_weight_file_of_another_structure(
    change: str, trained_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(trained_folder, folder)
    file = folder / EXTRACTOR / "model"
    message = srsly.read_msgpack(file)
    if change == "state":
        (index,) = [i for i, shims in enumerate(message["shims"]) if shims]
        shim = srsly.msgpack_loads(message["shims"][index][0])
        message["shims"][index] = [srsly.msgpack_dumps({**shim, "state": b""})]
    elif change == "refs":
        message["nodes"][0]["refs"] = 7
    else:
        message[change] = {"x": 1}
    srsly.write_msgpack(file, message)
    with pytest.raises(ValueError, match=f"{EXTRACTOR}.*(Copy or train|no weights|layers)"):
        spacy.load(folder)


def test_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        load_pipeline(tmp_path / "nowhere")
