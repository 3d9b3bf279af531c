"""The facts that training documents state: relations between names, for Ign F1."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import AbstractSet, FrozenSet, Iterator, Set, Tuple
from typing import Counter as CounterType

from spacy.vocab import Vocab

from ..data.corpus_files import read_spacy_docs
from ..data.docred import read_records, record_names
from ..data.gold_annotations import entity_names
from ..data.json_files import is_json
from .gold import NamedFact, facts_of


@dataclass
class TrainingData:
    """The part of training data that an evaluation needs.

    facts (Set[NamedFact]): The facts that were asked for and are stated.
    labels (CounterType[str]): The number of triples of each relation.
    """

    facts: Set[NamedFact]
    labels: CounterType[str]


def read_training_data(path: Path, among: AbstractSet[NamedFact]) -> TrainingData:
    """Read the facts of training documents, one document at a time.

    path (Path): A JSON file in DocRED's format, a `.spacy` file, or a folder of `.spacy` files.
    among (AbstractSet[NamedFact]): The facts that are asked for. Other facts are not kept.
    RETURNS (TrainingData): The facts that are stated, and how often relations occur.
    RAISES (ValueError): If the documents have no relations, or the file is malformed.
    """
    training = TrainingData(set(), Counter())
    for heads, label, tails in _relations_of_names(path):
        training.labels[label] += 1
        facts = ((head, tail, label) for head in heads for tail in tails)
        training.facts.update(fact for fact in facts if fact in among)
    if not training.labels:
        raise ValueError(f"{path} holds no relations, and so no facts of training data.")
    return training


def _relations_of_names(path: Path) -> Iterator[Tuple[Set[str], str, Set[str]]]:
    """The relations of training documents, between the names of head and tail. JSON is read
    without Docs: making Docs would take most of the time."""
    if is_json(path):
        for record in read_records(path):
            names = record_names(record)
            for head, tail, label in {(label.h, label.t, label.r) for label in record.labels or ()}:
                yield names[head], label, names[tail]
    else:
        for doc in read_spacy_docs(path, Vocab()):
            for relation in doc._.relations:
                yield entity_names(relation.head), relation.label_, entity_names(relation.tail)


@lru_cache(maxsize=4)
def read_training_facts(files: Tuple[Path, ...], modified: Tuple[int, ...]) -> FrozenSet[NamedFact]:
    """Read all facts of training documents. Each state of the files is read once.

    files (Tuple[Path, ...]): `.spacy` files of documents with gold relations.
    modified (Tuple[int, ...]): When each file was modified, in nanoseconds.
    RETURNS (FrozenSet[NamedFact]): Head name, tail name and relation of each fact.
    RAISES (ValueError): If the files hold no relations.
    """
    facts = frozenset(
        fact for file in files for doc in read_spacy_docs(file, Vocab()) for fact in facts_of(doc)
    )
    if not facts:
        listed = ", ".join(map(str, files)) or "an empty folder"
        raise ValueError(
            f"The training facts for Ign F1, {listed}, hold no relations. Make them with "
            "'python -m spacy docre convert', or store doc._.relations with "
            "DocBin(store_user_data=True)."
        )
    return facts
