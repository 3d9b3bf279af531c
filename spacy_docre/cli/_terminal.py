"""Print safely: names and texts of documents cannot control the terminal."""

import re
import warnings
from contextlib import contextmanager
from typing import Any, Iterable, Iterator, Set

from tqdm import tqdm
from typer.core import TyperGroup
from wasabi import Printer

# C0 and C1 except tab and line feed; characters that change the direction of text or end a line;
# marks of annotations and tags; surrogates, which cannot be printed.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKING = re.compile("[\t\n]")


def printable(text: object) -> str:
    """Replace control characters by visible escapes, e.g. the escape character by "\\x1b".

    text (object): A text, or an object to print as text.
    RETURNS (str): The text, with the same lines.
    """
    return _STEERING.sub(_escape, str(text))


def escaped_line(text: object) -> str:
    """Replace control characters by visible escapes, line feeds and tabs as well.

    text (object): A text, or an object to print as text.
    RETURNS (str): The text.
    """
    return _BREAKING.sub(_escape, printable(text))


def _escape(match: "re.Match[str]") -> str:
    return match[0].encode("unicode_escape").decode("ascii")


class SafePrinter(Printer):
    """A printer as in wasabi, whose output cannot control the terminal."""

    def text(self, title: Any = "", text: Any = "", *args: Any, **settings: Any) -> Any:
        """Print a message. Arguments as in wasabi.

        title (Any): The main text.
        text (Any): The text below it.
        """
        return super().text(escaped_line(title), printable(text), *args, **settings)

    def divider(self, text: str = "", *args: Any, **settings: Any) -> Any:
        """Print a headline. Arguments as in wasabi.

        text (str): The headline.
        """
        return super().divider(escaped_line(text), *args, **settings)

    def table(self, data: Any, *, header: Iterable[Any] = (), **settings: Any) -> Any:
        """Print a table. Arguments as in wasabi.

        data (Iterable[Iterable[Any]]): The rows.
        header (Iterable[Any]): The names of the columns.
        """
        rows = [tuple(map(escaped_line, row)) for row in data]
        return super().table(rows, header=tuple(map(escaped_line, header)), **settings)


msg = SafePrinter()


class SafeGroup(TyperGroup):
    """Commands that print warnings as messages. Errors about arguments cannot control the
    terminal."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        ctx (Context): Its context.
        """
        try:
            with _own_warnings():
                return super().invoke(ctx)
        except Exception as error:
            # An error of Typer or of click: the class depends on the version.
            if hasattr(error, "format_message") and hasattr(error, "message"):
                error.message = printable(error.message)
            raise


@contextmanager
def _own_warnings() -> Iterator[None]:
    """Print each warning once, as a message. Its place in the code does not help the user of a
    command."""
    shown: Set[str] = set()

    def show(message: Any, *args: Any, **settings: Any) -> None:
        text = str(message)
        if text not in shown:
            shown.add(text)
            title, _, more = text.partition("\n")
            # A progress bar may stand below.
            with tqdm.external_write_mode():
                msg.warn(title, more)

    before, warnings.showwarning = warnings.showwarning, show
    try:
        yield
    finally:
        warnings.showwarning = before
