"""Precision, recall and F1 of relation triples, by the rules of the DocRED scorer."""

from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterable, Set, Tuple

from spacy.scorer import PRFScore

Fact = Tuple[str, str, str]


@dataclass(frozen=True)
class ScoredTriple:
    """A triple to be scored; equal triples count once.

    document (str): What tells its document from others.
    head (int): Place of the head among the document's gold entities; negative for an
        entity that is none of them.
    tail (int): Place of the tail, likewise.
    label (str): The relation.
    """

    document: str
    head: int
    tail: int
    label: str


def score_triples(gold: Set[ScoredTriple], predicted: Set[ScoredTriple]) -> PRFScore:
    """Precision, recall and F1.

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    RETURNS (PRFScore): The score.
    """
    score = PRFScore()
    score.score_set(predicted, gold)
    return score


def score_per_label(gold: Set[ScoredTriple], predicted: Set[ScoredTriple]) -> Dict[str, PRFScore]:
    """Precision, recall and F1 of each relation.

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    RETURNS (Dict[str, PRFScore]): The score of each label, in alphabetical order.
    """
    return {
        label: score_triples(
            {triple for triple in gold if triple.label == label},
            {triple for triple in predicted if triple.label == label},
        )
        for label in sorted({triple.label for triple in gold | predicted})
    }


def ignore_known_f(
    gold: Set[ScoredTriple], predicted: Set[ScoredTriple], known: Set[ScoredTriple]
) -> float:
    """Ign F1: F1 where correct triples that are facts of the training data do not count
    for precision; recall stays as it is.

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    known (Set[ScoredTriple]): The gold triples that are facts of the training data.
    RETURNS (float): Ign F1, in [0, 1].
    """
    correct = predicted & gold
    ignored = len(correct & known)
    # The official scorer's guard against division by zero, kept for equal digits.
    precision = (len(correct) - ignored) / (len(predicted) - ignored + 1e-5)
    recall = len(correct) / len(gold) if gold else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def is_known(
    facts: FrozenSet[Fact], heads: Iterable[str], tails: Iterable[str], label: str
) -> bool:
    """Tell whether a triple is a fact of the training data, by any pair of names.

    facts (FrozenSet[Fact]): The facts: head name, tail name, relation.
    heads (Iterable[str]): The names of the head's mentions.
    tails (Iterable[str]): The names of the tail's mentions.
    label (str): The relation.
    RETURNS (bool): Whether it is.
    """
    tails = list(tails)
    return any((head, tail, label) in facts for head in heads for tail in tails)
