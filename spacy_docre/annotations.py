"""The public value types, and the Doc extensions that hold them.

A Doc stores its entities and relations as plain lists, numbers and strings in
`doc.user_data`, so that they survive serialisation. `Entity` and `Relation` are views
of the stored data.
"""

from itertools import pairwise
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

import numpy
from spacy.attrs import SENT_START
from spacy.tokens import Doc, Span

from .mentions import (
    best_name,
    check_tokens,
    distinct_mentions,
    linked_ids,
    mark_document,
    most_labelled,
    most_linked,
    on_one_line,
)
from .stored import (
    ENTITIES,
    PARTIAL,
    RELATIONS,
    Triple,
    mentions_from_lists,
    mentions_to_lists,
    stored_entities,
    stored_possible,
    stored_relations,
    triple_from_list,
)


class Entity:
    """An entity of a document: the mentions that refer to the same thing.

    doc (Doc): The document.
    index (int): Its index in `doc._.entities`.
    """

    __slots__ = ("doc", "index")

    def __init__(self, doc: Doc, index: int) -> None:
        self.doc = doc
        self.index = index

    @property
    def mentions(self) -> Tuple[Span, ...]:
        """RETURNS (Tuple[Span, ...]): The mentions, with their `label_`, `id_` and `kb_id_`."""
        return tuple(mentions_from_lists(self.doc, _stored(self.doc, ENTITIES)[self.index]))

    @property
    def text(self) -> str:
        """RETURNS (str): Its best name, on one line: the mention that the entity clusterer marked
        as the best, else the longest mention. At a tie, the most frequent wins, then the first."""
        return best_name(self.mentions)

    @property
    def label_(self) -> str:
        """RETURNS (str): The label of most mentions; at a tie, the first of these labels."""
        return most_labelled(self.mentions)

    @property
    def id(self) -> str:
        """RETURNS (str): The linked id, e.g. "Q7186": the id that a linker or an entity ruler gave
        to most mentions; at a tie, the first of these ids. The id of a mention is its `kb_id_` in
        `doc.ents`, else its `ent_id_` there, else its own `kb_id_`. The result is "" if no mention
        has an id; "NIL" is no id."""
        return most_linked(self.mentions, linked_ids(self.doc))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entity):
            return NotImplemented
        return self.doc is other.doc and self.index == other.index

    def __hash__(self) -> int:
        return hash((id(self.doc), self.index))

    def __repr__(self) -> str:
        return f"Entity({self.text!r}, {self.label_!r})"


class Relation(Dict[str, Any]):
    """A relation between two entities of a document.

    A Relation is also a dict, for tables and JSON: text, label and linked id of head and tail,
    "relation" (the label), "name", "score", and the text of each sentence in "evidence". So
    `pandas.DataFrame(doc._.relations)` makes a table of the relations, and
    `doc.to_json(underscore=["relations"])` contains them.

    doc (Doc): The document.
    index (int): Its index in `doc._.relations`.
    record (Mapping[str, Any]): The content of the dict.
    """

    __slots__ = ("doc", "index")

    def __init__(self, doc: Doc, index: int, record: Mapping[str, Any]) -> None:
        super().__init__(record)
        self.doc = doc
        self.index = index

    @property
    def triple(self) -> Triple:
        """RETURNS (Triple): The relation as it is stored."""
        return triple_from_list(_stored(self.doc, RELATIONS)[self.index])

    @property
    def head(self) -> Entity:
        """RETURNS (Entity): The head (subject)."""
        return Entity(self.doc, self.triple.head)

    @property
    def tail(self) -> Entity:
        """RETURNS (Entity): The tail (object)."""
        return Entity(self.doc, self.triple.tail)

    @property
    def label_(self) -> str:
        """RETURNS (str): The relation's label, e.g. "P19"."""
        return self.triple.label

    @property
    def name(self) -> str:
        """RETURNS (str): Its readable name, e.g. "place of birth"; the label if no name is
        known."""
        return self.triple.name or self.triple.label

    @property
    def score(self) -> float:
        """RETURNS (float): P(r | head, tail) (eq. 9), in (0, 1); 1 for a gold relation."""
        return self.triple.score

    @property
    def evidence(self) -> Tuple[Span, ...]:
        """RETURNS (Tuple[Span, ...]): The sentences that carry the pair's attention, most
        first; for a gold relation, the annotated sentences. Empty if the document has no
        sentence boundaries."""
        return tuple(self.doc[start:end] for start, end in self.triple.evidence)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Relation):
            return NotImplemented
        return self.doc is other.doc and self.index == other.index

    def __ne__(self, other: object) -> bool:
        # dict has its own.
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((id(self.doc), self.index))

    def __repr__(self) -> str:
        return (
            f"Relation({self.head.text!r}, {self.name!r}, {self.tail.text!r}, "
            f"score={self.score:.3f})"
        )


