"""What `docre annotate` shows of its results: how many there are, what is left out, and tables."""

from shutil import get_terminal_size
from textwrap import shorten
from typing import TYPE_CHECKING, Iterable, Iterator

from spacy.tokens import Doc
from tqdm import tqdm

from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.batch import Result

# Of a column of the table, in characters.
_WIDTH = 32


def with_progress(results: "Iterable[Result]", start: int = 0) -> "Iterator[Result]":
    """Show how many documents there are so far, where there is a terminal to show it.

    results (Iterable[Result]): What becomes of documents.
    start (int): How many there are of earlier runs.
    YIELDS (Result): The same.
    """
    # Some terminals say that they have no columns and no rows, and tqdm would show nothing there.
    # Results come by the batch, from which it would learn to wait for many.
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
    """Tell of a document that is left out; of another, its relations if they are asked for.

    result (Result): What has become of it.
    table (bool): Whether they are.
    with_failures (bool): Whether to tell of one that is left out.
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
