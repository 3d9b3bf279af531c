"""Corpora in files: `.spacy` files and folders of them, read, split and written."""

import os
import random
import shutil
import warnings
import zlib
from dataclasses import asdict
from itertools import islice
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
    Set,
    Tuple,
    Union,
)

import srsly
from spacy.errors import Warnings
from spacy.tokens import Doc, DocBin
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.util import minibatch
from spacy.vocab import Vocab

from ..files import check_message, find_files, no_file, written_whole
from ..folders import put_in_place, real_folder
from ..stored import stored_possible, stored_relations
from .annotated_files import is_annotated, read_annotated
from .docred import read_docred
from .gold_annotations import mention_names
from .json_files import is_json
from .packed_files import check_unpacked_size
from .sentences import sentences_by_number
from .stats import CorpusCounts

# Of a folder: some 100 MB of documents like DocRED's in memory at once, and what a run that is
# broken off loses at most.
DOCUMENTS_PER_FILE = 1000
# What spaCy stores of a token as the key of a text.
_TEXTS: Any = ["ORTH", "NORM", "TAG", "DEP", "LEMMA", "MORPH", "ENT_TYPE", "ENT_KB_ID", "ENT_ID"]
_FILES = f"part-*{FILE_TYPE}"
PROGRESS = "docre-progress.json"
# What a DocBin has of each document.
_PARTS = ("tokens", "spaces", "flags", "cats", "span_groups", "user_data")
# Where spaCy's transformers keep what they have computed.
_HIDDEN_STATES: Any = ("._.", "trf_data", None, None)


def read_spacy_docs(path: Path, vocab: Vocab, start: int = 0) -> Iterator[Doc]:
    """Read the documents of `.spacy` files, one after the other.

    path (Path): A file, or a folder with files.
    vocab (Vocab): The vocabulary of the documents.
    start (int): The number of the first document to read.
    YIELDS (Doc): The documents.
    RAISES (ValueError): If a file or a document is damaged, or a file is no `.spacy` file.
    """
    for file in spacy_files(path):
        docs = _open_spacy_file(file, vocab)
        for doc in islice(_unpack(docs, file, vocab), start, None):
            if isinstance(doc, ValueError):
                raise doc
            yield doc
        start = max(0, start - len(docs))


def spacy_files(path: Union[str, Path]) -> List[Path]:
    """Find `.spacy` files. spaCy's walk_corpus reads what is in a folder that links lead back to
    forty times, and waits for what pipes bring.

    path (Union[str, Path]): A file, or a folder with files.
    RETURNS (List[Path]): The files, sorted.
    RAISES (OSError): If a folder in it or such a file cannot be read.
    """
    top = Path(path)
    if not top.is_dir():
        return walk_corpus(top, FILE_TYPE)
    found = find_files(top)
    for failed, problem in found.failures.items():
        if failed.suffix == FILE_TYPE or os.path.isdir(failed):
            raise OSError(f"{failed} cannot be read. {problem}")
    files = [file for file in found.files if file.suffix == FILE_TYPE]
    if not files:
        warnings.warn(Warnings.W090.format(path=path, format=FILE_TYPE), stacklevel=2)
    return files


def try_spacy_docs(file: Path, vocab: Vocab) -> Iterator[Union[Doc, ValueError]]:
    """Read the documents of a `.spacy` file, one after the other, also where some are damaged.

    file (Path): The file.
    vocab (Vocab): The vocabulary of the documents.
    YIELDS (Union[Doc, ValueError]): Each document, or why it cannot be read.
    RAISES (ValueError): If the file as a whole is damaged, or no `.spacy` file.
    """
    yield from _unpack(_open_spacy_file(file, vocab), file, vocab)


def _open_spacy_file(file: Path, vocab: Vocab) -> DocBin:
    if file.exists() and (problem := no_file(file)):
        raise OSError(f"{file} cannot be read. {problem}")
    check_unpacked_size(file)
    try:
        data = file.read_bytes()
        check_message(zlib.decompress(data))
        docs = DocBin().from_bytes(data)
        if {len(getattr(docs, part)) for part in _PARTS} != {len(docs)}:
            raise ValueError("Some parts of some documents are missing.")
        for string in docs.strings:
            vocab[string]
    except OSError:
        raise
    # Of any kind: what is read may be anything.
    except Exception as error:
        raise ValueError(f"{file} is damaged, or no {FILE_TYPE} file. ({error!r})") from error
    return docs


def _unpack(docs: DocBin, file: Path, vocab: Vocab) -> Iterator[Union[Doc, ValueError]]:
    """DocBin.get_docs ends at the first document that is damaged."""
    one = DocBin()
    one.attrs = docs.attrs
    for number in range(len(docs)):
        try:
            for part in _PARTS:
                setattr(one, part, [getattr(docs, part)[number]])
            _check_messages(one)
            (doc,) = one.get_docs(vocab)
            # What its tokens are is only looked up now.
            len(doc.text)
            _check(doc)
        except Exception as error:
            yield ValueError(f"Document {number} of {file} is damaged. ({error!r})")
        else:
            yield doc


