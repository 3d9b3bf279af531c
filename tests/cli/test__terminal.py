"""What commands print cannot steer the terminal."""

import re
import warnings
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

import spacy_docre.cli
from spacy_docre.cli._terminal import SafeGroup, SafePrinter, on_one_line, printable

STEERING = [
    *map(chr, range(0x09)),
    *map(chr, range(0x0B, 0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufff9\ud800\udfff\U000e0041",
]
HOSTILE = "".join(STEERING) + "\x1b[31m\x1b]0;title\x07"
# Such as a shell hands over.
ARGUMENT = "\x1b]0;title\x07\x9b31m\r\u202e"


@pytest.mark.parametrize("character", STEERING, ids=ascii)
def test_what_steers_is_written_out(character: str) -> None:
    written = printable(f"a{character}b")
    assert written.isascii() and written.isprintable()
    assert written[0] == "a" and written[1] == "\\" and written[-1] == "b"


@pytest.mark.parametrize("text", ["", "Łódź", "北京", "שלום", "a\tb\nc", "👩\u200d🚀", "\\x1b"])
def test_other_text_stays(text: str) -> None:
    assert printable(text) == text


def test_one_line() -> None:
    assert on_one_line("a\tb\nc\x1b") == "a\\tb\\nc\\x1b"


def test_printer(capsys: pytest.CaptureFixture) -> None:
    msg = SafePrinter()
    for print_it in (msg.good, msg.warn, msg.info, msg.text):
        print_it(HOSTILE, HOSTILE)
        print_it(Path("a\x1b"), ValueError("b\x1b"))
    msg.divider(HOSTILE)
    msg.table([(HOSTILE, 1), (Path("a\x1b"), None)], header=(HOSTILE, "b"), title=HOSTILE)
    with pytest.raises(SystemExit):
        msg.fail(HOSTILE, HOSTILE, exits=1)
    out = capsys.readouterr().out
    # wasabi's colours.
    out = re.sub("\x1b\\[(38;5;[0-9]+|0|1)m", "", out)
    assert printable(out) == out and out.count("\\x1b]0;title") == 14


@pytest.fixture
def app() -> typer.Typer:
    """Commands that print in each other way."""
    app = typer.Typer(cls=SafeGroup)

    @app.command("warn")
    def warn() -> None:
        warnings.warn(HOSTILE, stacklevel=1)

    @app.command("refuse")
    def refuse() -> None:
        raise typer.BadParameter(HOSTILE)

    @app.command("read")
    def read(path: Annotated[Path, typer.Argument(exists=True)]) -> None:
        pass

    return app


@pytest.mark.parametrize(
    "command", [["refuse"], ["read", ARGUMENT], ["read", f"--{ARGUMENT}"], [ARGUMENT]]
)
def test_errors_about_arguments(app: typer.Typer, command: Any) -> None:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert printable(result.output) == result.output
    # Whether or not a line is wrapped there.
    assert "\\x1b" in re.sub(r"[\s│]", "", result.output)


def test_warnings(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []

    def show(message: Any, category: Any, file: str, line: int, *rest: Any) -> None:
        shown.append(warnings.formatwarning(message, category, file, line))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show)
        formatted = warnings.formatwarning
        assert CliRunner().invoke(app, ["warn"]).exit_code == 0
    (text,) = shown
    assert "\\x1b" in text and printable(text) == text
    assert warnings.formatwarning is formatted


def test_all_commands_print_by_it() -> None:
    """And nothing else prints."""
    files = sorted(Path(spacy_docre.cli.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for file in files:
        text = file.read_text("utf8")
        assert file.name == "_terminal.py" or "wasabi" not in text
        assert " print(" not in text and "typer.echo" not in text
