"""Show the results of `docre annotate`: their number, failed documents, and tables."""

from textwrap import shorten
from typing import TYPE_CHECKING

from spacy.tokens import Doc
from tqdm import tqdm

from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.batch import Result

# The width of a column of the table, in characters.
_WIDTH = 32


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
