"""Documents to annotate, from files.

`files` finds the files, `formats` says which reader each ending has, and the readers give
`documents`: `plain` (text, JSONL, DocRED's JSON, spaCy's own), `tables` (CSV, parquet, Arrow) and
`conversion` (HTML, Markdown, .docx, .pdf).
"""

from .documents import Failure, InputDocument
from .files import STDIN, Listing, list_files, read_inputs

__all__ = ["STDIN", "Failure", "InputDocument", "Listing", "list_files", "read_inputs"]
