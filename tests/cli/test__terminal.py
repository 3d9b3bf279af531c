"""What commands print cannot steer the terminal."""

import re
import warnings
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

import spacy_docre.cli
from spacy_docre.cli._terminal import SafeGroup, SafePrinter, escaped_line, printable

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
    assert escaped_line("a\tb\nc\x1b") == "a\\tb\\nc\\x1b"


def without_colors(text: str) -> str:
    """As wasabi prints it."""
    return re.sub("\x1b\\[(38;5;[0-9]+|0|1)m", "", text)


def test_printer(capsys: pytest.CaptureFixture) -> None:
    msg = SafePrinter()
    for print_it in (msg.good, msg.warn, msg.info, msg.text):
        print_it(HOSTILE, HOSTILE)
        print_it(Path("a\x1b"), ValueError("b\x1b"))
    msg.divider(HOSTILE)
    msg.table([(HOSTILE, 1), (Path("a\x1b"), None)], header=(HOSTILE, "b"), title=HOSTILE)
    with pytest.raises(SystemExit):
        msg.fail(HOSTILE, HOSTILE, exits=1)
    out = without_colors(capsys.readouterr().out)
    assert printable(out) == out and out.count("\\x1b]0;title") == 14


@pytest.fixture
def app() -> typer.Typer:
    """Commands that print in each other way."""
    app = typer.Typer(cls=SafeGroup)

    @app.command("warn")
    def warn() -> None:
        for number in range(6):
            category = (UserWarning, FutureWarning, RuntimeWarning)[number % 3]
            warnings.warn(HOSTILE, category, stacklevel=1)
            warnings.warn("Another one\nof two lines", category, stacklevel=1)

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


def test_warnings(app: typer.Typer) -> None:
    """They look as the commands' own, and each is there once."""
    shown = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        result = CliRunner().invoke(app, ["warn"])
        assert warnings.showwarning is before
    assert warnings.showwarning is shown
    out = without_colors(result.output)
    assert result.exit_code == 0 and printable(out) == out
    assert out.count("\\x1b[31m") == 1 and out.count("Another one") == 1
    assert "⚠ Another one\nof two lines" in out
    for raw in ("Warning", ".py", "warnings.warn", __file__):
        assert raw not in out


def test_warnings_that_are_errors(app: typer.Typer) -> None:
    """As python -W error has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = CliRunner().invoke(app, ["warn"])
    assert isinstance(result.exception, UserWarning)


def test_all_commands_print_by_it() -> None:
    """And nothing else prints."""
    files = sorted(Path(spacy_docre.cli.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for file in files:
        text = file.read_text("utf8")
        assert file.name == "_terminal.py" or "wasabi" not in text
        assert " print(" not in text and "typer.echo" not in text
