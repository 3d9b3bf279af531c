"""The scripts beside the package, run as from a shell."""

import runpy
import sys
from pathlib import Path
from typing import Sequence

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


def run_script(monkeypatch: pytest.MonkeyPatch, name: str, arguments: Sequence[object]) -> int:
    """Run a script in this process.

    monkeypatch (pytest.MonkeyPatch): Gives it its arguments.
    name (str): The name of its file.
    arguments (Sequence[object]): The arguments.
    RETURNS (int): The exit status.
    """
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    return int(ended.value.code or 0)
