import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_docre.data import json_files
from spacy_docre.data.json_files import parse_json, parse_json_items, parse_json_lines, read_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 1, "\t"]), st.integers(1, 9))
def test_items_are_those_of_the_array(
    tmp_path: Path, items: Any, indent: Any, characters: int
) -> None:
    """However the file is cut into what is read at once."""
    path = tmp_path / "items.json"
    path.write_text(f" {json.dumps(items, indent=indent)}\n")
    with pytest.MonkeyPatch.context() as context:
        context.setattr(json_files, "_CHARACTERS", characters)
        assert list(parse_json_items(path)) == items


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=3), min_size=1), st.integers(1, 9))
def test_an_object_in_each_line(tmp_path: Path, items: Any, characters: int) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text("\n" + "\n\n".join(json.dumps(item) for item in items) + "\n")
    with pytest.MonkeyPatch.context() as context:
        context.setattr(json_files, "_CHARACTERS", characters)
        assert list(parse_json_items(path)) == items


def test_first_line_is_there_before_the_last_is_read(tmp_path: Path) -> None:
    text = "\n".join([json.dumps({"title": "x" * 1000})] * 2000)
    (tmp_path / "items.jsonl").write_text(text[:-500_500])
    items = parse_json_items(tmp_path / "items.jsonl")
    assert next(items) == {"title": "x" * 1000}
    with pytest.raises(ValueError, match="items.jsonl is not JSON.*in item 15"):
        list(items)


def test_numbers_across_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "_CHARACTERS", 1)
    (tmp_path / "items.json").write_text("[123456, -1.5e10, 7]")
    assert list(parse_json_items(tmp_path / "items.json")) == [123456, -1.5e10, 7]


def test_first_item_is_there_before_the_last_is_read(tmp_path: Path) -> None:
    text = json.dumps([{"title": "x" * 1000}] * 2000)
    (tmp_path / "items.json").write_text(text[:-500_000])
    items = parse_json_items(tmp_path / "items.json")
    assert next(items) == {"title": "x" * 1000}
    with pytest.raises(ValueError, match="items.json is not JSON.*in item 15"):
        list(items)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("[1] [2]", "follows the list"),
        ("[1]]", "follows the list"),
        ("[1 2]", "a comma is missing"),
        ("[1", "has no end"),
        ("[1,", "is not JSON"),
        ("[1,]", "is not JSON"),
        ("[,1]", "is not JSON"),
        ("[", "is not JSON"),
        ("", "is not JSON"),
        ("1", "should be a list.*or have an object in each line"),
        ("{", "is not JSON"),
        ('{"a": 1}, {"a": 2}', "is not JSON.*in item 1"),
        ('{"a": 1}\n{"a"', "is not JSON.*in item 1"),
        ('["a]', "is not JSON"),
        ('[1, {"a": {"b": [], "c": 1, "b": [2]}}, 3]', "'b' occurs twice.*in item 1"),
        ('{"a": 1}\n{"a": null, "a": 1}', "'a' occurs twice.*in item 1"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_malformed(text: str, problem: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("items.json.gz" if packed else "items.json")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with pytest.raises(ValueError, match=problem):
        list(parse_json_items(path))


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '{"a": NaN, "a": NaN}'])
def test_a_key_with_equal_values(text: str) -> None:
    assert [*parse_json(text, "it")] == ["a"]
    with pytest.raises(ValueError, match="it is not JSON.*'a' occurs twice, with different"):
        parse_json(text.replace("{", '{"a": 2, '), "it")


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_bytes(b'["\xff"]')
    with pytest.raises(ValueError, match="items.json is not UTF-8"):
        list(parse_json_items(tmp_path / "items.json"))


def test_cut_off_while_it_is_read(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps([str(number) for number in range(5000)]).encode())
    (tmp_path / "items.json.gz").write_bytes(packed[:-30])
    with pytest.raises(ValueError, match="cannot be unpacked"):
        list(parse_json_items(tmp_path / "items.json.gz"))


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_damaged_and_deep(opened: str, tmp_path: Path) -> None:
    """Its depth costs neither the stack nor gigabytes."""
    (tmp_path / "items.json").write_text("[" + 100_000 * opened)
    with pytest.raises(ValueError, match="items.json is not JSON.*recursion.*in item 0"):
        list(parse_json_items(tmp_path / "items.json"))


@pytest.mark.parametrize(
    "text", ["[123456789012345678901234567890]", '["\\ud800", "\\ud83d\\ude00"]']
)
def test_values_are_those_of_python(text: str, tmp_path: Path) -> None:
    """Also large numbers, and half a surrogate pair, which the checks of fields find."""
    (tmp_path / "items.json").write_text(text)
    assert list(parse_json_items(tmp_path / "items.json")) == json.loads(text)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("name", ["items.json", "items.json.gz"])
def test_other_encodings_are_named(encoding: str, name: str, tmp_path: Path) -> None:
    data = '["Åbo"]'.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    for read in (read_text, parse_json_items, parse_json_lines):
        with pytest.raises(
            ValueError, match=f"{name} is not UTF-8.*looks like {encoding[:6].upper()}"
        ):
            list(read(tmp_path / name))


@pytest.mark.parametrize("text", ["", "\n", "a", "\ufeff", "\ufeffa", "ab\x00"])
def test_short_texts(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert read_text(tmp_path / "a.txt") == text.removeprefix("\ufeff")


@pytest.mark.parametrize("character", [b"0", b" ", b'"', b"["])
@pytest.mark.parametrize("start", [b"", b"[", b"{", b'[["'])
def test_bombs(character: bytes, start: bytes, tmp_path: Path) -> None:
    """64 MB of 64 kB: no more is read of it than a document may have."""
    path = tmp_path / "bomb.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(64):
            file.write(character * 2**20)
    tracemalloc.start()
    for read in (read_text, parse_json_lines, parse_json_items):
        with pytest.raises(ValueError, match="is not JSON|longer than|should be a list"):
            list(read(path))
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()