def document_title(doc: Doc, number: Optional[int] = None) -> str:
    """Return the title of a document.

    doc (Doc): The document.
    number (Optional[int]): Its number, for a document without a title.
    RETURNS (str): Its `title` or `id` in `doc.user_data`, else "Document" and the number. Without
        a number, the beginning of the text.
    """
    title = doc.user_data.get("title") or doc.user_data.get("id")
    return str(title or (doc.text[:50] if number is None else f"Document {number}"))


def sentence_boundaries(doc: Doc) -> List[Tuple[int, int]]:
    """Find the first token and the end token of each sentence. A Doc without sentence boundaries is
    one sentence.

    doc (Doc): The document.
    RETURNS (List[Tuple[int, int]]): The boundaries; an empty list for an empty document.
    """
    # One call for all tokens, as this runs often, and long documents have many tokens.
    starts = numpy.flatnonzero(doc.to_array([SENT_START]) == 1).tolist()
    if len(doc) and starts[:1] != [0]:
        starts.insert(0, 0)
    return list(pairwise([*starts, len(doc)]))


def token_sentences(doc: Doc) -> numpy.ndarray:
    """Find the sentence of each token.

    doc (Doc): The document.
    RETURNS (numpy.ndarray): Its index among `sentence_boundaries`, shape (tokens,).
    """
    boundaries = sentence_boundaries(doc)
    return numpy.repeat(numpy.arange(len(boundaries)), [end - start for start, end in boundaries])


def _stored(doc: Doc, key: str) -> Sequence[Any]:
    """Return what a Doc stores, after a check that its tokens have not changed."""
    stored: Sequence[Any] = doc.user_data.get(key, ())
    if stored:
        check_tokens(doc)
    return stored


def get_entities(doc: Doc) -> List[Entity]:
    """Return the entities stored on a Doc: `doc._.entities`.

    doc (Doc): The document.
    RETURNS (List[Entity]): Its entities; empty if none are stored.
    RAISES (ValueError): If the stored data is damaged, or if the tokens have changed since.
    """
    return [Entity(doc, index) for index in range(len(stored_entities(doc)))]


def has_entities(doc: Doc) -> bool:
    """Tell whether the entities of a Doc are stored. The stored list may be empty.

    doc (Doc): The document.
    RETURNS (bool): Whether `doc._.entities` has been set.
    """
    return ENTITIES in doc.user_data


def has_relations(doc: Doc) -> bool:
    """Tell whether the relations of a Doc are stored. The stored list may be empty.

    doc (Doc): The document.
    RETURNS (bool): Whether `doc._.relations` has been set since `doc._.entities` was.
    """
    return RELATIONS in doc.user_data


def has_partial_relations(doc: Doc) -> bool:
    """Tell whether the relations of a Doc are partial: right, but incomplete.

    doc (Doc): The document.
    RETURNS (bool): Whether `mark_partial` was called since `doc._.relations` was set.
    """
    return has_relations(doc) and PARTIAL in doc.user_data


def mark_partial(doc: Doc, possible: Optional[Iterable[Triple]] = None) -> None:
    """Mark the relations of a Doc as partial: right, but incomplete. Relations that are set later
    are complete again, until they are marked as well.

    doc (Doc): The document; its relations are stored already.
    possible (Optional[Iterable[Triple]]): Further relations that may hold; None for all.
    RAISES (ValueError): If `doc._.relations` was not set.
    """
    if not has_relations(doc):
        raise ValueError(
            f"The document {document_title(doc)!r} has no relations that could be partial: set "
            "doc._.relations first, to [] if no relation is known."
        )
    doc.user_data[PARTIAL] = (
        True
        if possible is None
        else [[int(item.head), int(item.tail), str(item.label)] for item in possible]
    )


def possible_relations(doc: Doc) -> Optional[List[Triple]]:
    """List the further relations that may hold in a Doc whose relations are partial.

    doc (Doc): The document.
    RETURNS (Optional[List[Triple]]): The relations; None if any relation may hold.
    RAISES (ValueError): If the stored data is damaged.
    """
    stored = stored_possible(doc)
    return None if stored is None else [Triple(*item) for item in stored]


