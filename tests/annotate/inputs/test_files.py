"""Documents from files."""

import gzip
import io
import json
import os
import socket
import subprocess
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_docre.annotate.inputs import (
    Failure,
    InputDocument,
    Listing,
    list_files,
    read_inputs,
)
from spacy_docre.annotations import has_relations
from spacy_docre.entity_sources import find_entities


@contextmanager
def chdir(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    yield
    os.chdir(before)


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


RECORD = {
    "title": "Ada",
    "sents": [["Ada", "saw", "Oslo", "."], ["She", "stayed", "."]],
    "vertexSet": [
        [{"pos": [2, 3], "sent_id": 0, "type": "LOC"}],
        [{"pos": [0, 1], "sent_id": number, "type": "PER"} for number in (0, 1)],
    ],
    "labels": [{"h": 1, "t": 0, "r": "P19"}],
}


@pytest.mark.parametrize("name", ["a.json", "A.JSON", "a.json.gz"])
def test_json_of_docred(tmp_path: Path, name: str) -> None:
    """Documents with their entities; one that is malformed does not stop the others."""
    damaged = {**RECORD, "title": "Bad", "vertexSet": [[]]}
    data = json.dumps([RECORD, damaged, {"title": "C"}, RECORD]).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    items = list(read_inputs(list_files([tmp_path]), spacy.blank("en").vocab))
    where = tmp_path / name
    assert [item.id for item in items] == ["Ada", f"{where}:1", f"{where}:2", "Ada (2)"]
    assert "document 1 ('Bad'), field vertexSet[0]" in items[1].problem
    assert "document 2 ('C'), field sents" in items[2].problem
    doc, fields = items[0].content, items[0].fields
    assert doc.text == "Ada saw Oslo. She stayed." and fields == {"title": "Ada"}
    given = find_entities(doc, lambda doc: [])
    assert [[span.text for span in mentions] for mentions in given] == [["Oslo"], ["Ada", "She"]]
    assert [sentence.start for sentence in doc.sents] == [0, 4] and not has_relations(doc)


@pytest.mark.parametrize("data", [{"text": "Ada"}, [{"text": "Ada"}], [1, 2], ["Ada"], {}, "Ada"])
def test_other_json(tmp_path: Path, data: Any) -> None:
    """The file is one failure, however many items it has."""
    (tmp_path / "a.json").write_text(json.dumps(data))
    (failure,) = read_inputs(list_files([tmp_path]), Vocab())
    assert isinstance(failure, Failure) and failure.id == str(tmp_path / "a.json")
    assert "is not in DocRED's format" in failure.problem or "should be a list" in failure.problem


def test_names_of_fields(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "text", "key": "k", "id": 1}')
    (item,) = read_inputs(list_files([tmp_path]), Vocab(), text_field="body", id_field="key")
    assert item == InputDocument("k", "text", {"id": 1})


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("a.jsonl", b'{"text": "first"}\n{"text"\n{"text": "last"}', "a.jsonl:2 is not JSON"),
        (
            "a.jsonl",
            b'{"text": "first"}\n[1]\n{"text": "last"}',
            "The field 'text' should have the text",
        ),
        ("a.jsonl", b'{"text": "first"}\n{"text": 1}\n{"text": "last"}', "--text-field"),
        ("a.jsonl", b'{"text": "first"}\n{"text": "\xff"}\n{"text": "last"}', "is not UTF-8"),
        ("a.jsonl", b'{"text": "first"}\n{"text": "", "id": "\\ud800"}\n{"text": "last"}', "surr"),
        ("a.jsonl", b'{"text": "first"}\n{"text": "\\udfff"}\n{"text": "last"}', "surrogate pair"),
        ("a.jsonl", b'{"text": "first"}\n{"text": "", "a": NaN}\n{"text": "last"}', "NaN"),
        ("a.jsonl", b'{"text": "first"}\n{"text": "", "a": [-1e400]}\n{"text": "last"}', "1.8e308"),
        (
            "a.jsonl",
            b'{"text": "first"}\n{"a":' + 100_000 * b"[" + b'\n{"text": "last"}',
            "recursion",
        ),
        (
            "a.jsonl",
            b'{"text": "first"}\n{"a":' + 100_000 * b"[" + b"]" * 100_000 + b'}\n{"text": "last"}',
            "recursion",
        ),
        ("a.jsonl", '{"text": "Åbo"}\n{"text": "last"}'.encode("utf-16"), "looks like UTF-16"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "first"}', mtime=0)[:-3], "cannot be unpacked"),
        ("a.txt", "Åbo".encode("utf-16")[:-1], "looks like UTF-16, but"),
        ("a.txt", b"\xff", "is not UTF-8"),
        ("a.spacy", zlib.compress(srsly.msgpack_dumps({"a": 1})), "not a .spacy file"),
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
    if name == "a.jsonl" and "UTF-16" not in problem:
        assert [getattr(item, "content", None) for item in items[:3]] == ["first", None, "last"]


def test_every_document_has_an_id_of_its_own(tmp_path: Path) -> None:
    ids = ["a", "a", None, "", 0, "a", "a (2)"]
    lines = [json.dumps({"id": id_, "text": "text"}) for id_ in ids]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    names = [item.id for item in read_inputs(list_files([tmp_path / "b.jsonl"]), Vocab())]
    where = f"{tmp_path / 'b.jsonl'}"
    assert names == ["a", "a (2)", f"{where}:3", f"{where}:4", "0", "a (3)", "a (2) (2)"]


def test_lines_that_are_too_long(tmp_path: Path) -> None:
    """The others are read, and no more of it than is allowed."""
    lines = [json.dumps({"id": number, "text": number * "x"}) for number in (10, 3000, 20)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (tmp_path / "c.txt").write_text("x" * 3000)
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"x" * 3000))
    items = list(read_inputs(list_files([tmp_path]), Vocab(), max_bytes=1000))
    failures = [item for item in items if isinstance(item, Failure)]
    assert [item.id for item in items if item not in failures] == ["10", "20", "10 (2)", "20 (2)"]
    assert [Path(failure.id).name for failure in failures] == [
        "a.jsonl:2",
        "b.jsonl.gz:2",
        "c.txt",
        "d.txt.gz",
    ]
    assert all("longer than 1,000 bytes" in failure.problem for failure in failures)


