"""The script that copies an encoder out of installed packages."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict
from zipfile import ZipFile

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "copy_encoder.py"


def install(site: Path, name: str, files: Dict[str, bytes]) -> None:
    """Lay a package where Python finds it."""
    record = site / f"{name.replace('-', '_')}-0.1.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (record / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file, content in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_bytes(content)


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments, site / "out"],
        env=environment,
        capture_output=True,
        text=True,
    )


def copied(folder: Path) -> Dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_folder_of_a_package(tmp_path: Path) -> None:
    files = {"small/__init__.py": b"", "small/model/config.json": b"{}", "small/model/a.txt": b"a"}
    install(tmp_path, "small-encoder", files)
    assert run(tmp_path, "small-encoder").returncode == 0
    assert copied(tmp_path / "out") == {"config.json": b"{}", "a.txt": b"a"}


@pytest.mark.parametrize("top", ["", "base/"])
def test_parts_of_a_zip_file(top: str, tmp_path: Path) -> None:
    packed = io.BytesIO()
    weights = os.urandom(5000)
    with ZipFile(packed, "w") as archive:
        archive.writestr(f"{top}pooling/config.json", "of another layer")
        archive.writestr(f"{top}config.json", "{}")
        archive.writestr(f"{top}model.safetensors", weights)
    data = packed.getvalue()
    names = [f"base-part-{number:03}" for number in range(1, 4)]
    for index, name in enumerate(names):
        part = data[index * 2000 : (index + 1) * 2000 if index < 2 else None]
        install(tmp_path, name, {f"{name}/input/base.zip.{index + 1:03}": part})
    assert run(tmp_path, *reversed(names)).returncode == 0
    assert copied(tmp_path / "out") == {"config.json": b"{}", "model.safetensors": weights}


def test_nothing_there(tmp_path: Path) -> None:
    install(tmp_path, "empty", {"empty/__init__.py": b""})
    for name, problem in (
        ("empty", "There is no encoder in empty"),
        ("absent", "absent is not installed"),
    ):
        result = run(tmp_path, name)
        assert result.returncode == 1 and problem in " ".join(result.stdout.split())
    assert not (tmp_path / "out").exists()
