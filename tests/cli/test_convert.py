import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import JsonLines
from spacy_docre.annotations import has_partial_relations, possible_relations
from spacy_docre.data.corpus_files import read_spacy_docs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files to convert."""
    monkeypatch.chdir(tmp_path)
    write("docred.json", [docred(index) for index in range(10)])
    write("names.json", {"P551": {"name": "residence"}})
    examples = [prodigy("accept"), prodigy("reject"), prodigy("ignore"), prodigy("reject")]
    Path("prodigy.jsonl").write_text("\n".join(map(json.dumps, examples)), encoding="utf-8")
    return tmp_path


def write(name: str, data: Any) -> None:
    Path(name).write_text(json.dumps(data), encoding="utf-8")


def docred(index: int) -> Dict[str, Any]:
    return {
        "title": str(index),
        "sents": [["Ann", "lives", "in", "Oslo", "."], ["She", f"stays{index or ''}", "."]],
        "vertexSet": [
            [
                {"pos": [0, 1], "sent_id": 0, "type": "PER"},
                {"pos": [0, 1], "sent_id": 1, "type": "PER"},
            ],
            [{"pos": [3, 4], "sent_id": 0, "type": "LOC"}],
        ],
        "labels": [{"h": 0, "t": 1, "r": "P551", "evidence": [0]}],
    }


def prodigy(answer: str) -> Dict[str, Any]:
    tokens = [
        {"text": text, "start": start, "end": start + len(text), "ws": True}
        for text, start in (("Ann", 0), ("has", 4), ("Bo", 8))
    ]
    return {
        "text": "Ann has Bo",
        "tokens": tokens,
        "spans": [
            {"token_start": 0, "token_end": 0, "label": "PER"},
            {"token_start": 2, "token_end": 2, "label": "PER"},
        ],
        "relations": [{"head": 0, "child": 2, "label": "SAME"}],
        "answer": answer,
    }


def hacred(index: int) -> Dict[str, Any]:
    document = docred(index)
    keys = {"sents": "sents_char", "vertexSet": "vertex_char", "labels": "labels_char"}
    return {"id": index, **{theirs: document[ours] for ours, theirs in keys.items()}}


def convert(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["docre", "convert", *arguments])


def output(result: Result) -> str:
    """What a command printed, on one line."""
    return " ".join(result.output.split())


def read(path: str) -> List[Doc]:
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def titles(path: str) -> List[int]:
    return [int(doc.user_data["title"]) for doc in read(path)]


def test_docred() -> None:
    result = convert("docred.json", "new/dev.spacy", "--names", "names.json")
    assert result.exit_code == 0
    assert "new/dev.spacy 10 20 30 10" in output(result)
    docs = read("new/dev.spacy")
    assert docs[0].text == "Ann lives in Oslo. She stays."
    assert len({doc.text for doc in docs}) == 10
    relation = docs[0]._.relations[0]
    assert (relation.head.text, relation.name, relation.tail.text) == ("Ann", "residence", "Oslo")
    assert relation.evidence == (next(docs[0].sents),)


def test_packed() -> None:
    for name in ("docred.json", "names.json"):
        Path(f"{name}.gz").write_bytes(gzip.compress(Path(name).read_bytes()))
    convert("docred.json.gz", "packed.spacy", "--names", "names.json.gz")
    convert("docred.json", "plain.spacy", "--names", "names.json")
    packed, plain = read("packed.spacy"), read("plain.spacy")
    assert [doc.to_json() for doc in packed] == [doc.to_json() for doc in plain]
    assert [doc.user_data for doc in packed] == [doc.user_data for doc in plain]


@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: b"x" + data])
def test_damaged_packed_input(damage: Callable[[bytes], bytes]) -> None:
    packed = gzip.compress(Path("docred.json").read_bytes())
    Path("docred.json.gz").write_bytes(damage(packed))
    result = convert("docred.json.gz", "out.spacy")
    assert result.exit_code == 1
    assert "docred.json.gz cannot be unpacked" in output(result)
    assert not Path("out.spacy").exists()


def test_prodigy() -> None:
    result = convert("prodigy.jsonl", "train.spacy")
    assert result.exit_code == 0
    assert "train.spacy 1 2 2 1" in output(result)
    assert "Skipped examples that are not accepted: 2 reject, 1 ignore" in output(result)
    assert [relation.label_ for relation in read("train.spacy")[0]._.relations] == ["SAME"]


@pytest.mark.parametrize("make, told", [(docred, "10 20 30 10 0 0"), (hacred, "10 20 30 10 0 0")])
@pytest.mark.parametrize("packed", [False, True])
def test_a_document_in_each_line(make: Callable, told: str, packed: bool) -> None:
    """The first line says what it is."""
    text = "\n".join(json.dumps(make(index)) for index in range(10)).encode()
    name = "data.jsonl.gz" if packed else "data.jsonl"
    Path(name).write_bytes(gzip.compress(text) if packed else text)
    result = convert(name, "out.spacy")
    assert result.exit_code == 0 and f"out.spacy {told}" in output(result)
    assert titles("out.spacy") == list(range(10))


def test_relations_that_nobody_has_annotated() -> None:
    examples = [prodigy("accept"), prodigy("accept"), prodigy("accept")]
    del examples[0]["relations"]
    examples[1]["relations"] = []
    Path("mixed.jsonl").write_text("\n".join(map(json.dumps, examples)), encoding="utf-8")
    result = convert("mixed.jsonl", "train.spacy")
    assert "Without relations Not annotated" in output(result)
    assert "train.spacy 3 6 6 1 1 1" in output(result)


def test_unusable_examples() -> None:
    broken = {**prodigy("accept"), "text": "Eve has Bo"}
    lines = [prodigy("accept"), broken]
    Path("some.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = convert("some.jsonl", "train.spacy")
    assert re.search("1 accepted examples cannot be used.*line 2", output(result))
    assert result.exit_code == 0 and "train.spacy 1 2 2 1" in output(result)
    Path("none.jsonl").write_text(json.dumps(broken), encoding="utf-8")
    result = convert("none.jsonl", "none.spacy")
    assert result.exit_code == 1 and "no example that can be used" in output(result)
    assert not Path("none.spacy").exists()


def test_father_and_son() -> None:
    example = {**prodigy("accept"), "text": "Ann has Ann"}
    example["tokens"][2]["text"], example["tokens"][2]["end"] = "Ann", 11
    Path("same.jsonl").write_text(json.dumps(example), encoding="utf-8")
    assert convert("same.jsonl", "train.spacy").exit_code == 1
    assert "train.spacy 1 2 2 1" in output(convert("same.jsonl", "train.spacy", "--by-coref"))


def test_texts_without_tokens() -> None:
    spans = [{"start": 0, "end": 7, "label": "ORG"}]
    Path("it.jsonl").write_text(json.dumps({"text": "L'opera.", "spans": spans}))
    assert convert("it.jsonl", "it.spacy", "--lang", "it").exit_code == 0
    assert [token.text for token in read("it.spacy")[0]] == ["L'", "opera", "."]


def test_split_keeps_a_text_together() -> None:
    Path("same.jsonl").write_text("\n".join([json.dumps(prodigy("accept"))] * 3))
    result = convert("same.jsonl", "corpus", "--split", "dev=1", "--split", "train=rest")
    assert "dev has 3 documents instead of 1: documents with the same text stay together" in output(
        result
    )
    assert len(read("corpus/dev.spacy")) == 3 and not read("corpus/train.spacy")


@pytest.mark.parametrize("option", [["--coref-label", "SAME"], ["--by-coref"], ["--by-text"]])
def test_options_of_another_format(option: List[str]) -> None:
    result = convert("docred.json", "out.spacy", *option)
    assert result.exit_code == 2
    assert option[0] in output(result) and "read as docred" in output(result)
    assert not Path("out.spacy").exists()


def test_coreference_label() -> None:
    result = convert("prodigy.jsonl", "train.spacy", "--coref-label", "SAME")
    assert "train.spacy 1 1 2 0" in output(result)


def test_format() -> None:
    Path("prodigy.jsonl").rename("prodigy.txt")
    result = convert("prodigy.txt", "train.spacy")
    assert result.exit_code == 1
    assert "--format" in output(result)
    assert convert("prodigy.txt", "train.spacy", "--format", "prodigy").exit_code == 0
    assert len(read("train.spacy")) == 1
    assert convert("docred.json", "x.spacy", "--format", "prodigy").exit_code == 1


def test_language() -> None:
    write("italian.json", [{"title": "", "sents": [["l'", "opera"]], "vertexSet": []}])
    assert convert("italian.json", "italian.spacy", "--lang", "it").exit_code == 0
    assert read("italian.spacy")[0].text == "l'opera"
    result = convert("italian.json", "wrong.spacy", "--lang", "qq")
    assert result.exit_code == 1
    assert "qq" in output(result)


def test_split() -> None:
    result = convert("docred.json", "corpus", "--split", "train=6", "--split", "dev=3")
    assert result.exit_code == 0
    assert "corpus/train.spacy 6 12 18 6" in output(result)
    assert "corpus/dev.spacy 3 6 9 3" in output(result)
    assert "1 documents are in no split" in output(result)
    assert titles("corpus/train.spacy") == [0, 1, 2, 3, 4, 5]
    assert titles("corpus/dev.spacy") == [6, 7, 8]


def test_split_rest() -> None:
    result = convert("docred.json", "corpus", "--split", "dev=3", "--split", "train=rest")
    assert result.exit_code == 0
    assert "no split" not in result.output
    assert titles("corpus/dev.spacy") == [0, 1, 2]
    assert titles("corpus/train.spacy") == [3, 4, 5, 6, 7, 8, 9]


def test_split_shuffled() -> None:
    split = ["--split", "train=rest", "--split", "dev=3"]
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert convert("docred.json", name, *split, "--seed", seed).exit_code == 0
    first, again, other = (titles(f"{name}/train.spacy") for name in "abc")
    assert first == again != other
    assert sorted(first + titles("a/dev.spacy")) == list(range(10))


def test_splits_in_folders(folder: Path) -> None:
    result = convert("docred.json", "corpus", "--split", "train/first=6", "--split", "dev=3")
    assert result.exit_code == 0, result.output
    files = sorted(str(file) for file in Path("corpus").rglob("*.spacy"))
    assert files == ["corpus/dev.spacy", "corpus/train/first.spacy"]


def test_split_of_too_many(folder: Path) -> None:
    result = convert("docred.json", "corpus", "--split", "train=6", "--split", "dev=5")
    assert result.exit_code == 1
    assert "11 documents, but there are 10" in output(result)
    assert not (folder / "corpus").exists()


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["--split", "train"], "'train' should be NAME=SIZE"),
        (["--split", "train=x"], "'train=x' should be NAME=SIZE"),
        (["--split", "train=-1"], "'train=-1' should be NAME=SIZE"),
        (["--split", "=3"], "'=3' should be NAME=SIZE"),
        (["--split", "../train=3"], "'../train=3' should be NAME=SIZE"),
        (["--split", "a/../../train=3"], "train=3' should be NAME=SIZE"),
        (["--split", "/train=3"], "'/train=3' should be NAME=SIZE"),
        (["--split", "a/train=3", "--split", "a//train=4"], "Two splits have the name 'a/train'"),
        (["--split", "train=3", "--split", "train=4"], "Two splits have the name 'train'"),
        (["--split", "train=rest", "--split", "dev=rest"], "Only one split"),
        (["--seed", "1"], "--split"),
    ],
)
def test_wrong_arguments(folder: Path, arguments: List[str], problem: str) -> None:
    result = convert("docred.json", "corpus.spacy", *arguments)
    assert result.exit_code == 2
    assert problem in output(result)
    assert not (folder / "corpus.spacy").exists()


def test_folder_of_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of documents, few of them in memory at once."""
    monkeypatch.setattr("spacy_docre.data.corpus_files.DOCUMENTS_PER_FILE", 6)
    assert convert("docred.json", "corpus.spacy").exit_code == 0
    assert convert("docred.json", "corpus").exit_code == 0
    assert [path.name for path in sorted((folder / "corpus").iterdir())] == [
        "part-00000.spacy",
        "part-00001.spacy",
    ]
    one, several = (
        [doc.to_bytes() for doc in read_spacy_docs(folder / name, Vocab())]
        for name in ("corpus.spacy", "corpus")
    )
    assert one == several
    assert convert("docred.json", "corpus").exit_code == 1
    monkeypatch.setattr("spacy_docre.data.corpus_files.DOCUMENTS_PER_FILE", 10)
    (folder / "corpus" / "notes.txt").write_text("mine")
    assert convert("docred.json", "corpus", "--force").exit_code == 0
    assert {path.name for path in (folder / "corpus").iterdir()} == {
        "part-00000.spacy",
        "notes.txt",
    }


