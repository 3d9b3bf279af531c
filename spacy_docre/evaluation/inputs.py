"""What an evaluation reads: annotated documents, and the facts of training documents."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import AbstractSet, Dict, Iterator, List, Set, Tuple
from typing import Counter as CounterType

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotations import document_title, has_relations
from ..data.corpus_files import read_docs, read_documents
from ..data.docred import names_of_entities, read_records
from ..data.gold_annotations import entity_names
from ..data.json_files import is_json
from .gold import Fact


@dataclass
class AnnotatedDocuments:
    """The documents of an evaluation.

    docs (Dict[str, Doc]): Those whose relations are annotated, by title.
    not_annotated (List[str]): The titles of the others.
    """

    docs: Dict[str, Doc]
    not_annotated: List[str]

    @property
    def label_names(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): Readable names of relations, where they are known."""
        return {
            relation.label_: relation.name
            for doc in self.docs.values()
            for relation in doc._.relations
        }


@dataclass
class TrainingData:
    """What an evaluation has to know of training data.

    facts (Set[Fact]): Its facts, as far as they are asked for.
    labels (CounterType[str]): The number of triples of each relation.
    """

    facts: Set[Fact]
    labels: CounterType[str]


def read_annotated(path: Path, vocab: Vocab, *, lang: str = "en") -> AnnotatedDocuments:
    """Read the documents of an evaluation.

    path (Path): A JSON file as of DocRED, a `.spacy` file, or a folder of those.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language of a JSON file.
    RETURNS (AnnotatedDocuments): The documents.
    RAISES (ValueError): If there is none with annotated relations, if two have the same title,
        or if the file is malformed.
    """
    documents = AnnotatedDocuments({}, [])
    for number, doc in enumerate(read_documents(path, vocab, lang=lang), start=1):
        title = document_title(doc, number)
        if not has_relations(doc):
            documents.not_annotated.append(title)
        elif title in documents.docs:
            raise ValueError(
                f"{path} has two documents with the title {title!r}, and answers name a document "
                "by its title. Give each its own: 'title' in DocRED's JSON, doc.user_data['title'] "
                "in a .spacy file."
            )
        else:
            documents.docs[title] = doc
    if not documents.docs:
        raise ValueError(
            f"{path} has no document with annotated relations, so there is nothing to compare "
            "with. Name the annotated documents."
        )
    return documents


def read_training_data(path: Path, among: AbstractSet[Fact]) -> TrainingData:
    """Read what training documents state, one document at a time.

    path (Path): As for `read_annotated`.
    among (AbstractSet[Fact]): The facts that are asked for; others are not kept.
    RETURNS (TrainingData): Those of the facts that are stated, and how often relations occur.
    RAISES (ValueError): If the documents have no relations, or the file is malformed.
    """
    training = TrainingData(set(), Counter())
    for heads, label, tails in _stated(path):
        training.labels[label] += 1
        facts = ((head, tail, label) for head in heads for tail in tails)
        training.facts.update(fact for fact in facts if fact in among)
    if not training.labels:
        raise ValueError(f"{path} holds no relations, and so no facts of training data.")
    return training


def _stated(path: Path) -> Iterator[Tuple[Set[str], str, Set[str]]]:
    """The relations of training documents, between the names of head and tail. Of JSON no Docs
    are made, which would take most of the time."""
    if is_json(path):
        for record in read_records(path):
            names = names_of_entities(record)
            for head, tail, label in {(label.h, label.t, label.r) for label in record.labels or ()}:
                yield names[head], label, names[tail]
    else:
        for doc in read_docs(path, Vocab()):
            for relation in doc._.relations:
                yield entity_names(relation.head), relation.label_, entity_names(relation.tail)
