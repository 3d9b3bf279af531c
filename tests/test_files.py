"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest

from spacy_docre.files import file_stamps, folder_written_whole, written_whole


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


@pytest.mark.parametrize("present", [True, False])
def test_folder_written_whole(present: bool, tmp_path: Path) -> None:
    folder = tmp_path / "parent" / "pipeline"
    if present:
        folder.mkdir(parents=True)
        (folder / "old").write_text("old")
    with pytest.raises(OSError, match="full"):
        with folder_written_whole(folder) as unfinished:
            unfinished.mkdir()
            (unfinished / "new").write_text("n")
            raise OSError("full")
    assert [path.name for path in tmp_path.rglob("*")] == ["parent", *["pipeline", "old"] * present]
    with folder_written_whole(folder) as unfinished:
        unfinished.mkdir()
        (unfinished / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["parent", "pipeline", "new"]


def test_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with folder_written_whole(tmp_path / "link") as unfinished:
        unfinished.mkdir()
        (unfinished / "new").write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "new").exists()
