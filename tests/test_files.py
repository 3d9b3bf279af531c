"""Files that are written whole or not at all."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_docre.files import (
    UniqueNames,
    file_stamps,
    is_opened,
    is_stream,
    is_temporary,
    path_text,
    read_bounded,
    read_lines,
    written_whole,
)


def test_all_files_are_replaced_at_the_end(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "folder" / "new"
    old.write_text("before")
    with written_whole([old, new]) as written:
        for path in (old, new):
            written[path].write_text("after")
        assert old.read_text() == "before" and not new.exists()
    assert old.read_text() == new.read_text() == "after"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "new", "old"]


def test_an_error_leaves_all_files_as_they_were(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("before")
    with pytest.raises(KeyboardInterrupt), written_whole([old, new]) as written:
        written[old].write_text("after")
        raise KeyboardInterrupt
    assert old.read_text() == "before"
    assert list(tmp_path.iterdir()) == [old]


def test_stamps_tell_whether_a_folder_has_changed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "b"
    file.write_text("text")
    before = file_stamps(tmp_path)
    assert before == file_stamps(file)
    # As long as before, and later.
    file.write_text("next")
    os.utime(file, ns=(0, before[0][2] + 1))
    after = file_stamps(tmp_path)
    assert after != before
    (tmp_path / "c").touch()
    assert file_stamps(tmp_path)[0] == after[0] and len(file_stamps(tmp_path)) == 2


def leave_behind(target: Path, process: int) -> Path:
    """What a run leaves that is killed."""
    path = target.with_name(f".{target.name}.{process}.tmp")
    path.write_text("half")
    return path


def test_what_dead_processes_have_left_is_removed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    stale = leave_behind(tmp_path / "new", child.pid)
    running = leave_behind(tmp_path / "new", os.getppid())
    other = leave_behind(tmp_path / "other", child.pid)
    odd = leave_behind(tmp_path / "new", 10**30)
    with written_whole([tmp_path / "new"]) as written:
        assert is_temporary(written[tmp_path / "new"])
        written[tmp_path / "new"].write_text("after")
    assert not stale.exists() and not odd.exists()
    assert running.exists() and other.exists()


def test_names_of_others_are_not_temporary(tmp_path: Path) -> None:
    for name in ("a.tmp", ".a.tmp", "a.7.tmp", ".7.tmp", ".a.7.tmp.txt"):
        assert not is_temporary(tmp_path / name)


def test_links_stay(tmp_path: Path) -> None:
    """What they lead to is written, there or not."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "old").write_text("before")
    for name in ("old", "new"):
        (tmp_path / name).symlink_to(Path("real") / name)
        with written_whole([tmp_path / name]) as written:
            written[tmp_path / name].write_text("after")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "real" / name).read_text() == "after"
    assert len(list(tmp_path.rglob("*"))) == 5


def test_one_file_of_two_names(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("file.csv")
    (tmp_path / "folder").mkdir()
    file = tmp_path / "file.csv"
    for other in (file, tmp_path / "folder" / ".." / "file.csv", tmp_path / "link.csv"):
        with pytest.raises(ValueError, match="are the same file"), written_whole([file, other]):
            pass
    assert not file.exists()


def test_pipes_are_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True)
    with written_whole([tmp_path / "pipe"]) as written:
        written[tmp_path / "pipe"].write_text("through")
    assert reader.communicate(timeout=10)[0] == "through"
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 1


def make_folder(path: Path) -> None:
    path.mkdir()


def make_file_above(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("mine")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_folder, make_file_above, make_loop])
def test_what_cannot_be_written_is_found_at_once(make: Callable, tmp_path: Path) -> None:
    """And leaves nothing of the others."""
    (tmp_path / "inside").mkdir()
    make(tmp_path / "inside" / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError), written_whole([tmp_path / "good", tmp_path / "inside" / "out"]):
        pytest.fail("It is found too late.")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_found_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_full(path: Path, mode: str) -> Any:
        return open("/dev/full", mode)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(OSError, match="No space left"), written_whole([tmp_path / "out"]):
        pytest.fail("It is found too late.")


def test_lines_are_read_in_bounded_memory() -> None:
    data = b"one\n" + b"x" * 12 + b"\n" + b"y" * 10 + b"\n\nlast" + b"z" * 5
    assert list(read_lines(io.BytesIO(data), 10)) == [b"one\n", None, None, b"\n", b"lastzzzzz"]
    assert list(read_lines(io.BytesIO(b"x" * 11), 10)) == [None]
    assert read_bounded(io.BytesIO(b"x" * 10), "it", 10) == b"x" * 10
    with pytest.raises(ValueError, match="it is longer than 10 bytes"):
        read_bounded(io.BytesIO(b"x" * 11), "it", 10)


@given(st.lists(st.sampled_from(["a", "a (2)", "a (2) (2)", "a (3)", "b"]), max_size=12))
def test_names_are_given_once(wanted: List[str]) -> None:
    names = UniqueNames()
    given = [names.give(name) for name in wanted]
    assert len(set(given)) == len(given)
    for name, got in zip(wanted, given, strict=True):
        assert got.startswith(name)


def test_paths_that_are_no_text() -> None:
    assert path_text(Path(os.fsdecode(b"a\xff\xfe/\xc3\xa9"))) == "a\ufffd\ufffd/é"


@pytest.mark.parametrize(
    "path, opened",
    [
        *((path, True) for path in ("/dev/stdin", "/dev/fd/63", "/proc/self/fd/3", "/dev/stdout")),
        *((path, False) for path in ("/dev/null", "stdin", "dev/fd/3", "/tmp/dev/fd/3")),
    ],
)
def test_names_of_what_is_open(path: str, opened: bool) -> None:
    assert is_opened(Path(path)) is opened
    if opened:
        assert is_stream(Path(path))