@pytest.mark.parametrize("format", ["docred", "hacred", "prodigy"])
def test_folder_goes_on_where_it_was_broken_off(
    format: str, folder: Path, full_disk: Callable
) -> None:
    if format == "docred":
        source = "docred.json"
    else:
        source = "lines.jsonl"
        answers = ["reject", "accept", "accept", "ignore", *["accept"] * 5]
        records = [
            prodigy(answer) if format == "prodigy" else hacred(index)
            for index, answer in enumerate(answers)
        ]
        Path(source).write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    whole = convert(source, "whole", "--format", format)
    assert whole.exit_code == 0, whole.output
    with full_disk(2):
        result = convert(source, "corpus", "--format", format)
    assert result.exit_code == 1 and "No space left" in output(result)
    assert not Path("corpus").exists()
    result = convert(source, "corpus", "--format", format)
    assert "4 documents are already there" in output(result)
    # Counts are of all documents, and of the examples that are skipped.
    assert output(result).split("corpus")[-1] == output(whole).split("whole")[-1]
    again, at_once = (
        [doc.to_bytes() for doc in read_spacy_docs(Path(name), Vocab())]
        for name in ("corpus", "whole")
    )
    assert again == at_once


def test_folder_stays_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_docre.data.corpus_files.DOCUMENTS_PER_FILE", 4)
    assert convert("docred.json", "corpus").exit_code == 0
    before = {path: path.read_bytes() for path in (folder / "corpus").iterdir()}
    documents = json.loads((folder / "docred.json").read_text())
    del documents[1]["sents"]
    (folder / "docred.json").write_text(json.dumps(documents))
    assert convert("docred.json", "corpus", "--force").exit_code == 1
    assert {path: path.read_bytes() for path in (folder / "corpus").iterdir()} == before


