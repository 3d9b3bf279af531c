"""Metrics of relation triples: plain functions, by the rules of the DocRED scorer."""

from typing import Callable, Collection, Dict, Mapping, NamedTuple, Optional, Set, Tuple

from spacy.scorer import PRFScore

# Document, head and tail.
EntityPair = Tuple[str, int, int]


class ScoredTriple(NamedTuple):
    """A triple to be scored; equal triples count once.

    document (str): The title of its document.
    head (int): The index of the head among the document's gold entities; negative for an entity
        that is not gold.
    tail (int): The index of the tail, in the same way.
    label (str): The relation.
    """

    document: str
    head: int
    tail: int
    label: str

    @property
    def pair(self) -> EntityPair:
        """RETURNS (EntityPair): Document, head and tail."""
        return self.document, self.head, self.tail


Evidence = Mapping[ScoredTriple, Collection[int]]


def score_triples(gold: Set[ScoredTriple], predicted: Set[ScoredTriple]) -> PRFScore:
    """Compute precision, recall and F1.

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    RETURNS (PRFScore): The score.
    """
    score = PRFScore()
    score.score_set(predicted, gold)
    return score


def score_groups(
    gold: Set[ScoredTriple],
    predicted: Set[ScoredTriple],
    group: Callable[[ScoredTriple], Optional[str]],
) -> Dict[str, PRFScore]:
    """Compute precision, recall and F1 of groups of triples.

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    group (Callable[[ScoredTriple], Optional[str]]): The group of a triple, gold or predicted;
        None if the triple is in no group.
    RETURNS (Dict[str, PRFScore]): The score of each group that has triples.
    """
    groups: Dict[str, Tuple[Set[ScoredTriple], Set[ScoredTriple]]] = {}
    for side, triples in enumerate((gold, predicted)):
        for triple in triples:
            name = group(triple)
            if name is not None:
                groups.setdefault(name, (set(), set()))[side].add(triple)
    return {name: score_triples(*groups[name]) for name in sorted(groups)}


def score_per_label(gold: Set[ScoredTriple], predicted: Set[ScoredTriple]) -> Dict[str, PRFScore]:
    """Compute precision, recall and F1 of each relation.

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    RETURNS (Dict[str, PRFScore]): The score of each label, in alphabetical order.
    """
    return score_groups(gold, predicted, lambda triple: triple.label)


def score_related_pairs(gold: Set[ScoredTriple], predicted: Set[ScoredTriple]) -> PRFScore:
    """Score whether pairs are related, whatever the relation (the paper's Table 8).

    gold (Set[ScoredTriple]): The gold triples.
    predicted (Set[ScoredTriple]): The predicted triples.
    RETURNS (PRFScore): Precision, recall and F1 of the related pairs.
    """
    score = PRFScore()
    score.score_set({triple.pair for triple in predicted}, {triple.pair for triple in gold})
    return score


def score_evidence(gold: Evidence, predicted: Evidence) -> PRFScore:
    """Score the evidence sentences. Evidence of triples that are not gold is wrong.

    gold (Evidence): The numbers of the evidence sentences of each gold triple.
    predicted (Evidence): The numbers of the evidence sentences of each predicted triple.
    RETURNS (PRFScore): The score.
    """
    correct = sum(
        len(set(sentences) & set(gold[triple]))
        for triple, sentences in predicted.items()
        if triple in gold
    )
    num_predicted = sum(len(set(sentences)) for sentences in predicted.values())
    num_gold = sum(len(set(sentences)) for sentences in gold.values())
    return PRFScore(tp=correct, fp=num_predicted - correct, fn=num_gold - correct)


def ignore_known_f(
    gold: Set[ScoredTriple], predicted: Set[ScoredTriple], known: Set[ScoredTriple]
) -> float:
    """Compute Ign F1. Correct triples that are facts of the training data do not count for
    precision. Recall is that of F1.

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
