"""The JSON of a document from `docre annotate` and `docre serve`: its schema, and a check when it
is read. `records.py` makes this JSON from a Doc."""

from typing import Annotated, Any, Iterable, Iterator, List, Sequence, Tuple

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from .validation import FieldPath, Label, Text, invalid, validate

# What each field should hold, for errors.
_FIELDS = {
    "text": "the document's text from start to end, a string",
    "entities": "a list of entities, as docre annotate writes it",
    "relations": "a list of relations, as docre annotate writes it",
    "mentions": "a list of one mention or more",
    "id": "the entity's number, an integer",
    "kb_id": "the id that the entity is linked to, a string; it may be left out",
    "start": "the number of a character of the text, less than end",
    "end": "the number of the character after the last one, at most the length of the text",
    "head": "the id of an entity",
    "tail": "the id of an entity",
    "label": "a string",
    "name": "a string",
    "score": "a probability, 0 to 1",
    "evidence": "a list of sentences with start, end and text",
}


class _Record(BaseModel):
    # A field with a default may be missing in the input, and is always written.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class SpanRecord(_Record):
    """A part of the text."""

    start: StrictInt = Field(description="The first character")
    end: StrictInt = Field(description="The character after the last one")
    text: Text = Field(description="The text of this part")


class EntityRecord(_Record):
    """The entity that mentions refer to."""

    id: StrictInt = Field(description="The number of the entity in this document")
    text: Text = Field(description="The best name of the entity")
    label: Text = Field(description="The label of the entity")
    # Earlier versions did not write this field.
    kb_id: Text = Field(
        default="",
        description="The linked id, such as Q7186; empty if the entity is not linked",
    )
    mentions: List[SpanRecord] = Field(min_length=1, description="The mentions of the entity")


class RelationRecord(_Record):
    """A relation of two entities."""

    head: StrictInt = Field(description="The id of the head entity")
    tail: StrictInt = Field(description="The id of the tail entity")
    label: Label = Field(description="The label, such as P19")
    name: Text = Field(default="", description="The readable name")
    score: Annotated[float, Field(strict=True, ge=0, le=1, description="The probability")]
    evidence: List[SpanRecord] = Field(
        default=[], description="Evidence sentences, the strongest first"
    )


class DocumentRecord(_Record):
    """A text with its entities and relations. The best relation comes first."""

    text: Text
    entities: List[EntityRecord]
    relations: List[RelationRecord]


class AnnotatedRecord(DocumentRecord):
    """A document with its id and title."""

    id: Any = None
    title: Any = None


def check_annotated(data: Any, where: str) -> AnnotatedRecord:
    """Check a document that `docre annotate` has written.

    data (Any): The document, as parsed from JSON.
    where (str): The name of the document in errors.
    RETURNS (AnnotatedRecord): The document.
    RAISES (ValueError): If a field is missing, or contradicts other fields.
    """
    record = validate(AnnotatedRecord, data, where, _FIELDS)
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
            raise invalid(where, ("entities", number, "id"), f"{id_} occurs twice", _FIELDS)
    for number, relation in enumerate(record.relations):
        for role, id_ in (("head", relation.head), ("tail", relation.tail)):
            if id_ not in ids:
                problem = f"no entity has the id {id_}"
                raise invalid(where, ("relations", number, role), problem, _FIELDS)
    return record


def spans_of(record: DocumentRecord) -> List[Tuple[int, int]]:
    """List the spans of mentions and evidence.

    record (DocumentRecord): The document.
    RETURNS (List[Tuple[int, int]]): First and end character of each span.
    """
    return [(span.start, span.end) for _, span in _spans(record)]


def _spans(record: DocumentRecord) -> Iterator[Tuple[FieldPath, SpanRecord]]:
    lists: Iterable[Tuple[FieldPath, Sequence[SpanRecord]]] = [
        *((("entities", i, "mentions"), item.mentions) for i, item in enumerate(record.entities)),
        *((("relations", i, "evidence"), item.evidence) for i, item in enumerate(record.relations)),
    ]
    for place, spans in lists:
        for number, span in enumerate(spans):
            yield (*place, number), span