def test_standard_input_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for data, problem in (
        (b"x" * 30, "longer"),
        ("aé".encode("utf-16")[:-1], "UTF-16"),
        (b"\xff", ""),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        (item,) = read_inputs(list_files([Path("-")]), Vocab(), max_bytes=20)
        assert isinstance(item, Failure) and item.id == "-"
        assert problem in item.problem and "Standard input" in item.problem


def test_damaged_documents_of_a_file(tmp_path: Path) -> None:
    """The others of the file are read, with the ids that they have been given."""
    vocab = Vocab()
    docs = [Doc(vocab, words=[f"word{number}"]) for number in range(4)]
    docs[3].user_data["id"] = "mine"
    content = DocBin(store_user_data=True, docs=docs)
    content.user_data[1] = b"\xc1"
    content.tokens[2] = content.tokens[2].copy()
    content.tokens[2][0, 0] = 12345
    content.to_disk(tmp_path / "a.spacy")
    items = list(read_inputs(list_files([tmp_path]), Vocab()))
    name = str(tmp_path / "a.spacy")
    assert [item.id for item in items] == [f"{name}:0", f"{name}:1", f"{name}:2", "mine"]
    assert [isinstance(item, Failure) for item in items] == [False, True, True, False]
    assert "Document 1 of" in items[1].problem and "is damaged" in items[2].problem


def names_of(listing: Listing, folder: Path) -> List[str]:
    return [str(file.relative_to(folder)) for file in listing.files]


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "a.txt").touch()
    (tmp_path / "real" / "b.txt").symlink_to("deep/a.txt")
    (tmp_path / "real" / "deep" / "loop").symlink_to(tmp_path)
    (tmp_path / "a link").symlink_to("real")
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    outside.mkdir()
    (outside / "c.txt").touch()
    (tmp_path / "elsewhere").symlink_to(outside)
    listing = list_files([tmp_path])
    assert names_of(listing, tmp_path) == ["elsewhere/c.txt", "real/b.txt", "real/deep/a.txt"]
    assert not listing.failures
    aside = {Path(failure.id).name: failure.problem for failure in listing.aside}
    assert aside.keys() == {"loop", "a link"}
    assert f"the folder {tmp_path}, which was read already" in aside["loop"]


