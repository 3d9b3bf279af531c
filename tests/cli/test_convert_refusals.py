"""`python -m spacy docre convert`: what it refuses, and what it says is lost."""

from pathlib import Path
from typing import Any, Dict

import pytest
import srsly
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401

MENTIONS = [[{"pos": [at, at + 1], "sent_id": 0, "type": "X"}] for at in (0, 2)]


def document(title: str) -> Dict[str, Any]:
    return {"title": title, "sents": [["Ada", "in", title]], "vertexSet": MENTIONS}


def convert(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "convert", *map(str, arguments)])


def output(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory. Nobody has annotated the relations of the second document."""
    monkeypatch.chdir(tmp_path)
    annotated = {**document("Oslo"), "labels": [{"h": 0, "t": 1, "r": "P551"}]}
    srsly.write_json("docred.json", [annotated, document("Turin")])
    srsly.write_json("names.json", {"P551": {"name": "residence"}})
    return tmp_path


def test_names_that_would_have_no_effect() -> None:
    assert convert("docred.json", "gold.spacy").exit_code == 0
    result = convert("gold.spacy", "out.spacy", "--names", "names.json")
    assert result.exit_code == 2
    assert "--names" in output(result) and "read as spacy" in output(result)


@pytest.mark.parametrize("out", ["gold", "gold/all.spacy"])
def test_output_that_would_be_read_as_input(out: str) -> None:
    assert convert("docred.json", "gold", "--split", "a=1", "--split", "b=rest").exit_code == 0
    result = convert("gold", out, "--force")
    assert result.exit_code == 2 and "Name an output outside of it" in output(result)
    assert convert("gold", "gold/brat", "--to", "brat").exit_code == 2
    assert len(list(Path("gold").iterdir())) == 2


def test_tools_do_not_know_what_is_incomplete() -> None:
    assert convert("docred.json", "some.spacy", "--partial").exit_code == 0
    told = (("brat", True), ("label-studio", True), ("prodigy", False), ("doccano", False))
    for tool, unknown in told:
        result = convert("some.spacy", f"{tool}.jsonl", "--to", tool)
        assert result.exit_code == 0
        assert "1 documents have partial relations" in output(result)
        assert ("1 documents have no annotated relations" in output(result)) == unknown
