"""Runs in which a file can be read at one time, and cannot be read at another."""

import json
from contextlib import closing
from pathlib import Path
from typing import List, Union

import pytest
import srsly
import zstandard
from spacy.vocab import Vocab

from spacy_docre.annotate.folder import OutputFolder
from spacy_docre.annotate.inputs import Failure, InputDocument
from spacy_docre.annotate.workers import Batch, Workers, annotate_with
from tests.annotate.test_folder import Stop, failed, run, stop_after, written
from tests.packages import missing


def write_packed(path: Path, rows: List[Union[str, dict]], frames: int = 1) -> None:
    """Write texts or records, in so many frames."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    size = -(-len(lines) // frames)
    parts = ["\n".join(lines[at : at + size]) + "\n" for at in range(0, len(lines), size or 1)]
    path.write_bytes(b"".join(zstandard.compress(part.encode()) for part in parts))


def problems(folder: Path) -> List[str]:
    with closing(OutputFolder(folder, ".jsonl", 4)) as output:
        return [failure.problem for failure in output.manifest.failures()]


ROWS = [{"id": f"d{n}", "text": "bad" if n == 1 else f"one of {n}"} for n in range(3)]
PACKED = {
    "several": ("a.jsonl.zst", [{**row, "text": "a text"} for row in ROWS]),
    "several of one name": ("a.jsonl.zst", [{"id": "a.jsonl.zst", "text": "a text"}] * 3),
    "no documents": ("a.jsonl.zst", []),
    "one text": ("a.txt.zst", ["a text"]),
}


@pytest.mark.parametrize("kind", PACKED)
def test_files_that_can_be_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A file of one document heals. Documents of other files are not taken for those of this one,
    and keep their names, whatever this file has."""
    monkeypatch.chdir(tmp_path)
    name, rows = PACKED[kind]
    write_packed(Path(name), rows)
    srsly.write_jsonl("b.jsonl", ROWS)
    inputs, out = [Path(name), Path("b.jsonl")], tmp_path / "out"
    with missing("zstandard"), pytest.raises(Stop):
        run(out, inputs, part_size=1, stop=stop_after(2))
    # The rest of this run can read it.
    run(out, inputs, part_size=1)
    assert sorted(failed(out)) == [name, "d1"] and written(out) == ["d0", "d2"]
    run(out, inputs, again=True, mended=True)
    first = {"one text": [name]}.get(kind, [])
    assert sorted(written(out)) == sorted([*first, "d0", "d1", "d2"])
    left = [name] if kind.startswith("several") else []
    assert failed(out) == left
    assert all("It can be read now" in problem for problem in problems(out))
    with missing("zstandard"):
        run(out, inputs, again=True)
    assert all("not installed" in problem for problem in problems(out))
    assert failed(out) == left and len(written(out)) == 3 + len(first)


FIVE = [{"id": f"e{n}", "text": f"one of {n}"} for n in range(5)]


def test_a_file_that_is_cut_off_stays_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a retry does not come as far."""
    monkeypatch.chdir(tmp_path)
    file, out = Path("a.jsonl.zst"), tmp_path / "out"
    write_packed(file, FIVE, frames=5)
    file.write_bytes(file.read_bytes()[:-3])
    for again in (False, True, True):
        run(out, [file], again=again)
        assert written(out) == ["e0", "e1", "e2", "e3"] and failed(out) == ["a.jsonl.zst"]
        with missing("zstandard"):
            run(out, [file], again=True)
        assert written(out) == ["e0", "e1", "e2", "e3"] and failed(out) == ["a.jsonl.zst"]


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_the_rest_of_a_file_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """If it can be read at first, and not when the run is continued."""
    monkeypatch.chdir(tmp_path)
    file, out = Path("a.jsonl.zst"), tmp_path / "out"
    write_packed(file, FIVE)
    with pytest.raises(Stop):
        run(out, [file], part_size=2, stop=stop_after(stop))
    done = written(out)
    with missing("zstandard"):
        run(out, [file], part_size=2)
    assert written(out) == done and failed(out) == ["a.jsonl.zst"]
    run(out, [file], part_size=2, again=True)
    assert written(out) == done and failed(out) == ["a.jsonl.zst"]


def test_a_folder_that_does_not_tell_how_files_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the documents is taken for the file."""
    monkeypatch.chdir(tmp_path)
    inputs, out = [Path("a.jsonl.zst"), Path("b.jsonl")], tmp_path / "out"
    write_packed(inputs[0], FIVE)
    srsly.write_jsonl("b.jsonl", FIVE[:2])
    with missing("zstandard"):
        run(out, inputs)
    with closing(OutputFolder(out, ".jsonl", 4)) as output:
        output.manifest._database.execute("DROP TABLE ended_files")
    run(out, inputs, again=True)
    assert written(out) == ["e0", "e1"] and failed(out) == ["a.jsonl.zst"]


def test_documents_keep_their_names_if_an_earlier_file_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs, out = [Path("a.jsonl.zst"), Path("b.jsonl")], tmp_path / "out"
    write_packed(inputs[0], ROWS[:1])
    srsly.write_jsonl("b.jsonl", [{"id": "d0", "text": "bad"}, ROWS[2]])
    run(out, inputs)
    assert written(out) == ["d0", "d2"] and failed(out) == ["d0 (2)"]
    with missing("zstandard"):
        run(out, inputs, again=True, mended=True)
    assert sorted(written(out) + failed(out)) == ["d0", "d0 (2)", "d2"]
    run(out, inputs, again=True, mended=True)
    assert sorted(written(out)) == ["d0", "d0 (2)", "d2"] and not failed(out)


class _Lost(Workers):
    kind, tries, size = "process", 1, 1

    def give(self, batch: Batch) -> bool:
        batch.end = "was killed"
        return True

    def collect(self, wait: bool) -> None:
        pass

    def stop(self) -> None:
        pass


def test_failures_outlive_their_workers() -> None:
    """What was read before is not told as what the worker did."""
    failure = Failure("a.jsonl.zst", "zstandard is not installed", ends_file=True)
    batches = [[failure], [InputDocument("d0", "one of 0")]]
    with pytest.warns(UserWarning, match="each alone"):
        results = list(annotate_with(_Lost(), Vocab(), batches))
    assert results[0] is failure
    assert "was killed" in results[1].problem  # type: ignore[union-attr]
