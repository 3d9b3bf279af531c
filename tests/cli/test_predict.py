"""`python -m spacy docre predict`."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import write_docs
from tests.conftest import CITIES


@Language.component("fails_at_the_last_document")
def fails_at_the_last_document(doc: Doc) -> Doc:
    if "Delta Mills" in doc.text:
        raise RuntimeError("too hot")
    return doc


def run(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", command, *map(str, arguments)])


def output(result: Result) -> str:
    return " ".join(result.output.split())


def to_record(doc: Doc, title: str) -> Dict[str, Any]:
    """A document in DocRED's format."""
    sents = list(doc.sents)
    number = {token.i: index for index, sent in enumerate(sents) for token in sent}
    return {
        "title": title,
        "sents": [[token.text for token in sent] for sent in sents],
        "vertexSet": [
            [
                {
                    "sent_id": number[span.start],
                    "pos": [
                        span.start - sents[number[span.start]].start,
                        span.end - sents[number[span.start]].start,
                    ],
                    "type": span.label_,
                    "name": span.text,
                }
                for span in entity.mentions
            ]
            for entity in doc._.entities
        ],
        "labels": [
            {"h": relation.head.index, "t": relation.tail.index, "r": relation.label_}
            for relation in doc._.relations
        ],
    }


@pytest.fixture(autouse=True)
def records(
    make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> List[Dict[str, Any]]:
    """Documents that the trained pipeline has not seen: annotated, and without labels. The working
    directory holds them."""
    monkeypatch.chdir(tmp_path)
    docs = [example.reference for example in make_examples(6, seed=1)]
    records = [to_record(doc, f"Document {index}") for index, doc in enumerate(docs)]
    Path("gold.json").write_text(json.dumps(records))
    bare = [{k: v for k, v in record.items() if k != "labels"} for record in records]
    Path("bare.json").write_text(json.dumps(bare))
    return records


def test_result_scores_as_the_pipeline_does(trained_folder: Path, records: List) -> None:
    """Answers without gold, compared with gold afterwards."""
    result = run("predict", trained_folder, "bare.json", "--output", "result.json")
    assert result.exit_code == 0, result.output
    answers = srsly.read_json("result.json")
    assert f"6 documents, {len(answers)} relations" in output(result)
    titles = {record["title"]: record for record in records}
    for answer in answers:
        assert list(answer)[:5] == ["title", "h_idx", "t_idx", "r", "evidence"]
        record = titles[answer["title"]]
        ends = {answer["h_idx"], answer["t_idx"]}
        assert len(ends) == 2 and ends <= {*range(len(record["vertexSet"]))}
        assert {*answer["evidence"]} <= {*range(len(record["sents"]))}
    for what, folder in ((trained_folder, "pipeline"), ("result.json", "file")):
        result = run("evaluate", what, "gold.json", "--train", "gold.json", "-o", folder)
        assert result.exit_code == 0, result.output
    ours, theirs = (srsly.read_json(f"{name}/metrics.json") for name in ("file", "pipeline"))
    assert 0 < ours["rel_f"] < 1 and ours["predicted"] == len(answers)
    # A pipeline tells of less probable triples, too.
    for metrics in (ours, theirs):
        del metrics["best_f"], metrics["best_threshold"]
    assert ours == theirs
    assert answers == srsly.read_json("pipeline/result.json")


def test_labels_and_the_kind_of_file_do_not_matter(
    trained_folder: Path, make_examples: Callable
) -> None:
    docs = [example.reference for example in make_examples(6, seed=1)]
    for index, doc in enumerate(docs):
        doc.user_data["title"] = f"Document {index}"
    write_docs({Path("gold.spacy"): docs})
    found = []
    for name in ("bare.json", "gold.json", "gold.spacy"):
        result = run("predict", trained_folder, name, "-o", "result.json", "-F", "-t", 0.3)
        assert result.exit_code == 0, result.output
        found.append(srsly.read_json("result.json"))
    assert found[0] and found[0] == found[1] == found[2]


def test_given_entities_are_taken(trained_folder: Path) -> None:
    """Whatever the pipeline would find."""
    nlp = spacy.load(trained_folder)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "THING", "pattern": city} for city in CITIES])
    nlp.to_disk("model")
    for model in (trained_folder, "model"):
        assert run("predict", model, "bare.json", "-o", f"{Path(model).name}.json").exit_code == 0
    assert srsly.read_json("model.json") == srsly.read_json(f"{trained_folder.name}.json")


