"""The JSON of `docre annotate`, a document a line, back to Docs."""

from pathlib import Path
from typing import Callable, Iterator, List, Union

from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from ..annotations import Triple
from ..mentions import mark_best_names, on_one_line
from .annotated_records import AnnotatedRecord, check_annotated, spans_of
from .divided_text import DividedText
from .gold_annotations import set_gold_annotations
from .json_files import parse_json_lines


def read_annotated_json(path: Path, vocab: Vocab, *, lang: str = "en") -> Iterator[Doc]:
    """Read documents that `docre annotate` has written as .jsonl, one after the other.

    The file has characters and no tokens. These are those of the language's tokenizer, divided
    where mentions and evidence begin and end. The sentences known are those of the evidence.

    path (Path): The file; it is unpacked if its name ends in ".gz" or ".zst".
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of the texts, whose tokenizer is used.
    YIELDS (Doc): The documents, with entities and relations; id and title in `doc.user_data`.
    RAISES (ValueError): If the file is malformed, or a document of it is not annotated.
    """
    tokenize = get_lang_class(lang)().make_doc
    for where, data in parse_json_lines(path):
        if isinstance(data, dict) and not {"entities", "relations"} <= data.keys():
            raise ValueError(
                f"{where} has no entities and relations. Annotate it first: python -m spacy docre "
                f"annotate MODEL {path} --output annotated.jsonl"
            )
        yield _make_doc(check_annotated(data, where), vocab, tokenize)


def _make_doc(record: AnnotatedRecord, vocab: Vocab, tokenize: Callable[[str], Doc]) -> Doc:
    divided = DividedText(record.text, tokenize, spans_of(record))
    evidence = [
        [divided.tokens(span.start, span.end) for span in relation.evidence]
        for relation in record.relations
    ]
    sentences = {border for spans in evidence for span in spans for border in span}
    # Of other tokens it is not known.
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
                # Where no name is known, the label is written.
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
