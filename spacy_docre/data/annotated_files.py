"""Read the JSONL or Parquet of `docre annotate` back to Docs."""

from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple, Union

from spacy.tokens import Doc
from spacy.training.corpus import FILE_TYPE
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from ..annotations import Triple
from ..extras import import_extra
from ..files import find_files
from ..mentions import mark_best_names, on_one_line
from .annotated_records import AnnotatedRecord, check_annotated, spans_of
from .divided_text import DividedText
from .gold_annotations import set_gold_annotations
from .json_files import parse_json, parse_json_items, parse_json_lines
from .packed_files import unpacked_suffix

JSON_LINES, PARQUET = ".jsonl", ".parquet"
# Rows of Parquet that are in memory at once.
_ROWS = 64


def is_annotated(path: Path) -> bool:
    """Check whether `docre annotate` has written a file or folder, as JSONL or Parquet.

    path (Path): A file, or a folder of parts.
    RETURNS (bool): For a file, whether it is Parquet by its ending, or JSONL that is empty or
        begins with a document with the field `text`. For a folder, whether it has such files and
        no `.spacy` files.
    """
    if path.is_dir():
        files = find_files(path).files
        is_corpus = any(file.suffix == FILE_TYPE for file in files)
        return not is_corpus and any(map(is_annotated, files))
    if path.suffix == PARQUET:
        return True
    if unpacked_suffix(path) != JSON_LINES:
        return False
    # The reader reports what is wrong with a file.
    with suppress(ValueError):
        first = next(parse_json_items(path), None)
        return first is None or (isinstance(first, dict) and "text" in first)
    return True


def read_annotated(path: Path, vocab: Vocab, *, lang: str = "en") -> Iterator[Doc]:
    """Read documents that `docre annotate` has written, one after the other.

    The file has characters and no tokens. The tokens are those of the language's tokenizer,
    divided where mentions and evidence begin and end. Only evidence sentences are known.

    path (Path): A `.jsonl` file, which is unpacked if its name ends in ".gz" or ".zst", a
        `.parquet` file, or a folder of such files.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of the texts, whose tokenizer is used.
    YIELDS (Doc): The documents, with entities and relations; id and title in `doc.user_data`.
    RAISES (ValueError): If a file is malformed, or one of its documents is not annotated.
    RAISES (OSError): If a file cannot be read.
    RAISES (ImportError): If a file is Parquet, and pyarrow is not installed.
    """
    tokenize = get_lang_class(lang)().make_doc
    for file in _files(path):
        for where, data in _rows(file) if file.suffix == PARQUET else parse_json_lines(file):
            if isinstance(data, dict) and not {"entities", "relations"} <= data.keys():
                raise ValueError(
                    f"{where} has no entities and relations. Annotate it first: python -m spacy "
                    f"docre annotate MODEL {file} --output annotated.jsonl"
                )
            yield _make_doc(check_annotated(data, where), vocab, tokenize)


def _files(path: Path) -> List[Path]:
    """The file itself, or the annotated files of a folder."""
    if not path.is_dir():
        return [path]
    found = find_files(path)
    for failed, problem in found.failures.items():
        if _has_suffix(failed) or failed.is_dir():
            raise OSError(f"{failed} cannot be read. {problem}")
    return list(filter(_has_suffix, found.files))


def _has_suffix(file: Path) -> bool:
    return unpacked_suffix(file) == JSON_LINES or file.suffix == PARQUET


def _rows(file: Path) -> Iterator[Tuple[str, Any]]:
    """The documents of a Parquet file, in the form of the JSONL. The column `fields` holds the
    other fields of a document as JSON."""
    parquet, pyarrow = import_extra("pyarrow.parquet"), import_extra("pyarrow")
    try:
        # Buffering ahead would take memory.
        with parquet.ParquetFile(file, pre_buffer=False) as table:
            rows = (row for batch in table.iter_batches(_ROWS) for row in batch.to_pylist())
            for number, row in enumerate(rows):
                where = f"{file}, row {number}"
                fields = parse_json(row.pop("fields", None) or "{}", where)
                yield where, {**(fields if isinstance(fields, dict) else {}), **row}
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{file} is damaged, or not a Parquet file: {error}.") from None


def _make_doc(record: AnnotatedRecord, vocab: Vocab, tokenize: Callable[[str], Doc]) -> Doc:
    divided = DividedText(record.text, tokenize, spans_of(record))
    evidence = [
        [divided.tokens(span.start, span.end) for span in relation.evidence]
        for relation in record.relations
    ]
    sentences = {border for spans in evidence for span in spans for border in span}
    # For other tokens, it is unknown whether a sentence begins there.
    sent_starts: List[Union[bool, int, None]] = [
        True if index in sentences else None for index in range(len(divided.words))
    ]
    doc = Doc(vocab, words=divided.words, spaces=divided.spaces, sent_starts=sent_starts)
    doc.user_data.update({key: value for key in ("id", "title") if (value := getattr(record, key))})
    index = {entity.id: number for number, entity in enumerate(record.entities)}
    set_gold_annotations(
        doc,
        [
            [
                (*divided.tokens(span.start, span.end), entity.label, entity.kb_id)
                for span in entity.mentions
            ]
            for entity in record.entities
        ],
        [
            Triple(
                head=index[relation.head],
                tail=index[relation.tail],
                label=relation.label,
                score=relation.score,
                # `docre annotate` writes the label if no name is known.
                name="" if relation.name == relation.label else relation.name,
                evidence=tuple(spans),
            )
            for relation, spans in zip(record.relations, evidence, strict=True)
        ],
    )
    best = [
        (mention, found.mentions)
        for entity, found in zip(record.entities, doc._.entities, strict=True)
        for mention in found.mentions
        if on_one_line(mention.text) == entity.text
    ]
    mark_best_names(doc, best)
    return doc