def test_threshold(trained_folder: Path, records: List) -> None:
    assert run("predict", trained_folder, "bare.json", "-o", "all.json", "-t", 0).exit_code == 0
    assert run("predict", trained_folder, "bare.json", "-o", "none.json", "-t", 1).exit_code == 0
    sizes = [len(record["vertexSet"]) for record in records]
    assert len(srsly.read_json("all.json")) == 3 * sum(n * (n - 1) for n in sizes)
    assert srsly.read_json("none.json") == []


def test_no_entities_and_unknown_ones(trained_folder: Path, records: List) -> None:
    """A document may be known to have none; that is an answer, and not to know is an error."""
    empty = {"title": "Empty", "sents": [["It", "snows", "."]], "vertexSet": []}
    Path("empty.json").write_text(json.dumps([empty, records[0]]))
    result = run("predict", trained_folder, "empty.json", "-o", "result.json")
    assert result.exit_code == 0, result.output
    assert "Empty" not in {answer["title"] for answer in srsly.read_json("result.json")}
    unknown = Doc(Vocab(), words=["It", "snows"], user_data={"title": "Snow"})
    write_docs({Path("unknown.spacy"): [unknown], Path("nothing.spacy"): []})
    result = run("predict", trained_folder, "unknown.spacy", "-o", "out/result.json")
    assert result.exit_code == 1
    assert "document 'Snow' of unknown.spacy has no entities" in output(result)
    result = run("predict", trained_folder, "nothing.spacy", "-o", "out/result.json")
    assert result.exit_code == 1 and "nothing.spacy has no documents" in output(result)
    assert not list(Path().glob("out/*"))


def test_titles_are_unique(trained_folder: Path, records: List) -> None:
    Path("twice.json").write_text(json.dumps([records[0], {**records[1], "title": "Document 0"}]))
    result = run("predict", trained_folder, "twice.json", "-o", "result.json")
    assert result.exit_code == 1 and "two documents with the title 'Document 0'" in output(result)
    assert not Path("result.json").exists()


def test_nothing_is_overwritten(trained_folder: Path) -> None:
    Path("result.json").write_text("mine")
    result = run("predict", trained_folder, "bare.json", "-o", "result.json")
    assert result.exit_code == 1 and "Already there: result.json" in output(result)
    for name, problem in (("out.csv", "name it out.csv"), ("./bare.json", "would be lost")):
        result = run("predict", trained_folder, "bare.json", "-o", name, "--force")
        assert result.exit_code == 2 and problem.replace("csv", "json", 1) in output(result)
    assert Path("result.json").read_text() == "mine"


def test_a_failure_leaves_the_file_as_it_was(trained_folder: Path, records: List) -> None:
    assert "Delta Mills" in Path("bare.json").read_text().replace('", "', " ")
    nlp = spacy.load(trained_folder)
    nlp.add_pipe("fails_at_the_last_document", last=True)
    nlp.to_disk("model")
    Path("result.json").write_text("mine")
    result = run("predict", "model", "bare.json", "-o", "result.json", "--force", "-b", 1)
    assert result.exit_code == 1 and "too hot" in output(result)
    assert Path("result.json").read_text() == "mine"
    names = {path.name for path in Path().iterdir()}
    assert names == {"gold.json", "bare.json", "model", "result.json"}
