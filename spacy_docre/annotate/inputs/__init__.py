"""Documents to annotate, from files.

`files` finds the files, `formats` says which reader each ending has, and the readers give
`documents`: `plain` (text, JSONL, DocRED's JSON, spaCy's own), `tables` (CSV, parquet, Arrow) and
`conversion` (HTML, Markdown, .docx, .pdf).
"""

from .documents import START, Failure, InputDocument, Place
from .files import STDIN, Listing, list_files, read_inputs

__all__ = [
    "START",
    "STDIN",
    "Failure",
    "InputDocument",
    "Listing",
    "Place",
    "list_files",
    "read_inputs",
]
