"""Read documents to annotate from files.

`files` finds the files. `formats` chooses the reader of each ending. The readers yield `documents`.
They are in `plain` (text, JSONL, DocRED's JSON, spaCy's `.spacy` files), `tables` (CSV, parquet,
Arrow) and `conversion` (HTML, Markdown, .docx, .pdf).
"""

from .documents import START, Failure, InputDocument, Place
from .files import STDIN, Listing, list_files, read_inputs, read_items

__all__ = [
    "START",
    "STDIN",
    "Failure",
    "InputDocument",
    "Listing",
    "Place",
    "list_files",
    "read_inputs",
    "read_items",
]
