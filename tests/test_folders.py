"""Folders that are written whole or not at all."""

import os
from pathlib import Path
from typing import Dict

import pytest

from spacy_docre import folders
from spacy_docre.folders import folder_written_whole
from tests.kills import kill_at_each_call

OLD = {"a": "old", "b/c": "old", "b/only": "old"}
NEW = {"a": "new", "b/c": "new", "d/e": "new"}


def fill(folder: Path, files: Dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def content(folder: Path) -> Dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write(folder: Path) -> None:
    with folder_written_whole(folder, stale="*") as unfinished:
        fill(unfinished, NEW)


@pytest.mark.parametrize("is_there", [False, True])
def test_killed_anywhere(is_there: bool, tmp_path: Path) -> None:
    def prepare(number: int) -> Path:
        folder = tmp_path / str(number) / "folder"
        fill(folder, OLD if is_there else {})
        return folder

    def check(folder: Path) -> None:
        assert not folder.exists() or content(folder) in (OLD, NEW)
        write(folder)
        assert content(folder) == NEW and os.listdir(folder.parent) == ["folder"]

    assert kill_at_each_call(prepare, write, check) > 8


def test_nothing_is_there_but_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "above" / "folder")
    write(tmp_path / "above" / "folder")
    assert content(tmp_path / "above") == {f"folder/{name}": text for name, text in NEW.items()}


def test_what_else_is_kept(tmp_path: Path) -> None:
    fill(tmp_path / "folder", {**OLD, "part-1": "old", "part-2": "old", "sub/x": "mine"})
    (tmp_path / "folder" / "link").symlink_to("nowhere")
    inode = (tmp_path / "folder" / "sub" / "x").stat().st_ino
    with folder_written_whole(tmp_path / "folder", stale="part-*") as unfinished:
        fill(unfinished, {"a": "new", "part-1": "new"})
    kept = {"b/c": "old", "b/only": "old", "sub/x": "mine"}
    assert content(tmp_path / "folder") == {"a": "new", "part-1": "new", **kept}
    assert (tmp_path / "folder" / "link").is_symlink()
    assert (tmp_path / "folder" / "sub" / "x").stat().st_ino == inode


@pytest.mark.parametrize("name", ["folder.tmp", "folder.new", ".folder", ".folder.tmp"])
def test_folders_beside_it(tmp_path: Path, name: str) -> None:
    """They are the user's."""
    fill(tmp_path / name, {"mine": "text"})
    with folder_written_whole(tmp_path / "folder") as unfinished:
        fill(unfinished, {"a": "new"})
    assert content(tmp_path / name) == {"mine": "text"}


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise OSError("no links")

    fill(tmp_path / "folder", {"mine": "text"})
    monkeypatch.setattr(os, "link", refuse)
    with folder_written_whole(tmp_path / "folder") as unfinished:
        fill(unfinished, {"a": "new"})
    assert content(tmp_path / "folder") == {"a": "new", "mine": "text"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_while_it_is_written(tmp_path: Path, error: type) -> None:
    fill(tmp_path / "folder", OLD)
    with pytest.raises(error), folder_written_whole(tmp_path / "folder") as unfinished:
        fill(unfinished, NEW)
        raise error
    assert content(tmp_path / "folder") == OLD
    assert os.listdir(tmp_path) == ["folder"] or error is KeyboardInterrupt


def test_an_error_while_it_is_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "folder", OLD)
    rename = Path.rename

    def fail(path: Path, goal: Path) -> Path:
        if path.name == ".folder.docre-new":
            raise OSError("disk fault")
        return rename(path, goal)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="disk fault"):
        write(tmp_path / "folder")
    assert content(tmp_path / "folder") == OLD


def test_a_link_stays(tmp_path: Path) -> None:
    fill(tmp_path / "real", OLD)
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    write(tmp_path / "folder")
    assert (tmp_path / "folder").is_symlink() and content(tmp_path / "real") == NEW


def test_a_folder_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell would stand in a folder that is no more."""
    fill(tmp_path, {"mine": "text", "deep/er/a": "b"})
    monkeypatch.chdir(tmp_path / "deep")
    for folder in (Path("."), Path(".."), tmp_path):
        with pytest.raises(OSError, match="is in use"), folder_written_whole(folder):
            pass
    monkeypatch.setattr(folders.os.path, "ismount", lambda path: Path(path).name == "er")
    with pytest.raises(OSError, match="is in use"), folder_written_whole(Path("er")):
        pass
