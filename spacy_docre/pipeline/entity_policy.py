"""Choose the entities of a Doc for the relation extractor."""

from dataclasses import dataclass
from typing import Callable, List, Optional

from spacy.tokens import Doc
from spacy.training import Example

from ..alignment import align_mentions
from ..annotations import has_relations
from ..entity_sources import (
    EntityDoc,
    EntityGetter,
    Mentions,
    MissingEntities,
    find_entities,
    reference_entities,
)


@dataclass
class ChosenEntities(EntityDoc):
    """A Doc and the entities that were chosen for it.

    missing (Optional[MissingEntities]): The error, if nothing has set entities; None if a
        component has set them, even to an empty list.
    """

    missing: Optional[MissingEntities] = None


@dataclass
class EntityPolicy:
    """Choose the entities of a Doc. The sources, in order: the entities that the Doc was given
    (`give_entities`), the entities that the getter finds, and the entities of the reference.

    getter (EntityGetter): Finds entities in a Doc.
    """

    getter: EntityGetter

    def choose(self, doc: Doc, example: Optional[Example] = None) -> ChosenEntities:
        """Choose the entities of a Doc.

        doc (Doc): The document.
        example (Optional[Example]): The Doc and its reference, in training and scoring. Mentions
            of the reference that the Doc lacks are left out.
        RETURNS (ChosenEntities): The Doc and its entities. With an example, entities are never
            missing. A reference without annotated relations may have no entities.
        RAISES (MissingEntities): If the reference is needed, and has relations but no entities.
        RAISES (ValueError): If the reference is needed, and has another text.
        """
        found = self._look(doc, find_entities)
        if found.missing is None or example is None:
            return found
        gold = self._look(example.reference, reference_entities)
        if gold.missing is not None and has_relations(example.reference):
            raise gold.missing
        entities = align_mentions(example, gold.entities)
        return ChosenEntities(doc, [mentions for mentions in entities if mentions])

    def _look(
        self, doc: Doc, find: Callable[[Doc, EntityGetter], List[Mentions]]
    ) -> ChosenEntities:
        try:
            return ChosenEntities(doc, find(doc, self.getter))
        except MissingEntities as error:
            return ChosenEntities(doc, [], error)
