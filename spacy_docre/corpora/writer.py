"""Documents, split and written to `.spacy` files."""

import random
import shutil
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Sequence

from spacy.tokens import Doc, DocBin
from spacy.training.corpus import FILE_TYPE
from spacy.util import minibatch

from ..files import written_whole

# Of a folder: some 100 MB of documents like DocRED's in memory at once.
DOCUMENTS_PER_FILE = 1000


@dataclass
class Counts:
    """What a file holds."""

    documents: int = 0
    entities: int = 0
    mentions: int = 0
    relations: int = 0

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


def write_corpus(path: Path, docs: Iterable[Doc]) -> Counts:
    """Write documents to one `.spacy` file or, where the path has no such ending, to a folder.

    path (Path): The file or the folder.
    docs (Iterable[Doc]): The documents.
    RETURNS (Counts): What it holds.
    """
    if path.suffix == FILE_TYPE:
        return write_docs({path: docs})[path]
    return _write_folder(path, docs)


def _write_folder(folder: Path, docs: Iterable[Doc]) -> Counts:
    """Write any number of documents in flat memory: an error leaves the folder as it was. Files
    that an earlier call has written there are replaced."""
    counts = Counts()
    # Beside the folder, so that the file system can rename them, and that what a kill leaves
    # behind is no part of it.
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for number, batch in enumerate(minibatch(docs, DOCUMENTS_PER_FILE)):
            (part,) = write_docs({temporary / f"part-{number:05}{FILE_TYPE}": batch}).values()
            counts = counts + part
        folder.mkdir(exist_ok=True)
        for file in folder.glob(f"part-*{FILE_TYPE}"):
            file.unlink()
        for file in temporary.iterdir():
            file.rename(folder / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return counts


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
