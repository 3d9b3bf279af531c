"""What is written of a document's entities and relations, as plain data."""

from typing import Any, Dict, List

from spacy.tokens import Doc, Span

from ..annotations import Entity, Relation


def entity_record(entity: Entity) -> Dict[str, Any]:
    """An entity as plain data.

    entity (Entity): The entity.
    RETURNS (Dict[str, Any]): Its index, text, label and mentions.
    """
    return {
        "id": entity.index,
        "text": entity.text,
        "label": entity.label_,
        "mentions": [_span_record(span) for span in entity.mentions],
    }


def relation_record(relation: Relation) -> Dict[str, Any]:
    """A relation as plain data.

    relation (Relation): The relation.
    RETURNS (Dict[str, Any]): The indices of its head and tail, label, name, score and evidence.
    """
    return {
        "head": relation.head.index,
        "tail": relation.tail.index,
        "label": relation.label_,
        "name": relation.name,
        "score": relation.score,
        "evidence": [_span_record(span) for span in relation.evidence],
    }


def columns_record(doc: Doc) -> Dict[str, List[Dict[str, Any]]]:
    """The entities and relations of a document, as the columns of a table hold them.

    doc (Doc): The annotated document.
    RETURNS (Dict[str, List[Dict[str, Any]]]): The records of its "entities", with the linked id
        of each as "kb_id", and of its "relations".
    """
    return {
        "entities": [{**entity_record(entity), "kb_id": entity.id} for entity in doc._.entities],
        "relations": [relation_record(relation) for relation in doc._.relations],
    }


def _span_record(span: Span) -> Dict[str, Any]:
    return {"start": span.start_char, "end": span.end_char, "text": span.text}
