"""project.yml."""

import re
from pathlib import Path

import pytest
from weasel.cli.run import load_project_config

ROOT = Path(__file__).parent.parent
COMMANDS = load_project_config(ROOT)["commands"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command["name"])
def test_files_are_named_one_by_one(command: dict) -> None:
    """Variables that follow each other in a list would be read as one string."""
    for kind in ("deps", "outputs", "outputs_no_cache"):
        for path in command.get(kind, []):
            assert ", " not in path and "$" not in path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command["name"])
def test_files_of_the_project_are_there(command: dict) -> None:
    scripts = " ".join(command["script"])
    for path in re.findall(r"(?:scripts|benchmarks|configs)/[\w.]+", scripts):
        assert (ROOT / path).exists()
