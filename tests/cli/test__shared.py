"""Steps that several commands have."""

from pathlib import Path
from typing import Any, Callable, Type

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner

from spacy_docre.cli._shared import exit_on_error
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.pipeline.doc_relation_extractor import DocRelationExtractor
from spacy_docre.pipeline.teacher_pipeline import TeacherPipeline

ERRORS = [AttributeError, KeyError, MemoryError, RecursionError, RuntimeError, TypeError]


@pytest.mark.parametrize("error", ERRORS)
def test_errors_that_do_not_explain_themselves(
    error: Type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, exit_on_error("Cannot read it", ". Read another"):
        raise error("no such thing")
    assert caught.value.code == 1
    output = capsys.readouterr().out
    assert "Cannot read it" in output and f"{error.__name__}: " in output
    assert "no such thing" in output and ". Read another" in output


@pytest.mark.parametrize("error", [ImportError, OSError, ValueError])
def test_errors_that_do(error: Type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), exit_on_error("Cannot read it"):
        raise error("Say why.")
    assert capsys.readouterr().out.split()[-2:] == ["Say", "why."]


def test_what_ends_the_program_does() -> None:
    with pytest.raises(KeyboardInterrupt), exit_on_error("Cannot read it"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("command", ["evaluate", "logits"])
def test_a_pipeline_that_fails_at_documents(
    command: str,
    trained_folder: Path,
    make_examples: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: Any, doc: Any, *arguments: Any, **settings: Any) -> None:
        raise TypeError("damaged inside")

    monkeypatch.setattr(DocRelationExtractor, "predict", fail)
    monkeypatch.setattr(DocRelationExtractor, "pipe", fail)
    monkeypatch.setattr(TeacherPipeline, "logits", fail)
    docs = tmp_path / "docs.spacy"
    write_docs({docs: [example.reference for example in make_examples(2)]})
    out = [str(tmp_path / "out")] if command == "logits" else []
    result = CliRunner().invoke(app, ["docre", command, str(trained_folder), str(docs), *out])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "TypeError: damaged inside" in " ".join(result.output.split())
