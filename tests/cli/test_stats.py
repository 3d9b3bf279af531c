"""`python -m spacy docre stats`."""

from pathlib import Path

import srsly
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_docre.cli  # noqa: F401


def test_two_data_sets(tmp_path: Path, make_examples) -> None:
    docs = [example.reference for example in make_examples(5)]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "all.spacy")
    (tmp_path / "few").mkdir()
    for index in range(2):
        one = DocBin(docs=[docs[index]], store_user_data=True)
        one.to_disk(tmp_path / "few" / f"{index}.spacy")
    paths = [str(tmp_path / "all.spacy"), str(tmp_path / "few")]
    output = tmp_path / "stats.json"
    result = CliRunner().invoke(app, ["docre", "stats", *paths, "--output", str(output)])
    assert result.exit_code == 0 and "relations across sentences" in result.output
    figures = srsly.read_json(output)
    assert [figures[path]["documents"] for path in paths] == [5, 2]
    assert [figures[path]["relations"] for path in paths] == [20, 8]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    data = tmp_path / "a.json"
    srsly.write_json(data, [{"title": "A", "sents": [["Ada"]], "vertexSet": [], "labels": []}])
    before = data.read_bytes()
    command = ["docre", "stats", str(data), "--output", str(data)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1 and "Overwrite with --force" in result.output
    assert data.read_bytes() == before
    assert CliRunner().invoke(app, [*command, "--force"]).exit_code == 0
    assert srsly.read_json(data)[str(data)]["documents"] == 1


def test_no_data(tmp_path: Path) -> None:
    (tmp_path / "a.spacy").write_bytes(b"\xff")
    result = CliRunner().invoke(app, ["docre", "stats", str(tmp_path / "a.spacy")])
    assert result.exit_code == 1 and "Cannot read" in result.output


def test_json(tmp_path: Path) -> None:
    mentions = [[{"pos": [index, index + 1], "sent_id": 0, "type": "X"}] for index in (0, 2)]
    document = {"title": "A", "sents": [["Ada", "in", "Oslo"]], "vertexSet": mentions}
    srsly.write_json(tmp_path / "a.json", [{**document, "labels": [{"h": 0, "t": 1, "r": "P1"}]}])
    output = tmp_path / "stats.json"
    command = ["docre", "stats", str(tmp_path / "a.json"), "--output", str(output)]
    assert CliRunner().invoke(app, command).exit_code == 0
    (figures,) = srsly.read_json(output).values()
    assert (figures["documents"], figures["entities"], figures["relations"]) == (1, 2, 1)
