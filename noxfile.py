"""The checks of a release. Each session runs in its own virtual environment.

`nox --list` lists the sessions. `nox --session wheel` runs one session with each Python version of
the metadata, and `nox --session wheel --python 3.12` with one version.
"""

import shutil
from pathlib import Path
from typing import Sequence

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
PINS = "requirements.txt"
# Packages that the tests need. pip is among them, since environments of uv have no pip.
TEST_TOOLS = ("pip", "pytest", "hypothesis", "sentencepiece", "playwright")
# Files that the tests read. The package is not among them, so that the installed package is tested.
TEST_FILES = ("tests", "assets", "configs", "scripts", "benchmarks", "pyproject.toml")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

# Tests that read the package's own files, or start at its entry points.
WITHOUT_EXTRAS = (
    "tests/cli/test_start.py",
    "tests/display/test_render.py",
    "tests/pipeline/names/test_rules.py",
    "tests/test_extras.py",
    "tests/test_shipped_pipeline.py",
)
WITH_EXTRAS = (
    "tests/cli/test_graph.py",
    "tests/cli/test_options.py",
    "tests/display/test_server.py",
    "tests/evaluation/test_report.py",
    "tests/test_shipped_pipeline.py::test_all_outputs",
)
# Tests that are left out with the lowest versions: they need dask and datasets, which do not work
# with such an old Arrow; or they check the tested versions; or they read files of the repository
# that are not among the test files.
NOT_WITH_LOWEST = (
    "tests/annotate/inputs/test_tables.py",
    "tests/annotate/test_annotator.py",
    "tests/annotate/test_parquet.py",
    "tests/annotate/test_ray_engine.py",
    "tests/cli/test_annotate_folder.py",
    "tests/test_documentation.py",
    "tests/test_house.py",
    "tests/test_project.py",
    "tests/test_workflows.py",
    "tests/test_shipped_pipeline.py::test_what_is_stored_again_is_the_same",
)

nox.options.sessions = ["tests"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Check style, types, imports, and run all tests. Arguments go to pytest."""
    session.install("--requirement", PINS)
    session.install("--no-deps", "--editable", ".")
    session.run("bash", "scripts/checks.sh", *session.posargs, env=OFFLINE, external=True)


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """Test the wheel with its requirements, in the tested versions; then with its extras."""
    built = _build(session)
    session.install("--constraint", PINS, str(built), *TEST_TOOLS)
    _run_installed(session, *WITHOUT_EXTRAS, "--deselect", WITH_EXTRAS[-1])
    session.install("--constraint", PINS, f"{built}[all]")
    _run_installed(session, *WITH_EXTRAS)


@nox.session(python=PYTHONS[0], venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Test the wheel with the lowest versions that the metadata allows."""
    built = _build(session)
    # To uv, what a wheel asks for is not direct, and gets the highest versions.
    asked = ("--requirement", "pyproject.toml", "--extra", "all")
    session.install("--resolution", "lowest-direct", *asked)
    session.install("--no-deps", str(built))
    session.install("--constraint", PINS, *TEST_TOOLS)
    left_out = [f"--{'deselect' if '::' in test else 'ignore'}={test}" for test in NOT_WITH_LOWEST]
    _run_installed(session, *left_out)


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """Build the site. Warnings are errors."""
    session.install("--requirement", PINS)
    session.install("--no-deps", "--editable", ".")
    session.run("mkdocs", "build", "--strict")


@nox.session(python=PYTHONS[0])
def package(session: nox.Session) -> None:
    """Build the files to upload into dist/, and check their metadata."""
    session.install("--constraint", PINS, "twine")
    _build(session, Path("dist"))
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))


def _build(session: nox.Session, folder: Path | None = None) -> Path:
    """Build a source distribution, and the wheel from it. RETURNS (Path): The wheel."""
    folder = folder or Path(session.create_tmp()) / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    session.install("--constraint", PINS, "build")
    session.run("python", "-m", "build", "--outdir", str(folder))
    (built,) = folder.resolve().glob("*.whl")
    return built


def _run_installed(session: nox.Session, *arguments: str) -> None:
    """Run tests in a folder without the source of the package, so that they import the installed
    package."""
    folder = Path(session.create_tmp()) / "checkout"
    shutil.rmtree(folder, ignore_errors=True)
    _copy(TEST_FILES, folder)
    with session.chdir(folder):
        session.run("python", "-m", "pytest", "-q", *arguments, *session.posargs, env=OFFLINE)


def _copy(names: Sequence[str], folder: Path) -> None:
    folder.mkdir()
    for name in names:
        source = Path(name)
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