def test_a_maze_of_links(tmp_path: Path) -> None:
    """Each of 30 folders leads to the next by two ways."""
    for number in range(30):
        (tmp_path / str(number)).mkdir()
        for name in ("left", "right"):
            (tmp_path / str(number) / name).symlink_to(tmp_path / str(number + 1))
    (tmp_path / "30").mkdir()
    (tmp_path / "30" / "a.txt").touch()
    assert len(list_files([tmp_path / "0"]).files) == 1


def test_what_is_no_file_fails(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "broken.txt").symlink_to("nowhere")
    (tmp_path / "itself.txt").symlink_to("itself.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "null.txt").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server, chdir(tmp_path):
        server.bind("socket.txt")
    listing = list_files([tmp_path, tmp_path / "pipe.txt"])
    assert names_of(listing, tmp_path) == ["a.txt"]
    found = {Path(failure.id).stem: failure.problem for failure in listing.failures}
    assert "is a pipe" in found["pipe"] and "is a socket" in found["socket"]
    assert "is a device" in found["null"] and "a link to a missing file" in found["broken"]
    assert "symbolic links" in found["itself"]
    assert len(listing.failures) == 6


def test_folders_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").touch()
    real = os.listdir

    def listdir(path: Path) -> List[str]:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    listing = list_files([tmp_path])
    assert names_of(listing, tmp_path) == ["open/a.txt"]
    (failure,) = listing.failures
    assert Path(failure.id).name == "closed" and "Permission denied" in failure.problem


def test_deep_folders(tmp_path: Path) -> None:
    """Deeper than Python's stack, and than a path may be long."""
    with chdir(tmp_path):
        for _ in range(2500):
            os.mkdir("d")
            os.chdir("d")
        Path("lost.txt").touch()
    (tmp_path / "d" / "d" / "a.txt").touch()
    listing = list_files([tmp_path])
    assert names_of(listing, tmp_path) == ["d/d/a.txt"]
    assert "File name too long" in listing.failures[0].problem
    # pytest could not.
    subprocess.run(["rm", "-r", tmp_path / "d"], check=True)


def test_hidden_files_are_told(tmp_path: Path) -> None:
    """But for what a run leaves that is killed."""
    for name in ("a.txt", ".b.txt", ".out.jsonl.123.tmp"):
        (tmp_path / name).touch()
    (tmp_path / ".c").mkdir()
    listing = list_files([tmp_path])
    assert names_of(listing, tmp_path) == ["a.txt"]
    assert [Path(failure.id).name for failure in listing.aside] == [".b.txt", ".c"]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Two of them that look the same stay two."""
    for name in (b"a\xff.txt", b"a\xfe.txt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("text")
    ids = [item.id for item in read_inputs(list_files([tmp_path]), Vocab())]
    assert ids == [f"{tmp_path}/a\ufffd.txt", f"{tmp_path}/a\ufffd.txt (2)"]


def test_files_of_other_kinds(tmp_path: Path) -> None:
    """What is no prose is not read as such: told where a folder holds it, a failure where named."""
    text = ["a.txt", "B.TXT", "c.md", "no ending", "chapter 1.2", "Mr. Smith", "d.txt.gz"]
    other = ["a.xlsx", "c.rtf", "d.ODT", "e.docx.gz", "f.xml.gz", "g.spacy.gz", "h.py"]
    for name in text:
        content = b"text"
        (tmp_path / name).write_bytes(gzip.compress(content) if name[-3:] == ".gz" else content)
    (tmp_path / "L.JSONL").write_text('{"text": "text"}\n' * 2)
    for name in other:
        (tmp_path / name).write_text("a,b")
    listing = list_files([tmp_path])
    assert [Path(failure.id).name for failure in listing.aside] == other
    assert not listing.failures
    items = list(read_inputs(listing, Vocab()))
    assert [str(item.content) for item in items] == ["text"] * (len(text) + 2)
    named = list_files([tmp_path / name for name in other])
    assert [Path(failure.id).name for failure in named.failures] == other and not named.files
    problem = named.failures[4].problem
    assert (
        "ending in .xml.gz are not read. Files with these endings are: .txt, .md" in problem
        and ".parquet" in problem
    )


def test_a_field_of_ids_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "key": "k"}\n{"text": "b"}\n[]')
    with pytest.warns(UserWarning, match="a.jsonl has an id in the field 'kee'.*--id-field"):
        list(read_inputs(list_files([tmp_path]), Vocab(), id_field="kee"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for field in ("key", "id"):
            assert len(list(read_inputs(list_files([tmp_path]), Vocab(), id_field=field))) == 3
