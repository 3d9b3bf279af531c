"""Readers of tables with one document a row: CSV, parquet, Arrow, and folders of Hugging Face's
`datasets`."""

import base64
import csv
import datetime
import json
import math
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Iterable, Iterator, List, Sequence, Tuple

from ...data.encodings import LineDecoder
from ...data.json_files import unpacked_utf8
from ...extras import import_extra
from ...files import path_text, read_lines, too_long
from .documents import Items, Settings, read_records

# What `Dataset.save_to_disk` writes beside the tables.
STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
# Rows of parquet in memory at once. Arrow files have their own batches, in mapped memory.
_ROWS = 64


def read_csv(file: Path, settings: Settings, *, delimiters: str) -> Items:
    """Read one document from each row. The first row names the columns. Arguments as in
    `read_text`.

    delimiters (str): The possible delimiters. The first one that yields a text column is used.
    """
    return read_records(_csv_rows(file, settings, delimiters), path_text(file), settings)


def _csv_rows(file: Path, settings: Settings, delimiters: str) -> Iterator[Tuple[str, Any]]:
    name = path_text(file)
    with unpacked_utf8(file) as stream:
        lines = _CsvLines(stream, file, settings.max_bytes)
        first = next(lines, None)
        if first is None:
            raise ValueError(f"{name} is empty: its first line should name the columns.")
        delimiter, columns = _header(first, name, settings.text_field, delimiters)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            where = lines.begin_row()
            try:
                with _fields_of(settings.max_bytes):
                    row = next(rows)
            except StopIteration:
                return
            except (csv.Error, ValueError) as error:
                yield where, ValueError(f"{error} {lines.tell_row()}")
                continue
            if len(row) == len(columns):
                yield where, dict(zip(columns, row, strict=True))
            # A blank line has no cells, and is ignored.
            elif row:
                yield (
                    where,
                    ValueError(
                        f"It has {len(row)} cells, but the first line names {len(columns)} "
                        f"columns. Put cells with {delimiter!r} in quotes."
                    ),
                )


class _CsvLines:
    """Lines for `csv.reader`, in bounded memory. An error concerns one row: the next call goes
    on."""

    def __init__(self, stream: BinaryIO, file: Path, max_bytes: int) -> None:
        self._lines = enumerate(read_lines(stream, max_bytes), start=1)
        self._decode = LineDecoder(file)
        self._name = path_text(file)
        self._max_bytes = max_bytes
        self._number = self._size = 0
        self._begin = 1

    def begin_row(self) -> str:
        """RETURNS (str): Where the next row begins."""
        self._size = 0
        self._begin = self._number + 1
        return f"{self._name}:{self._begin}"

    def tell_row(self) -> str:
        """RETURNS (str): The remedy for a malformed row, and the lines of the row."""
        remedy = "A closing quote may be missing: add it. Write a quote within a cell twice."
        if self._number <= self._begin:
            return remedy
        return (
            f"{remedy} The row is left out, with all lines that were read as the same row: "
            f"{self._begin} to {self._number}."
        )

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        self._number, line = next(self._lines)
        self._size += len(line or b"")
        if line is None or self._size > self._max_bytes:
            raise ValueError(too_long("The row", self._max_bytes))
        return self._decode(line, f"{self._name}:{self._number}")


@contextmanager
def _fields_of(size: int) -> Iterator[None]:
    """Set the size of the longest cell, for all of Python. The default is 128 kB."""
    before = csv.field_size_limit(size)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _header(line: str, name: str, text_field: str, delimiters: str) -> Tuple[str, List[str]]:
    """Return the delimiter and the names of the columns."""
    try:
        headers = {mark: next(csv.reader([line], delimiter=mark), []) for mark in delimiters}
    except csv.Error as error:
        raise ValueError(f"{name}: its first line should name the columns, but {error}.") from None
    with_text = [mark for mark, columns in headers.items() if text_field in columns]
    # Without a text column, the error shows the most likely columns.
    delimiter = (with_text or sorted(headers, key=lambda mark: -len(headers[mark])))[0]
    _check_columns(headers[delimiter], name, text_field)
    return delimiter, headers[delimiter]


