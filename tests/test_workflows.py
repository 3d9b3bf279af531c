"""The workflows of .github, for the day the repository is on GitHub."""

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Set

import pytest
import srsly

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
JOBS = srsly.read_yaml(WORKFLOW)["jobs"]


def claimed_pythons() -> Set[str]:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    lines = (text.split(" :: ") for text in classifiers["classifiers"])
    return {last for *_, group, last in lines if group == "Python"}


def actionlint(*paths: Path) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed")
    return subprocess.run([program, *map(str, paths)], cwd=ROOT, capture_output=True, text=True)


def test_actionlint_finds_nothing() -> None:
    found = actionlint(*(ROOT / ".github" / "workflows").iterdir())
    assert found.returncode == 0, found.stdout


def test_actionlint_finds_a_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOW.read_text("utf8").replace("matrix.python-version", "matrix.python"))
    assert "python" in actionlint(broken).stdout


@pytest.mark.parametrize("job", ["tests", "wheel"])
def test_each_python_that_is_claimed_is_tested(job: str) -> None:
    assert set(JOBS[job]["strategy"]["matrix"]["python-version"]) == claimed_pythons()


def test_sessions_are_there() -> None:
    """By the functions of noxfile.py; their names are those of the jobs."""
    noxfile = (ROOT / "noxfile.py").read_text("utf8")
    used = {
        step["run"].split()[2]
        for job in JOBS.values()
        for step in job["steps"]
        if step.get("run", "").startswith("nox --session")
    }
    assert used == {"tests", "wheel", "lowest", "docs", "package"}
    assert all(f"\ndef {name}(session" in noxfile for name in used)