@pytest.mark.parametrize(
    "arguments, path",
    [(["dev.spacy"], "dev.spacy"), (["corpus", "--split", "dev=2"], "corpus/dev.spacy")],
)
def test_existing_output(arguments: List[str], path: str) -> None:
    Path("corpus").mkdir()
    Path(path).write_text("old")
    result = convert("docred.json", *arguments)
    assert result.exit_code == 1
    assert path in output(result)
    assert "--force" in output(result)
    assert Path(path).read_text() == "old"
    assert convert("docred.json", *arguments, "--force").exit_code == 0
    assert titles(path)[:2] == [0, 1]


@pytest.mark.parametrize("arguments", [["out.spacy"], ["out", "--split", "dev=1"]])
def test_malformed_input(folder: Path, arguments: List[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out.spacy").write_text("old")
    (folder / "out" / "dev.spacy").write_text("old")
    write("docred.json", [docred(0), {**docred(1), "vertexSet": [[]]}])
    before = sorted(folder.rglob("*"))
    result = convert("docred.json", *arguments, "--force")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Cannot convert docred.json" in output(result)
    assert "docred.json, document 1 ('1'), field vertexSet[0]: " in output(result)
    assert sorted(folder.rglob("*")) == before
    assert (folder / "out.spacy").read_text() == "old"
    assert (folder / "out" / "dev.spacy").read_text() == "old"


@pytest.mark.parametrize(
    "text, problem",
    [
        ("[" * 100_000, "docred.json is not JSON"),
        ("[" + "1" * 5000 + "]", "docred.json is not JSON"),
    ],
)
def test_json_that_python_cannot_hold(text: str, problem: str) -> None:
    Path("docred.json").write_text(text)
    result = convert("docred.json", "out.spacy")
    assert isinstance(result.exception, SystemExit)
    assert problem in output(result)


def test_malformed_names() -> None:
    write("names.json", ["P551"])
    result = convert("docred.json", "dev.spacy", "--names", "names.json")
    assert result.exit_code == 1
    assert "names.json should be an object" in output(result)


def test_output_that_cannot_be_written() -> None:
    result = convert("docred.json", "docred.json/dev.spacy")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Cannot convert" in output(result)


def test_missing_input() -> None:
    assert convert("missing.json", "dev.spacy").exit_code == 2


def test_installed() -> None:
    command = [sys.executable, "-m", "spacy", "docre", "convert", "docred.json", "dev.spacy"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "dev.spacy" in result.stdout
    assert titles("dev.spacy") == list(range(10))


def test_nothing_to_convert() -> None:
    Path("none.jsonl").write_text(json.dumps(prodigy("reject")), encoding="utf-8")
    result = convert("none.jsonl", "out.spacy")
    assert result.exit_code == 0 and "no document to convert" in result.output
    assert "no document to convert" not in convert("docred.json", "out.spacy", "--force").output


def test_partial() -> None:
    unlabelled = {key: value for key, value in docred(11).items() if key != "labels"}
    write("mixed.json", [docred(10), unlabelled, {**docred(12), "labels": []}])
    for out in ("out.spacy", "folder"):
        result = convert("mixed.json", out, "--partial")
        assert result.exit_code == 0 and "Partial" in result.output
        docs = list(read_spacy_docs(Path(out), Vocab()))
        assert [has_partial_relations(doc) for doc in docs] == [True, False, True]
        assert [len(doc._.relations) for doc in docs] == [1, 0, 0]
        assert all(possible_relations(doc) is None for doc in docs)
    split = ["--split", "a=4", "--split", "b=rest"]
    assert convert("docred.json", ".", "--partial", *split).exit_code == 0
    assert all(map(has_partial_relations, read_spacy_docs(Path("b.spacy"), Vocab())))
    assert convert("docred.json", "complete.spacy").exit_code == 0
    assert not any(map(has_partial_relations, read_spacy_docs(Path("complete.spacy"), Vocab())))


@pytest.mark.parametrize("tool", ["prodigy", "label-studio", "doccano", "brat"])
def test_predictions_out_and_back_in(tool: str) -> None:
    """As docs/how-to/annotation-tools.md does: the JSONL of docre annotate, a tool, a corpus."""
    assert convert("docred.json", "docred.spacy").exit_code == 0
    output_ = JsonLines(Path("triples.jsonl"))
    for number, doc in enumerate(read("docred.spacy")):
        output_.write(doc, InputDocument(str(number), doc.text, {"title": str(number)}))
    output_.close()
    path = {"label-studio": "tasks.json", "brat": "brat"}.get(tool, "tasks.jsonl")
    result = convert("triples.jsonl", path, "--to", tool)
    assert "10 relations have evidence, which is left out" in output(result)
    assert result.exit_code == 0 and f"{path} 10 20 30 10" in output(result), result.output
    assert convert("triples.jsonl", path, "--to", tool).exit_code == 1
    if tool == "label-studio":
        tasks = json.loads(Path(path).read_text())
        write(path, [{**task, "annotations": task["predictions"]} for task in tasks])
    result = convert(path, "back.spacy", "--by-coref")
    assert result.exit_code == 0 and "back.spacy 10 20 30 10" in output(result), result.output
    assert titles("back.spacy") == list(range(10))
    assert read("back.spacy")[3].text == read("docred.spacy")[3].text


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["docred.json", "out.jsonl"], "Name the tool for out.jsonl with --to"),
        (["docred.json", "out", "--to", "brat", "--split", "a=1"], "--split has no meaning"),
        (["docred.json", "out", "--to", "brat", "--partial"], "--partial has no meaning"),
        (["docred.json", "out.spacy", "--by-coref"], "--by-text/--by-coref has no meaning"),
    ],
)
def test_arguments_of_tools(arguments: List[str], problem: str) -> None:
    result = convert(*arguments)
    assert result.exit_code == 2 and problem in output(result)


def test_a_folder_as_another_format() -> None:
    Path("brat").mkdir()
    result = convert("brat", "out.spacy", "--from", "doccano")
    assert result.exit_code == 1 and "brat is a folder, and doccano is a format of" in output(
        result
    )
