"""Parquet, and who reads it."""

import json
from pathlib import Path
from typing import Any, Iterable

import duckdb
import pandas
import polars
import pyarrow.parquet
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_docre import Triple
from spacy_docre.annotate import parquet
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.parquet import Parquet, triples_query


def make_doc() -> Doc:
    doc = Doc(spacy.blank("en").vocab, words="Paris is in France . It is".split())
    doc._.entities = [
        [Span(doc, 0, 1, label="LOC", kb_id="Q90"), Span(doc, 5, 6, label="LOC")],
        [Span(doc, 3, 4, label="GPE")],
    ]
    doc._.relations = [Triple(0, 1, "P17", 0.75, "country", ((0, 5), (5, 7)))]
    return doc


def write(path: Path, ids: Iterable[str], **fields: Any) -> None:
    output = Parquet(path)
    for id_ in ids:
        output.write(make_doc(), InputDocument(id_, "", fields))
    output.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With what is beside the parts of a folder, and a part of no document."""
    folder = tmp_path / "it's"
    folder.mkdir()
    write(folder / "part-000000.parquet", ["a", "b"], year=1, tags=["x"])
    write(folder / "part-000001.parquet", ["c"], year="none")
    write(folder / "part-000002.parquet", [])
    (folder / ".manifest.sqlite").write_text("")
    return folder


MENTION = {"start": 0, "end": 5, "text": "Paris"}
SENTENCES = [
    {"start": 0, "end": 20, "text": "Paris is in France ."},
    {"start": 21, "end": 26, "text": "It is"},
]


def test_rows(folder: Path) -> None:
    rows = pyarrow.parquet.read_table(folder).to_pylist()
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert [json.loads(row["fields"])["year"] for row in rows] == [1, 1, "none"]
    for row in rows:
        assert row["text"] == make_doc().text
        paris, france = row["entities"]
        assert (paris["id"], paris["text"], paris["label"]) == (0, "Paris", "LOC")
        assert (paris["kb_id"], france["kb_id"]) == ("Q90", "")
        assert paris["mentions"] == [MENTION, {"start": 21, "end": 23, "text": "It"}]
        (relation,) = row["relations"]
        assert relation.pop("evidence") == SENTENCES
        assert relation == {"head": 0, "tail": 1, "label": "P17", "name": "country", "score": 0.75}


def test_readers(folder: Path) -> None:
    frame = pandas.read_parquet(folder)
    assert list(frame["id"]) == ["a", "b", "c"]
    assert frame["entities"][2][0]["mentions"][0] == MENTION
    table = polars.read_parquet(folder / "*.parquet")
    assert table["entities"].to_list()[2][0]["mentions"][0] == MENTION
    query = f"SELECT entities[1].mentions[1].text FROM read_parquet('{quoted(folder)}/*.parquet')"
    assert duckdb.sql(query).fetchall() == [("Paris",)] * 3


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def test_flat_triples(folder: Path, tmp_path: Path) -> None:
    expected = {
        "document": "c",
        "head": "Paris",
        "head_label": "LOC",
        "head_kb_id": "Q90",
        "relation": "P17",
        "name": "country",
        "tail": "France",
        "tail_label": "GPE",
        "tail_kb_id": "",
        "score": 0.75,
        "evidence": ["Paris is in France .", "It is"],
    }
    for path, number in ((folder, 3), (folder / "part-000001.parquet", 1)):
        found = duckdb.sql(triples_query(path)).to_arrow_table().to_pylist()
        assert len(found) == number and found[-1] == expected
    # A name is no pattern.
    (tmp_path / "[0-9]").mkdir()
    (tmp_path / "[0-9]" / "a[1].parquet").write_bytes((folder / "part-000001.parquet").read_bytes())
    for path in (tmp_path / "[0-9]", tmp_path / "[0-9]" / "a[1].parquet"):
        assert duckdb.sql(triples_query(path)).to_arrow_table().to_pylist() == [expected]


def test_it_is_written_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_GROUP_BYTES", 1500)
    write(tmp_path / "out.parquet", map(str, range(100)))
    file = pyarrow.parquet.ParquetFile(tmp_path / "out.parquet")
    assert 10 < file.num_row_groups < 100
    assert [row["id"] for row in file.read().to_pylist()] == [*map(str, range(100))]


def test_what_it_cannot_hold_is_the_documents_failure(tmp_path: Path) -> None:
    output = Parquet(tmp_path / "out.parquet")
    sources = [("a", {}), ("half \ud83d", {}), ("c", {"x": float("nan")}), ("d", {})]
    problems = [output.try_to_write(make_doc(), InputDocument(i, "", f)) for i, f in sources]
    output.close()
    assert [problem is None for problem in problems] == [True, False, False, True]
    assert list(pandas.read_parquet(tmp_path / "out.parquet")["id"]) == ["a", "d"]
