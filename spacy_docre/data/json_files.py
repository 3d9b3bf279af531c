"""Read JSON and text files in UTF-8, packed or not, of any size."""

import io
import json
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Dict, Iterator, List, TextIO, Tuple

from ..files import MAX_BYTES, read_bounded, read_lines, too_long
from .encodings import decode, not_utf8, refuse_wide
from .packed_files import unpacked, unpacked_suffix

# Characters of a long file that are read at once.
_CHARACTERS = 2**16


def is_json(path: Path) -> bool:
    """Check whether a file is JSON, by its name.

    path (Path): The path.
    RETURNS (bool): Whether it ends in .json or .jsonl, also packed as .gz or .zst.
    """
    return unpacked_suffix(path) in (".json", ".jsonl")


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a text file.

    path (Path): The file; it is unpacked if its name ends in ".gz" or ".zst".
    limit (int): The largest number of bytes, unpacked.
    RETURNS (str): Its text, without the byte order mark that some editors write.
    RAISES (ValueError): If the file is not UTF-8, is too long, or is packed and damaged.
    """
    with unpacked_utf8(path) as stream:
        return decode(read_bounded(stream, str(path), limit), str(path))


@contextmanager
def unpacked_utf8(path: Path) -> Iterator[BufferedReader]:
    """Open a file of UTF-8. It is unpacked while it is read if its name says that it is packed.

    path (Path): The file.
    YIELDS (BufferedReader): Its bytes.
    RAISES (ValueError): If the file is UTF-16 or UTF-32, or if it is packed and damaged. Damage
        shows during reading.
    """
    with unpacked(path) as stream:
        refuse_wide(stream.peek(4)[:4], str(path))
        yield stream


def parse_json(text: str, where: str) -> Any:
    """Parse JSON.

    text (str): The JSON.
    where (str): The name of the text in errors.
    RETURNS (Any): The data.
    RAISES (ValueError): If the text is not JSON, or if a key of an object has two values.
    """
    try:
        return json.loads(text, object_pairs_hook=_with_single_keys)
    except (ValueError, RecursionError, _TwoValues) as error:
        raise _not_json(where, error) from None


def parse_json_lines(path: Path) -> Iterator[Tuple[str, Any]]:
    """Parse a file of JSON lines. Blank lines are left out.

    path (Path): The file; it is unpacked if its name ends in ".gz" or ".zst".
    YIELDS (Tuple[str, Any]): The name of the line in errors, and the data of the line.
    RAISES (ValueError): If a line is not JSON or too long, or if the file is not UTF-8, or is
        packed and damaged.
    """
    for where, line in text_lines(path):
        if line.strip():
            yield where, parse_json(line, where)


def text_lines(path: Path) -> Iterator[Tuple[str, str]]:
    """Read the lines of a text file, one after the other.

    path (Path): The file; it is unpacked if its name ends in ".gz" or ".zst".
    YIELDS (Tuple[str, str]): The name of the line in errors, and the line with its end.
    RAISES (ValueError): If a line is too long, or if the file is not UTF-8, or is packed and
        damaged.
    """
    with unpacked_utf8(path) as stream:
        for number, line in enumerate(read_lines(stream), start=1):
            where = f"{path}, line {number}"
            if line is None:
                raise ValueError(too_long(where, MAX_BYTES))
            yield where, decode(line, where)


def parse_json_items(path: Path) -> Iterator[Any]:
    """Parse the items of a JSON file, one after the other: the items of an array, or one object in
    each line. The file is never in memory as a whole.

    path (Path): The file; it is unpacked if its name ends in ".gz" or ".zst".
    YIELDS (Any): The items.
    RAISES (ValueError): If the file is not JSON or not UTF-8, if it has neither an array nor
        objects, or if it is packed and damaged.
    """
    with unpacked_utf8(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as text:
        try:
            yield from _items(text, str(path))
        except UnicodeDecodeError as error:
            raise not_utf8(str(path), f"{error.reason} at byte {error.start}") from None


# Not ijson 3.6. On DocRED's format (52 MB) ijson takes 2.4 s, this function 0.9 s. On a damaged
# file of 0.6 MB with 100,000 open objects ijson takes 11 GB, and more on open arrays. In ijson
# half of a surrogate pair becomes "?", and a number of more than 64 bits is an error.
def _items(stream: TextIO, where: str) -> Iterator[Any]:
    """The items of a JSON array, or objects that follow each other."""
    decoder = json.JSONDecoder(object_pairs_hook=_with_single_keys)
    text = ""
    number = 0

    def read_on() -> bool:
        nonlocal text
        if len(text) > MAX_BYTES:
            raise ValueError(too_long(f"Item {number} of {where}", MAX_BYTES))
        # Read more each time, so that a long item is not parsed too often.
        read = stream.read(max(_CHARACTERS, len(text)))
        text += read
        return bool(read)

    def next_character() -> str:
        nonlocal text
        text = text.lstrip()
        while not text and read_on():
            text = text.lstrip()
        return text[:1]

    def take(character: str) -> bool:
        """Skip the character if it is the next one, and tell whether it was."""
        nonlocal text
        found = next_character() == character
        text = text[found:]
        return found

    is_array = take("[")
    if not is_array and next_character() != "{":
        text += stream.read(MAX_BYTES)
        if not stream.read(1):
            parse_json(text, where)
        raise ValueError(
            f"{where} should be a list, in brackets: [...], or have an object in each line: "
            "{...}."
        )
    ended = is_array and take("]")
    while not ended:
        end = None
        while end is None:
            try:
                item, end = decoder.raw_decode(text := text.lstrip())
            except (ValueError, RecursionError, _TwoValues) as error:
                if not isinstance(error, ValueError) or not read_on():
                    # Without the position: the error counts only in the part that is in memory.
                    problem = getattr(error, "msg", error)
                    raise _not_json(where, f"{problem}, in item {number}") from None
            # A number that is cut in two still is a number, such as 0 of 0.5.
            if is_array and not text[end:].lstrip().startswith((",", "]")) and read_on():
                end = None
        yield item
        number += 1
        text = text[end:]
        ended = take("]") if is_array else not next_character()
        if is_array and not ended and not take(","):
            raise _not_json(where, "the list has no end, or a comma is missing")
    if next_character():
        raise _not_json(where, f"{text[:20]!r} follows the list")


class _TwoValues(Exception):
    """A key of an object has two values. Not a ValueError: reading on would not help."""


def _with_single_keys(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        for key, value in pairs:
            # Compared as text: NaN is not equal to itself.
            if repr(record[key]) != repr(value):
                raise _TwoValues(f"{key!r} occurs twice, with different values")
    return record


def _not_json(where: str, problem: object) -> ValueError:
    return ValueError(f"{where} is not JSON (in UTF-8): {problem}.")