def set_entities(doc: Doc, entities: Iterable[Union[Entity, Sequence[Span]]]) -> None:
    """Store the entities of a Doc, and drop the relations between its earlier entities. A mention
    that an entity has twice counts once.

    doc (Doc): The document.
    entities (Iterable[Union[Entity, Sequence[Span]]]): The mentions of each entity.
    RAISES (ValueError): If an entity is not a list of Spans of the Doc, or has no mention.
    """
    stored: List[List[List[Any]]] = []
    for entity in entities:
        mentions = entity.mentions if isinstance(entity, Entity) else entity
        if isinstance(mentions, Span) or not all(isinstance(item, Span) for item in mentions):
            raise ValueError(
                f"Entity {len(stored)} is {entity!r}: give each entity as a list of its "
                "mentions, each a Span, e.g. doc._.entities = [[doc[0:2], doc[7:8]], [doc[4:5]]]."
            )
        if not mentions:
            raise ValueError(f"Entity {len(stored)} has no mentions: give at least one Span.")
        for span in mentions:
            if not 0 <= span.start < span.end <= len(doc):
                raise ValueError(
                    f"A mention of entity {len(stored)} has the tokens {span.start} to "
                    f"{span.end}, but the document has {len(doc)} tokens: give Spans of this "
                    "document, with one token or more."
                )
        stored.append(mentions_to_lists(distinct_mentions(mentions)))
    doc.user_data[ENTITIES] = stored
    mark_document(doc)
    doc.user_data.pop(RELATIONS, None)
    doc.user_data.pop(PARTIAL, None)


def get_relations(doc: Doc) -> List[Relation]:
    """Return the relations stored on a Doc: `doc._.relations`.

    doc (Doc): The document.
    RETURNS (List[Relation]): Its relations, best score first; empty if none are stored.
    RAISES (ValueError): If the stored data is damaged, or if the tokens have changed since.
    """
    relations, entities = stored_relations(doc), stored_entities(doc)
    linked = linked_ids(doc) if relations else {}
    known: Dict[int, Dict[str, str]] = {}
    for entity in {index for relation in relations for index in relation[:2]}:
        mentions = mentions_from_lists(doc, entities[entity])
        known[entity] = {
            "": best_name(mentions),
            "_label": most_labelled(mentions),
            "_id": most_linked(mentions, linked),
        }
    return [
        Relation(
            doc,
            index,
            {
                **{f"head{key}": value for key, value in known[head].items()},
                "relation": label,
                "name": name or label,
                **{f"tail{key}": value for key, value in known[tail].items()},
                "score": score,
                "evidence": [on_one_line(doc[start:end].text) for start, end in evidence],
            },
        )
        for index, (head, tail, label, score, name, evidence) in enumerate(relations)
    ]


def set_relations(doc: Doc, relations: Iterable[Union[Triple, Relation]]) -> None:
    """Store the relations of a Doc, the best score first.

    doc (Doc): The document; its entities are stored already.
    relations (Iterable[Union[Triple, Relation]]): The relations.
    RAISES (ValueError): If a relation is neither a Triple nor a Relation, if its head or tail is
        not an index of `doc._.entities`, or if its score is not a probability.
    """
    num_entities = len(doc.user_data.get(ENTITIES, ()))
    triples = [item.triple if isinstance(item, Relation) else item for item in relations]
    for triple in triples:
        if not isinstance(triple, Triple):
            raise ValueError(
                f"{triple!r} is not a relation: give a Triple, e.g. "
                "spacy_docre.Triple(head=0, tail=1, label='P19')."
            )
        for role, index in (("head", triple.head), ("tail", triple.tail)):
            if not 0 <= index < num_entities:
                raise ValueError(
                    f"The {role} of {triple} is not an index of doc._.entities, which has "
                    f"{num_entities} entities. Set doc._.entities first."
                )
        if not 0 <= triple.score <= 1:
            raise ValueError(
                f"The score of {triple} is not a probability: give a number of 0 to 1."
            )
    doc.user_data.pop(PARTIAL, None)
    doc.user_data[RELATIONS] = [
        [
            int(triple.head),
            int(triple.tail),
            str(triple.label),
            float(triple.score),
            str(triple.name),
            [[int(start), int(end)] for start, end in triple.evidence],
        ]
        for triple in sorted(triples, key=lambda triple: -triple.score)
    ]


Doc.set_extension("entities", getter=get_entities, setter=set_entities)
Doc.set_extension("relations", getter=get_relations, setter=set_relations)
