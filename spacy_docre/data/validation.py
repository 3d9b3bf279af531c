"""What readers of annotated files share: reading them, and saying what is wrong with them."""

import gzip
import io
import json
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import (
    Annotated,
    Any,
    BinaryIO,
    Iterator,
    Mapping,
    Sequence,
    TextIO,
    Tuple,
    Type,
    TypeVar,
    Union,
    cast,
)

from pydantic import AfterValidator, BaseModel, Field, StrictStr, ValidationError

FieldPath = Sequence[Union[int, str]]
RecordT = TypeVar("RecordT", bound=BaseModel)


def _encodable(text: str) -> str:
    # JSON can hold half of a surrogate pair, which no text can.
    text.encode("utf-8")
    return text


Text = Annotated[StrictStr, AfterValidator(_encodable)]
Label = Annotated[StrictStr, Field(min_length=1), AfterValidator(_encodable)]

# So many are read of a long file at once.
_CHARACTERS = 2**16

# What the name of a packed file ends in.
GZIP = ".gz"


def read_text(path: Path) -> str:
    """Read a text file.

    path (Path): The file; it is unpacked if its name ends in ".gz".
    RETURNS (str): Its text, without the byte order mark that some editors write.
    RAISES (ValueError): If it is not UTF-8, or packed and cut off or damaged.
    """
    with unpacked(path) as stream:
        data = stream.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from None


def _not_utf8(path: Path, error: UnicodeDecodeError) -> ValueError:
    return ValueError(
        f"{path} is not UTF-8: {error.reason} at byte {error.start}. Save it as UTF-8."
    )


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file, which is unpacked while it is read if its name ends in ".gz".

    path (Path): The file.
    YIELDS (BinaryIO): Its bytes.
    RAISES (ValueError): If it is packed, and found to be cut off or damaged while it is read.
    """
    try:
        with gzip.open(path) if path.suffix == GZIP else path.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} cannot be unpacked: {error}. Download it again.") from None


def parse_json(text: str, where: str) -> Any:
    """Parse JSON.

    text (str): The JSON.
    where (str): What to call it in an error.
    RETURNS (Any): The data.
    RAISES (ValueError): If it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON (in UTF-8): {error}.") from None


def parse_json_lines(path: Path) -> Iterator[Tuple[str, Any]]:
    """Parse a file of JSON lines; those that are blank are left out.

    path (Path): The file; it is unpacked if its name ends in ".gz".
    YIELDS (Tuple[str, Any]): What to call the line in an error, and its data.
    RAISES (ValueError): If a line is not JSON, or the file not UTF-8, or packed and damaged.
    """
    # Not splitlines(): JSON may hold other line breaks within its strings.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, parse_json(line, where)


def parse_json_array(path: Path) -> Iterator[Any]:
    """Parse a JSON file whose outermost value is an array, one item after the other: neither
    the file nor the array is in memory as a whole.

    Not ijson: its memory grows with the square of the depth of a malformed file, and it reads
    half of a surrogate pair as "?".

    path (Path): The file; it is unpacked if its name ends in ".gz".
    YIELDS (Any): The items.
    RAISES (ValueError): If it is not JSON, not UTF-8, no array, or packed and damaged.
    """
    with unpacked(path) as stream:
        try:
            yield from _items(io.TextIOWrapper(stream, encoding="utf-8-sig"), str(path))
        except UnicodeDecodeError as error:
            raise _not_utf8(path, error) from None


def _items(stream: TextIO, where: str) -> Iterator[Any]:
    """The items of a JSON array."""
    decoder = json.JSONDecoder()
    text = ""

    def read_on() -> bool:
        nonlocal text
        # More and more, so that an item that is longer than all before is not parsed too often.
        read = stream.read(max(_CHARACTERS, len(text)))
        text += read
        return bool(read)

    def next_character() -> str:
        nonlocal text
        text = text.lstrip()
        while not text and read_on():
            text = text.lstrip()
        return text[:1]

    if next_character() != "[":
        parse_json(text + stream.read(), where)
        raise ValueError(
            f"{where} should be a list, in brackets: [...]. If it has an item in each line, it is "
            "of another format."
        )
    text = text[1:]
    more = next_character() != "]"
    number = 0
    while more:
        next_character()
        end = None
        while end is None:
            try:
                item, end = decoder.raw_decode(text)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not read_on():
                    # Its position is that within what is in memory.
                    problem = getattr(error, "msg", error)
                    raise ValueError(
                        f"{where} is not JSON (in UTF-8): {problem}, in item {number}."
                    ) from None
            # A number that is cut in two is a number, too: 0 of 0.5, say.
            if not text[end:].lstrip().startswith((",", "]")) and read_on():
                end = None
        yield item
        number += 1
        text = text[end:]
        more = next_character() == ","
        if more:
            text = text[1:]
    if not text.startswith("]"):
        raise ValueError(f"{where} is not JSON (in UTF-8): the list has no end, or misses a comma.")
    text = text[1:]
    if next_character():
        raise ValueError(f"{where} is not JSON (in UTF-8): {text[:20]!r} follows the list.")


def validate(schema: Type[RecordT], data: Any, where: str, fields: Mapping[str, str]) -> RecordT:
    """Check a record against its schema.

    schema (Type[RecordT]): The schema.
    data (Any): The record, as parsed from JSON.
    where (str): What to call it in an error.
    fields (Mapping[str, str]): What each field should hold.
    RETURNS (RecordT): The record.
    RAISES (ValueError): If a field is missing or of the wrong type.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where} should be an object with the fields {', '.join(fields)}.")
    try:
        return schema(**data)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid(where, first["loc"], first["msg"], fields) from None


def invalid(where: str, field: FieldPath, problem: str, fields: Mapping[str, str]) -> ValueError:
    """Say what is wrong with a record, and what should be there.

    where (str): What to call the record.
    field (FieldPath): The path to the field, e.g. ("vertexSet", 2, 0, "pos").
    problem (str): What is wrong with it.
    fields (Mapping[str, str]): What each field should hold.
    RETURNS (ValueError): The error, to be raised.
    """
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in field)
    name = [key for key in field if isinstance(key, str)][-1]
    return ValueError(
        f"{where}, field {path.lstrip('.')}: {problem}. {name} should be {fields[name]}."
    )
