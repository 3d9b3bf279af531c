"""The manifest of a folder of annotated documents: what they were made from, and the parts.

The manifest is an SQLite file. So a part is recorded whole or not at all, and the records need not
fit in memory.
"""

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import srsly

from ..files import path_text
from .inputs import START, Failure, Place
from .made_from import InputFile, MadeFrom

_TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS inputs
    (number INTEGER PRIMARY KEY, path TEXT, bytes INTEGER, changed INTEGER, digest TEXT);
CREATE TABLE IF NOT EXISTS parts
    (number INTEGER PRIMARY KEY, file TEXT, bytes INTEGER, documents INTEGER, relations INTEGER,
    end_file INTEGER, end_items INTEGER);
CREATE TABLE IF NOT EXISTS failures
    (part INTEGER, file INTEGER, items INTEGER, id TEXT, problem TEXT);
CREATE TABLE IF NOT EXISTS ended_files (file INTEGER PRIMARY KEY, items INTEGER);
CREATE INDEX IF NOT EXISTS failed ON failures (file, items);
CREATE TABLE IF NOT EXISTS names (name BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID;
"""
_COMPLETE = "complete"
_MADE_FROM = "made from"


class Counts(NamedTuple):
    """What a folder holds.

    parts (int): The number of parts.
    documents (int): The number of documents in the parts.
    relations (int): The number of relations in the parts.
    failures (int): The number of documents that are left out.
    """

    parts: int = 0
    documents: int = 0
    relations: int = 0
    failures: int = 0


@dataclass
class PartRecord:
    """A finished part.

    number (int): Its number.
    file (Path): Its file.
    documents (int): The number of its documents.
    relations (int): The number of its relations.
    failures (List[Failure]): The documents that are left out.
    end (Place): How far the inputs have been read at its end.
    """

    number: int
    file: Path
    documents: int
    relations: int
    failures: List[Failure]
    end: Place


class Manifest:
    """The manifest of a folder. Only one process at a time can open it.

    path (Path): The file, which is created.
    RAISES (BlockingIOError): If another process has opened it.
    RAISES (ValueError): If the file is damaged, or is no manifest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None)
            # The lock ends with the process, and child processes do not inherit it.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            with self._transaction("EXCLUSIVE"):
                for statement in _TABLES.split(";"):
                    self._database.execute(statement)
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise BlockingIOError(
                    f"Another process is writing {path.parent}. Wait until it has ended, or name "
                    "another folder."
                ) from None
            if isinstance(error, sqlite3.OperationalError):
                raise OSError(f"{path} cannot be written: {error}.") from error
            raise ValueError(
                f"{path} is damaged: {error}. Name another folder, or delete this folder."
            ) from error

    def close(self) -> None:
        """Release the manifest for other processes."""
        self._database.close()

    def begin(self, made_from: MadeFrom) -> None:
        """Delete all records, and start again.

        made_from (MadeFrom): What the documents are made from.
        """
        inputs = [(number, *file) for number, file in enumerate(made_from.inputs, start=1)]
        settings = srsly.json_dumps(made_from.settings)
        with self._transaction():
            for table in ("settings", "inputs", "parts", "failures", "ended_files", "names"):
                self._database.execute(f"DELETE FROM {table}")
            self._set(_MADE_FROM, settings)
            self._database.executemany("INSERT INTO inputs VALUES (?, ?, ?, ?, ?)", inputs)

    def made_from(self) -> Optional[MadeFrom]:
        """RETURNS (Optional[MadeFrom]): What the documents are made from; None if nothing was
        begun."""
        settings = self._get(_MADE_FROM)
        if settings is None:
            return None
        rows = self._database.execute(
            "SELECT path, bytes, changed, digest FROM inputs ORDER BY number"
        )
        return MadeFrom([InputFile(*row) for row in rows], srsly.json_loads(settings))

    def add(
        self, part: PartRecord, names: Mapping[str, int] = {}, mended: Iterable[Place] = ()
    ) -> None:
        """Record a part.

        part (PartRecord): The part.
        names (Mapping[str, int]): The names that its documents have asked for, and how often each
            name has been asked for so far.
        mended (Iterable[Place]): The places of its documents that had failed before.
        """
        row = (
            part.number,
            path_text(Path(part.file.name)),
            part.file.stat().st_size,
            part.documents,
            part.relations,
            *part.end,
        )
        failures = [
            (part.number, *failure.place, _text(failure.id), _text(failure.problem))
            for failure in part.failures
        ]
        ended = [failure.place for failure in part.failures if failure.ends_file]
        with self._transaction():
            self._database.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self._delete_failures(mended)
            self._database.executemany("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", failures)
            self._database.executemany("INSERT INTO ended_files VALUES (?, ?)", ended)
            self._database.executemany(
                "INSERT OR REPLACE INTO names VALUES (?, ?)",
                ((_key(name), times) for name, times in names.items()),
            )

    def finish(self) -> None:
        """Record that there are no more parts."""
        self._set(_COMPLETE, "")

    def reopen(self) -> None:
        """Record that there may be more parts."""
        self._database.execute("DELETE FROM settings WHERE name = ?", (_COMPLETE,))

    @property
    def is_complete(self) -> bool:
        """RETURNS (bool): Whether there are no more parts."""
        return self._get(_COMPLETE) is not None

    @property
    def counts(self) -> Counts:
        """RETURNS (Counts): The totals of all parts."""
        query = (
            "SELECT count(*), sum(documents), sum(relations), (SELECT count(*) FROM failures) "
            "FROM parts"
        )
        (row,) = self._database.execute(query)
        return Counts(*(number or 0 for number in row))

    @property
    def end(self) -> Place:
        """RETURNS (Place): How far the inputs have been read at the end of the last part."""
        query = "SELECT end_file, end_items FROM parts ORDER BY number DESC LIMIT 1"
        return Place(*(self._database.execute(query).fetchone() or START))

    def parts(self) -> Iterator[Tuple[str, int]]:
        """YIELDS (Tuple[str, int]): The name of each part's file, and its size in bytes."""
        yield from self._database.execute("SELECT file, bytes FROM parts ORDER BY number")

    def failures(self) -> Iterator[Failure]:
        """YIELDS (Failure): The documents that are left out, in order."""
        query = "SELECT id, problem, file, items FROM failures ORDER BY file, items"
        for id_, problem, *place in self._database.execute(query):
            yield Failure(id_, problem, Place(*place))

    def has_failed(self, id_: str, place: Place) -> bool:
        """Check whether a document is left out.

        id_ (str): The id of the document. At its place there may be another document if a file can
            be read now that could not be read before.
        place (Place): The place of the document.
        RETURNS (bool): Whether the document is left out.
        """
        query = "SELECT 1 FROM failures WHERE file = ? AND items = ? AND id = ?"
        return self._value(query, *place, _text(id_)) is not None

    def ended_files(self) -> Dict[int, Place]:
        """RETURNS (Dict[int, Place]): For each file that could not be read to its end, the place of
        that failure."""
        rows = self._database.execute("SELECT file, items FROM ended_files")
        return {file: Place(file, items) for file, items in rows}

    def forget(self, places: Iterable[Place]) -> None:
        """Delete failures.

        places (Iterable[Place]): Their places.
        """
        with self._transaction():
            self._delete_failures(places)

    def _delete_failures(self, places: Iterable[Place]) -> None:
        places = list(places)
        for table in ("failures", "ended_files"):
            query = f"DELETE FROM {table} WHERE file = ? AND items = ?"
            self._database.executemany(query, places)

    def fails_again(self, failure: Failure) -> None:
        """Record why a document that is left out has failed this time.

        failure (Failure): The document, with its place.
        """
        self._database.execute(
            "UPDATE failures SET problem = ? WHERE file = ? AND items = ?",
            (_text(failure.problem), *failure.place),
        )

    def times(self, name: str) -> Optional[int]:
        """Return how often documents of the parts have asked for a name.

        name (str): The name.
        RETURNS (Optional[int]): The number; None if the name was never given.
        """
        return self._value("SELECT times FROM names WHERE name = ?", _key(name))

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        self._database.execute(f"BEGIN {kind}")
        with self._database:
            yield

    def _get(self, name: str) -> Optional[str]:
        return self._value("SELECT value FROM settings WHERE name = ?", name)

    def _set(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def _value(self, query: str, *arguments: Any) -> Any:
        found: Sequence[Any] = self._database.execute(query, arguments).fetchone() or (None,)
        return found[0]


def _key(name: str) -> bytes:
    """Encode a name, which may hold half of a surrogate pair."""
    return name.encode("utf8", "surrogatepass")


def _text(text: str) -> str:
    return text.encode("utf8", "backslashreplace").decode("utf8")
