"""The corpus that training reads."""

from itertools import islice
from pathlib import Path
from typing import Iterator

from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.vocab import Vocab

from ..entity_sources import copy_words, gold_entities, set_entity_spans
from .docred import read_docred
from .validation import GZIP


def make_example(reference: Doc) -> Example:
    """Make an example whose predicted document has the gold entities.

    Its words, spaces and sentences are those of the reference, too. Entities are in
    `doc.spans["entities"]` only: in `doc.ents`, an `ner` of the same pipeline would see them.

    reference (Doc): The gold document.
    RETURNS (Example): The example.
    """
    predicted = copy_words(reference)
    set_entity_spans(predicted, gold_entities(reference))
    return Example(predicted, reference)


def read_docs(path: Path, vocab: Vocab, start: int = 0) -> Iterator[Doc]:
    """Read the documents of `.spacy` files, one after the other.

    path (Path): A file, or a folder with files.
    vocab (Vocab): The vocabulary of the documents.
    start (int): The number of the first document to read.
    YIELDS (Doc): The documents.
    RAISES (ValueError): If a file is damaged, or no `.spacy` file.
    """
    for file in walk_corpus(path, FILE_TYPE):
        try:
            docs = DocBin().from_disk(file)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} is damaged, or no {FILE_TYPE} file. ({error})") from error
        if start < len(docs):
            yield from islice(docs.get_docs(vocab), start, None)
        start = max(0, start - len(docs))


def read_documents(path: Path, vocab: Vocab, *, lang: str = "en") -> Iterator[Doc]:
    """Read annotated documents of any kind, one after the other.

    path (Path): A JSON file as of DocRED, also packed as .gz, a `.spacy` file, or a folder with
        such files.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of a JSON file.
    YIELDS (Doc): The documents.
    RAISES (ValueError): If a file is damaged, malformed, or of another kind.
    """
    return read_docred(path, vocab, lang=lang) if is_json(path) else read_docs(path, vocab)


def is_json(path: Path) -> bool:
    """Tell JSON files by their name.

    path (Path): The path.
    RETURNS (bool): Whether it ends in .json, or in .json.gz.
    """
    return (path.with_suffix("") if path.suffix == GZIP else path).suffix == ".json"
