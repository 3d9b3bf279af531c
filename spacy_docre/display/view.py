"""The data of a document on a page: its text once, and places in the text."""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from spacy.tokens import Doc

from ..annotations import Relation, sentence_boundaries
from ..mentions import linked_ids, most_linked
from .options import Options


class EntityView(NamedTuple):
    """An entity.

    number (int): Its index in `doc._.entities`.
    text (str): Its best name.
    label (str): Its label.
    kb_id (str): Its linked id; empty for an unlinked entity.
    mentions (List[Tuple[int, int]]): First and end character of each mention.
    """

    number: int
    text: str
    label: str
    kb_id: str
    mentions: List[Tuple[int, int]]


class TypeView(NamedTuple):
    """A type of relation.

    label (str): Its label.
    name (str): Its readable name.
    shown (str): The name that is shown, which may be a short one.
    """

    label: str
    name: str
    shown: str


class RelationView(NamedTuple):
    """A relation.

    number (int): Its index in `doc._.relations`.
    head (int): The head entity.
    tail (int): The tail entity.
    type (int): The index of its type among those of the document.
    score (float): Its score, to four digits.
    evidence (List[int]): The indices of its evidence sentences, the strongest first.
    """

    number: int
    head: int
    tail: int
    type: int
    score: float
    evidence: List[int]


@dataclass(frozen=True)
class DocumentView:
    """A document. Places are counted in characters.

    title (str): Its title.
    text (str): Its text.
    sentences (List[Tuple[int, int]]): First and end character of each sentence.
    colors (Dict[str, str]): The CSS colour of each entity label.
    entities (List[EntityView]): The entities that are shown.
    types (List[TypeView]): The types of the relations that are shown.
    relations (List[RelationView]): The relations that are shown, best score first.
    """

    title: str
    text: str
    sentences: List[Tuple[int, int]]
    colors: Dict[str, str]
    entities: List[EntityView]
    types: List[TypeView]
    relations: List[RelationView]

    @property
    def data(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): All values, in the form that the page's script reads."""
        return vars(self)

    @property
    def triples(self) -> Iterator[Tuple[str, str, str, float]]:
        """YIELDS (Tuple[str, str, str, float]): Head, name, tail and score of each relation."""
        names = {entity.number: entity.text for entity in self.entities}
        for relation in self.relations:
            name = self.types[relation.type].shown
            yield names[relation.head], name, names[relation.tail], relation.score


def view_document(doc: Doc, title: str, options: Options) -> DocumentView:
    """Gather the data of a document that a page shows.

    doc (Doc): The document.
    title (str): The title of the document.
    options (Options): The options of `render`.
    RETURNS (DocumentView): The data.
    """
    sentences = sentence_boundaries(doc)
    types: Dict[Tuple[str, str], int] = {}
    relations = [
        _view_relation(relation, sentences, types)
        for relation in doc._.relations
        if relation.score >= options.threshold and _is_wanted(relation, options)
    ]
    related = {entity for relation in relations for entity in (relation.head, relation.tail)}
    linked = linked_ids(doc)
    entities = [
        EntityView(
            number=entity.index,
            text=entity.text,
            label=entity.label_,
            kb_id=most_linked(entity.mentions, linked),
            mentions=[(mention.start_char, mention.end_char) for mention in entity.mentions],
        )
        for entity in doc._.entities
        if options.labels is None or entity.label_ in options.labels or entity.index in related
    ]
    spans = [doc[start:end] for start, end in sentences]
    return DocumentView(
        title=title,
        text=doc.text,
        sentences=[(span.start_char, span.end_char) for span in spans],
        colors={entity.label: options.color(entity.label) for entity in entities},
        entities=entities,
        types=[TypeView(label, name, options.shown_name(label, name)) for label, name in types],
        relations=relations,
    )


def _is_wanted(relation: Relation, options: Options) -> bool:
    wanted = options.relations
    return wanted is None or relation.label_ in wanted or relation.name in wanted


def _view_relation(
    relation: Relation,
    sentences: Sequence[Tuple[int, int]],
    types: Dict[Tuple[str, str], int],
) -> RelationView:
    """Gather the data of a relation, and add its type to `types`."""
    triple = relation.triple
    evidence = [
        index
        for first, last in triple.evidence
        for index, (start, end) in enumerate(sentences)
        if first < end and start < last
    ]
    return RelationView(
        number=relation.index,
        head=triple.head,
        tail=triple.tail,
        type=types.setdefault((relation.label_, relation.name), len(types)),
        score=float(f"{triple.score:.4g}"),
        evidence=list(dict.fromkeys(evidence)),
    )
