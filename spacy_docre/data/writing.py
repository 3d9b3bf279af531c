"""Documents, split and written to `.spacy` files."""

import random
import shutil
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import srsly
from spacy.tokens import Doc, DocBin
from spacy.training.corpus import FILE_TYPE
from spacy.util import minibatch

from ..files import written_whole

# Of a folder: some 100 MB of documents like DocRED's in memory at once, and what a run that is
# broken off loses at most.
DOCUMENTS_PER_FILE = 1000
FILES = f"part-*{FILE_TYPE}"
PROGRESS = "docre-progress.json"


@dataclass
class Counts:
    """What a file holds."""

    documents: int = 0
    entities: int = 0
    mentions: int = 0
    relations: int = 0
    # Documents.
    without_relations: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(ours + theirs for ours, theirs in zip(astuple(self), astuple(other))))

    def add(self, doc: Doc) -> None:
        """Count a document.

        doc (Doc): The document.
        """
        self.documents += 1
        self.entities += len(doc._.entities)
        self.mentions += sum(len(entity.mentions) for entity in doc._.entities)
        self.relations += len(doc._.relations)
        self.without_relations += not doc._.relations


def split_docs(
    docs: Sequence[Doc], sizes: Mapping[str, Optional[int]], seed: Optional[int] = None
) -> Dict[str, List[Doc]]:
    """Split documents by number.

    docs (Sequence[Doc]): The documents.
    sizes (Mapping[str, Optional[int]]): The number of documents in each part; None for those
        that are in no other part.
    seed (Optional[int]): Shuffles the documents, always in the same way; None keeps their order.
    RETURNS (Dict[str, List[Doc]]): The parts, by name.
    RAISES (ValueError): If there are not enough documents.
    """
    taken = sum(size or 0 for size in sizes.values())
    if taken > len(docs):
        raise ValueError(
            f"The splits take {taken} documents, but there are {len(docs)}. Lower their sizes."
        )
    docs = list(docs)
    if seed is not None:
        random.Random(seed).shuffle(docs)
    parts = {}
    start = 0
    for name, size in sizes.items():
        end = start + (len(docs) - taken if size is None else size)
        parts[name] = docs[start:end]
        start = end
    return parts


def write_corpus(
    path: Path, read: Callable[[int], Iterable[Doc]], made_from: Mapping[str, Any]
) -> Counts:
    """Write documents to one `.spacy` file or, where the path has no such ending, to a folder.

    A folder takes any number of documents, in flat memory. Where that is broken off, the next call
    goes on after the last file that was finished, if documents are made from the same.

    path (Path): The file or the folder.
    read (Callable[[int], Iterable[Doc]]): Gives the documents from a number on, 0 for all.
    made_from (Mapping[str, Any]): What tells these documents from others, down to the options;
        plain data.
    RETURNS (Counts): What it holds.
    RAISES (OSError): If it cannot be written.
    """
    if path.suffix == FILE_TYPE:
        return write_docs({path: read(0)})[path]
    return _write_folder(path, read, made_from)


def _write_folder(
    folder: Path, read: Callable[[int], Iterable[Doc]], made_from: Mapping[str, Any]
) -> Counts:
    """An error leaves the folder as it was. Files that an earlier call has finished are replaced,
    others stay."""
    if folder.is_file():
        raise FileExistsError(
            f"{folder} is a file, where a folder is to be written. Name another, or a file with "
            f"the ending {FILE_TYPE}."
        )
    # Beside the folder, so that the file system can rename it, and that what a kill leaves behind
    # is no part of it.
    unfinished = folder.with_name(f"{folder.name}.tmp")
    identity = srsly.json_dumps(made_from, sort_keys=True)
    finished, counts = _progress(unfinished, identity)
    if not finished:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    try:
        batches = minibatch(read(counts.documents), DOCUMENTS_PER_FILE)
        for number, batch in enumerate(batches, start=finished):
            file = unfinished / FILES.replace("*", f"{number:05}")
            counts = counts + write_docs({file: batch})[file]
            progress = {"made_from": identity, "files": number + 1, "counts": asdict(counts)}
            with written_whole([unfinished / PROGRESS]) as written:
                srsly.write_json(written[unfinished / PROGRESS], progress)
    except ValueError:
        # Of documents that have to be mended first.
        shutil.rmtree(unfinished)
        raise
    if folder.exists():
        # Files of others in it are not touched.
        for file in folder.glob(FILES):
            file.unlink()
        for file in unfinished.glob(FILES):
            file.rename(folder / file.name)
        shutil.rmtree(unfinished)
    else:
        for left in unfinished.glob("*.tmp"):
            left.unlink()
        unfinished.rename(folder)
    (folder / PROGRESS).unlink(missing_ok=True)
    return counts


def _progress(unfinished: Path, identity: str) -> Tuple[int, Counts]:
    """How many files a run that was broken off has finished, and what they hold."""
    file = unfinished / PROGRESS
    try:
        progress = srsly.read_json(file) if file.exists() else {}
    except ValueError:
        progress = {}
    # Some are missing after a kill while they took the place of others.
    there = len(list(unfinished.glob(FILES)))
    if progress.get("made_from") != identity or there < progress["files"]:
        return 0, Counts()
    return progress["files"], Counts(**progress["counts"])


def write_docs(parts: Mapping[Path, Iterable[Doc]]) -> Dict[Path, Counts]:
    """Write documents to `.spacy` files, once all of them are there: an error in any document
    leaves every file as it was.

    parts (Mapping[Path, Iterable[Doc]]): The documents of each file.
    RETURNS (Dict[Path, Counts]): What each file holds.
    """
    counts = {path: Counts() for path in parts}
    with written_whole(parts) as written:
        for path, docs in parts.items():
            doc_bin = DocBin(store_user_data=True)
            for doc in docs:
                doc_bin.add(doc)
                counts[path].add(doc)
            doc_bin.to_disk(written[path])
    return counts
