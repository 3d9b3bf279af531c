"""Packages of extras, where they are not installed."""

from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate.outputs import OUTPUTS, choose_output
from spacy_docre.data.facts import read_knowledge_base
from spacy_docre.extras import EXTRAS, import_extra
from tests.packages import missing


@pytest.fixture
def hide() -> Iterator[Callable[[str], None]]:
    """Makes a package as one that is not installed."""
    with ExitStack() as stack:
        yield lambda package: stack.enter_context(missing(package))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a text, an annotated document, facts of ids."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("Ada likes Oslo.")
    doc = Doc(spacy.blank("en").vocab, words=["Ada", "likes", "Oslo"])
    doc._.entities = [[doc[0:1]], [doc[2:3]]]
    DocBin(store_user_data=True, docs=[doc]).to_disk("docs.spacy")
    Path("triples.jsonl").write_text("")
    Path("facts.nt").write_text("<urn:a/Q1> <urn:a/P1> <urn:a/Q2> .\n")
    return tmp_path


@pytest.mark.parametrize("package", EXTRAS)
def test_missing(package: str, hide: Callable) -> None:
    hide(package)
    for module in (package, f"{package}.part"):
        with pytest.raises(ImportError) as caught:
            import_extra(module)
        assert str(caught.value) == (
            f"{package} is not installed. Run: pip install 'spacy-docre[{EXTRAS[package]}]'"
        )


@pytest.mark.parametrize(
    "package, command",
    [
        *(
            (needs, ["annotate", "no_model", "text.txt", "-o", f"out{suffix}"])
            for suffix, needs in (
                (".nt", "rdflib"),
                (".ttl", "rdflib"),
                (".jsonld", "rdflib"),
                (".graphml", "networkx"),
                (".parquet", "pyarrow"),
            )
        ),
        ("duckdb", ["graph", "triples.jsonl", "-o", "out.csv"]),
        ("rdflib", ["graph", "triples.jsonl", "-o", "out.nt"]),
        ("ray", ["annotate", "no_model", "text.txt", "-o", "out.jsonl", "--engine", "ray"]),
        ("rdflib", ["distant", "docs.spacy", "facts.nt", "out.spacy"]),
        ("plotly", ["evaluate", "no_model", "docs.spacy", "--output", "out"]),
    ],
)
def test_commands_say_so_before_they_begin(
    package: str, command: List[str], hide: Callable, files: Path
) -> None:
    hide(package)
    result = run(*command)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert f"pip install 'spacy-docre[{EXTRAS[package]}]'" in " ".join(result.output.split())
    assert not list(files.glob("out*"))


def test_what_needs_no_extra(hide: Callable, files: Path) -> None:
    for package in EXTRAS:
        hide(package)
    for suffix in (".jsonl", ".csv", ".spacy", ".html"):
        assert choose_output(Path(f"out{suffix}")) is OUTPUTS[suffix]
    Path("facts.tsv").write_text("Q1\tP1\tQ2\n")
    assert run("distant", "docs.spacy", "facts.tsv", "out.spacy").exit_code == 0
    assert run("render", "docs.spacy", "out.html").exit_code == 0


def test_functions(hide: Callable, files: Path) -> None:
    hide("rdflib")
    with pytest.raises(ImportError, match="rdflib is not installed"):
        read_knowledge_base(files / "facts.nt")
