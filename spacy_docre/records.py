"""A document as plain records, for JSON. Starts and ends are counted in characters."""

from typing import Any, Dict

from spacy.tokens import Doc, Span

from .annotations import Relation
from .mentions import linked_ids, most_linked


def document_record(doc: Doc) -> Dict[str, Any]:
    """Make the record of a document.

    doc (Doc): The annotated document.
    RETURNS (Dict[str, Any]): Its `text`, its `entities` with their linked ids and their mentions,
        and its `relations` with score and evidence.
    """
    # Computed once for all entities.
    linked = linked_ids(doc)
    return {
        "text": doc.text,
        "entities": [
            {
                "id": entity.index,
                "text": entity.text,
                "label": entity.label_,
                "kb_id": most_linked(entity.mentions, linked),
                "mentions": [_span_record(span) for span in entity.mentions],
            }
            for entity in doc._.entities
        ],
        "relations": [_relation_record(relation) for relation in doc._.relations],
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