def _check_messages(one: DocBin) -> None:
    """Check the messages that a DocBin holds for its document."""
    for part in (one.user_data, one.span_groups):
        for message in filter(None, part):
            check_message(message)
    for message in filter(None, one.span_groups):
        # Earlier versions of spaCy have stored a list of groups, or groups by their keys.
        groups = srsly.msgpack_loads(message)
        found = [*groups, *groups.values()] if isinstance(groups, dict) else groups
        for group in found:
            if isinstance(group, bytes):
                check_message(group)


def _check(doc: Doc) -> None:
    """Read what may be damaged; each of these raises where it is."""
    keys: Set[Any] = {*doc.to_array(_TEXTS).ravel().tolist()}
    for group in doc.spans.values():
        keys.update(key for span in group for key in (span.label, span.id, span.kb_id))
    for key in keys:
        doc.vocab.strings[key]
    stored_relations(doc)
    stored_possible(doc)
    sentences_by_number(doc)
    mention_names(doc)


def read_docs(path: Path, vocab: Vocab, *, lang: str = "en") -> Iterator[Doc]:
    """Read annotated documents of any kind, one after the other.

    path (Path): A JSON file as of DocRED, also packed as .gz; or a `.spacy` file, what `docre
        annotate` has written as JSONL or Parquet, or a folder with such files.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of JSON and Parquet.
    YIELDS (Doc): The documents.
    RAISES (ValueError): If a file is damaged, malformed, or of another kind.
    RAISES (ImportError): If a file is Parquet, and pyarrow is not installed.
    """
    if is_annotated(path):
        return read_annotated(path, vocab, lang=lang)
    if path.is_file() and path.suffix != FILE_TYPE and not is_json(path):
        raise ValueError(
            f"{path} is no file of annotated documents, as its ending says. Give {FILE_TYPE}, "
            "DocRED's .json, or .jsonl or .parquet of docre annotate."
        )
    return read_docred(path, vocab, lang=lang) if is_json(path) else read_spacy_docs(path, vocab)


def split_docs(
    docs: Sequence[Doc], sizes: Mapping[str, Optional[int]], seed: Optional[int] = None
) -> Dict[str, List[Doc]]:
    """Split documents by number. Those of the same text stay together, so that none is both in
    training and in evaluation: a part may hold some more for that, and a later one fewer.

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
    groups: Dict[str, List[Doc]] = {}
    for doc in docs:
        groups.setdefault(plain_text(doc), []).append(doc)
    left = list(groups.values())
    parts: Dict[str, List[Doc]] = {}
    for name, size in sizes.items():
        wanted = len(docs) - taken if size is None else size
        parts[name] = []
        while left and len(parts[name]) < wanted:
            parts[name] += left.pop(0)
    return parts


def plain_text(doc: Doc) -> str:
    """What documents are compared by.

    doc (Doc): The document.
    RETURNS (str): Its text, whatever white space it has.
    """
    return " ".join(doc.text.split())


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
    folder = real_folder(folder)
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
    for left in unfinished.glob("*.tmp"):
        left.unlink()
    put_in_place(unfinished, folder, stale=_FILES)
    (folder / PROGRESS).unlink(missing_ok=True)
    return counts


def _progress(unfinished: Path, identity: str) -> Tuple[int, CorpusCounts]:
    """How many files a run that was broken off has finished, and what they hold."""
    file = unfinished / PROGRESS
    try:
        progress = srsly.read_json(file) if file.exists() else {}
    except ValueError:
        progress = {}
    there = len(list(unfinished.glob(_FILES)))
    if progress.get("made_from") != identity or there < progress["files"]:
        return 0, CorpusCounts()
    return progress["files"], CorpusCounts(**progress["counts"])


def write_docs(parts: Mapping[Path, Iterable[Doc]]) -> Dict[Path, CorpusCounts]:
    """Write documents to `.spacy` files, once all of them are there: an error in any document
    leaves every file as it was. The hidden states of a transformer are dropped.

    parts (Mapping[Path, Iterable[Doc]]): The documents of each file.
    RETURNS (Dict[Path, CorpusCounts]): What each file holds.
    """
    counts = {path: CorpusCounts() for path in parts}
    with written_whole(parts) as written:
        for path, docs in parts.items():
            doc_bin = DocBin(store_user_data=True)
            for doc in docs:
                drop_hidden_states(doc)
                doc_bin.add(doc)
                counts[path].add(doc)
            doc_bin.to_disk(written[path])
    return counts


def drop_hidden_states(doc: Doc) -> None:
    """Drop what a transformer has computed for a document: some kB a token, which nothing reads
    any more once all components have seen it.

    doc (Doc): The document.
    """
    doc.user_data.pop(_HIDDEN_STATES, None)
