"""`docre graph`."""

import json
from pathlib import Path

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate.graph.formats import FORMATS
from spacy_docre.annotate.graph.merge import FUNCTIONAL
from tests.annotate.graph.test_merge import record, write
from tests.cli.test_options import help_of


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "graph", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder of triples that contradict each other."""
    monkeypatch.chdir(tmp_path)
    Path("triples").mkdir()
    for name, date in (("a", "1867"), ("b", "1868")):
        entities = [("Marie Curie", "PER", "Q7186"), (date, "TIME", "")]
        relations = [(0, 1, "P569", 0.5), (0, 0, "x", 0.25)]
        write(Path("triples", f"{name}.jsonl"), [record(name, entities, relations)])
    return tmp_path


def test_all_at_once(folder: Path) -> None:
    outputs = [("--output", f"out/graph{suffix}") for suffix in FORMATS]
    result = run("triples", *(part for pair in outputs for part in pair), "-r", "report.jsonl")
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "2 documents, 3 entities, 3 relations" in text and "1 contradictions" in text
    assert "Marie Curie, the P569: 1867 (1), 1868 (1)" in text
    assert "1 relations lead from an entity to itself" in text
    assert all(Path(path).exists() for _, path in outputs)
    assert len(Path("report.jsonl").read_text().splitlines()) == 1


def test_options(folder: Path) -> None:
    options = ["--functional", "x", "--threshold", 0.3, "--max-evidence", 1, "--memory", 600]
    result = run("triples", "-o", "a.csv", *options, "--min-documents", 1)
    assert "2 relations" in result.output and len(Path("a.csv").read_text().splitlines()) == 3
    again = run("triples", "-o", "a.csv")
    assert again.exit_code == 1 and "Overwrite with --force" in " ".join(again.output.split())
    assert run("triples", "-o", "a.csv", "--force").exit_code == 0
    assert len(Path("a.csv").read_text().splitlines()) == 4


def test_a_line_that_is_damaged_leaves_what_was_there(folder: Path) -> None:
    Path("out.csv").write_text("before")
    with Path("triples", "b.jsonl").open("a") as file:
        file.write('{"id": \n')
    result = run("triples", "-o", "out.csv", "-o", "neo4j", "--force")
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "b.jsonl, line 2" in " ".join(result.output.split())
    assert Path("out.csv").read_text() == "before"
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "triples"]


def test_a_report_that_would_be_read(folder: Path) -> None:
    before = Path("triples/a.jsonl").read_text()
    result = run("triples", "-o", "a.csv", "-r", "triples/a.jsonl", "--force")
    assert result.exit_code == 1 and Path("triples/a.jsonl").read_text() == before
    assert json.loads(before)["id"] == "a"


def test_formats_before_files(folder: Path) -> None:
    result = run("triples", "-o", "a.docx")
    assert result.exit_code == 1 and "Unknown format" in result.output


def test_help_names_formats_and_relations() -> None:
    text = help_of("graph")
    assert all(suffix in text for suffix in FORMATS)
    assert all(label in text for label in FUNCTIONAL)


def test_ids_of_two_runs_are_told(folder: Path) -> None:
    for name in "ab":
        write(Path("triples", f"{name}.jsonl"), [{**record("1", []), "text": name}])
    result = run("triples", "-o", "a.csv")
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    assert "2 documents" in text and "1 ids are used by several documents" in text
