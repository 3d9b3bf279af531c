"""Teacher logits on disk: safetensors files, read back one document at a time.

A store is a folder. `index.json` has the teacher's labels, in order, and the data that distinguish
it from other teachers. Each `*.safetensors` file has the logits of some documents, by a digest of
the document's words and of its entities.
"""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy
import srsly
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from spacy.tokens import Doc, Span

from ..alignment import GoldAlignment
from ..annotations import document_title
from ..entity_sources import Mentions
from ..files import writing_tensors, written_whole
from ..pairs import Pairs
from .teacher import Teacher
from .teacher_logits import TeacherLogits

INDEX = "index.json"
LOGITS_FILES = "*.safetensors"
# The approximate number of documents in a file: an interrupted run loses at most this many.
DOCUMENTS_PER_LOGITS_FILE = 256

_USER_DATA = "docre_teacher_logits"
_DIGEST = "docre_teacher_digest"


class LogitsStore(Teacher):
    """The logits of a teacher for a set of documents. It knows only the entities of the references.

    path (Union[str, Path]): The folder.
    RAISES (ValueError): If the folder is not a store of logits, or a file in it is damaged.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        index = read_index(self.path)
        if index is None:
            raise ValueError(
                f"{self.path} holds no teacher logits: it has no file {INDEX}. Make logits with "
                "'python -m spacy docre logits'."
            )
        self._labels = tuple(index["labels"])
        self._files = {
            digest: file for file in logits_files(self.path) for digest in documents_in(file)
        }

    def __len__(self) -> int:
        return len(self._files)

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The relations, in the order of the logits."""
        return self._labels

    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterator[TeacherLogits]:
        """Read the logits of the pairs of the student's entities that are also in the reference.
        The words of an attached reference may have changed since.

        alignments (Sequence[GoldAlignment]): The documents.
        YIELDS (TeacherLogits): The logits of each.
        RAISES (ValueError): As in `attach_to`.
        """
        for alignment in alignments:
            reference = alignment.example.reference
            digest = str(reference.user_data.get(_DIGEST))
            if digest not in self._files:
                digest = self._known_digest(reference, alignment.gold_in_reference)
            found = alignment.to_predicted
            logits = self._read(digest, len(alignment.gold)).of_pairs(
                Pairs.rows_between([*found], len(alignment.gold)),
                Pairs.rows_between([*found.values()], len(alignment.predicted)),
            )
            yield logits.on_sentences(alignment.sentence_parts)

    def attach_to(self, reference: Doc, entities: Sequence[Mentions]) -> None:
        """Note on a Doc that this store has its logits, for `store_of`.

        reference (Doc): The document.
        entities (Sequence[Mentions]): The mentions of each of its entities, in order.
        RAISES (ValueError): If there are no logits for it, or only for other entities.
        """
        reference.user_data[_DIGEST] = self._known_digest(reference, entities)
        reference.user_data[_USER_DATA] = str(self.path)

    def _known_digest(self, reference: Doc, entities: Sequence[Mentions]) -> str:
        """Compute the digest of a document, and check that there are logits for it."""
        digest = document_digest(reference, entities)
        if digest not in self._files:
            words = _words_part(digest)
            if any(_words_part(known) == words for known in self._files):
                problem = "its entities are not those the teacher saw, or in another order"
            else:
                problem = "the teacher has not seen it"
            raise ValueError(
                f"There are no teacher logits of the document {document_title(reference)!r} in "
                f"{self.path}: {problem}. Make logits for these documents with 'python -m spacy "
                "docre logits'."
            )
        return digest

    def _read(self, digest: str, num_entities: int) -> TeacherLogits:
        """Read the logits of all pairs of a document's entities."""
        path = self._files[digest]
        with _readable(path) as file:
            known = file.keys()

            def read(kind: str) -> Optional[numpy.ndarray]:
                return file.get_tensor(digest + kind) if digest + kind in known else None

            logits = TeacherLogits(
                file.get_tensor(digest),
                read(_COLUMNS),
                evidence=_both_ways(read(_EVIDENCE), num_entities),
            )
        if not logits.fits(Pairs.count(num_entities), 1 + len(self._labels)):
            raise ValueError(
                f"{path} is damaged, or has other relations than {self.path / INDEX}: the logits "
                f"of a document do not fit {num_entities} entities and {len(self._labels)} "
                "relations. Make the teacher's logits again."
            )
        return logits


def store_of(doc: Doc) -> Optional[LogitsStore]:
    """Return the store that a Doc is attached to.

    doc (Doc): The document.
    RETURNS (Optional[LogitsStore]): The store; None if the Doc is not attached to one.
    """
    path = doc.user_data.get(_USER_DATA)
    if path is not None and not isinstance(path, str):
        raise ValueError(f"doc.user_data[{_USER_DATA!r}] is {path!r}, but it should be a folder.")
    return None if path is None else open_store(path)


