"""Annotated documents as scores see them: triples with their evidence, names, and places."""

from dataclasses import dataclass
from typing import AbstractSet, Dict, FrozenSet, Iterator, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from ..annotations import Relation
from ..data.gold_annotations import entity_names
from ..data.sentences import sentence_distance, sentence_numbers, sentences_of_entities
from .relations import ScoredTriple

Fact = Tuple[str, str, str]


@dataclass(frozen=True)
class GoldDocument:
    """An annotated document.

    title (str): What tells it from others.
    num_words (int): The number of its tokens.
    names (List[Set[str]]): The names of each entity's mentions.
    sentences (List[Set[int]]): The sentences in which each entity is mentioned; an empty list
        where the document has no sentence boundaries.
    triples (Dict[ScoredTriple, FrozenSet[int]]): The relations, each with the places of its
        evidence sentences.
    """

    title: str
    num_words: int
    names: List[Set[str]]
    sentences: List[Set[int]]
    triples: Dict[ScoredTriple, FrozenSet[int]]

    def distance(self, triple: ScoredTriple) -> Optional[int]:
        """Tell how far apart head and tail are.

        triple (ScoredTriple): A triple of the document, gold or predicted.
        RETURNS (Optional[int]): The number of sentences between their nearest mentions; None
            where there are no sentence boundaries, or an entity is not in gold.
        """
        places = range(len(self.sentences))
        if triple.head not in places or triple.tail not in places:
            return None
        return sentence_distance(self.sentences[triple.head], self.sentences[triple.tail])

    def facts(self, triple: ScoredTriple) -> Iterator[Fact]:
        """Tell what a gold triple says of names.

        triple (ScoredTriple): The triple.
        YIELDS (Fact): The relation, between any names of head and tail.
        """
        for head in self.names[triple.head]:
            for tail in self.names[triple.tail]:
                yield head, tail, triple.label

    def known(self, facts: AbstractSet[Fact]) -> Set[ScoredTriple]:
        """Find the gold triples that are facts of the training data, by any names.

        facts (AbstractSet[Fact]): The facts of the training data.
        RETURNS (Set[ScoredTriple]): The triples.
        """
        return {
            triple for triple in self.triples if any(fact in facts for fact in self.facts(triple))
        }


def read_gold(doc: Doc, title: str) -> GoldDocument:
    """Gather what scores have to know of an annotated document.

    doc (Doc): The document, with gold entities and relations.
    title (str): What tells it from others.
    RETURNS (GoldDocument): The document.
    """
    numbers = sentence_numbers(doc)
    return GoldDocument(
        title=title,
        num_words=len(doc),
        names=[entity_names(entity) for entity in doc._.entities],
        sentences=sentences_of_entities(doc) if numbers else [],
        triples={
            ScoredTriple(
                title, relation.head.index, relation.tail.index, relation.label_
            ): evidence_sentences(relation, numbers)
            for relation in doc._.relations
        },
    )


def evidence_sentences(relation: Relation, numbers: Sequence[int]) -> FrozenSet[int]:
    """Find the evidence of a relation among the sentences.

    relation (Relation): The relation.
    numbers (Sequence[int]): The place of each token's sentence, see `sentence_numbers`.
    RETURNS (FrozenSet[int]): The places of the sentences; none where they are not known.
    """
    return frozenset(numbers[sentence.start] for sentence in relation.evidence if numbers)


def facts_of(doc: Doc) -> Iterator[Fact]:
    """The facts that a training document states.

    doc (Doc): The document.
    YIELDS (Fact): Head name, tail name and label of each relation, for any names of head and
        tail; a fact may come several times.
    """
    document = read_gold(doc, "")
    for triple in document.triples:
        yield from document.facts(triple)
