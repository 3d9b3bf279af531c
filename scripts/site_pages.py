"""For MkDocs: make pages of the site from the package (commands, schemas and registered functions),
and from notebooks."""

import json
import re
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Dict, Iterator, List, Type

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from nbconvert.filters import strip_ansi
from pydantic import BaseModel
from typer.cli import get_docs_for_click
from typer.main import get_command

ROOT = Path(__file__).parent.parent
PROGRAM = "python -m spacy docre"

# A line of a page such as "::: registered spacy_misc spacy_docre.losses". It stands for all
# functions of these modules that the package registers in this group.
_REGISTERED = re.compile(r"^::: registered (\S+) (\S+)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the picture."""
    made = {"reference/commands.md": command_page(), "reference/schemas.md": schema_page()}
    for notebook in files:
        if notebook.src_uri.endswith(".ipynb"):
            made[notebook.src_uri.removesuffix("ipynb") + "md"] = notebook_page(notebook)
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    picture = str(ROOT / "assets" / "page.png")
    files.append(File.generated(config, "page.png", abs_src_path=picture))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Insert the registered functions."""
    return _REGISTERED.sub(_registered, markdown)


def registered(group: str, modules: str = "spacy_docre.") -> List[EntryPoint]:
    """List the functions that the package registers.

    group (str): The group of entry points, e.g. "spacy_misc".
    modules (str): The prefix of the names of their modules.
    RETURNS (List[EntryPoint]): The functions, sorted by name.
    """
    found = (entry for entry in entry_points(group=group) if entry.module.startswith(modules))
    return sorted(found, key=lambda entry: entry.name)


def _registered(match: re.Match) -> str:
    blocks = [_reference(entry) for entry in registered(match[1], match[2])]
    if not blocks:
        raise ValueError(f"{match[2]} registers nothing in {match[1]}. Correct the names.")
    return "\n\n".join(blocks)


def _reference(entry: EntryPoint) -> str:
    name = json.dumps(entry.name)
    path = entry.value.replace(":", ".")
    # No members: for a class, the page shows only how to construct it.
    options = f"{{heading: {name}, toc_label: {name}, heading_level: 3, members: false}}"
    return f"::: {path}\n    options: {options}"


def notebook_page(notebook: File) -> str:
    """Convert a notebook with its stored outputs. It is not executed.

    notebook (File): The notebook, which is a file of the site, too.
    RETURNS (str): The page.
    """
    markdown, _ = MarkdownExporter().from_filename(notebook.abs_src_path)
    # In a notebook, links lead to notebooks; on a page, they lead to pages.
    markdown = strip_ansi(markdown).replace(".ipynb)", ".md)")
    return f"{markdown}\n\n[This page as a notebook]({notebook.name}.ipynb)\n"


def command_page() -> str:
    """RETURNS (str): The page of all commands, made by Typer."""
    from spacy_docre.cli import HELP, app

    group: Any = get_command(app)
    context = group.make_context(PROGRAM, [], resilient_parsing=True)
    commands = (group.commands[name] for name in group.list_commands(context))
    texts = [
        get_docs_for_click(obj=command, ctx=context, indent=1, name=f"{PROGRAM} {command.name}")
        for command in commands
        if not command.hidden
    ]
    introduction = "This page is generated from the commands, as `--help` shows them."
    return "\n\n".join(["# Commands", HELP, introduction, *texts])


def schema_page() -> str:
    """RETURNS (str): The page of JSON schemas."""
    introduction = (
        "This page is generated from the Pydantic models that read or write the files. "
        "[File formats](formats.md) says what the fields mean."
    )
    return "\n\n".join(["# Schemas", introduction, *_schemas()])


def _schemas() -> Iterator[str]:
    from spacy_docre.data import annotated_records, doccano, docred, label_studio, prodigy_records
    from spacy_docre.display import api
    from spacy_docre.evaluation import answers
    from spacy_docre.pipeline.names import rules
    from spacy_docre.training import comparison

    models: Dict[str, Type[BaseModel]] = {
        "DocRED": docred.DocumentRecord,
        "Result file": answers.AnswerRecord,
        "Annotated documents": annotated_records.DocumentRecord,
        "Request to the server": api.Request,
        "Prodigy": prodigy_records.ExampleRecord,
        "Label Studio": label_studio.TaskRecord,
        "doccano": doccano.DocumentRecord,
        "Tables of names": rules.NameTables,
        "Table of systems": comparison.Comparison,
    }
    for title, model in models.items():
        yield f"## {title}\n\n{_schema(model)}"


def _schema(model: Type[BaseModel]) -> str:
    text = json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False)
    return f"```json\n{text}\n```"
