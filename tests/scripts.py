"""The scripts beside the package, and the commands that they start, run as from a shell."""

import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Sequence

import pytest
from spacy.cli._util import app

import spacy_docre.cli  # noqa: F401

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


def fork_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the commands of `spacy docre` as forks of this process. A fork has no imports to do,
    which take longer than a training of the tests.

    monkeypatch (pytest.MonkeyPatch): Changes `subprocess.run`.
    """

    def run(command: Sequence[str], *, check: bool) -> None:
        python, *start, name = command[:4]
        assert (python, start, name) == (sys.executable, ["-m", "spacy"], "docre") and check
        child = os.fork()
        if not child:
            _run_and_exit(command[3:])
        _, status = os.waitpid(child, 0)
        if status:
            raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)

    monkeypatch.setattr(subprocess, "run", run)


def _run_and_exit(arguments: Sequence[str]) -> None:
    # What a test has put in their place ends with this process.
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    code = 1
    try:
        app(arguments, prog_name="spacy")
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
