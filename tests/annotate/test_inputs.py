"""Documents from files."""

import io
import json
import zlib
from pathlib import Path

import pytest
import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_docre.annotate.inputs import Failure, InputDocument, list_files, read_inputs


def test_kinds_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.txt").write_text("hidden")
    (tmp_path / "deep" / "a.txt").write_text("\ufeffÅ text", encoding="utf8")
    lines = [{"id": 7, "text": "first", "year": 1999}, {"text": "second"}]
    (tmp_path / "b.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    DocBin(docs=[Doc(Vocab(), words=["third"])]).to_disk(tmp_path / "c.spacy")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"fourth")))
    items = list(read_inputs(list_files([tmp_path, Path("-")]), Vocab()))
    found = [(item.id, str(item.content), item.fields) for item in items]
    assert found == [
        ("7", "first", {"year": 1999}),
        (f"{tmp_path / 'b.jsonl'}:3", "second", {}),
        (f"{tmp_path / 'c.spacy'}:0", "third ", {}),
        (str(tmp_path / "deep" / "a.txt"), "Å text", {}),
        ("stdin", "fourth", {}),
    ]


def test_names_of_fields(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "text", "key": "k", "id": 1}')
    (item,) = read_inputs(list_files([tmp_path]), Vocab(), text_field="body", id_field="key")
    assert item == InputDocument("k", "text", {"id": 1})


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("a.jsonl", b'{"text": "first"}\n{"text"\n{"text": "last"}', "a.jsonl:2 is not JSON"),
        ("a.jsonl", b'{"text": "first"}\n[1]\n{"text": "last"}', "text in the field 'text'"),
        ("a.jsonl", b'{"text": "first"}\n{"text": 1}\n{"text": "last"}', "--text-field"),
        ("a.jsonl", b'{"text": "first"}\n{"text": "\xff"}\n{"text": "last"}', "is not UTF-8"),
        ("a.jsonl", b'{"text": "first"}\n{"text": "", "id": "\\ud800"}\n{"text": "last"}', "surr"),
        ("a.txt", b"\xff", "is not UTF-8"),
        ("a.spacy", zlib.compress(srsly.msgpack_dumps({"a": 1})), "no .spacy file"),
        ("a.spacy", b"\xff", ""),
    ],
)
def test_what_cannot_be_read_is_passed_on(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "z.txt").write_text("after")
    items = list(read_inputs(list_files([tmp_path]), Vocab()))
    failures = [item for item in items if isinstance(item, Failure)]
    assert len(failures) == 1 and problem in failures[0].problem and name in failures[0].id
    assert isinstance(items[-1], InputDocument) and items[-1].content == "after"
    if name == "a.jsonl":
        assert [getattr(item, "content", None) for item in items[:3]] == ["first", None, "last"]


def test_every_document_has_an_id_of_its_own(tmp_path: Path) -> None:
    ids = ["a", "a", None, "", 0, "a"]
    lines = [json.dumps({"id": id_, "text": "text"}) for id_ in ids]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    names = [item.id for item in read_inputs(list_files([tmp_path / "b.jsonl"]), Vocab())]
    where = f"{tmp_path / 'b.jsonl'}"
    assert names == ["a", "a (2)", f"{where}:3", f"{where}:4", "0", "a (3)"]
