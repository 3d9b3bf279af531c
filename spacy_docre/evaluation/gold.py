"""Gold documents, in the form that metrics need."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import (
    AbstractSet,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotations import document_title, has_partial_relations, has_relations
from ..data.corpus_files import read_docs
from ..data.gold_annotations import entity_names
from ..data.sentences import sentence_distance, sentences_of_entities, token_sentence_numbers
from ..stored import get_triples
from .metrics import ScoredTriple

# A triple between names: head name, tail name, label.
NamedFact = Tuple[str, str, str]


@dataclass(frozen=True)
class GoldDocument:
    """An annotated document.

    title (str): Its title, unique among the documents.
    num_words (int): The number of its tokens.
    names (List[Set[str]]): The names of each entity's mentions.
    sentences (List[Set[int]]): The sentences in which each entity is mentioned; an empty list
        if the document has no sentence boundaries.
    triples (Dict[ScoredTriple, FrozenSet[int]]): The relations, each with the numbers of its
        evidence sentences.
    """

    title: str
    num_words: int
    names: List[Set[str]]
    sentences: List[Set[int]]
    triples: Dict[ScoredTriple, FrozenSet[int]]

    @classmethod
    def from_doc(cls, doc: Doc, title: str) -> "GoldDocument":
        """Make a GoldDocument of an annotated Doc.

        doc (Doc): The document, with gold entities and relations.
        title (str): Its title, unique among the documents.
        RETURNS (GoldDocument): The document.
        """
        numbers = token_sentence_numbers(doc)
        triples = get_triples(doc)
        return cls(
            title=title,
            num_words=len(doc),
            names=[entity_names(entity) for entity in doc._.entities],
            sentences=sentences_of_entities(doc) if numbers else [],
            triples={
                ScoredTriple(title, triple.head, triple.tail, triple.label): evidence_numbers(
                    triple.evidence, numbers
                )
                for triple in triples
            },
        )

    def distance(self, triple: ScoredTriple) -> Optional[int]:
        """Compute the distance of head and tail.

        triple (ScoredTriple): A triple of the document, gold or predicted.
        RETURNS (Optional[int]): The number of sentences between their nearest mentions; None if
            there are no sentence boundaries, or an entity is not in gold.
        """
        indices = range(len(self.sentences))
        if triple.head not in indices or triple.tail not in indices:
            return None
        return sentence_distance(self.sentences[triple.head], self.sentences[triple.tail])

    def facts(self, triple: ScoredTriple) -> Iterator[NamedFact]:
        """List the facts that a gold triple states.

        triple (ScoredTriple): The triple.
        YIELDS (NamedFact): A fact for each name of the head and each name of the tail.
        """
        for head in self.names[triple.head]:
            for tail in self.names[triple.tail]:
                yield head, tail, triple.label

    def known(self, facts: AbstractSet[NamedFact]) -> Set[ScoredTriple]:
        """Find the gold triples that are facts of the training data, by any of their names.

        facts (AbstractSet[NamedFact]): The facts of the training data.
        RETURNS (Set[ScoredTriple]): The triples.
        """
        return {
            triple for triple in self.triples if any(fact in facts for fact in self.facts(triple))
        }


@dataclass
class GoldSet:
    """The gold documents of an evaluation.

    docs (Dict[str, Doc]): The documents with completely annotated relations, by title.
    not_annotated (List[str]): The titles of documents whose relations nobody has annotated.
    partial (List[str]): The titles of documents whose relations are partial. These documents do
        not count: relations that they do not list may be right.
    """

    docs: Dict[str, Doc]
    not_annotated: List[str]
    partial: List[str]

    @cached_property
    def documents(self) -> Dict[str, GoldDocument]:
        """RETURNS (Dict[str, GoldDocument]): The annotated documents as GoldDocuments, by
        title."""
        return {title: GoldDocument.from_doc(doc, title) for title, doc in self.docs.items()}

    @cached_property
    def facts(self) -> Set[NamedFact]:
        """RETURNS (Set[NamedFact]): The facts that the documents state."""
        return {
            fact
            for document in self.documents.values()
            for triple in document.triples
            for fact in document.facts(triple)
        }

    @cached_property
    def label_names(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): The readable name of each relation; its label if no name is
        known."""
        return {
            triple.label: triple.name or triple.label
            for doc in self.docs.values()
            for triple in get_triples(doc)
        }


def read_gold(path: Path, vocab: Vocab, *, lang: str = "en") -> GoldSet:
    """Read the gold documents of an evaluation.

    path (Path): A JSON file in DocRED's format, a `.spacy` file, or a folder of `.spacy` files.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of a JSON file.
    RETURNS (GoldSet): The documents.
    RAISES (ValueError): If no document has complete relations, if two documents have the same
        title, or if the file is malformed.
    """
    gold = GoldSet({}, [], [])
    for number, doc in enumerate(read_docs(path, vocab, lang=lang), start=1):
        title = document_title(doc, number)
        if not has_relations(doc):
            gold.not_annotated.append(title)
        elif has_partial_relations(doc):
            gold.partial.append(title)
        else:
            add_titled(gold.docs, title, doc, path)
    if not gold.docs:
        partial = f", but {len(gold.partial)} with partial ones" if gold.partial else ""
        raise ValueError(
            f"{path} has no document with annotated relations{partial}, so there is nothing to "
            "compare with. Name the annotated documents."
        )
    return gold


def add_titled(docs: Dict[str, Doc], title: str, doc: Doc, path: Path) -> None:
    """Add a document under its title.

    docs (Dict[str, Doc]): The documents so far, by title.
    title (str): The title.
    doc (Doc): The document.
    path (Path): The file of the document.
    RAISES (ValueError): If another document has the same title.
    """
    if title in docs:
        raise ValueError(
            f"{path} has two documents with the title {title!r}, but answers name a document "
            "by its title. Give each its own title: 'title' in DocRED's JSON, "
            "doc.user_data['title'] in a .spacy file."
        )
    docs[title] = doc


def facts_of(doc: Doc) -> Iterator[NamedFact]:
    """List the facts that a training document states.

    doc (Doc): The document.
    YIELDS (NamedFact): Head name, tail name and label of each relation, for any names of head
        and tail; a fact may come several times.
    """
    document = GoldDocument.from_doc(doc, "")
    for triple in document.triples:
        yield from document.facts(triple)


def evidence_numbers(
    sentences: Iterable[Tuple[int, int]], numbers: Sequence[Optional[int]]
) -> FrozenSet[int]:
    """Find the numbers that gold gives to evidence sentences.

    sentences (Iterable[Tuple[int, int]]): First token and end token of each sentence.
    numbers (Sequence[Optional[int]]): The number of each token's gold sentence; None for a token
        that gold does not have. Empty if gold has no sentence boundaries.
    RETURNS (FrozenSet[int]): For each sentence, the number of its first token that has a number.
    """
    found = (
        next((number for number in numbers[start:end] if number is not None), None)
        for start, end in sentences
    )
    return frozenset(number for number in found if number is not None)
