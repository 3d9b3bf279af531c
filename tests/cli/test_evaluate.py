"""`python -m spacy docre evaluate`."""

import json
from pathlib import Path
from typing import Callable, List

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.vocab import Vocab
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotations import mark_partial
from spacy_docre.data.corpus_files import read_spacy_docs, write_docs
from spacy_docre.training.corpus import make_corpus
from tests.conftest import CITIES, FIRMS, PEOPLE

EXTRACTOR = "doc_relation_extractor"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "evaluate", *map(str, arguments)])


def output(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture(autouse=True)
def folder(make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: what the trained pipeline knows by heart, and other documents."""
    monkeypatch.chdir(tmp_path)
    for name, seed in (("gold", 0), ("others", 1)):
        docs = [example.reference for example in make_examples(10, seed=seed)]
        for index, doc in enumerate(docs):
            doc.user_data["title"] = f"Document {index}"
        write_docs({Path(f"{name}.spacy"): docs})
    return tmp_path


def test_pipeline(trained_folder: Path) -> None:
    result = run(trained_folder, "gold.spacy", "--train", "others.spacy", "--output", "out")
    assert result.exit_code == 0, result.output
    metrics = srsly.read_json("out/metrics.json")
    assert metrics["rel_f"] >= 0.95 and f"{100 * metrics['rel_f']:.2f}" in result.output
    assert metrics["frequent_f"] == metrics["rel_f"] and metrics["long_tail_f"] is None
    answers = srsly.read_json("out/result.json")
    assert len(answers) == metrics["predicted"] and answers[0]["evidence"]
    report = Path("out/report.md").read_text("utf8")
    assert "## Error distribution" in report and "born in" in report
    # The result file has the same scores.
    again = run("out/result.json", "gold.spacy", "--train", "others.spacy", "--output", "again")
    assert again.exit_code == 0 and not Path("again/result.json").exists()
    same = srsly.read_json("again/metrics.json")
    for name in ("rel_p", "rel_f", "rel_ign_f", "evidence_f", "errors", "by_distance"):
        assert same[name] == metrics[name]


def test_pipeline_scores_as_spacy_does(trained_folder: Path) -> None:
    nlp = spacy.load(trained_folder)
    nlp.get_pipe(EXTRACTOR).cfg.update(threshold=0.2, top_k=1)
    nlp.to_disk("model")
    result = run("model", "others.spacy", "--output", "out")
    assert result.exit_code == 0, result.output
    scores = nlp.evaluate(list(make_corpus("others.spacy")(nlp)))
    metrics = srsly.read_json("out/metrics.json")
    assert 0 < metrics["rel_f"] < 0.95
    for name in ("rel_p", "rel_r", "rel_f"):
        assert metrics[name] == pytest.approx(scores[name], abs=1e-3)


@pytest.mark.parametrize("key, number", [("doc.ents", 0), ("entities", 1)])
def test_entities_are_those_of_gold_or_found(trained_folder: Path, key: str, number: int) -> None:
    """A component finds half of the entities: what it sets does not count unless asked for."""
    nlp = spacy.load(trained_folder)
    if key == "doc.ents":
        ruler = nlp.add_pipe("entity_ruler", first=True)
    else:
        ruler = nlp.add_pipe("span_ruler", first=True, config={"spans_key": key, "overwrite": True})
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in ("Oslo", "Acme Works")])
    nlp.to_disk("model")
    for arguments, is_high in (([], True), (["--find-entities"], False)):
        result = run("model", "gold.spacy", "--output", "out", "--force", *arguments)
        assert result.exit_code == 0, result.output
        assert (srsly.read_json("out/metrics.json")["rel_f"] > 0.9) == is_high


def test_entities_that_are_found_by_the_spelling_of_words(trained_folder: Path) -> None:
    nlp = spacy.load(trained_folder)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    names = [*PEOPLE, *CITIES, *FIRMS]
    ruler.add_patterns(
        [
            {"label": "THING", "pattern": [{"LOWER": word.lower()} for word in name.split()]}
            for name in names
        ]
    )
    nlp.to_disk("model")
    result = run("model", "gold.spacy", "--output", "out", "--find-entities")
    assert result.exit_code == 0, result.output
    assert srsly.read_json("out/metrics.json")["rel_f"] > 0.9


def test_terminal_has_the_shares_of_error_classes(trained_folder: Path) -> None:
    """Those of the paper's Table 7."""
    result = run(trained_folder, "others.spacy", "--output", "out")
    metrics = srsly.read_json("out/metrics.json")
    counts = [metrics["errors"][kind] for kind in ("C", "W", "MR", "MS")]
    assert 0 < counts[0] < sum(counts)
    for kind, count in zip(("C", "W", "MR", "MS"), counts, strict=True):
        (row,) = [line for line in result.output.splitlines() if line.startswith(f"{kind}: ")]
        share = f"{100 * count / sum(counts):.1f}"
        assert row.split(")")[1].split()[:2] == [str(count), share]


@pytest.mark.parametrize("train", [[], ["--train", "others.spacy"]])
def test_frequent_relations(trained_folder: Path, train: List[str]) -> None:
    frequent = "born in, works for,P17"
    result = run(trained_folder, "others.spacy", *train, "--frequent", frequent, "-o", "out")
    assert result.exit_code == 0, result.output
    assert "Some relations of --frequent are not in GOLD" in output(result)
    metrics = srsly.read_json("out/metrics.json")
    assert metrics["frequent_labels"] == ["born in", "works for", "P17"]
    scores = metrics["rel_per_type"]
    for group, labels in (("frequent", ["born in", "works for"]), ("long_tail", ["based in"])):
        gold, correct = (sum(scores[label][key] for label in labels) for key in ("gold", "correct"))
        assert metrics[f"{group}_r"] == pytest.approx(correct / gold)
    assert "Frequent: born in, works for, P17." in output(result)


@pytest.mark.parametrize("frequent", ["paper", "P17", "", " , "])
def test_frequent_relations_that_gold_does_not_have(frequent: str) -> None:
    Path("none.json").write_text("[]")
    result = run("none.json", "gold.spacy", "--frequent", frequent)
    assert result.exit_code == 1 and "GOLD has none of the relations" in output(result)


def test_comparison(trained_folder: Path) -> None:
    Path("empty.json").write_text("[]")
    result = run(trained_folder, "gold.spacy", "--compare", "empty.json", "--output", "out")
    assert result.exit_code == 0, result.output
    metrics = srsly.read_json("out/metrics.json")
    assert metrics["comparison"]["rel_f"]["difference"] == pytest.approx(metrics["rel_f"])
    assert metrics["comparison"]["rel_f"]["no_better"] == 0
    assert "Compared with empty.json" in result.output


def test_threshold(trained_folder: Path) -> None:
    assert run(trained_folder, "gold.spacy", "-o", "out", "--threshold", "1").exit_code == 0
    assert srsly.read_json("out/metrics.json")["predicted"] == 0
    assert srsly.read_json("out/result.json") == []


def test_threshold_of_a_result_file() -> None:
    title = "Document 0"
    triples = [
        {"title": title, "h_idx": relation.head.index, "t_idx": relation.tail.index, "r": "born in"}
        for relation in next(read_spacy_docs(Path("gold.spacy"), Vocab()))._.relations
    ]
    scored = [{**triple, "score": 0.2 + index / 4} for index, triple in enumerate(triples[:3])]
    for name, answers in (("scored", scored), ("some", [*scored, triples[3]])):
        Path(f"{name}.json").write_text(json.dumps(answers))
    result = run("scored.json", "gold.spacy", "-o", "out", "--threshold", "0.3")
    assert result.exit_code == 0, result.output
    assert srsly.read_json("out/metrics.json")["predicted"] == 2
    result = run("some.json", "gold.spacy", "--threshold", "0.3")
    assert result.exit_code == 1 and "some.json has answers without a score" in output(result)
    result = run("scored.json", "gold.spacy", "--find-entities")
    assert result.exit_code == 2 and "--find-entities is for pipelines" in output(result)


def test_nothing_is_overwritten() -> None:
    Path("out").mkdir()
    Path("out/report.md").write_text("mine")
    Path("result.json").write_text("[]")
    result = run("result.json", "gold.spacy", "--output", "out")
    assert result.exit_code == 1 and "Already there: out/report.md" in output(result)
    assert Path("out/report.md").read_text() == "mine"
    assert run("result.json", "gold.spacy", "--output", "out", "--force").exit_code == 0


def test_answers_to_other_documents() -> None:
    answers = [{"title": "Nowhere", "h_idx": 0, "t_idx": 1, "r": "born in"}]
    Path("result.json").write_text(json.dumps(answers))
    result = run("result.json", "gold.spacy", "--output", "out")
    assert result.exit_code == 0 and "1 documents of the answers of result.json" in output(result)
    assert srsly.read_json("out/metrics.json")["predicted"] == 1
    assert "name a document or an entity" in Path("out/report.html").read_text("utf8")


@pytest.mark.parametrize(
    "what, gold, problem",
    [
        ("result.json", "gold.spacy", "result.json is not JSON"),
        ("nowhere.json", "gold.spacy", "Cannot evaluate nowhere.json"),
        ("no_such_pipeline", "gold.spacy", "Cannot load no_such_pipeline"),
        ("result.json", "broken.spacy", "broken.spacy is damaged"),
    ],
)
def test_bad_input(what: str, gold: str, problem: str) -> None:
    Path("result.json").write_text("[{")
    Path("broken.spacy").write_bytes(b"\xff")
    result = run(what, gold, "--output", "out")
    assert result.exit_code == 1 and problem in output(result)
    assert not Path("out").exists()


def test_answers_to_documents_that_are_left_out(trained_folder: Path) -> None:
    """They do not count, as a pipeline is not asked about these documents."""
    assert run(trained_folder, "gold.spacy", "--output", "all").exit_code == 0
    docs = list(read_spacy_docs(Path("gold.spacy"), Vocab()))
    for doc in docs[:2]:
        mark_partial(doc)
    # Another document has the title of one that counts.
    twin = docs[0].copy()
    twin.user_data["title"] = docs[5].user_data["title"]
    write_docs({Path("mixed.spacy"): [*docs, twin]})
    scores = []
    for what in (trained_folder, "all/result.json"):
        result = run(what, "mixed.spacy", "--output", "out", "--force")
        assert result.exit_code == 0 and "not in GOLD" not in result.output
        metrics = srsly.read_json("out/metrics.json")
        scores.append([metrics[name] for name in ("documents", "predicted", "rel_p", "rel_f")])
    assert scores[0] == scores[1] and scores[0][0] == 8


def test_given_names_count_most(trained_folder: Path) -> None:
    label, *_ = spacy.load(trained_folder).get_pipe(EXTRACTOR).labels  # type: ignore[attr-defined]
    srsly.write_json("names.json", {label: "NAME THAT WAS GIVEN"})
    result = run(trained_folder, "gold.spacy", "--names", "names.json", "--output", "out")
    assert result.exit_code == 0
    assert "NAME THAT WAS GIVEN" in Path("out/report.md").read_text("utf8")


def test_sources_are_opened_before_any_is_asked(
    trained_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: List[object] = []
    monkeypatch.setattr("spacy_docre.cli.evaluate.ask", lambda *args, **more: asked.append(args))
    result = run(trained_folder, "gold.spacy", "--compare", "no_such_pipeline")
    assert result.exit_code == 1 and "Cannot load no_such_pipeline" in output(result)
    assert not asked


def test_partial_relations_are_left_out(trained_folder: Path) -> None:
    docs = list(read_spacy_docs(Path("gold.spacy"), Vocab()))
    for doc in docs[:3]:
        mark_partial(doc)
    write_docs({Path("mixed.spacy"): docs, Path("partial.spacy"): docs[:3]})
    result = run(trained_folder, "mixed.spacy", "--output", "out")
    assert result.exit_code == 0
    assert "3 documents with partial relations" in output(result)
    assert srsly.read_json("out/metrics.json")["documents"] == 7
    result = run(trained_folder, "partial.spacy")
    assert result.exit_code == 1 and "but 3 with partial ones" in output(result)


@pytest.mark.parametrize("name", ["found.jsonl", "found.parquet", "found"])
def test_what_annotate_has_written(name: str, trained_folder: Path) -> None:
    """It has the scores of the pipeline, whose titles or ids tell the documents."""
    annotated = ["annotate", trained_folder, "others.spacy", "-o", name]
    result = CliRunner().invoke(app, ["docre", *map(str, annotated)])
    assert result.exit_code == 0, result.output
    for what, out in ((trained_folder, "own"), (name, "again")):
        result = run(what, "others.spacy", "--output", out)
        assert result.exit_code == 0, result.output
    own, again = (srsly.read_json(f"{out}/metrics.json") for out in ("own", "again"))
    assert 0 < own["rel_f"] < 1
    for metric in ("documents", "predicted", "rel_p", "rel_r", "rel_f", "evidence_f", "errors"):
        assert again[metric] == own[metric], metric
    assert run(name, "others.spacy", "-o", "none", "--threshold", 1).exit_code == 0
    assert srsly.read_json("none/metrics.json")["predicted"] == 0
    # As gold, it says that all of it is right.
    if name != "found.jsonl":
        result = run(name, name, "-o", "gold")
        assert result.exit_code == 0 and srsly.read_json("gold/metrics.json")["rel_f"] == 1


def test_what_annotate_has_written_of_other_documents(trained_folder: Path) -> None:
    record = {"id": "elsewhere", "text": "Ada", "entities": [], "relations": []}
    gold = next(read_spacy_docs(Path("gold.spacy"), Vocab()))
    for records, problem in (
        ([record], "None of the 1 documents of a.jsonl is in GOLD"),
        ([], "None of the 0 documents of a.jsonl is in GOLD"),
        ([{**record, "id": "Document 0"}], "different texts"),
        ([{**record, "id": "Document 0", "text": gold.text}] * 2, "two documents with the title"),
        ([{"text": "Ada"}], "has no entities and relations. Annotate it first"),
    ):
        Path("a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))
        result = run("a.jsonl", "gold.spacy")
        assert result.exit_code == 1 and problem in output(result), result.output
    relation = {"head": 0, "tail": 1, "label": "born in", "score": 0.5}
    entities = [
        {"id": n, "text": "Ada", "label": "", "mentions": [{"start": 0, "end": 3, "text": "Ada"}]}
        for n in range(2)
    ]
    other = {**record, "entities": entities, "relations": [relation]}
    known = {**record, "id": "Document 0", "text": gold.text}
    Path("a.jsonl").write_text(f"{json.dumps(other)}\n{json.dumps(known)}\n")
    result = run("a.jsonl", "gold.spacy", "-o", "out")
    assert result.exit_code == 0 and "1 documents of the answers of a.jsonl" in output(result)
    assert srsly.read_json("out/metrics.json")["predicted"] == 1
