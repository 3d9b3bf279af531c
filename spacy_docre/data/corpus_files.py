"""Corpora in files: `.spacy` files and folders of them, read, split and written."""

import random
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
    cast,
)

import srsly
from spacy.tokens import Doc, DocBin
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.util import minibatch
from spacy.vocab import Vocab

from ..files import written_whole
from ..stored import stored_relations
from .docred import read_docred
from .json_files import is_json
from .sentences import sentences_by_number
from .stats import CorpusCounts

# Of a folder: some 100 MB of documents like DocRED's in memory at once, and what a run that is
# broken off loses at most.
DOCUMENTS_PER_FILE = 1000
# What spaCy stores of a token as the key of a text.
_TEXTS: List[Union[int, str]] = [
    "ORTH",
    "TAG",
    "DEP",
    "LEMMA",
    "MORPH",
    "ENT_TYPE",
    "ENT_KB_ID",
    "ENT_ID",
]
_FILES = f"part-*{FILE_TYPE}"
PROGRESS = "docre-progress.json"


def read_spacy_docs(path: Path, vocab: Vocab, start: int = 0) -> Iterator[Doc]:
    """Read the documents of `.spacy` files, one after the other.

    path (Path): A file, or a folder with files.
    vocab (Vocab): The vocabulary of the documents.
    start (int): The number of the first document to read.
    YIELDS (Doc): The documents.
    RAISES (ValueError): If a file or a document is damaged, or the file is no `.spacy` file.
    """
    for file in walk_corpus(path, FILE_TYPE):
        with _readable(f"{file} is damaged, or no {FILE_TYPE} file"):
            doc_bin = DocBin().from_disk(file)
        if start < len(doc_bin):
            docs = doc_bin.get_docs(vocab)
            for number in range(len(doc_bin)):
                with _readable(f"{file}, document {number + 1}, is damaged"):
                    doc = next(docs)
                    _check(doc)
                if number >= start:
                    yield doc
        start = max(0, start - len(doc_bin))


def _check(doc: Doc) -> None:
    """Read what may be damaged; each of these raises where it is."""
    spans = [span for group in doc.spans.values() for span in group]
    keys = {key for span in spans for key in (span.label, span.id, span.kb_id)}
    for key in keys.union(cast(Any, doc.to_array(_TEXTS)).ravel().tolist()):
        doc.vocab.strings[key]
    stored_relations(doc)
    sentences_by_number(doc)


@contextmanager
def _readable(problem: str) -> Iterator[None]:
    """What spaCy raises for damaged data is anything, from KeyError to struct.error."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f"{problem}. Copy or convert it again. ({type(error).__name__}: {error})"
        ) from error


def read_docs(path: Path, vocab: Vocab, *, lang: str = "en") -> Iterator[Doc]:
    """Read annotated documents of any kind, one after the other.

    path (Path): A JSON file as of DocRED, also packed as .gz, a `.spacy` file, or a folder with
        such files.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of a JSON file.
    YIELDS (Doc): The documents.
    RAISES (ValueError): If a file is damaged, malformed, or of another kind.
    """
    return read_docred(path, vocab, lang=lang) if is_json(path) else read_spacy_docs(path, vocab)


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
) -> CorpusCounts:
    """Write documents to one `.spacy` file or, where the path has no such ending, to a folder.

    A folder takes any number of documents, in flat memory. Where that is broken off, the next call
    goes on after the last file that was finished, if documents are made from the same.

    path (Path): The file or the folder.
    read (Callable[[int], Iterable[Doc]]): Gives the documents from a number on, 0 for all.
    made_from (Mapping[str, Any]): All that the documents depend on, down to the options; plain
        data.
    RETURNS (CorpusCounts): What it holds.
    RAISES (OSError): If it cannot be written.
    """
    if path.suffix == FILE_TYPE:
        return write_docs({path: read(0)})[path]
    return _write_folder(path, read, made_from)


def _write_folder(
    folder: Path, read: Callable[[int], Iterable[Doc]], made_from: Mapping[str, Any]
) -> CorpusCounts:
    """An error leaves the folder as it was. Files that an earlier call has finished are replaced,
    others stay."""
    if folder.is_file():
        raise FileExistsError(
            f"{folder} is a file, where a folder is to be written. Name another, or a file with "
            f"the ending {FILE_TYPE}."
        )
    # Beside the folder, so that the file system can rename it, and what a kill leaves behind is
    # outside of it.
    unfinished = folder.with_name(f"{folder.name}.tmp")
    identity = srsly.json_dumps(made_from, sort_keys=True)
    finished, counts = _progress(unfinished, identity)
    if not finished:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    try:
        batches = minibatch(read(counts.documents), DOCUMENTS_PER_FILE)
        for number, batch in enumerate(batches, start=finished):
            file = unfinished / _FILES.replace("*", f"{number:05}")
            counts = counts + write_docs({file: batch})[file]
            progress = {"made_from": identity, "files": number + 1, "counts": asdict(counts)}
            with written_whole([unfinished / PROGRESS]) as written:
                srsly.write_json(written[unfinished / PROGRESS], progress)
    except ValueError:
        # The documents have to be corrected first.
        shutil.rmtree(unfinished)
        raise
    if folder.exists():
        # Files of others in it are not touched.
        for file in folder.glob(_FILES):
            file.unlink()
        for file in unfinished.glob(_FILES):
            file.rename(folder / file.name)
        shutil.rmtree(unfinished)
    else:
        for left in unfinished.glob("*.tmp"):
            left.unlink()
        unfinished.rename(folder)
    (folder / PROGRESS).unlink(missing_ok=True)
    return counts


def _progress(unfinished: Path, identity: str) -> Tuple[int, CorpusCounts]:
    """How many files a run that was broken off has finished, and what they hold."""
    file = unfinished / PROGRESS
    try:
        progress = srsly.read_json(file) if file.exists() else {}
    except ValueError:
        progress = {}
    # Some are missing after a kill while they replaced others.
    there = len(list(unfinished.glob(_FILES)))
    if progress.get("made_from") != identity or there < progress["files"]:
        return 0, CorpusCounts()
    return progress["files"], CorpusCounts(**progress["counts"])


def write_docs(parts: Mapping[Path, Iterable[Doc]]) -> Dict[Path, CorpusCounts]:
    """Write documents to `.spacy` files, once all of them are there: an error in any document
    leaves every file as it was.

    parts (Mapping[Path, Iterable[Doc]]): The documents of each file.
    RETURNS (Dict[Path, CorpusCounts]): What each file holds.
    """
    counts = {path: CorpusCounts() for path in parts}
    with written_whole(parts) as written:
        for path, docs in parts.items():
            doc_bin = DocBin(store_user_data=True)
            for doc in docs:
                doc_bin.add(doc)
                counts[path].add(doc)
            doc_bin.to_disk(written[path])
    return counts
