"""`python -m spacy docre reshape`."""

from pathlib import Path
from typing import Callable, List

import pytest
from spacy.cli._util import app
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotations import has_partial_relations, has_relations, mark_partial
from spacy_docre.data.corpus_files import read_spacy_docs, write_docs


@pytest.fixture(autouse=True)
def folder(make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with documents; the last is partial, and evidence is known."""
    monkeypatch.chdir(tmp_path)
    docs = [example.reference for example in make_examples(7)]
    for number, doc in enumerate(docs):
        doc.user_data["title"] = f"Document {number}"
    mark_partial(docs[-1])
    write_docs({Path("docs.spacy"): docs})
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["docre", "reshape", *arguments])


def output(result: Result) -> str:
    return " ".join(result.output.split())


def read(name: str) -> List[Doc]:
    return list(read_spacy_docs(Path(name), Vocab()))


def titles(name: str) -> List[str]:
    return [doc.user_data["title"] for doc in read(name)]


def test_cuts_and_joins() -> None:
    result = run("docs.spacy", "out.spacy", "--cuts", "2", "--joins", "3")
    assert result.exit_code == 0, result.output
    docs = read("out.spacy")
    joins = [doc for doc in docs if " + " in doc.user_data["title"]]
    cuts = docs[: -len(joins)]
    partial = sum(map(has_partial_relations, docs))
    expected = f"{len(cuts)} cuts, {len(joins)} joins and 0 lists of 7 documents"
    assert f"{expected}. {partial} of the new documents have partial relations" in output(result)
    assert 14 < len(cuts) <= 28 and sum(" + " not in title for title in titles("out.spacy"))
    parts = [doc.user_data["title"].split(" + ") for doc in joins]
    assert sorted(sum(parts, [])) == sorted(3 * [f"Document {number}" for number in range(7)])
    for doc in joins:
        is_partial = "Document 6" in doc.user_data["title"]
        assert has_partial_relations(doc) == is_partial and doc._.relations
    # The statistics read them as any corpus.
    command = ["docre", "stats", "out.spacy"]
    assert f"{partial}" in CliRunner().invoke(app, command).output


def test_lists() -> None:
    """For all documents together, and after what there is without them."""
    assert run("docs.spacy", "without.spacy").exit_code == 0
    result = run("docs.spacy", "out.spacy", "--lists", "9")
    assert result.exit_code == 0, result.output
    assert "joins and 9 lists of 7 documents" in output(result)
    found = titles("out.spacy")
    assert found == [*titles("without.spacy"), *(f"List {number}" for number in range(1, 10))]
    known = {name.text for doc in read("docs.spacy") for name in doc.spans["entities"]}
    for doc in read("out.spacy")[-9:]:
        assert len(doc.ents) >= 3 and {name.text for name in doc.ents} <= known
        assert not has_relations(doc)


def test_no_lists_without_labels() -> None:
    doc = Doc(Vocab(), words=["Ada", "in", "Oslo"])
    doc._.entities = [[doc[0:1]], [doc[2:3]]]
    write_docs({Path("bare.spacy"): [doc]})
    arguments = ("bare.spacy", "out.spacy", "--cuts", "0", "--joins", "0")
    result = run(*arguments, "--lists", "2")
    assert result.exit_code == 0 and read("out.spacy") == []
    assert "No list is made, as no mention has a label" in output(result)


def test_it_is_reproducible() -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        arguments = ("docs.spacy", f"{name}.spacy", "--lists", "3")
        assert run(*arguments, "--seed", seed).exit_code == 0
    assert titles("a.spacy") == titles("b.spacy") != titles("c.spacy")
    assert Path("a.spacy").read_bytes() == Path("b.spacy").read_bytes()


def test_one_of_all() -> None:
    assert run("docs.spacy", "cuts.spacy", "--joins", "0").exit_code == 0
    assert not any(" + " in title for title in titles("cuts.spacy"))
    assert run("docs.spacy", "joins.spacy", "--cuts", "0").exit_code == 0
    assert all(" + " in title for title in titles("joins.spacy"))
    arguments = ("docs.spacy", "lists.spacy", "--cuts", "0", "--joins", "0", "--lists", "2")
    assert run(*arguments).exit_code == 0
    assert titles("lists.spacy") == ["List 1", "List 2"]


def test_folder(folder: Path) -> None:
    (folder / "many").mkdir()
    Path("docs.spacy").rename(folder / "many" / "part.spacy")
    assert run("many", "out.spacy").exit_code == 0 and read("out.spacy")
    result = run("many", "many/out.spacy")
    assert result.exit_code == 2 and "Name an output outside of it" in output(result)
    assert not Path("many/out.spacy").exists()


def test_what_cannot_be_reshaped_is_told() -> None:
    vocab = Vocab()
    bare = Doc(vocab, words=["Oslo"])
    flat = Doc(vocab, words=["Ada", "in", "Oslo"])
    flat._.entities = [[flat[0:1]], [flat[2:3]]]
    flat._.relations = []
    write_docs({Path("flat.spacy"): [bare, flat, Doc(vocab)]})
    result = run("flat.spacy", "out.spacy")
    assert result.exit_code == 0 and read("out.spacy") == []
    assert "2 documents are left out, as they have no entities" in output(result)
    assert "No passage with two entities" in output(result)


def test_bad_arguments() -> None:
    result = run("docs.spacy", "out.spacy", "--cuts", "0", "--joins", "0")
    assert result.exit_code == 2 and "--cuts, --joins and --lists are all 0" in output(result)
    result = run("docs.spacy", "out")
    assert result.exit_code == 2 and "with the ending .spacy" in output(result)
    Path("out.spacy").write_text("mine")
    result = run("docs.spacy", "out.spacy")
    assert result.exit_code == 1 and "--force" in output(result)
    assert Path("out.spacy").read_text() == "mine"
    assert run("docs.spacy", "out.spacy", "--force").exit_code == 0 and read("out.spacy")


def test_damaged_input_leaves_the_output() -> None:
    Path("bad.spacy").write_bytes(b"\xff")
    Path("out.spacy").write_text("mine")
    result = run("bad.spacy", "out.spacy", "--force")
    assert result.exit_code == 1 and "Cannot reshape bad.spacy" in output(result)
    assert Path("out.spacy").read_text() == "mine"
