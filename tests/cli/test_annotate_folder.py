"""`python -m spacy docre annotate` to a folder."""

import json
import os
import pty
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, List

import pandas
import pytest
import spacy
import srsly
import zstandard
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate import batch
from spacy_docre.annotate.inputs import InputDocument, tables
from tests.packages import missing

TEXT = "Ada Lane was born in Oslo ."


@pytest.fixture(scope="module")
def model(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained pipeline, which finds its entities in bare text by itself."""
    nlp = spacy.load(trained_folder)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in ("Ada Lane", "Oslo")])
    folder = tmp_path_factory.mktemp("to_a_folder") / "model"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory, with documents."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"id": f"d{number}", "text": TEXT}) for number in range(5)]
    Path("texts.jsonl").write_text("\n".join([*lines, "no json"]))


def run(*arguments: object, **settings: Any) -> Result:
    return CliRunner().invoke(app, ["docre", "annotate", *map(str, arguments)], **settings)


def output_of(result: Result) -> str:
    return " ".join(result.output.replace("│", "").split())


def test_a_folder_is_gone_on_with(model: Path) -> None:
    """Failures of earlier runs are told again, and count; nothing else is done twice."""
    arguments = [model, "texts.jsonl", "-o", "out", "-f", "parquet", "--part-size", 2, "-t", 0]
    for options in ([], ["--batch-size", 1, "--n-process", 2]):
        result = run(*arguments, *options)
        assert result.exit_code == 1 and "1 documents were left out" in result.output
        assert "Left out: texts.jsonl:6" in result.output
        assert "out: 5 documents, 30 relations in 3 parts" in output_of(result)
    assert list(pandas.read_parquet("out")["id"]) == [f"d{number}" for number in range(5)]
    before = {file: file.stat().st_mtime_ns for file in Path("out").glob("part-*")}
    result = run(*arguments[:-1], 0.5)
    assert result.exit_code == 1 and "--threshold was 0.0 and is 0.5" in output_of(result)
    assert {file: file.stat().st_mtime_ns for file in Path("out").glob("part-*")} == before
    result = run(*arguments[:-1], 1, "--force")
    assert "out: 5 documents, 0 relations in 3 parts" in output_of(result)


def test_a_folder_among_its_own_inputs(model: Path) -> None:
    for _ in range(2):
        result = run(model, ".", "-o", "out", "--part-size", 2)
        assert "5 documents" in result.output
    result = run(model, "texts.jsonl", "out/part-000000.jsonl", "-o", "out")
    assert result.exit_code == 1 and "Both input and output" in result.output


@pytest.mark.parametrize(
    "arguments, code, problem",
    [
        (["-", "-o", "out"], 1, "Save the text in a file first"),
        (["texts.jsonl", "-o", "out", "-o", "a.csv"], 2, "the only output"),
        (["texts.jsonl", "-o", "out", "-f", "xml"], 1, "Unknown format"),
        (["texts.jsonl", "-o", "out.csv", "-f", "csv"], 2, "--format/-f has no meaning"),
        (["texts.jsonl", "-o", "out.csv", "--part-size", "3"], 2, "--part-size has no meaning"),
        (["texts.jsonl", "-o", "mine"], 1, "Name another folder"),
        (["texts.jsonl", "-o", "mine", "--force"], 1, "Name another folder"),
        (["texts.jsonl", "-o", "out"], 1, "Cannot load no_such_model"),
    ],
)
def test_mistakes(arguments: List[str], code: int, problem: str) -> None:
    Path("mine").mkdir()
    Path("mine", "notes.txt").write_text("mine")
    before = sorted(Path().rglob("*"))
    result = run("no_such_model", *arguments)
    assert result.exit_code == code and problem in output_of(result)
    assert sorted(Path().rglob("*")) == before


def test_the_bar_shows_on_a_terminal(model: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "spacy", "docre", "annotate", str(model), "texts.jsonl"]
    with open(ours, "rb", buffering=0) as terminal:
        subprocess.run([*command, "-o", "out"], stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b""
        # What is read of a terminal that has been closed ends with an error.
        with suppress(OSError):
            while piece := terminal.read(1000):
                shown += piece
    assert b"6 documents" in shown


@pytest.mark.parametrize("name", ["triples.v2", "triples.v2.0", "a.b/triples.v2"])
def test_names_of_folders_that_have_a_dot(model: Path, name: str) -> None:
    result = run("no_such_model", "texts.jsonl", "-o", name)
    assert result.exit_code == 1 and f"add a slash: {name}/" in output_of(result)
    for _ in range(2):
        result = run(model, "texts.jsonl", "-o", f"{name}/", "--part-size", 3)
        assert f"{name}: 5 documents" in output_of(result)
    assert sorted(path.name for path in Path(name).glob("*.jsonl")) == [
        "part-000000.jsonl",
        "part-000001.jsonl",
    ]


def test_an_unknown_format_of_parts() -> None:
    result = run("no_such_model", "texts.jsonl", "-o", "out", "-f", "v2")
    assert result.exit_code == 1 and "Unknown format" in result.output
    assert "slash" not in result.output


def test_a_file_that_is_named_as_a_folder(model: Path) -> None:
    result = run(model, "texts.jsonl", "-o", "texts.jsonl/")
    assert result.exit_code == 1 and "texts.jsonl" in result.output


def test_documents_that_have_failed_are_tried_again(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where memory was missing: what the folder was begun with is the same."""
    arguments = [model, "texts.jsonl", "-o", "out"]
    made = batch._make_doc

    def fail(nlp: Language, item: InputDocument) -> Doc:
        if item.id in ("d1", "d3"):
            raise MemoryError("no memory left")
        return made(nlp, item)

    monkeypatch.setattr(batch, "_make_doc", fail)
    result = run(*arguments)
    assert "3 documents were left out" in result.output and "no memory left" in result.output
    monkeypatch.setattr(batch, "_make_doc", made)
    assert "3 documents were left out" in run(*arguments).output
    for _ in range(2):
        result = run(*arguments, "--retry")
        assert result.exit_code == 1 and "1 documents were left out" in result.output
        assert result.output.count("Left out: texts.jsonl:6") == 1
        assert "out: 5 documents" in output_of(result) and "in 2 parts" in output_of(result)
    ids = [json.loads(line)["id"] for file in Path("out").glob("*.jsonl") for line in file.open()]
    assert sorted(ids) == [f"d{number}" for number in range(5)]


DOCX = """<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:body><w:p><w:r><w:t>Of a document.</w:t></w:r></w:p></w:body></w:document>"""


def test_a_retry_where_a_file_can_be_read_again(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its documents have names that those of later files had: none of them is taken for another,
    and what is left out still is told."""
    pandas.DataFrame({"id": ["d0", "d1"], "text": ["Of a table."] * 2}).to_parquet("a.parquet")
    records = [{"id": f"d{number}", "text": f"Of line {number}."} for number in range(3)]
    srsly.write_jsonl("b.jsonl", records)
    arguments = [model, "a.parquet", "b.jsonl", "-o", "out"]
    made = batch._make_doc

    def fail(nlp: Language, item: InputDocument) -> Doc:
        if item.id == "d1":
            raise MemoryError("no memory left")
        return made(nlp, item)

    def no_table(package: str) -> None:
        raise MemoryError("no memory left")

    with monkeypatch.context() as context:
        context.setattr(batch, "_make_doc", fail)
        context.setattr(tables, "import_extra", no_table)
        assert "2 documents were left out" in run(*arguments).output
    result = run(*arguments, "--retry")
    assert result.exit_code == 1 and "Left out: a.parquet" in result.output
    assert "It can be read now. To annotate its documents, start afresh" in output_of(result)
    found = [record for file in Path("out").glob("*.jsonl") for record in srsly.read_jsonl(file)]
    texts = {record["id"]: record["text"] for record in found}
    assert len(found) == len(texts)
    assert texts.items() <= {f"d{number}": f"Of line {number}." for number in range(3)}.items()
    left_out = result.output.count("Left out: ")
    assert f"{left_out} documents were left out" in result.output and len(texts) + left_out == 4


@pytest.mark.parametrize("named", [True, False])
def test_a_retry_where_a_package_has_been_installed(model: Path, named: bool) -> None:
    """The files that need the package are left out, not unknown: the inputs stay the same."""
    files = [Path("in") / name for name in ("a.html", "b.docx", "c.txt", "d.txt.zst")]
    Path("in").mkdir()
    files[0].write_text("<p>Of a page.")
    files[2].write_text("Of a text.")
    files[3].write_bytes(zstandard.compress(b"Of a packed text."))
    with zipfile.ZipFile(files[1], "w") as document:
        document.writestr("word/document.xml", DOCX)
    arguments = [model, *(files if named else ["in"]), "-o", "out"]
    packages = ["lxml", "mammoth", "zstandard"]
    with missing(*packages):
        output = output_of(run(*arguments))
    assert "3 documents were left out" in output
    for package, extra in zip(packages, ["convert", "convert", "zstd"], strict=True):
        assert f"{package} is not installed. Run: pip install 'spacy-docre[{extra}]'" in output
    result = run(*arguments, "--retry")
    assert result.exit_code == 0 and "4 documents" in output_of(result)


@pytest.mark.parametrize("options", [["-o", "out.jsonl"], ["-o", "out", "--force"]])
def test_a_retry_of_what_is_made_anew(options: List[str]) -> None:
    result = run("no_such_model", "texts.jsonl", *options, "--retry")
    assert result.exit_code == 2 and "--retry has no meaning" in output_of(result)
