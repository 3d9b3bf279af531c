"""Names, ids, texts and labels that would steer the terminal, in each command."""

import json
import re
from pathlib import Path
from typing import Callable, List

import pytest
import spacy
from spacy.cli._util import app
from typer.testing import CliRunner, Result

from spacy_docre import Triple
from spacy_docre.cli import app as docre
from spacy_docre.cli._terminal import printable
from spacy_docre.data.corpus_files import write_docs

BAD = "\x1b]0;owned\x07\x1b[8mx\x9b2J\u202egnp\r\n✔ all is well"
FILE = BAD.replace("/", "")
COMMANDS = [command.name for command in docre.registered_commands if not command.hidden]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", *map(str, arguments)])


def assert_safe(result: Result) -> None:
    # wasabi's colours, and what tqdm's bar begins with.
    output = re.sub("\x1b\\[(38;5;[0-9]+|0|1)m|\r", "", result.output)
    assert printable(output) == output
    # It is there, in words.
    assert "x1b]0;owned" in "".join(output.split()).replace("│", "")
    assert "\n✔ all is well" not in output
    assert isinstance(result.exception, (SystemExit, type(None))), result.exception


@pytest.fixture(autouse=True)
def folder(make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with documents whose titles and labels are hostile."""
    monkeypatch.chdir(tmp_path)
    docs = [example.reference for example in make_examples(3)]
    for doc in docs:
        doc.user_data["title"] = BAD
        doc._.relations = [Triple(0, 1, BAD)]
    write_docs({Path("docs.spacy"): docs, Path(f"{FILE}.spacy"): docs})
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_arguments(command: str) -> None:
    """Files that are not there, whatever a command does with its arguments."""
    outputs = {
        **dict.fromkeys(("annotate", "graph"), f"{FILE}.csv"),
        **{"predict": f"{FILE}.json", "train": FILE},
    }
    result = run(command, FILE, FILE, *(["-o", outputs[command]] if command in outputs else []))
    assert result.exit_code in (1, 2)
    assert_safe(result)


def test_annotate(trained_folder: Path) -> None:
    nlp = spacy.load(trained_folder)
    nlp.get_pipe("doc_relation_extractor").cfg["threshold"] = 0.0
    nlp.get_pipe("doc_relation_extractor").label_names["born in"] = BAD
    ruler = nlp.add_pipe("entity_ruler", first=True)
    names = ["Ada" + BAD, "Oslo"]
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in names])
    nlp.to_disk("model")
    lines = [{"id": BAD, "text": f"{names[0]} was born in Oslo ."}, {"id": BAD, "text": None}]
    Path(f"{FILE}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = run("annotate", "model", f"{FILE}.jsonl", "-o", f"{FILE}.csv", "--table")
    assert "2 relations" in result.output or "6 relations" in result.output
    assert "Left out" in result.output
    assert_safe(result)


def test_convert() -> None:
    example = {"text": "Ada", "tokens": [], "relations": [], "answer": BAD}
    Path(f"{FILE}.jsonl").write_text(json.dumps(example))
    assert_safe(run("convert", f"{FILE}.jsonl", f"{FILE}-out.spacy"))
    Path(f"{FILE}.json").write_text(json.dumps([{"title": BAD}]))
    assert_safe(run("convert", f"{FILE}.json", "out.spacy"))


def test_distant() -> None:
    assert_safe(run("distant", "docs.spacy", f"{FILE}.spacy", f"{FILE}.out.spacy", "--from-gold"))


def test_evaluate(trained_folder: Path) -> None:
    answer = {"title": BAD + "?", "h_idx": 0, "t_idx": 1, "r": BAD}
    Path(f"{FILE}.json").write_text(json.dumps([answer]))
    result = run("evaluate", f"{FILE}.json", "docs.spacy", "-c", f"{FILE}.json", "-o", FILE)
    assert_safe(result)


def test_predict(trained_folder: Path) -> None:
    assert_safe(run("predict", trained_folder, f"{FILE}.spacy", "-o", f"{FILE}.json"))


def test_render() -> None:
    assert_safe(run("render", "docs.spacy", f"{FILE}.html"))
    Path(f"{FILE}.spacy").write_bytes(b"")
    assert_safe(run("render", f"{FILE}.spacy", "page.html"))


def test_reshape() -> None:
    result = run("reshape", f"{FILE}.spacy", f"{FILE}-out.spacy", "--lists", 2)
    assert result.exit_code == 0 and "2 lists" in " ".join(result.output.split())
    assert_safe(result)


def test_stats() -> None:
    assert_safe(run("stats", f"{FILE}.spacy"))


def test_logits(trained_folder: Path) -> None:
    assert_safe(run("logits", trained_folder, "docs.spacy", FILE))


def test_train_and_import() -> None:
    Path(f"{FILE}.cfg").write_text("[nlp]\nlang = 3")
    results: List[Result] = [run("import-checkpoint", f"{FILE}.pt", "out")]
    Path(f"{FILE}.pt").write_bytes(b"")
    Path("ids.json").write_text("{}")
    command = ["import-checkpoint", f"{FILE}.pt", "out", "--encoder", FILE, "--rel2id", "ids.json"]
    results.append(run(*command))
    for result in results:
        assert result.exit_code
        assert_safe(result)
