"""Tables to documents."""

import datetime
import decimal
import gzip
import json
from pathlib import Path
from typing import Any, Dict, List

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from datasets import Dataset, DatasetDict
from spacy.vocab import Vocab

from spacy_docre.annotate.inputs import Failure, list_files, read_inputs


def read(*paths: Path, **settings: Any) -> List[Any]:
    return list(read_inputs(list_files(paths), Vocab(), **settings))


def contents(items: List[Any]) -> List[Any]:
    return [getattr(item, "content", None) for item in items]


CSV = 'id,text,year\na,"Ada\nsaw ""it"", twice",1\nb,\n,Oslo,3\nd,"Por"to,4\n\ne,last,5\n'


@pytest.mark.parametrize("delimiter, ending", [(",", "csv"), (";", "csv"), ("\t", "tsv")])
@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
def test_csv(tmp_path: Path, delimiter: str, ending: str, packing: str) -> None:
    """A row that is malformed is one failure."""
    data = CSV.replace(",", delimiter).encode()
    packed = {"": data, ".gz": gzip.compress(data), ".zst": zstandard.compress(data)}
    file = tmp_path / f"a.{ending}{packing}"
    file.write_bytes(packed[packing])
    items = read(file)
    assert contents(items) == [f'Ada\nsaw "it"{delimiter} twice', None, "Oslo", None, "last"]
    assert [item.id for item in items] == ["a", f"{file}:4", f"{file}:5", f"{file}:6", "e"]
    assert items[0].fields == {"year": "1"} and "2 cells" in items[1].problem


@pytest.mark.parametrize(
    "rows, lines, left",
    [
        # To the end of the file.
        (['a,"open', "b,second", "c,third"], "2 to 4", []),
        (['a,"open', "", 'b,""', "c,third"], "2 to 5", []),
        # To the next quote.
        (['a,"open', 'b,"second"', "c,third"], "2 to 3", ["third"]),
        (["a,first", 'b,"open', "c,third", 'd,"fourth"', "e,fifth"], "3 to 5", ["first", "fifth"]),
        # To the most bytes of a row: what follows is read again.
        (['a,"open', *["b," + 40 * "x"] * 3], "2 to 4", [40 * "x"]),
        # Of one line.
        (['a,"o"pen', "b,second"], "", ["second"]),
    ],
)
def test_a_quote_without_an_end(
    tmp_path: Path, rows: List[str], lines: str, left: List[str]
) -> None:
    """All lines that it takes with it are named."""
    (tmp_path / "a.csv").write_text("\n".join(["id,text", *rows, ""]))
    items = read(tmp_path, max_bytes=80)
    (failure,) = [item for item in items if isinstance(item, Failure)]
    assert "A closing quote may be missing: add it" in failure.problem
    assert failure.problem.endswith(f"same row: {lines}." if lines else "within a cell twice.")
    assert [text for text in contents(items) if text] == left


def test_rows_that_are_too_long(tmp_path: Path) -> None:
    """Longer cells than Python allows by itself are read."""
    text = "x" * 200_000
    (tmp_path / "a.csv").write_text(f'text\n{text}\n"{text}\n{text}\n{text}"\nlast\n')
    items = read(tmp_path, max_bytes=300_000)
    assert contents(items)[0] == text and contents(items)[-1] == "last"
    assert "longer than 300,000 bytes" in items[1].problem


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_no_column_of_texts(tmp_path: Path, ending: str) -> None:
    save(tmp_path / f"a.{ending}", {"body": ["Ada"], "key": ["k"]})
    (failure,) = read(tmp_path)
    assert "'body', 'key'" in failure.problem and "--text-field" in failure.problem
    (item,) = read(tmp_path, text_field="body", id_field="key")
    assert (item.id, item.content, item.fields) == ("k", "Ada", {})


def save(file: Path, columns: Dict[str, List[Any]]) -> None:
    table = pyarrow.table(columns)
    if file.suffix == ".parquet":
        pyarrow.parquet.write_table(table, file)
    elif file.suffix == ".arrow":
        with pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        rows = zip(*columns.values(), strict=True)
        file.write_text("\n".join(map(",".join, [list(columns), *rows])))


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_values(tmp_path: Path, ending: str) -> None:
    """A row that JSON cannot hold is one failure."""
    when = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
    columns = {
        "text": ["a", None, "c", "d" * 99],
        "number": [float("nan"), 1.0, float("inf"), 1.0],
        "when": [when] * 4,
        "data": [b"\xff"] * 4,
        "price": [decimal.Decimal("1.10")] * 4,
        "deep": [{"a": [1, None]}] * 4,
    }
    save(tmp_path / f"a.{ending}", columns)
    items = read(tmp_path, max_bytes=50)
    assert contents(items) == ["a", None, None, None]
    assert items[0].fields == {
        "number": None,
        "when": "2026-01-02T00:00:00+00:00",
        "data": "/w==",
        "price": "1.10",
        "deep": {"a": [1, None]},
    }
    assert json.dumps(items[0].fields)
    assert "it has None" in items[1].problem and "infinity" in items[2].problem
    assert "longer than 50" in items[3].problem and items[3].id.endswith(":3")


def test_folders_of_datasets(tmp_path: Path) -> None:
    """As a whole, without what `map` has stored there."""
    parts = {name: Dataset.from_dict({"text": [f"{name} {n}" for n in range(3)]}) for name in "ab"}
    DatasetDict(parts).save_to_disk(tmp_path / "all")
    (tmp_path / "all" / "a" / "cache-1.arrow").write_bytes(b"no table")
    (tmp_path / "z.txt").write_text("text")
    listing = list_files([tmp_path])
    assert not listing.aside and listing.has_fields
    items = list(read_inputs(listing, Vocab()))
    assert contents(items) == ["a 0", "a 1", "a 2", "b 0", "b 1", "b 2", "text"]
    assert items[4].id == f"{tmp_path / 'all' / 'b'}:1"
    (tmp_path / "all" / "a" / "state.json").write_text("{}")
    assert isinstance(read(tmp_path)[0], Failure) and len(read(tmp_path)) == 5


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv.zst", "csv.gz"])
def test_damaged(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.{ending}").write_bytes(zstandard.compress(b"text\nAda\n" * 999)[:-5])
    (failure,) = [item for item in read(tmp_path) if isinstance(item, Failure)]
    assert f"a.{ending}" in failure.id