def _check_columns(columns: Sequence[str], name: str, text_field: str) -> None:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise ValueError(
            f"{name} has several columns with the same name: {', '.join(map(repr, twice))}. Rename "
            "them."
        )
    if text_field not in columns:
        raise ValueError(
            f"{name} has no column {text_field!r} for the text. It has: "
            f"{', '.join(map(repr, columns))}. Name one of them with --text-field."
        )


def read_parquet(file: Path, settings: Settings) -> Items:
    """Read one document from each row. Arguments as in `read_text`."""
    # A buffer would hold data in memory before it is needed.
    with import_extra("pyarrow.parquet").ParquetFile(file, pre_buffer=False) as table:
        batches = table.iter_batches(_ROWS)
        yield from _read_batches(table.schema_arrow, batches, path_text(file), settings)


def read_arrow(file: Path, settings: Settings) -> Items:
    """Read one document from each row of an Arrow file, in Arrow's file or stream format. Arguments
    as in `read_text`."""
    with ExitStack() as stack:
        schema, batches = _open_arrow(file, stack)
        yield from _read_batches(schema, batches, path_text(file), settings)


def _open_arrow(file: Path, stack: ExitStack) -> Tuple[Any, Iterator[Any]]:
    """Return the schema and the batches of an Arrow file."""
    pyarrow = import_extra("pyarrow")
    source = stack.enter_context(pyarrow.memory_map(str(file)))
    try:
        stream = stack.enter_context(pyarrow.ipc.open_stream(source))
        return stream.schema, iter(stream)
    except pyarrow.ArrowInvalid:
        source.seek(0)
        table = stack.enter_context(pyarrow.ipc.open_file(source))
        return table.schema, map(table.get_batch, range(table.num_record_batches))


def is_dataset(file: Path) -> bool:
    """Check whether a file stands for a folder of `datasets`.

    file (Path): The file.
    RETURNS (bool): Whether it is the state file that `Dataset.save_to_disk` writes.
    """
    return file.name == STATE and (file.parent / _INFO).exists()


def dataset_parts(files: Iterable[Path]) -> List[Path]:
    """Find the files that are not read alone, since a folder of `datasets` is read as a whole.

    files (Iterable[Path]): The files of a folder and its subfolders.
    RETURNS (List[Path]): All files of folders of `datasets` except the state files, and the lists
        of splits beside these folders.
    """
    files = list(files)
    folders = {file.parent for file in files if is_dataset(file)}
    splits = {folder.parent / _SPLITS for folder in folders}
    return [
        file
        for file in files
        if file in splits or (file.parent in folders and not is_dataset(file))
    ]


def read_dataset(file: Path, settings: Settings) -> Items:
    """Read one document from each row of a folder of `datasets`. Arguments as in `read_text`.

    file (Path): The state file, which names the tables. Files that `map` has stored in the folder
        are not among them.
    """
    folder = file.parent
    try:
        tables = json.loads(file.read_text("utf8"))["_data_files"]
        files = [folder / table["filename"] for table in tables]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path_text(file)} is damaged: {error!r}. Save the dataset again."
        ) from error
    with ExitStack() as stack:
        opened = [_open_arrow(file, stack) for file in files]
        batches = chain.from_iterable(batches for _, batches in opened)
        for schema, _ in opened[:1]:
            yield from _read_batches(schema, batches, path_text(folder), settings)


def _read_batches(schema: Any, batches: Iterable[Any], name: str, settings: Settings) -> Items:
    _check_columns(schema.names, name, settings.text_field)
    return read_records(_rows(batches, name, settings), name, settings)


def _rows(batches: Iterable[Any], name: str, settings: Settings) -> Iterator[Tuple[str, Any]]:
    number = 0
    for batch in batches:
        for index in range(batch.num_rows):
            where = f"{name}:{number}"
            number += 1
            try:
                # Row by row, since one unreadable row would make the whole batch unreadable.
                (row,) = batch.slice(index, 1).to_pylist()
                text = row[settings.text_field]
                if isinstance(text, str) and len(text.encode()) > settings.max_bytes:
                    raise ValueError(too_long("The text", settings.max_bytes))
                yield where, _as_json(row)
            except Exception as error:
                yield where, error


def _as_json(value: Any) -> Any:
    """Turn a value into one that JSON has. NaN becomes None, since tables use it for null. Bytes
    become base64, and times ISO 8601. Other values become their text."""
    if isinstance(value, dict):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return str(value)
