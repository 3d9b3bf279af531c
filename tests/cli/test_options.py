"""Help texts, and names that commands had before."""

import shutil
from pathlib import Path
from typing import Callable

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre import __version__
from spacy_docre.annotate.inputs.formats import INPUTS
from spacy_docre.annotate.outputs import OUTPUTS
from spacy_docre.cli import app as docre
from spacy_docre.data.corpus_files import write_docs

COMMANDS = [command.name for command in docre.registered_commands]


def help_of(*command: str) -> str:
    result = CliRunner().invoke(app, ["docre", *command, "--help"], terminal_width=200)
    assert result.exit_code == 0, result.output
    return result.output


def test_version() -> None:
    result = CliRunner().invoke(app, ["docre", "--version"])
    assert result.exit_code == 0
    assert result.output.split() == ["spacy-docre", __version__]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert f"docre {command} [OPTIONS]" in help_of(command)


def test_annotate_names_its_formats() -> None:
    """The help is written out, so that no command waits for the module of the formats."""
    text = help_of("annotate")
    assert all(suffix in text for suffix in OUTPUTS)
    # All but other spellings of one.
    assert all(suffix in text for suffix in INPUTS.keys() - {".markdown", ".htm", ".xhtml"})


def test_the_former_name_of_logits_is_hidden() -> None:
    listed = [line.split()[0] for line in help_of().splitlines() if line.startswith("  ")]
    assert "logits" in listed and "teach" not in listed
    former = help_of("teach")
    assert former.replace("docre teach", "docre logits") == help_of("logits")


WITH_GPU = [
    "annotate",
    "calibrate",
    "compare",
    "evaluate",
    "logits",
    "predict",
    "serve",
    "train",
    "tune-threshold",
]


@pytest.mark.parametrize("command", WITH_GPU)
def test_the_gpu_has_one_option(command: str) -> None:
    text = help_of(command)
    assert "--gpu-id" in text and "--device" in text and "-g" in text


# What each command with a pipeline or a config needs to begin with.
ARGUMENTS = {
    "annotate": ["{model}", "texts.jsonl", "-o", "out.jsonl"],
    "calibrate": ["{model}", "docs.spacy", "out"],
    "compare": ["config.cfg"],
    "evaluate": ["{model}", "docs.spacy"],
    "import-checkpoint": ["weights.pt", "out", "--encoder", "none", "--rel2id", "ids.json"],
    "logits": ["{model}", "docs.spacy", "out"],
    "predict": ["{model}", "docs.spacy", "-o", "out.json"],
    "render": ["docs.spacy", "out.html"],
    "serve": ["{model}"],
    "train": ["config.cfg", "-o", "out"],
    "tune-threshold": ["{model}", "docs.spacy", "out"],
}


@pytest.fixture
def run(
    trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs a command in a folder with what it needs; it may be of no use."""
    monkeypatch.chdir(tmp_path)
    for name in ("texts.jsonl", "docs.spacy", "weights.pt", "ids.json", "config.cfg"):
        Path(name).write_text("")

    def run_it(command: str, *options: str, model: Path = trained_folder) -> Result:
        arguments = [argument.format(model=model) for argument in ARGUMENTS[command]]
        return CliRunner().invoke(app, ["docre", command, *arguments, *options])

    return run_it


def test_commands_with_a_model_or_a_config() -> None:
    others = {"convert", "distant", "graph", "reshape", "stats", "teach"}
    assert ARGUMENTS.keys() == set(COMMANDS) - others


@pytest.mark.parametrize("command", ARGUMENTS)
def test_code_is_imported(command: str, run: Callable[..., Result]) -> None:
    Path("code.py").write_text("open('imported', 'w').close(); raise OSError('so far')")
    result = run(command, "--code", "code.py")
    assert result.exit_code == 1 and "so far" in result.output
    assert "Couldn't load Python code" in result.output and Path("imported").exists()


@pytest.mark.parametrize("command", ARGUMENTS)
def test_code_that_is_missing(command: str, run: Callable[..., Result]) -> None:
    result = run(command, "--code", "none.py")
    assert result.exit_code == 1 and "code not found" in result.output


@pytest.mark.parametrize("command", ["evaluate", "annotate", "logits", "predict"])
def test_code_comes_before_the_pipeline(
    command: str, trained_folder: Path, run: Callable[..., Result]
) -> None:
    """Which needs what is registered there."""
    shutil.copytree(trained_folder, "model")
    config = Path("model", "config.cfg")
    text = config.read_text().replace("spacy_docre.entities.v1", "elsewhere.entities.v1")
    config.write_text(text)
    Path("code.py").write_text(
        "import spacy\n"
        "from spacy_docre.entity_sources import make_default_entities\n"
        "if not spacy.registry.misc.has('elsewhere.entities.v1'):\n"
        "    spacy.registry.misc('elsewhere.entities.v1', func=make_default_entities)\n"
    )
    write_docs({Path("docs.spacy"): []})
    result = run(command, "--code", "code.py", model=Path("model"))
    assert "Cannot load" not in result.output and "elsewhere" not in result.output


@pytest.mark.parametrize(
    "problem",
    [ValueError("Cannot use GPU, CuPy is not installed"), RuntimeError("invalid device ordinal")],
)
@pytest.mark.parametrize("command", WITH_GPU)
def test_a_gpu_that_is_not_there(
    command: str, problem: Exception, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def require_gpu(number: int) -> None:
        assert number == 7
        raise problem

    monkeypatch.setattr("spacy.cli._util.require_gpu", require_gpu)
    result = run(command, "--gpu-id", "7")
    assert result.exit_code == 1
    text = " ".join(result.output.split())
    assert "Cannot use GPU 7" in text and str(problem) in text
    assert "Leave --gpu-id out" in text and "CuPy" in text


def test_a_gpu_that_pytorch_does_not_find(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy.cli._util.require_gpu", lambda number: None)
    monkeypatch.setattr("spacy_docre.cli._shared.has_torch_gpu", False)
    result = run("evaluate", "--gpu-id", "0")
    assert result.exit_code == 1 and "PyTorch finds no GPU" in result.output


@pytest.mark.parametrize("command", WITH_GPU)
def test_no_number_of_a_gpu(command: str, run: Callable[..., Result]) -> None:
    result = run(command, "--gpu-id", "-2")
    assert result.exit_code == 2
