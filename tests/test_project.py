"""project.yml, and what stands beside the package."""

import re
import runpy
from pathlib import Path
from typing import Dict

import pytest
from spacy.cli._util import parse_config_overrides
from thinc.config import Config
from weasel.cli.run import load_project_config

from spacy_docre.cli import app as docre
from spacy_docre.training.comparison import plan, read_comparison

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
    named = " ".join([*command["script"], *command.get("deps", [])])
    for path in re.findall(r"(?:scripts|benchmarks|configs|spacy_docre)/[\w./]+", named):
        assert (ROOT / path).exists()


def test_docre_commands_of_the_project_are_there() -> None:
    """By the names in the help, and not by former ones."""
    shown = {command.name for command in docre.registered_commands if not command.hidden}
    scripts = " ".join(line for command in COMMANDS for line in command["script"])
    used = set(re.findall(r"spacy docre ([\w-]+)", scripts))
    assert "logits" in used and used <= shown


def test_tables_of_the_project_share_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each training has one folder, and each folder has one training: what two tables need is
    trained once."""
    monkeypatch.chdir(ROOT)
    configs: Dict[Path, Config] = {}
    folders: Dict[str, Path] = {}
    for line in (line for command in COMMANDS for line in command["script"]):
        found = re.search(r"docre compare (\S+) --output (\S+)(.*) --gpu-id", line)
        if found is not None:
            table, output, settings = found.groups()
            overrides = parse_config_overrides(settings.split())
            for run in plan(read_comparison(Path(table)), Path(output), overrides):
                assert configs.setdefault(run.folder, run.config) == run.config
                assert folders.setdefault(run.config.to_str(), run.folder) == run.folder
    assert configs


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem
)
def test_benchmarks_can_be_imported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(path.parent)
    runpy.run_path(str(path), run_name="imported")
