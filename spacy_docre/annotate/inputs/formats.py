"""Choose the reader of a file by the ending of its name.

To add a format, write a reader, and add it to `INPUTS`. A reader is a function of file and settings
that yields documents.
"""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Optional

from spacy.training.corpus import FILE_TYPE

from ...data.packed_files import is_packed, unpacked_suffix
from . import conversion, plain, tables
from .documents import Items, Settings

# An ending has a letter and no space. Otherwise it is part of the name: "chapter 1.2", "Mr. Smith".
_ENDING = re.compile(r"\.(?=\d*[^\W\d])\w+")


@dataclass(frozen=True)
class InputFormat:
    """A format of input files.

    read (Callable[[Path, Settings], Items]): The reader.
    packed (bool): Whether a file may be packed as .gz or .zst.
    has_fields (bool): Whether documents have fields, one of which is the text.
    """

    read: Callable[[Path, Settings], Items]
    packed: bool = True
    has_fields: bool = False


_TEXT = InputFormat(plain.read_text)
_HTML = InputFormat(conversion.read_html)
_MARKDOWN = InputFormat(conversion.read_markdown)
_ARROW = InputFormat(tables.read_arrow, packed=False, has_fields=True)

INPUTS: Dict[str, InputFormat] = {
    # A file without an ending is text, too.
    "": _TEXT,
    ".txt": _TEXT,
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".html": _HTML,
    ".htm": _HTML,
    ".xhtml": _HTML,
    ".docx": InputFormat(conversion.read_docx, packed=False),
    ".pdf": InputFormat(conversion.read_pdf, packed=False),
    ".jsonl": InputFormat(plain.read_json_lines, has_fields=True),
    ".csv": InputFormat(partial(tables.read_csv, delimiters=",;\t|"), has_fields=True),
    ".tsv": InputFormat(partial(tables.read_csv, delimiters="\t"), has_fields=True),
    ".parquet": InputFormat(tables.read_parquet, packed=False, has_fields=True),
    ".arrow": _ARROW,
    FILE_TYPE: InputFormat(plain.read_spacy, packed=False),
    ".json": InputFormat(plain.read_docred),
}
# A folder that `Dataset.save_to_disk` has written. Its state file stands for the folder.
_DATASET = InputFormat(tables.read_dataset, packed=False, has_fields=True)


def find_format(file: Path) -> Optional[InputFormat]:
    """Find the format of a file by its name.

    file (Path): The file.
    RETURNS (Optional[InputFormat]): The format; None if the ending has no format. The case of the
        ending does not matter.
    """
    if tables.is_dataset(file):
        return _DATASET
    ending = unpacked_suffix(file)
    found = INPUTS.get(ending.lower() if _ENDING.fullmatch(ending) else "")
    return None if found is None or (is_packed(file) and not found.packed) else found


def problem_of_format(file: Path) -> Optional[str]:
    """Say why a file is not read, as far as its name tells. The packages that a reader needs are
    not checked, so that a run has the same inputs before and after you install them.

    file (Path): The file.
    RETURNS (Optional[str]): The reason; None if there is a reader.
    """
    if find_format(file) is not None:
        return None
    return (
        f"Files ending in {''.join(file.suffixes[-2:])} are not read. Files with these endings "
        f"are: {', '.join(filter(None, INPUTS))}, and one text on standard input: -"
    )
