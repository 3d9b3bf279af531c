"""What a page shows of a document, as plain data: text in segments, entities, relations, graph."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Container, Dict, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from ..annotations import Relation, sentence_boundaries
from ..mentions import on_one_line
from .graph import Graph, draw_graph
from .options import Options


@dataclass(frozen=True)
class TextSegment:
    """A segment of the text, in which no mention begins or ends.

    text (str): The text.
    space (str): Whitespace after it.
    entities (Tuple[int, ...]): The entities that it is (part of) a mention of.
    """

    text: str
    space: str
    entities: Tuple[int, ...]


@dataclass(frozen=True)
class RelationView:
    """A relation.

    index (int): Its index in `doc._.relations`.
    head (int): The head entity.
    tail (int): The tail entity.
    label (str): The relation's label.
    name (str): Its readable name.
    score (float): Its score.
    evidence (Tuple[int, ...]): The indices of its evidence sentences, the strongest first.
    """

    index: int
    head: int
    tail: int
    label: str
    name: str
    score: float
    evidence: Tuple[int, ...]


@dataclass(frozen=True)
class EntityView:
    """An entity.

    index (int): Its index in `doc._.entities`.
    text (str): The text of its longest mention.
    label (str): Its label.
    color (str): The CSS colour of its label.
    names (Tuple[str, ...]): The different texts of its mentions.
    num_mentions (int): The number of its mentions.
    relations (Tuple[RelationView, ...]): The relations in which it is head or tail.
    """

    index: int
    text: str
    label: str
    color: str
    names: Tuple[str, ...]
    num_mentions: int
    relations: Tuple[RelationView, ...]


@dataclass(frozen=True)
class DocumentView:
    """A document.

    title (str): What it is called.
    sentences (List[List[TextSegment]]): The text, sentence by sentence.
    entities (Dict[int, EntityView]): The entities that are shown, by their indices.
    relations (List[RelationView]): The relations that are shown, best score first.
    graph (Optional[Graph]): The graph of those relations; None where it is not drawn.
    """

    title: str
    sentences: List[List[TextSegment]]
    entities: Dict[int, EntityView]
    relations: List[RelationView]
    graph: Optional[Graph]


def view_document(doc: Doc, title: str, options: Options, *, draw: bool = True) -> DocumentView:
    """Gather what a page shows of a document.

    doc (Doc): The document.
    title (str): What it is called.
    options (Options): What is shown.
    draw (bool): Whether to draw the graph, which takes more time than the rest.
    RETURNS (DocumentView): What is shown.
    """
    sentences = sentence_boundaries(doc)
    relations = [
        _view_relation(relation, sentences)
        for relation in doc._.relations
        if relation.score >= options.threshold and _is_wanted(relation, options)
    ]
    related = {entity for relation in relations for entity in (relation.head, relation.tail)}
    entities = {
        entity.index: EntityView(
            index=entity.index,
            text=entity.text,
            label=entity.label_,
            color=options.color(entity.label_),
            names=tuple(dict.fromkeys(on_one_line(mention.text) for mention in entity.mentions)),
            num_mentions=len(entity.mentions),
            relations=tuple(
                relation for relation in relations if entity.index in (relation.head, relation.tail)
            ),
        )
        for entity in doc._.entities
        if options.labels is None or entity.label_ in options.labels or entity.index in related
    }
    return DocumentView(
        title=title,
        sentences=_split_text(doc, sentences, entities),
        entities=entities,
        relations=relations,
        graph=draw_graph(
            {entity: entities[entity].text for entity in sorted(related)},
            [(relation.head, relation.tail, relation.name) for relation in relations],
        )
        if draw
        else None,
    )


def _is_wanted(relation: Relation, options: Options) -> bool:
    wanted = options.relations
    return wanted is None or relation.label_ in wanted or relation.name in wanted


def _view_relation(relation: Relation, sentences: Sequence[Tuple[int, int]]) -> RelationView:
    evidence = [
        index
        for span in relation.evidence
        for index, (start, end) in enumerate(sentences)
        if span.start < end and start < span.end
    ]
    return RelationView(
        index=relation.index,
        head=relation.head.index,
        tail=relation.tail.index,
        label=relation.label_,
        name=relation.name,
        score=relation.score,
        evidence=tuple(dict.fromkeys(evidence)),
    )


def _split_text(
    doc: Doc, sentences: Sequence[Tuple[int, int]], shown: Container[int]
) -> List[List[TextSegment]]:
    """The text in segments. Mentions may overlap, and cross the boundaries of sentences."""
    covering: List[Set[int]] = [set() for _ in doc]
    sentence_starts = {start for start, _ in sentences}
    cuts = {*sentence_starts, len(doc)}
    for entity in doc._.entities:
        for mention in entity.mentions if entity.index in shown else ():
            cuts.update((mention.start, mention.end))
            for token in range(mention.start, mention.end):
                covering[token].add(entity.index)
    segments: List[List[TextSegment]] = []
    bounds = sorted(cuts)
    for start, end in pairwise(bounds):
        if start in sentence_starts:
            segments.append([])
        span = doc[start:end]
        entities = tuple(sorted(covering[start]))
        segments[-1].append(TextSegment(span.text, span[-1].whitespace_, entities))
    return segments
