"""The formats of annotated documents by name, with the reader and the writer of each."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, Mapping, Optional
from typing import Counter as CounterType

from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.vocab import Vocab

from .annotated_files import PARQUET, is_annotated, read_annotated
from .brat import parse_brat, write_brat
from .corpus_files import read_spacy_docs
from .doccano import parse_doccano, write_doccano
from .docred import read_docred
from .doubts import Doubts
from .hacred import read_hacred
from .json_files import parse_json_items, text_lines
from .label_studio import parse_label_studio, write_label_studio
from .packed_files import unpacked_suffix
from .prodigy import read_prodigy
from .prodigy_output import write_prodigy
from .pubtator import TEXT_LINE, parse_pubtator
from .text_documents import COREF, TextDocument, read_text_documents


@dataclass(frozen=True)
class ReadSettings:
    """The settings of readers. Each format uses the settings that apply to it.

    names (Mapping[str, str]): Readable names of the relations, by label.
    lang (str): The language of the texts.
    coref_label (str): The label of the relations that are coreference.
    by_text (bool): Whether mentions of the same text and label are one entity.
    answers (Counter[str]): Gets the number of Prodigy's examples with each answer.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    lang: str = "en"
    coref_label: str = COREF
    by_text: bool = True
    answers: CounterType[str] = field(default_factory=Counter)

    def plain(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The settings that documents depend on."""
        return {
            "names": self.names,
            "lang": self.lang,
            "coref_label": self.coref_label,
            "by_text": self.by_text,
        }


Reader = Callable[[Path, Vocab, ReadSettings, int], Iterable[Doc]]
Writer = Callable[[Path, Iterable[Doc], str], None]


@dataclass(frozen=True)
class Format:
    """A format.

    read (Reader): Reads the documents of a file from a number on.
    write (Optional[Writer]): Writes documents, with the label of coreference; None if no tool can
        correct documents of this format.
    options (FrozenSet[str]): The options of `docre convert` that apply to this format.
    """

    read: Reader
    write: Optional[Writer] = None
    options: FrozenSet[str] = frozenset()


def _read_docred(path: Path, vocab: Vocab, settings: ReadSettings, start: int) -> Iterator[Doc]:
    return read_docred(path, vocab, names=settings.names, lang=settings.lang, start=start)


def _read_spacy(path: Path, vocab: Vocab, settings: ReadSettings, start: int) -> Iterator[Doc]:
    return read_spacy_docs(path, vocab, start)


# The other formats are read from the first document on: their files are small, and warnings of
# what is skipped or doubtful cover the whole file.
def _read_hacred(path: Path, vocab: Vocab, settings: ReadSettings, start: int) -> Iterator[Doc]:
    return islice(read_hacred(path, vocab, names=settings.names), start, None)


def _read_annotated(path: Path, vocab: Vocab, settings: ReadSettings, start: int) -> Iterator[Doc]:
    return islice(read_annotated(path, vocab, lang=settings.lang), start, None)


def _read_prodigy(path: Path, vocab: Vocab, settings: ReadSettings, start: int) -> Iterator[Doc]:
    docs = read_prodigy(path, vocab, answers=settings.answers, **settings.plain())
    return islice(docs, start, None)


def _read_tool(
    parse: Callable[[Path, Doubts], Iterable[TextDocument]],
    path: Path,
    vocab: Vocab,
    settings: ReadSettings,
    start: int,
) -> Iterator[Doc]:
    return islice(read_text_documents(path, parse, vocab, **settings.plain()), start, None)


_NAMES = frozenset({"names_path"})
# These say what the relations and entities of a tool are, when it is read and when it is written.
TOOL_OPTIONS = frozenset({"coref_label", "by_text"})
OPTIONS = _NAMES | TOOL_OPTIONS
FORMATS: Dict[str, Format] = {
    "docred": Format(_read_docred, options=_NAMES),
    "hacred": Format(_read_hacred, options=_NAMES),
    "annotated": Format(_read_annotated),
    "spacy": Format(_read_spacy),
    "prodigy": Format(_read_prodigy, write_prodigy, OPTIONS),
    "label-studio": Format(partial(_read_tool, parse_label_studio), write_label_studio, OPTIONS),
    "doccano": Format(partial(_read_tool, parse_doccano), write_doccano, OPTIONS),
    "brat": Format(partial(_read_tool, parse_brat), write_brat, OPTIONS),
    "pubtator": Format(partial(_read_tool, parse_pubtator), None, OPTIONS),
}
_FOLDERS = ("brat", "spacy", "annotated")
# The format of files whose ending is enough to tell it.
_BY_ENDING = {FILE_TYPE: "spacy", ".pubtator": "pubtator", PARQUET: "annotated"}


def tell_format(path: Path) -> str:
    """Find the format of a file by its ending and first records, or of a folder by its files.

    path (Path): The file, or the folder.
    RETURNS (str): The name of the format.
    RAISES (ValueError): If the format is unknown.
    """
    if path.is_dir():
        for ending, name in ((".ann", "brat"), (FILE_TYPE, "spacy")):
            if next(path.rglob(f"*{ending}"), None) is not None:
                return name
        if is_annotated(path):
            return "annotated"
        raise ValueError(
            f"{path} holds neither {FILE_TYPE} nor .ann files, nor .jsonl or .parquet of docre "
            "annotate. Give a file in it."
        )
    suffix = unpacked_suffix(path).lower()
    if suffix in _BY_ENDING:
        return _BY_ENDING[suffix]
    if suffix in (".json", ".jsonl"):
        default = "docred" if suffix == ".json" else "prodigy"
        # The reader reports what is wrong with a file.
        with suppress(ValueError):
            return _tell_items(parse_json_items(path), default)
        return default
    if suffix == ".txt" and TEXT_LINE.match(next((line for _, line in text_lines(path)), "")):
        return "pubtator"
    raise ValueError(f"Unknown format of {path}. Set it with --format.")


def _tell_items(items: Iterable[Any], default: str) -> str:
    """The format of JSON records, by fields that only one format has."""
    told = default
    for item in items:
        fields = item.keys() if isinstance(item, dict) else ()
        if "vertex_char" in fields:
            return "hacred"
        if "vertexSet" in fields:
            return "docred"
        # Documents of other formats may have any field beside their text.
        if "data" in fields and "text" not in fields:
            return "label-studio"
        if not {"text", "entities"} <= set(fields):
            return default
        for entity in item["entities"] if isinstance(item["entities"], list) else ():
            is_annotated = isinstance(entity, dict) and "mentions" in entity
            return "annotated" if is_annotated else "doccano"
        # A document without an entity does not tell these two apart.
        told = "annotated"
    return told


def check_kind(path: Path, name: str) -> None:
    """Check that a format of files has a file, and a format of folders a folder.

    path (Path): The file, or the folder.
    name (str): The name of the format.
    RAISES (ValueError): If the format does not fit the path.
    """
    if path.is_dir() and name not in _FOLDERS:
        raise ValueError(f"{path} is a folder, and {name} is a format of files. Give a file in it.")
    if path.is_file() and name == "brat":
        raise ValueError(f"{path} is a file. Give brat's folder of .txt and .ann files.")
