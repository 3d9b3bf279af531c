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
from ..folders import put_in_place, real_folder, unfinished_folder
from ..stored import stored_possible, stored_relations
from .annotated_files import is_annotated, read_annotated
from .docred import read_docred
from .gold_annotations import mention_names
from .json_files import is_json
from .packed_files import check_unpacked_size
from .sentences import sentences_by_number
from .stats import CorpusCounts

# Documents in a file of a folder. So many are in memory at once: some 100 MB if they are like
# DocRED's. An interrupted run loses no more than so many.
DOCUMENTS_PER_FILE = 1000
# The attributes of a token that spaCy stores as keys of strings.
_TEXTS: Any = ["ORTH", "NORM", "TAG", "DEP", "LEMMA", "MORPH", "ENT_TYPE", "ENT_KB_ID", "ENT_ID"]
_FILES = f"part-*{FILE_TYPE}"
PROGRESS = "docre-progress.json"
# The parts of each document in a DocBin.
_PARTS = ("tokens", "spaces", "flags", "cats", "span_groups", "user_data")
# The key under which spaCy's transformers store their output.
_HIDDEN_STATES: Any = ("._.", "trf_data", None, None)


def read_spacy_docs(path: Path, vocab: Vocab, start: int = 0) -> Iterator[Doc]:
    """Read the documents of `.spacy` files, one after the other.

    path (Path): A file, or a folder with files.
    vocab (Vocab): The vocabulary of the documents.
    start (int): The number of the first document to read.
    YIELDS (Doc): The documents.
    RAISES (ValueError): If a file or a document is damaged, or a file is not a `.spacy` file.
    """
    for file in spacy_files(path):
        docs = _open_spacy_file(file, vocab)
        for doc in islice(_unpack(docs, file, vocab), start, None):
            if isinstance(doc, ValueError):
                raise doc
            yield doc
        start = max(0, start - len(docs))


def spacy_files(path: Union[str, Path]) -> List[Path]:
    """Find `.spacy` files.

    spaCy's walk_corpus follows links back to the same folder forty times, and waits for pipes.

    path (Union[str, Path]): A file, or a folder with files.
    RETURNS (List[Path]): The files, sorted.
    RAISES (OSError): If a subfolder or a `.spacy` file cannot be read.
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
    """Read the documents of a `.spacy` file, one after the other, even if some are damaged.

    file (Path): The file.
    vocab (Vocab): The vocabulary of the documents.
    YIELDS (Union[Doc, ValueError]): Each document, or the error that it raises.
    RAISES (ValueError): If the file as a whole is damaged, or not a `.spacy` file.
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
    # Any exception: the file may hold anything.
    except Exception as error:
        raise ValueError(f"{file} is damaged, or not a {FILE_TYPE} file. ({error!r})") from error
    return docs


def _unpack(docs: DocBin, file: Path, vocab: Vocab) -> Iterator[Union[Doc, ValueError]]:
    """Unpack each document alone: DocBin.get_docs ends at the first damaged document."""
    one = DocBin()
    one.attrs = docs.attrs
    for number in range(len(docs)):
        try:
            for part in _PARTS:
                setattr(one, part, [getattr(docs, part)[number]])
            _check_messages(one)
            (doc,) = one.get_docs(vocab)
            # The strings of tokens are looked up only now.
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
        # Earlier versions of spaCy stored a list of groups, or groups by their keys.
        groups = srsly.msgpack_loads(message)
        found = [*groups, *groups.values()] if isinstance(groups, dict) else groups
        for group in found:
            if isinstance(group, bytes):
                check_message(group)


def _check(doc: Doc) -> None:
    """Read all that may be damaged: each of these calls raises an error for damaged data."""
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

    path (Path): A JSON file in DocRED's format, also packed as .gz; a `.spacy` file, or a folder
        of such files; JSONL or Parquet of `docre annotate`, or a folder of such files.
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
            f"{path} does not have the ending of annotated documents. Give {FILE_TYPE}, DocRED's "
            ".json, or .jsonl or .parquet of docre annotate."
        )
    return read_docred(path, vocab, lang=lang) if is_json(path) else read_spacy_docs(path, vocab)


def split_docs(
    docs: Sequence[Doc], sizes: Mapping[str, Optional[int]], seed: Optional[int] = None
) -> Dict[str, List[Doc]]:
    """Split documents into parts of given sizes.

    Documents of the same text stay in one part, so that no text is both in training and in
    evaluation. So a part may have some documents more, and a later part fewer.

    docs (Sequence[Doc]): The documents.
    sizes (Mapping[str, Optional[int]]): The number of documents in each part; None for all
        documents that are in no other part.
    seed (Optional[int]): The seed for shuffling the documents; None keeps their order.
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
    """Return the text by which documents are compared.

    doc (Doc): The document.
    RETURNS (str): Its text, with one space for any white space.
    """
    return " ".join(doc.text.split())


def write_corpus(
    path: Path, read: Callable[[int], Iterable[Doc]], made_from: Mapping[str, Any]
) -> CorpusCounts:
    """Write documents to one `.spacy` file or, if the path has another ending, to a folder.

    A folder takes any number of documents, in flat memory. After an interrupted call, the next
    call continues after the last finished file, if `made_from` is the same.

    path (Path): The file or the folder.
    read (Callable[[int], Iterable[Doc]]): Reads the documents from a number on; 0 for all.
    made_from (Mapping[str, Any]): All that the documents depend on, options included, as plain
        data.
    RETURNS (CorpusCounts): The counts of the file or folder.
    RAISES (OSError): If the file or folder cannot be written.
    """
    if path.suffix == FILE_TYPE:
        return write_docs({path: read(0)})[path]
    return _write_folder(path, read, made_from)


def _write_folder(
    folder: Path, read: Callable[[int], Iterable[Doc]], made_from: Mapping[str, Any]
) -> CorpusCounts:
    """Write documents to a folder. An error leaves the folder unchanged. Files of an earlier call
    are replaced, and other files stay."""
    if folder.is_file():
        raise FileExistsError(
            f"{folder} is a file, but a folder should be written there. Give another folder, or a "
            f"file with the ending {FILE_TYPE}."
        )
    folder = real_folder(folder)
    # Beside the folder: the file system can rename it, and a killed run leaves nothing in the
    # folder itself.
    unfinished = unfinished_folder(folder)
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
    """The number of files that an interrupted run has finished, and their counts."""
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
    """Write documents to `.spacy` files.

    An error in any document leaves every file unchanged: files are replaced only at the end. The
    hidden states of a transformer are dropped.

    parts (Mapping[Path, Iterable[Doc]]): The documents of each file.
    RETURNS (Dict[Path, CorpusCounts]): The counts of each file.
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
    """Drop the output of a transformer for a document.

    The output has some kB for each token. Nothing reads it after the last component.

    doc (Doc): The document.
    """
    doc.user_data.pop(_HIDDEN_STATES, None)
