"""HacRED's format, by documents made up for it."""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from spacy.cli._util import app
from spacy.vocab import Vocab
from typer.testing import CliRunner

import spacy_docre.cli  # noqa: F401
from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.data.hacred import read_hacred
from spacy_docre.evaluation.gold import facts_of

TEXT = "王小明在北京的New Age公司工作。他是公司的老板。"
FIRST = ["王", "小", "明", "在", "北", "京", "的", "New", "Age", "公", "司", "工", "作", "。"]
SECOND = ["他", "是", "公", "司", "的", "老", "板", "。"]
DOCUMENT = {
    "id": 6020,
    "text": TEXT,
    "sents_char": [FIRST, SECOND],
    "vertex_char": [
        [{"name": "王小明", "sent_id": 0, "type": "PER", "pos": [0, 3]}],
        [{"name": "北京", "sent_id": 0, "type": "LOC", "pos": [4, 6]}],
        [
            {"name": "New Age公司", "sent_id": 0, "type": "ORG", "pos": [7, 11]},
            {"name": "公司", "sent_id": 1, "type": "ORG", "pos": [2, 4]},
        ],
    ],
    "labels_char": [{"r": "任职", "h": 0, "t": 2}, {"r": "总部", "h": 2, "t": 1}],
    "sents_word": [["王小明", "在", "北京", "的", "New", "Age", "公司", "工作", "。"]],
    "vertex_word": [],
    "labels_word": [],
}


def write(path: Path, *documents: Any) -> Path:
    lines = [json.dumps(document, ensure_ascii=False) for document in documents]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def test_document(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", DOCUMENT, {**DOCUMENT, "id": 7})
    first, second = read_hacred(path, Vocab(), names={"任职": "works for"})
    assert first.text == TEXT
    assert [sentence.text for sentence in first.sents] == [
        f"{half}。" for half in TEXT.split("。")[:2]
    ]
    assert [[span.text for span in entity.mentions] for entity in first._.entities] == [
        ["王小明"],
        ["北京"],
        ["New Age公司", "公司"],
    ]
    found = [(r.head.text, r.label_, r.name, r.tail.text) for r in first._.relations]
    assert found == [
        ("王小明", "任职", "works for", "New Age公司"),
        ("New Age公司", "总部", "总部", "北京"),
    ]
    assert (first.user_data["title"], second.user_data["title"]) == ("6020", "7")
    # By the names of the file, not by characters with spaces between.
    assert ("王小明", "公司", "任职") in set(facts_of(first))


def test_space_that_is_a_token(tmp_path: Path) -> None:
    tokens = ["Hi", " ", "there", "you"]
    entity = [{"sent_id": 0, "type": "X", "pos": [0, 1]}]
    document = {
        **{"id": 1, "text": "Hi there you", "sents_char": [tokens]},
        **{"vertex_char": [entity], "labels_char": []},
    }
    (doc,) = read_hacred(write(tmp_path / "train.json", document), Vocab())
    assert doc.text == "Hi there you" and len(doc) == 4


def test_what_is_said_twice(tmp_path: Path) -> None:
    """A text of other tokens, and a name that is not the text."""
    entities = [[{**DOCUMENT["vertex_char"][0][0], "pos": [0, 2]}], *DOCUMENT["vertex_char"][1:]]
    path = write(tmp_path / "train.json", {**DOCUMENT, "text": "另", "vertex_char": entities})
    with pytest.warns(UserWarning) as warned:
        (doc,) = read_hacred(path, Vocab())
    (message,) = (str(warning.message) for warning in warned)
    assert "1 names differ from the text" in message and "'王小明'" in message
    assert "1 documents have a text that differs from their tokens" in message
    assert doc.text == TEXT


@pytest.mark.filterwarnings("ignore:.*have a text that differs")
@pytest.mark.parametrize("text", [None, "另一个文本。", 7])
def test_without_a_text_of_these_tokens(tmp_path: Path, text: Any) -> None:
    document: Dict[str, Any] = {**DOCUMENT, "text": text}
    (doc,) = read_hacred(write(tmp_path / "train.json", document), Vocab())
    assert doc.text == TEXT
    assert [token.text for token in doc] == FIRST + SECOND


def test_test_documents_have_no_relations(tmp_path: Path) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "labels_char"}
    (doc,) = read_hacred(write(tmp_path / "test.json", document), Vocab())
    assert len(doc._.entities) == 3 and "docre_relations" not in doc.user_data


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"sents_char": "文"}, "line 2 .reading id as title, sents_char as sents.*field sents: "),
        ({"labels_char": [{"r": "任职", "h": 0, "t": 9}]}, r"field labels\[0\].t: "),
        ({"vertex_char": [[]]}, "the entity has no mention"),
    ],
)
def test_malformed(tmp_path: Path, change: Dict[str, Any], problem: str) -> None:
    path = write(tmp_path / "train.json", DOCUMENT, {**DOCUMENT, **change})
    with pytest.raises(ValueError, match=f"train.json, .*{problem}"):
        list(read_hacred(path, Vocab()))


@pytest.mark.parametrize("options", [[], ["--format", "hacred"]])
def test_convert(options: List[str], tmp_path: Path) -> None:
    """Its fields tell the format."""
    path, out = write(tmp_path / "train.json", DOCUMENT), tmp_path / "train.spacy"
    result = CliRunner().invoke(app, ["docre", "convert", str(path), str(out), *options])
    assert result.exit_code == 0, result.output
    (doc,) = read_spacy_docs(out, spacy.blank("zh").vocab)
    assert doc.text == TEXT and len(doc._.relations) == 2
