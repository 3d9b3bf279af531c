"""Statistics of a data set: those of the paper's Table 1, and more."""

from collections import Counter, defaultdict
from dataclasses import astuple, dataclass, field
from typing import Counter as CounterType
from typing import Dict, List, Optional, Set, Tuple, Union

from spacy.tokens import Doc

from ..annotations import has_partial_relations, has_relations
from ..stored import get_triples
from .sentences import sentence_distance, sentences_of_entities

# Distances of so many sentences or more are counted together.
FAR = 4

Figure = Union[int, float, None]


@dataclass
class CorpusCounts:
    """The numbers of documents, entities and relations in a file.

    documents (int): Documents.
    entities (int): Entities.
    mentions (int): Mentions of entities.
    relations (int): Relations.
    without_relations (int): Annotated documents that have no relations.
    not_annotated (int): Documents whose relations nobody has annotated.
    partial (int): Documents whose relations are right, but incomplete.
    """

    documents: int = 0
    entities: int = 0
    mentions: int = 0
    relations: int = 0
    without_relations: int = 0
    not_annotated: int = 0
    partial: int = 0

    def __add__(self, other: "CorpusCounts") -> "CorpusCounts":
        return CorpusCounts(
            *(ours + theirs for ours, theirs in zip(astuple(self), astuple(other), strict=True))
        )

    def add(self, doc: Doc) -> None:
        """Count a document.

        doc (Doc): The document.
        """
        self.documents += 1
        self.entities += len(doc._.entities)
        self.mentions += sum(len(entity.mentions) for entity in doc._.entities)
        relations = get_triples(doc)
        self.relations += len(relations)
        annotated = has_relations(doc)
        self.without_relations += annotated and not relations
        self.not_annotated += not annotated
        self.partial += has_partial_relations(doc)


@dataclass
class Stats(CorpusCounts):
    """More counts over documents. `to_dict` computes figures from the counts.

    tokens (int): Tokens.
    related_pairs (int): Ordered pairs of entities with one relation or more.
    multi_label_pairs (int): Ordered pairs of entities with two relations or more.
    labels (CounterType[str]): Triples of each relation.
    distances (CounterType[int]): Triples by `sentence_distance` of head and tail. `FAR` stands for
        `FAR` and more. Documents without sentence boundaries are left out.
    two_hop (int): Triples of distance 1 or more whose head and tail each share a sentence
        with the same third entity.
    """

    tokens: int = 0
    related_pairs: int = 0
    multi_label_pairs: int = 0
    labels: CounterType[str] = field(default_factory=Counter)
    distances: CounterType[int] = field(default_factory=Counter)
    two_hop: int = 0

    @property
    def annotated_documents(self) -> int:
        """RETURNS (int): Documents whose relations are annotated, even if there are none."""
        return self.documents - self.not_annotated

    def add(self, doc: Doc) -> None:
        """Count a document.

        doc (Doc): The document.
        """
        super().add(doc)
        relations = get_triples(doc)
        self.tokens += len(doc)
        self.labels.update(triple.label for triple in relations)
        labels_by_pair: Dict[Tuple[int, int], Set[str]] = defaultdict(set)
        for triple in relations:
            labels_by_pair[triple.head, triple.tail].add(triple.label)
        self.related_pairs += len(labels_by_pair)
        self.multi_label_pairs += sum(len(labels) > 1 for labels in labels_by_pair.values())
        if relations and doc.has_annotation("SENT_START"):
            sentences = sentences_of_entities(doc)
            for triple in relations:
                distance = sentence_distance(sentences[triple.head], sentences[triple.tail])
                self.distances[min(distance, FAR)] += 1
                self.two_hop += distance > 0 and _are_bridged(sentences, triple.head, triple.tail)

    def to_dict(self) -> Dict[str, Figure]:
        """Compute the figures of the paper's Table 1, and others, by their readable name.

        RETURNS (Dict[str, Figure]): The figures. A share is between 0 and 1, or None if its whole
            is 0.
        """
        located = sum(self.distances.values())
        figures: Dict[str, Figure] = {
            "documents": self.documents,
            "documents with relations annotated": self.annotated_documents,
            "documents with partial relations": self.partial,
            "relation types": len(self.labels),
            "entities": self.entities,
            "mentions": self.mentions,
            "relations": self.relations,
            "tokens per document": _ratio(self.tokens, self.documents),
            "entities per document": _ratio(self.entities, self.documents),
            "mentions per entity": _ratio(self.mentions, self.entities),
            "relations per annotated document": _ratio(self.relations, self.annotated_documents),
            "related pairs with several relations": _ratio(
                self.multi_label_pairs, self.related_pairs
            ),
            "relations across sentences": _ratio(located - self.distances[0], located),
            "relations in two hops": _ratio(self.two_hop, located),
        }
        for distance in range(FAR + 1):
            more = " or more" if distance == FAR else ""
            name = f"relations at a distance of {distance}{more}"
            figures[name] = _ratio(self.distances[distance], located)
        return figures


def _are_bridged(sentences: List[Set[int]], head: int, tail: int) -> bool:
    """Whether a third entity shares a sentence with the head, and a sentence with the tail."""
    return any(
        other & sentences[head] and other & sentences[tail]
        for entity, other in enumerate(sentences)
        if entity not in (head, tail)
    )


def _ratio(part: float, whole: float) -> Optional[float]:
    return part / whole if whole else None
