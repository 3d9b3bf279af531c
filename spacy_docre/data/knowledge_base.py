"""Distant supervision (Mintz et al., 2009): facts become relations of documents."""

from collections import defaultdict
from typing import Container, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span

from ..annotations import Triple, set_entities, set_relations
from ..entity_sources import gold_entities_or_none
from ..mentions import group_spans, ids_in_groups, kb_id


class KnowledgeBase:
    """Facts (head, relation, tail) about names and about ids.

    Two names are the same if they differ only in spaces and case. Ids are compared exactly, and
    never with names.

    relations (Optional[Container[str]]): The relations whose facts are kept; None for all.
    """

    def __init__(self, relations: Optional[Container[str]] = None) -> None:
        self._relations = relations
        # Relations by head, then by tail.
        self._of_names: Dict[str, Dict[str, Set[str]]] = defaultdict(lambda: defaultdict(set))
        self._of_ids: Dict[str, Dict[str, Set[str]]] = defaultdict(lambda: defaultdict(set))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add_by_name(self, head: str, relation: str, tail: str) -> None:
        """Add a fact about names.

        head (str): A name of the head.
        relation (str): The relation.
        tail (str): A name of the tail.
        """
        self._add(self._of_names, _key(head), relation, _key(tail))

    def add_by_id(self, head: str, relation: str, tail: str) -> None:
        """Add a fact about ids.

        head (str): The head's id, such as an entity linker gives.
        relation (str): The relation.
        tail (str): The tail's id.
        """
        self._add(self._of_ids, head, relation, tail)

    def _add(
        self, facts: Dict[str, Dict[str, Set[str]]], head: str, relation: str, tail: str
    ) -> None:
        if self._relations is None or relation in self._relations:
            known = facts[head][tail]
            self._size += relation not in known
            known.add(relation)

    def add_document(self, doc: Doc) -> None:
        """Add the relations of an annotated document: for every name of head and tail, and for
        their ids.

        doc (Doc): The document.
        """
        ids = _linked_ids(doc)
        for relation in doc._.relations:
            heads, tails = relation.head.mentions, relation.tail.mentions
            for head in _names(heads):
                for tail in _names(tails):
                    self.add_by_name(head, relation.label_, tail)
            for head in _ids(heads, ids):
                for tail in _ids(tails, ids):
                    self.add_by_id(head, relation.label_, tail)

    def align(self, doc: Doc, names: Mapping[str, str] = {}) -> None:
        """Set the relations of a document to the facts about its entities.

        A fact fits two entities by any of their names or ids. A document whose entities are not
        set stays unchanged: its relations are unknown.

        doc (Doc): The document, with entities.
        names (Mapping[str, str]): Readable names of the relations.
        """
        entities = gold_entities_or_none(doc)
        if entities is None:
            return
        ids = _linked_ids(doc)
        found = self._lookup(self._of_names, [_keys(mentions) for mentions in entities])
        found |= self._lookup(self._of_ids, [_ids(mentions, ids) for mentions in entities])
        set_entities(doc, entities)
        set_relations(
            doc,
            [
                Triple(head, tail, label, name=names.get(label, ""))
                for head, tail, label in sorted(found)
            ],
        )

    @staticmethod
    def _lookup(
        facts: Mapping[str, Mapping[str, Set[str]]], keys: Sequence[Set[str]]
    ) -> Set[Tuple[int, int, str]]:
        holders: Dict[str, List[int]] = defaultdict(list)
        for entity, of_entity in enumerate(keys):
            for key in of_entity:
                holders[key].append(entity)
        return {
            (head, tail, relation)
            for head, of_head in enumerate(keys)
            for key in of_head & facts.keys()
            for other in facts[key].keys() & holders.keys()
            for tail in holders[other]
            if tail != head
            for relation in facts[key][other]
        }


def _names(mentions: Iterable[Span]) -> Set[str]:
    return {mention.text for mention in mentions}


def _keys(mentions: Iterable[Span]) -> Set[str]:
    return {_key(name) for name in _names(mentions)}


def _key(name: str) -> str:
    """The form in which names are compared: tokenisers differ in spaces, and writers in case."""
    return "".join(name.split()).casefold()


def _linked_ids(doc: Doc) -> Dict[Tuple[int, int], Set[str]]:
    """The ids that a linker or an entity ruler gave to spans, by the tokens of each span. The
    `id_` of a span in a group is left out: it only tells the entities of one document apart."""
    local = ids_in_groups(doc)
    ids: Dict[Tuple[int, int], Set[str]] = defaultdict(set)
    for key in doc.spans:
        for span in group_spans(doc, key):
            ids[span.start, span.end].add(kb_id(span))
    for span in doc.ents:
        ids[span.start, span.end] |= {kb_id(span)} | ({span.ent_id_} - local)
    return {tokens: found - {""} for tokens, found in ids.items()}


def _ids(mentions: Iterable[Span], ids: Mapping[Tuple[int, int], Set[str]]) -> Set[str]:
    return {id_ for mention in mentions for id_ in ids.get((mention.start, mention.end), ())}
