"""A document as plain records, as JSON has it. Starts and ends are counted in characters."""

from typing import Any, Dict

from spacy.tokens import Doc, Span

from .annotations import Entity, Relation


def document_record(doc: Doc) -> Dict[str, Any]:
    """Make the record of a document.

    doc (Doc): The annotated document.
    RETURNS (Dict[str, Any]): Its `text`, its `entities` with their mentions, and its `relations`
        with score and evidence.
    """
    return {
        "text": doc.text,
        "entities": [_entity_record(entity) for entity in doc._.entities],
        "relations": [_relation_record(relation) for relation in doc._.relations],
    }


def _entity_record(entity: Entity) -> Dict[str, Any]:
    return {
        "id": entity.index,
        "text": entity.text,
        "label": entity.label_,
        "kb_id": entity.id,
        "mentions": [_span_record(span) for span in entity.mentions],
    }


def _relation_record(relation: Relation) -> Dict[str, Any]:
    return {
        "head": relation.head.index,
        "tail": relation.tail.index,
        "label": relation.label_,
        "name": relation.name,
        "score": relation.score,
        "evidence": [_span_record(span) for span in relation.evidence],
    }


def _span_record(span: Span) -> Dict[str, Any]:
    return {"start": span.start_char, "end": span.end_char, "text": span.text}
