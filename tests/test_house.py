"""The house stays as drawn: sizes, rooms, and the packages it stands on."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Iterable, Iterator, Set, Union

import pytest
import srsly

from spacy_docre import __version__
from spacy_docre.extras import EXTRAS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "spacy_docre"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
# Files of tests that are of no single module, beside those that carry a module's name.
TOPICS = {
    "annotate/test_retry.py",
    # Commands together, and what all of them share.
    "cli/test_annotate_folder.py",
    "cli/test_convert_refusals.py",
    "cli/test_distillation.py",
    "cli/test_hostile.py",
    "cli/test_full_disk.py",
    "cli/test_options.py",
    "cli/test_start.py",
    "display/test_browser.py",
    "display/test_graph.py",
    # What is learnt of evidence, by objective and store together.
    "distillation/test_evidence.py",
    "evaluation/test_white_space.py",
    # Equations of models/kd_docre.py that have a file each.
    "models/test_axial_attention.py",
    "models/test_context_pooling.py",
    "models/test_entity_pooling.py",
    # A system that is a config alone.
    "models/systems/test_atlop.py",
    # What spaCy asks of a component.
    "pipeline/test_en_core_web.py",
    "pipeline/test_serialization.py",
    "pipeline/test_spacy_commands.py",
    "pipeline/test_threads.py",
    "pipeline/test_update.py",
    # What stands beside the package, or goes through all of it.
    "test_overlays.py",
    "test_copy_encoder.py",
    "test_documentation.py",
    "test_train_wiki.py",
    "test_fuzzing.py",
    "test_house.py",
    "test_project.py",
    "test_raw_text.py",
    "test_shipped_pipeline.py",
    "test_workflows.py",
}
# A notebook has it, and only there it is imported.
NOTEBOOK = {"IPython"}

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_test(path: Path) -> bool:
    return path.name.startswith("test_")


def lines(path: Path) -> int:
    return len(path.read_text("utf8").splitlines())


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_are_short(path: Path) -> None:
    assert lines(path) <= 400
    long = {
        function.name: function.end_lineno - function.lineno + 1
        for function in functions(path)
        if function.end_lineno is not None and function.end_lineno - function.lineno >= 60
    }
    assert not long


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_files_of_tests_are_short(path: Path) -> None:
    assert lines(path) <= 500


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_mirror_the_rooms(path: Path) -> None:
    assert (PACKAGE / path.parent.relative_to(ROOT / "tests")).is_dir()


def test_every_room_has_tests() -> None:
    rooms = {path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("__init__.py")}
    tested = {path.parent.relative_to(ROOT / "tests") for path in TESTS if is_test(path)}
    assert rooms == tested


def test_tests_carry_the_name_of_a_module() -> None:
    """Or of a topic that is listed."""
    tests = [path.relative_to(ROOT / "tests") for path in TESTS if is_test(path)]
    modules = [test.with_name(test.name.removeprefix("test_")) for test in tests]
    others = {
        str(t) for t, module in zip(tests, modules, strict=True) if not (PACKAGE / module).is_file()
    }
    assert others == TOPICS


def test_the_map_has_every_room() -> None:
    text = (ROOT / "docs" / "contributing.md").read_text("utf8")
    rooms = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"^\| `([\w./]+)` \|", text, re.MULTILINE)) == rooms | modules


def test_the_citation_has_the_version() -> None:
    assert srsly.read_yaml(ROOT / "CITATION.cff")["version"] == __version__


def imports(path: Path) -> Iterator[str]:
    """The names of other packages that a module imports."""
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def distributions(requirements: Iterable[str]) -> Set[str]:
    """The names of what is required, e.g. of "Jinja2>=3.0"."""
    names = (re.split(r"[\s\[<>=!~;]", text, maxsplit=1)[0] for text in requirements)
    return {name.lower().replace("_", "-") for name in names}


def test_what_is_imported_is_declared() -> None:
    """And nothing else is required. Packages of extras come by import_extra, or are imported by
    modules that no other module imports."""
    found = {name for path in MODULES for name in imports(path)} - sys.stdlib_module_names
    installed = packages_distributions()
    imported = distributions(name for top in found - NOTEBOOK for name in installed[top])
    core = distributions(PROJECT["dependencies"])
    extras = distributions(name for top in EXTRAS for name in installed.get(top, []))
    assert core <= imported
    assert imported <= core | extras


def test_extras_are_declared() -> None:
    declared = PROJECT["optional-dependencies"]
    installed = packages_distributions()
    for package, extra in EXTRAS.items():
        assert distributions(installed[package]) <= distributions(declared[extra])
    assert set(EXTRAS.values()) < set(declared)
    (everything,) = declared["all"]
    assert set(re.findall(r"\w+", everything.partition("[")[2])) == set(EXTRAS.values())


def test_tested_versions_are_pinned() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text("utf8").splitlines()
        if line and not line.startswith("#")
    )
    extras = PROJECT["optional-dependencies"].values()
    required = distributions(
        [*PROJECT["dependencies"], *(text for lines in extras for text in lines)]
    )
    assert required - {"spacy-docre"} <= pins.keys()
    for name, pinned in pins.items():
        # As of torch: its builds for different processors are one version.
        assert version(name).partition("+")[0] == pinned


def test_a_pipeline_needs_no_extra() -> None:
    code = (
        "import sys;"
        f"sys.modules.update(dict.fromkeys({sorted(EXTRAS)}));"
        "import spacy;"
        "nlp = spacy.load('assets/en_docre_wiki_sm');"
        "doc = nlp('Marie Curie was born in Warsaw, the capital of Poland.');"
        "assert doc._.relations"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
