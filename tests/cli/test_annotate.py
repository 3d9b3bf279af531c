"""`python -m spacy docre annotate`."""

import csv
import json
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, List

import networkx
import pytest
import rdflib
import spacy
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import OUTPUTS, Csv, Output
from spacy_docre.entity_sources import find_entities


@Language.component("fails_at_vesuvius")
def fails_at_vesuvius(doc: Doc) -> Doc:
    if "Vesuvius" in doc.text:
        raise RuntimeError("too hot")
    if "Krakatoa" in doc.text:
        os.kill(os.getpid(), signal.SIGKILL)
    return doc


@pytest.fixture(scope="module")
def model(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained pipeline, which finds its entities in bare text by itself."""
    nlp = spacy.load(trained_folder)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    names = ["Ada Lane", "Bruno Falk", "Oslo", "Porto", "Borealis", "Acme Works"]
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in names])
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("fails_at_vesuvius", last=True)
    folder = tmp_path_factory.mktemp("annotating") / "model"
    nlp.to_disk(folder)
    return folder


TEXTS = [
    "Ada Lane was born in Oslo . Later Ada Lane worked for Borealis , as everyone knew .",
    "Bruno Falk was born in Porto .",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with documents."""
    monkeypatch.chdir(tmp_path)
    lines = [{"id": f"doc {i}", "text": text, "year": i} for i, text in enumerate(TEXTS)]
    Path("texts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def run(*arguments: object, **settings: Any) -> Result:
    return CliRunner().invoke(app, ["docre", "annotate", *map(str, arguments)], **settings)


def annotate(model: Path, output: str, *options: object) -> Result:
    result = run(model, "texts.jsonl", "--output", output, "--threshold", 0, *options)
    assert result.exit_code == 0, result.output
    return result


def expected(model: Path) -> List[Doc]:
    nlp = spacy.load(model)
    nlp.get_pipe("doc_relation_extractor").cfg["threshold"] = 0.0
    return [nlp(text) for text in TEXTS]


@pytest.mark.parametrize("options", [[], ["--batch-size", 1], ["--n-process", 2]])
def test_json_lines(model: Path, options: List[object]) -> None:
    result = annotate(model, "out.jsonl", *options)
    records = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    docs = expected(model)
    assert sum(len(doc._.relations) for doc in docs) > 0
    assert "2 documents" in result.output
    for index, (record, doc) in enumerate(zip(records, docs, strict=True)):
        assert (record["id"], record["year"], record["text"]) == (f"doc {index}", index, doc.text)
        for entity, ours in zip(record["entities"], doc._.entities, strict=True):
            assert (entity["text"], entity["label"]) == (ours.text, "THING")
            for mention in entity["mentions"]:
                assert doc.text[mention["start"] : mention["end"]] == mention["text"]
        assert len(record["relations"]) == len(doc._.relations)
        best, ours = record["relations"][0], doc._.relations[0]
        assert (best["head"], best["tail"], best["label"], best["name"]) == (
            ours.head.index,
            ours.tail.index,
            ours.label_,
            ours.name,
        )
        assert best["score"] == pytest.approx(ours.score, abs=1e-4)
        assert [span["text"] for span in best["evidence"]] == [s.text for s in ours.evidence]


@pytest.mark.parametrize("options", [[], ["--n-process", 2]])
def test_json_of_docred_keeps_its_entities(model: Path, options: List[object]) -> None:
    """The pipeline would find Ada Lane and Oslo, each by itself."""
    words = TEXTS[0].split()
    vertices = [[(8, 10), (0, 2)], [(14, 15)], [(12, 13)]]
    record = {
        "title": "A life",
        "sents": [words[:7], words[7:]],
        "vertexSet": [
            [{"sent_id": int(start > 6), "pos": [start - 7 * (start > 6), end - 7 * (start > 6)],
              "type": "X"} for start, end in mentions]
            for mentions in vertices
        ],
        "labels": [{"h": 0, "t": 1, "r": "P1"}],
    }  # fmt: skip
    Path("docs.json").write_text(json.dumps([record]))
    outputs = ["-o", "out.jsonl", "-o", "out.spacy"]
    result = run(model, "docs.json", *outputs, "-t", 0, *options)
    assert result.exit_code == 0, result.output
    written = json.loads(Path("out.jsonl").read_text())
    assert (written["id"], written["title"]) == ("A life", "A life")
    found = [[mention["text"] for mention in entity["mentions"]] for entity in written["entities"]]
    assert sorted(map(sorted, found)) == sorted(
        sorted(" ".join(words[start:end]) for start, end in mentions) for mentions in vertices
    )
    assert [mentions[0] for mentions in found] == [
        " ".join(words[start:end]) for start, end in (mentions[0] for mentions in vertices)
    ]
    assert len(written["relations"]) == 3 * 3 * 2
    assert "P1" not in {relation["label"] for relation in written["relations"]}
    # What it was given is not stored: it may be given other entities the next time.
    (doc,) = DocBin().from_disk("out.spacy").get_docs(spacy.blank("en").vocab)
    assert find_entities(doc, lambda doc: []) == []


def test_other_json_is_an_error(model: Path) -> None:
    Path("other.json").write_text('[{"text": "Ada Lane was born in Oslo ."}]')
    result = run(model, "other.json", "texts.jsonl", "-o", "out.csv")
    text = " ".join(result.output.split())
    assert result.exit_code == 1 and "other.json is not in DocRED's format" in text
    assert "2 documents" in text


def test_csv(model: Path) -> None:
    annotate(model, "out.csv")
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    relations = [(i, r) for i, doc in enumerate(expected(model)) for r in doc._.relations]
    assert len(rows) == len(relations)
    for row, (index, relation) in zip(rows, relations, strict=True):
        assert row["document"] == f"doc {index}"
        assert (row["head"], row["tail"]) == (relation.head.text, relation.tail.text)
        assert row["evidence"].startswith(relation.evidence[0].text)


def test_spacy_file_may_be_annotated_again(model: Path) -> None:
    annotate(model, "out.spacy")
    docs = list(DocBin().from_disk("out.spacy").get_docs(spacy.blank("en").vocab))
    assert [len(doc._.relations) for doc in docs] == [
        len(doc._.relations) for doc in expected(model)
    ]
    assert [doc.user_data["id"] for doc in docs] == ["doc 0", "doc 1"]
    result = run(model, "out.spacy", "-o", "again.jsonl", "-t", 0)
    assert result.exit_code == 0 and len(Path("again.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("suffix, format", [(".nt", "nt"), (".ttl", "turtle")])
def test_rdf(model: Path, suffix: str, format: str) -> None:
    annotate(model, f"out{suffix}")
    graph = rdflib.Graph().parse(f"out{suffix}", format=format)
    relation = rdflib.URIRef("urn:spacy-docre:relation:born%20in")
    pairs = {
        (str(graph.value(s, rdflib.RDFS.label)), str(graph.value(o, rdflib.RDFS.label)))
        for s, o in graph.subject_objects(relation)
    }
    assert pairs == {
        (r.head.text, r.tail.text)
        for doc in expected(model)
        for r in doc._.relations
        if r.label_ == "born in"
    }
    assert str(graph.value(relation, rdflib.RDFS.label)) == "born in"


def test_graphml(model: Path) -> None:
    annotate(model, "out.graphml")
    graph = networkx.read_graphml("out.graphml")
    docs = expected(model)
    assert graph.number_of_nodes() == sum(len(doc._.entities) for doc in docs)
    assert graph.number_of_edges() == sum(len(doc._.relations) for doc in docs)
    assert graph.nodes["doc 1#0"]["label"] == "Bruno Falk"


def test_html(model: Path) -> None:
    annotate(model, "out.html")
    page = Path("out.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "doc 0" in page and "Bruno Falk" in page and page.count("<article") == 2


def test_several_outputs_and_a_table(model: Path) -> None:
    """One pass gives all of them."""
    result = annotate(model, "out.jsonl", "--output", "out.csv", "--table")
    assert len(Path("out.jsonl").read_text().splitlines()) == 2
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert all(row[name] in result.output for name in ("document", "head", "name", "tail"))
    Path("out.csv").unlink()
    result = run(model, "texts.jsonl", "-o", "out.csv", "-o", "out.jsonl")
    assert result.exit_code == 1 and "Already there: out.jsonl" in result.output
    assert not Path("out.csv").exists()


def test_odd_ids(model: Path) -> None:
    """None of the formats breaks at characters that mean something in it."""
    odd = 'a "b",\n<c>\x01 #;|é'
    Path("odd.jsonl").write_text(json.dumps({"id": odd, "text": TEXTS[1]}))
    for suffix in (".jsonl", ".csv", ".spacy", ".nt", ".ttl", ".graphml", ".html"):
        assert run(model, "odd.jsonl", "-o", f"odd{suffix}.out{suffix}", "-t", 0).exit_code == 0
    assert json.loads(Path("odd.jsonl.out.jsonl").read_text())["id"] == odd
    with open("odd.csv.out.csv", newline="") as file:
        assert {row["document"] for row in csv.DictReader(file)} == {odd}
    for suffix, format in ((".nt", "nt"), (".ttl", "turtle")):
        assert len(rdflib.Graph().parse(f"odd{suffix}.out{suffix}", format=format)) > 0
    graph = networkx.read_graphml("odd.graphml.out.graphml")
    assert {name for _, name in graph.nodes(data="document")} == {odd.replace("\x01", "\ufffd")}


def test_output_among_the_inputs(model: Path) -> None:
    for _ in range(2):
        assert run(model, ".", "-o", "out.jsonl", "--force").exit_code == 0
        assert len(Path("out.jsonl").read_text().splitlines()) == 2


def test_output_that_cannot_be_written(model: Path) -> None:
    result = run(model, "texts.jsonl", "-o", "texts.jsonl/out.csv")
    assert result.exit_code == 1 and "Cannot write" in result.output


def test_threshold(model: Path) -> None:
    assert run(model, "texts.jsonl", "-o", "out.csv", "-t", 1).exit_code == 0
    assert len(Path("out.csv").read_text().splitlines()) == 1


def test_standard_input(model: Path) -> None:
    assert run(model, "-", "-o", "out.jsonl", input=TEXTS[0]).exit_code == 0
    assert json.loads(Path("out.jsonl").read_text())["id"] == "stdin"


def test_a_document_that_fails_is_reported(model: Path) -> None:
    Path("hot.txt").write_text("Ada Lane was born on Vesuvius .")
    result = run(model, "texts.jsonl", "hot.txt", "-o", "out.jsonl")
    assert result.exit_code == 1
    assert "hot.txt" in result.output and "too hot" in result.output
    assert len(Path("out.jsonl").read_text().splitlines()) == 2


def test_existing_output(model: Path) -> None:
    Path("out.csv").write_text("precious")
    result = run(model, "texts.jsonl", "-o", "out.csv")
    assert result.exit_code == 1 and "--force" in result.output
    assert Path("out.csv").read_text() == "precious"
    assert run(model, "texts.jsonl", "-o", "out.csv", "--force").exit_code == 0
    assert Path("out.csv").read_text() != "precious"


def test_nothing_half_written(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out.csv").write_text("precious")

    def stop(self, doc, source):
        raise KeyboardInterrupt

    monkeypatch.setattr("spacy_docre.annotate.outputs.Csv.write", stop)
    assert run(model, "texts.jsonl", "-o", "out.csv", "--force").exit_code != 0
    assert Path("out.csv").read_text() == "precious"
    assert sorted(path.name for path in Path().iterdir()) == ["out.csv", "texts.jsonl"]


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (["texts.jsonl", "-o", "out.xml"], "Unknown format of out.xml"),
        (["missing.txt", "-o", "out.csv"], "Inputs not found: missing.txt"),
        (["texts.jsonl", "-o", "texts.jsonl/out.spacy"], "Cannot write texts.jsonl/out.spacy"),
        (["texts.jsonl", "-o", "loop.html"], "leads to itself"),
        (["texts.jsonl", "-o", f"{300 * 'x'}.graphml"], "File name too long"),
        (["texts.jsonl", "-o", 300 * "x"], "File name too long"),
        (["texts.jsonl", "-o", "a.nt", "-o", "a.nt"], "are the same file"),
        (["texts.jsonl", "-o", "a.csv", "-o", "link.jsonl"], "are the same file"),
        (["texts.jsonl", "-o", "-"], "Unknown format of -"),
        (["texts.jsonl", "-o", "/dev/stdout"], "Unknown format of /dev/stdout"),
        ([".", "texts.jsonl", "-o", "texts.jsonl", "-F"], "Both input and output: texts.jsonl"),
    ],
)
def test_mistakes_are_told_before_the_model_is_loaded(arguments: List[str], problem: str) -> None:
    Path("loop.html").symlink_to("loop.html")
    Path("link.jsonl").symlink_to("a.csv")
    before = sorted(Path().iterdir()), Path("texts.jsonl").read_text()
    result = run("no_such_model", *arguments)
    assert result.exit_code == 1 and problem in result.output
    assert (sorted(Path().iterdir()), Path("texts.jsonl").read_text()) == before


@pytest.mark.parametrize("option", ["--text-field", "--id-field"])
def test_fields_of_files_that_have_none(option: str) -> None:
    Path("a.txt").write_text(TEXTS[0])
    result = run("no_such_model", "a.txt", "-o", "out.csv", option, "body")
    assert result.exit_code == 2
    assert f"{option} has no meaning" in " ".join(result.output.replace("│", "").split())
    result = run("no_such_model", "a.txt", "texts.jsonl", "-o", "out.csv", option, "body")
    assert "Cannot load no_such_model" in result.output


def test_a_pipeline_that_cannot_be_used(tmp_path: Path) -> None:
    result = run("no_such_model", "texts.jsonl", "-o", "out.csv")
    assert result.exit_code == 1 and "Cannot load no_such_model" in result.output
    spacy.blank("en").to_disk("blank")
    result = run("blank", "texts.jsonl", "-o", "out.csv")
    assert result.exit_code == 1 and "has no relation extractor" in result.output
    assert not Path("out.csv").exists()


def test_all_that_json_can_hold_is_kept(model: Path) -> None:
    numbers = [1e-12, 10**20, 1.7976931348623157e308, 0.1 + 0.2]
    lines = [
        json.dumps({"id": "a", "text": TEXTS[1], "numbers": numbers}),
        json.dumps({"id": "b", "text": TEXTS[1], "numbers": [float("nan")]}),
        json.dumps({"id": "c", "text": "half \ud83d"}),
        json.dumps({"id": "d", "text": TEXTS[1]}),
    ]
    Path("odd.jsonl").write_text("\n".join(lines))
    result = run(model, "odd.jsonl", "-o", "out.jsonl", "-t", 0)
    assert result.exit_code == 1 and "2 documents were left out" in result.output
    assert "odd.jsonl:2" in result.output and "odd.jsonl:3" in result.output
    first, last = map(json.loads, Path("out.jsonl").read_text().splitlines())
    assert repr(first["numbers"]) == repr(numbers) and last["id"] == "d"


def test_a_document_that_cannot_be_written(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missing where it fails, and there only."""

    def write(self: Output, doc: Doc, source: InputDocument) -> None:
        if source.id == "doc 0":
            raise RecursionError("too deep")
        write_csv(self, doc, source)

    write_csv = Csv.write
    monkeypatch.setattr(Csv, "write", write)
    result = run(model, "texts.jsonl", "-o", "out.csv", "-o", "out.jsonl", "-t", 0)
    assert result.exit_code == 1 and "1 documents were left out" in result.output
    assert "Left out of out.csv: doc 0" in result.output and "too deep" in result.output
    assert "doc 0" not in Path("out.csv").read_text()
    first, second = map(json.loads, Path("out.jsonl").read_text().splitlines())
    # Only what is whole is counted.
    assert first["relations"] and f"1 documents, {len(second['relations'])} relations" in " ".join(
        result.output.split()
    )


@pytest.mark.parametrize("suffix", [".jsonl", ".spacy"])
def test_a_disk_that_fills_leaves_nothing(
    model: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = OUTPUTS[suffix]
    monkeypatch.setattr(output, "close", lambda self: Path("/dev/full").write_bytes(b"x"))
    result = run(model, "texts.jsonl", "-o", f"out{suffix}")
    assert result.exit_code == 1 and "No space left" in result.output
    assert [path.name for path in Path().iterdir()] == ["texts.jsonl"]


def test_a_process_that_is_killed(model: Path) -> None:
    Path("hot.txt").write_text("Ada Lane was born on Krakatoa .")
    result = run(model, "hot.txt", "texts.jsonl", "-o", "out.jsonl", "-n", 2, "-t", 0)
    assert result.exit_code == 1 and "1 documents were left out" in result.output
    assert "Left out: hot.txt" in result.output and "SIGKILL" in result.output
    records = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [record["id"] for record in records] == ["doc 0", "doc 1"]


def test_what_a_killed_run_leaves_is_removed(model: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    Path(f".out.jsonl.{child.pid}.tmp").write_text("half")
    Path(f".other.jsonl.{child.pid}.tmp").write_text("half")
    assert run(model, ".", "-o", "out.jsonl").exit_code == 0
    assert len(Path("out.jsonl").read_text().splitlines()) == 2
    assert not Path(f".out.jsonl.{child.pid}.tmp").exists()


def test_what_is_left_aside_is_told(model: Path) -> None:
    Path(".hidden.txt").write_text("text")
    os.mkfifo("pipe.txt")
    Path("out.jsonl").symlink_to("real.jsonl")
    Path("real.jsonl").write_text("before")
    result = run(model, ".", "-o", "out.jsonl", "--force")
    assert result.exit_code == 1 and "1 documents were left out" in result.output
    assert "Not read: .hidden.txt" in result.output and "pipe.txt" in result.output
    assert "Not read: real.jsonl" in result.output and "It is an output" in result.output
    assert Path("out.jsonl").is_symlink()
    assert len(Path("real.jsonl").read_text().splitlines()) == 2


def test_hidden_states_are_dropped(model: Path) -> None:
    """What is written can be read where spacy-transformers is not installed."""
    annotate(model, "out.spacy")
    content = zlib.decompress(Path("out.spacy").read_bytes())
    assert b"trf_data" not in content and len(content) < 20_000


def test_names_of_files_that_are_no_text() -> None:
    """A terminal cannot show them, and the commands say what they say of others."""
    name = os.fsdecode(b"a\xff.spacy")
    for arguments in (["annotate", "x", name, "-o", "b.csv"], ["stats", name]):
        found = subprocess.run(
            [sys.executable, "-m", "spacy", "docre", *arguments],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "utf8:strict"},
        )
        assert found.returncode in (1, 2)
        assert b"Traceback" not in found.stderr and b".spacy" in found.stdout + found.stderr


def test_a_long_text(model: Path) -> None:
    Path("long.txt").write_text("x" * (2**20 + 1))
    result = run(model, "long.txt", "texts.jsonl", "-o", "out.jsonl", "--max-size", 1)
    assert result.exit_code == 1 and "long.txt is longer than 1,048,576 bytes" in result.output
    assert len(Path("out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "engine, option, value",
    [
        ("local", "--ray-address", "auto"),
        ("local", "--num-actors", "2"),
        ("local", "--gpus-per-actor", "1"),
        ("ray", "--n-process", "2"),
        ("ray", "--gpu-id", "0"),
    ],
)
def test_options_of_the_other_engine(engine: str, option: str, value: str) -> None:
    Path("a.txt").write_text(TEXTS[0])
    result = run("no_such_model", "a.txt", "-o", "out.csv", "--engine", engine, option, value)
    assert result.exit_code == 2
    told = " ".join(result.output.replace("│", "").split())
    assert option in told and f"has no meaning for --engine {engine}" in told
