"""Help texts, and names that commands had before."""

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate.outputs import OUTPUTS
from spacy_docre.cli import app as docre

COMMANDS = [command.name for command in docre.registered_commands]


def help_of(*command: str) -> str:
    result = CliRunner().invoke(app, ["docre", *command, "--help"], terminal_width=200)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert f"docre {command} [OPTIONS]" in help_of(command)


def test_annotate_names_its_formats() -> None:
    """The help is written out, so that no command waits for the module of the formats."""
    text = help_of("annotate")
    assert all(suffix in text for suffix in OUTPUTS)


def test_the_former_name_of_logits_is_hidden() -> None:
    listed = [line.split()[0] for line in help_of().splitlines() if line.startswith("  ")]
    assert "logits" in listed and "teach" not in listed
    former = help_of("teach")
    assert former.replace("docre teach", "docre logits") == help_of("logits")


@pytest.mark.parametrize("command", ["annotate", "evaluate", "logits", "serve", "train"])
def test_the_gpu_has_one_option(command: str) -> None:
    text = help_of(command)
    assert "--gpu-id" in text and "--device" in text and "-g" in text
