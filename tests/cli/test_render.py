"""`python -m spacy docre render`."""

from contextlib import closing
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre import Triple
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import choose_output
from spacy_docre.data.corpus_files import read_spacy_docs


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "render", *map(str, arguments)])


@pytest.fixture(autouse=True)
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stored = DocBin(store_user_data=True)
    for index, label in enumerate(["born in", "works for"]):
        doc = Doc(spacy.blank("en").vocab, words=["Ada", "Oslo"])
        doc._.entities = [[doc[0:1]], [doc[1:2]]]
        doc._.relations = [Triple(0, 1, label, 0.5)]
        doc.user_data["title"] = f"title {index}"
        stored.add(doc)
    stored.to_disk("docs.spacy")


def test_page() -> None:
    result = run("docs.spacy", "page.html")
    assert result.exit_code == 0 and "2 documents" in result.output
    page = Path("page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert all(text in page for text in ("title 0", "title 1", "born in", "works for"))


def test_options() -> None:
    assert run("docs.spacy", "page.html", "--relation", "born in", "--limit", 1).exit_code == 0
    page = Path("page.html").read_text()
    assert "born in" in page and "title 1" not in page
    assert run("docs.spacy", "none.html", "--threshold", 0.6).exit_code == 0
    assert "born in" not in Path("none.html").read_text()


def test_short_names() -> None:
    (doc,) = list(DocBin().from_disk("docs.spacy").get_docs(spacy.blank("en").vocab))[:1]
    doc._.relations = [Triple(0, 1, "P131", 0.5, "located in the administrative entity")]
    DocBin(store_user_data=True, docs=[doc]).to_disk("long.spacy")
    for options, name in (
        ((), "located in the administrative entity"),
        (("--short-names",), "located in"),
    ):
        assert run("long.spacy", "page.html", "--force", *options).exit_code == 0
        assert f"Ada: {name}: Oslo" in Path("page.html").read_text()


def test_existing_output() -> None:
    Path("page.html").write_text("precious")
    result = run("docs.spacy", "page.html")
    assert result.exit_code == 1 and "--force" in result.output
    assert Path("page.html").read_text() == "precious"
    assert run("docs.spacy", "page.html", "--force").exit_code == 0


def test_input_that_cannot_be_read() -> None:
    Path("broken.spacy").write_bytes(b"no docs")
    result = run("broken.spacy", "page.html")
    assert result.exit_code == 1 and "broken.spacy is damaged" in result.output
    assert not Path("page.html").exists()


@pytest.mark.parametrize(
    "option, name, near",
    [
        ("--relation", "born_in", "born in"),
        ("--relation", "Works For", "works for"),
        # A word of the texts.
        ("--relation", "Oslo", "born in, works for"),
        ("--label", "LOC", "There is none"),
    ],
)
def test_names_that_no_document_has(option: str, name: str, near: str) -> None:
    result = run("docs.spacy", "page.html", "--relation", "born in", option, name)
    assert result.exit_code == 1 and not Path("page.html").exists()
    text = " ".join(result.output.split())
    assert f"is called {name!r}" in text and near in text


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".spacy"])
def test_what_annotate_has_written(parts: int, suffix: str) -> None:
    """As a file, or a folder of parts. The page is that of the .spacy file."""
    docs = enumerate(read_spacy_docs(Path("docs.spacy"), spacy.blank("en").vocab))
    Path("folder").mkdir()
    for batch in minibatch(docs, 2 // parts):
        file = Path(f"folder/part-{batch[0][0]}{suffix}")
        with closing(choose_output(file)(file)) as output:
            for number, doc in batch:
                fields = {"title": f"title {number}"}
                output.write(doc, InputDocument(f"id {number}", doc.text, fields))
    for path in (file if parts == 1 else "folder", "docs.spacy"):
        result = run(path, f"{Path(path).stem}.html")
        assert result.exit_code == 0, result.output
    (page,) = (file for file in Path().glob("*.html") if file.name != "docs.html")
    assert page.read_text() == Path("docs.html").read_text()


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("ten.jsonl", '{"text": "Ada"}\n' * 10, "docre annotate MODEL ten.jsonl"),
        ("none.jsonl", "", "has no documents"),
        ("a.csv", "text\nAda\n", "does not have the ending of annotated"),
    ],
)
def test_nothing_to_render(name: str, content: str, problem: str) -> None:
    Path(name).write_text(content)
    result = run(name, "page.html")
    assert result.exit_code == 1 and problem in " ".join(result.output.split())
    assert not Path("page.html").exists()
