"""Which entities the relation extractor works with. First come those that the Doc was given
(`give_entities`), then those that the component's getter finds in it (`find_entities` asks for
both), and last, in training and scoring, those of the reference."""

import warnings

from spacy.tokens import Doc
from spacy.training import Example

from ..alignment import align_mentions
from ..annotations import has_relations
from ..entity_sources import (
    EntityDoc,
    EntityGetter,
    MissingEntities,
    find_entities,
    reference_entities,
)


def document_or_warn(doc: Doc, getter: EntityGetter, owner: str) -> EntityDoc:
    """A Doc with its entities; with none, and a warning, where nothing has set any.

    doc (Doc): The document.
    getter (EntityGetter): The component's getter.
    owner (str): The name of the component, for the warning.
    RETURNS (EntityDoc): The document.
    """
    try:
        return EntityDoc(doc, find_entities(doc, getter))
    except MissingEntities as error:
        warnings.warn(f"'{owner}' finds no relations. {error}", stacklevel=2)
        return EntityDoc(doc, [])


def document_of(example: Example, getter: EntityGetter) -> EntityDoc:
    """The predicted Doc of an example with its entities.

    example (Example): The predicted document and the reference.
    getter (EntityGetter): The component's getter.
    RETURNS (EntityDoc): The Doc, with the entities of whatever sets them, or, where nothing does,
        those of the reference.
    RAISES (MissingEntities): If the reference has relations, and no entities either. A reference
        whose relations nobody has annotated may have none.
    RAISES (ValueError): If the reference is asked, and has another text.
    """
    try:
        return EntityDoc(example.predicted, find_entities(example.predicted, getter))
    except MissingEntities:
        return reference_document(example, getter)


def reference_document(example: Example, getter: EntityGetter) -> EntityDoc:
    """The predicted Doc of an example with the entities of the reference, as far as it has their
    mentions. Arguments and errors as of `document_of`.
    """
    try:
        gold = reference_entities(example.reference, getter)
    except MissingEntities:
        if has_relations(example.reference):
            raise
        gold = []
    entities = align_mentions(example, gold)
    return EntityDoc(example.predicted, [mentions for mentions in entities if mentions])


def lacks_entities(doc: Doc, getter: EntityGetter) -> bool:
    """Tell whether nothing has set the entities of a Doc.

    doc (Doc): The document.
    getter (EntityGetter): The component's getter.
    RETURNS (bool): Whether nothing has; False where something has found none.
    """
    try:
        find_entities(doc, getter)
    except MissingEntities:
        return True
    return False
