"""The JSON of `docre annotate`, a document a line, back to Docs."""

from pathlib import Path
from typing import Annotated, Any, Callable, Iterable, Iterator, List, Sequence, Tuple, Union

from pydantic import BaseModel, Field, StrictInt
from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import Vocab

from ..annotations import Triple
from ..mentions import mark_best_names, on_one_line
from .divided_text import DividedText
from .gold_annotations import set_gold_annotations
from .json_files import parse_json_lines
from .validation import FieldPath, Label, Text, invalid, validate

_FIELDS = {
    "text": "what the document has from start to end, a string",
    "entities": "a list of entities, as docre annotate writes it",
    "relations": "a list of relations, as docre annotate writes it",
    "mentions": "a list of one mention or more",
    "id": "the entity's number, an integer",
    "kb_id": "the id that the entity is linked to, a string, or left out",
    "start": "the number of a character of the text, before end",
    "end": "the number of the character after, at most the length of the text",
    "head": "the id of an entity",
    "tail": "the id of an entity",
    "label": "a string",
    "name": "a string",
    "score": "a probability, 0 to 1",
    "evidence": "a list of sentences with start, end and text",
}


class SpanRecord(BaseModel):
    start: StrictInt
    end: StrictInt
    text: Text


class EntityRecord(BaseModel):
    id: StrictInt
    text: Text
    label: Text
    # Earlier versions have not written it.
    kb_id: Text = ""
    mentions: Annotated[List[SpanRecord], Field(min_length=1)]


class RelationRecord(BaseModel):
    head: StrictInt
    tail: StrictInt
    label: Label
    name: Text = ""
    score: Annotated[float, Field(strict=True, ge=0, le=1)]
    evidence: List[SpanRecord] = []


class DocumentRecord(BaseModel):
    id: Any = None
    title: Any = None
    text: Text
    entities: List[EntityRecord]
    relations: List[RelationRecord]


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
        record = validate(DocumentRecord, data, where, _FIELDS)
        _check(record, where)
        yield _make_doc(record, vocab, tokenize)


def _check(record: DocumentRecord, where: str) -> None:
    """Check what the schema does not say."""
    for place, span in _spans(record):
        if not 0 <= span.start < span.end <= len(record.text):
            problem = f"the text has no characters {span.start} to {span.end}"
            raise invalid(where, (*place, "start"), problem, _FIELDS)
        found = record.text[span.start : span.end]
        if found != span.text:
            raise invalid(where, (*place, "text"), f"{span.text!r} is not {found!r}", _FIELDS)
    ids = [entity.id for entity in record.entities]
    for number, id_ in enumerate(ids):
        if id_ in ids[:number]:
            raise invalid(where, ("entities", number, "id"), f"{id_} is there twice", _FIELDS)
    for number, relation in enumerate(record.relations):
        for role, id_ in (("head", relation.head), ("tail", relation.tail)):
            if id_ not in ids:
                problem = f"no entity has the id {id_}"
                raise invalid(where, ("relations", number, role), problem, _FIELDS)


def _spans(record: DocumentRecord) -> Iterator[Tuple[FieldPath, SpanRecord]]:
    lists: Iterable[Tuple[FieldPath, Sequence[SpanRecord]]] = [
        *((("entities", i, "mentions"), item.mentions) for i, item in enumerate(record.entities)),
        *((("relations", i, "evidence"), item.evidence) for i, item in enumerate(record.relations)),
    ]
    for place, spans in lists:
        for number, span in enumerate(spans):
            yield (*place, number), span


def _make_doc(record: DocumentRecord, vocab: Vocab, tokenize: Callable[[str], Doc]) -> Doc:
    divided = DividedText(
        record.text, tokenize, ((span.start, span.end) for _, span in _spans(record))
    )
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
