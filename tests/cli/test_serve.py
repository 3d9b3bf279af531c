"""`python -m spacy docre serve`."""

import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", "serve", *map(str, arguments)])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_serves(host: str, trained_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "spacy",
        "docre",
        "serve",
        str(trained_folder),
        *("-p", str(port)),
        *("--host", host),
    ]
    # As it is where nobody has set it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, env=environment, text=True) as server:
        try:
            assert server.stdout
            # It says where it is once it can be asked.
            address = next(
                filter(None, (re.search(r"http://\S+:\d+", li) for li in server.stdout))
            )[0]
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert "<textarea" in answer.read().decode("utf8")
        finally:
            server.terminate()


def test_port_in_use(trained_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run(trained_folder, "--port", taken.getsockname()[1])
    assert result.exit_code == 1 and "--port" in result.output


@pytest.mark.parametrize("module", ["flask", "waitress"])
def test_missing_packages(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = run("no_model")
    assert result.exit_code == 1 and "pip install 'spacy-docre[serve]'" in result.output


def test_a_pipeline_that_cannot_be_loaded() -> None:
    result = run("no_such_model")
    assert result.exit_code == 1 and "Cannot load no_such_model" in result.output