def open_store(path: str) -> LogitsStore:
    """Open a store once for all documents that are attached to it, and again if it has grown.

    path (str): The folder.
    RETURNS (LogitsStore): The store.
    RAISES (ValueError): As in `LogitsStore`.
    """
    return _open_store(path, Path(path).stat().st_mtime_ns if Path(path).exists() else 0)


@lru_cache(maxsize=8)
def _open_store(path: str, changed: int) -> LogitsStore:
    return LogitsStore(path)


def document_digest(doc: Doc, entities: Iterable[Iterable[Span]]) -> str:
    """Compute a digest that distinguishes a document and its entities from others.

    doc (Doc): The document.
    entities (Iterable[Iterable[Span]]): The mentions of each entity, in order.
    RETURNS (str): Hexadecimal digits: those of the words, "-", and those of the entities.
    """
    words = [(token.text, bool(token.whitespace_)) for token in doc]
    indices = [sorted({(span.start, span.end) for span in mentions}) for mentions in entities]
    return f"{_digest(words)}-{_digest(indices)}"


def read_index(path: Path) -> Optional[Dict[str, Any]]:
    """Read the index of a store.

    path (Path): The folder.
    RETURNS (Optional[Dict[str, Any]]): The index; None if there is no store.
    RAISES (ValueError): If the file is damaged.
    """
    file = path / INDEX
    if not file.exists():
        return None
    try:
        index = srsly.read_json(file)
        labels = index.get("labels") if isinstance(index, dict) else None
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ValueError("it has no list of labels")
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}. Make the teacher's logits again.") from error
    return index


def write_index(path: Path, index: Dict[str, Any]) -> None:
    """Begin a store.

    path (Path): The folder.
    index (Dict[str, Any]): The teacher's "labels", in order, and the data that distinguish its
        logits from others.
    """
    with written_whole([path / INDEX]) as written:
        srsly.write_json(written[path / INDEX], index)


def write_logits(path: Path, number: int, logits: Dict[str, TeacherLogits]) -> Path:
    """Add a file to a store.

    path (Path): The folder.
    number (int): The number of the file.
    logits (Dict[str, TeacherLogits]): The logits of each document, by its digest.
    RETURNS (Path): The file.
    """
    tensors: Dict[str, numpy.ndarray] = {}
    for digest, document in logits.items():
        tensors[digest] = numpy.ascontiguousarray(document.values, dtype="float16")
        if document.columns is not None:
            tensors[digest + _COLUMNS] = numpy.ascontiguousarray(document.columns, dtype="uint16")
        if document.evidence is not None:
            # (head, tail) and (tail, head) have the same evidence.
            tensors[digest + _EVIDENCE] = _one_way(document.evidence).astype("float16")
    file = path / LOGITS_FILES.replace("*", f"{number:05}")
    with written_whole([file]) as written, writing_tensors(file):
        save_file(tensors, written[file])
    return file


def logits_files(path: Path) -> List[Path]:
    """List the files of a store, in their order.

    path (Path): The folder.
    RETURNS (List[Path]): The files.
    RAISES (ValueError): If the folder has other safetensors files.
    """
    files = sorted(path.glob(LOGITS_FILES))
    for file in files:
        if not re.fullmatch("[0-9]+", file.stem):
            raise ValueError(
                f"{file} is not a file of teacher logits, whose names are numbers. Move it to "
                "another folder."
            )
    return files


def documents_in(file: Path) -> List[str]:
    """List the documents of one file.

    file (Path): The file.
    RETURNS (List[str]): Their digests.
    RAISES (ValueError): If the file is damaged.
    """
    with _readable(file) as opened:
        return [name for name in opened.keys() if not name.endswith((_COLUMNS, _EVIDENCE))]


# The names of a document's other tensors: its digest, and one of these endings.
_COLUMNS, _EVIDENCE = ".columns", ".evidence"


def _one_way(evidence: numpy.ndarray) -> numpy.ndarray:
    """Select the rows of unordered pairs from those of all pairs."""
    pairs = Pairs.of([Pairs.num_entities_of(len(evidence))])
    return evidence[(pairs.heads < pairs.tails).numpy()]


def _both_ways(evidence: Optional[numpy.ndarray], num_entities: int) -> Optional[numpy.ndarray]:
    """Undo `_one_way`. Evidence of another shape becomes an array without rows, which fits no
    pairs."""
    if evidence is None:
        return None
    if evidence.ndim != 2 or len(evidence) != Pairs.count_unordered(num_entities):
        return numpy.zeros((0, 0))
    return evidence[Pairs.of([num_entities]).unordered.numpy()]


def _words_part(digest: str) -> str:
    return digest.split("-")[0]


def _digest(data: object) -> str:
    return hashlib.blake2b(json.dumps(data).encode(), digest_size=12).hexdigest()


def _readable(file: Path) -> Any:
    try:
        return safe_open(file, framework="numpy")
    except SafetensorError as error:
        raise ValueError(
            f"{file} is damaged: {error}. Delete it, and run 'python -m spacy docre logits' again: "
            "it makes the missing logits."
        ) from error
