"""Show the results of `docre annotate`: their number, failed documents, and tables."""

from shutil import get_terminal_size
from textwrap import shorten
from typing import TYPE_CHECKING, Iterable, Iterator

from spacy.tokens import Doc
from tqdm import tqdm

from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.batch import Result

# The width of a column of the table, in characters.
_WIDTH = 32


def with_progress(results: "Iterable[Result]", start: int = 0) -> "Iterator[Result]":
    """Show the number of finished documents in a progress bar, if the output is a terminal.

    results (Iterable[Result]): The results of documents.
    start (int): The number of documents from earlier runs.
    YIELDS (Result): The same results.
    """
    # Some terminals report no columns and no rows, and tqdm would show nothing there. miniters=1,
    # as results come in batches, and tqdm would then update the bar too seldom.
    columns, rows = get_terminal_size()
    yield from tqdm(
        results,
        initial=start,
        unit=" documents",
        disable=None,
        ncols=columns,
        nrows=rows,
        miniters=1,
    )


def report(result: "Result", table: bool = False, *, with_failures: bool = True) -> None:
    """Report a document that is left out. For other documents, print the relations if asked.

    result (Result): The result of the document.
    table (bool): Whether to print a table of the relations.
    with_failures (bool): Whether to report documents that are left out.
    """
    from ..annotate.inputs import Failure

    with tqdm.external_write_mode():
        if isinstance(result, Failure):
            if with_failures:
                msg.warn(f"Left out: {result.id}", result.problem)
        elif table:
            doc, source = result
            _print_table(doc, source.id)


def _print_table(doc: Doc, name: str) -> None:
    rows = [
        (
            shorten(relation.head.text, _WIDTH, placeholder="…"),
            relation.name,
            shorten(relation.tail.text, _WIDTH, placeholder="…"),
            f"{relation.score:.2f}",
        )
        for relation in doc._.relations
    ]
    msg.divider(name)
    msg.table(rows, header=("head", "relation", "tail", "score"), divider=True, max_col=50)
