"""How well mentions are grouped into entities: B³, CEAF-e and LEA, and the registered scorer."""

from dataclasses import dataclass
from functools import partial
from math import comb
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Sequence, Tuple

import numpy
from spacy.training import Example

from ..entities import (
    DEFAULT_KEY,
    Mentions,
    MissingEntities,
    make_default_entities,
    make_span_group_entities,
    project_entities,
    reference_entities,
)
from .scorer import Scorer

Cluster = FrozenSet[Tuple[int, int]]


@dataclass
class ClusterScore:
    """The recall of one document, and what it weighs in the recall of all.

    recall (float): In 0 to 1.
    weight (int): The number of mentions, or of clusters, that the recall is of.
    """

    recall: float
    weight: int


Metric = Callable[[Sequence[Cluster], Sequence[Cluster]], ClusterScore]


def score_b3(gold: Sequence[Cluster], predicted: Sequence[Cluster]) -> ClusterScore:
    """B³ (Bagga and Baldwin 1998). Precision is the recall of gold in predicted.

    gold (Sequence[Cluster]): The mentions of each entity.
    predicted (Sequence[Cluster]): The mentions of each predicted entity.
    RETURNS (ClusterScore): The recall.
    """
    found = sum(len(entity & other) ** 2 / len(entity) for entity in gold for other in predicted)
    return _cluster_score(found, _num_mentions(gold))


def score_ceafe(gold: Sequence[Cluster], predicted: Sequence[Cluster]) -> ClusterScore:
    """CEAF-e (Luo 2005), entities matched one to one by the part of mentions they share.
    Arguments as in `score_b3`.
    """
    # Imported late: every pipeline with a clusterer loads this module.
    from scipy.optimize import linear_sum_assignment

    shared = numpy.array(
        [
            [2 * len(entity & other) / (len(entity) + len(other)) for other in predicted]
            for entity in gold
        ]
    ).reshape(len(gold), len(predicted))
    found = float(shared[linear_sum_assignment(shared, maximize=True)].sum())
    return _cluster_score(found, len(gold))


def score_lea(gold: Sequence[Cluster], predicted: Sequence[Cluster]) -> ClusterScore:
    """LEA (Moosavi and Strube 2016): the share of an entity's links that are found, where an
    entity of one mention is a link to itself, weighted by its size. Arguments as in `score_b3`.
    """
    found = 0.0
    for entity in gold:
        if len(entity) == 1:
            found += entity in predicted
        else:
            links = sum(comb(len(entity & other), 2) for other in predicted)
            found += len(entity) * links / comb(len(entity), 2)
    return _cluster_score(found, _num_mentions(gold))


METRICS: Dict[str, Metric] = {"b3": score_b3, "ceafe": score_ceafe, "lea": score_lea}


def score_clusters(
    documents: Iterable[Tuple[Sequence[Cluster], Sequence[Cluster]]],
) -> Dict[str, float]:
    """Score the entities of documents, as if all were one document.

    documents (Iterable[Tuple[Sequence[Cluster], Sequence[Cluster]]]): Gold and predicted
        entities of each document.
    RETURNS (Dict[str, float]): `cluster_b3_p`, `_r`, `_f`, and the same of `ceafe` and `lea`.
    """
    pairs = list(documents)
    scores = {}
    for name, metric in METRICS.items():
        recall = _mean(metric(gold, predicted) for gold, predicted in pairs)
        precision = _mean(metric(predicted, gold) for gold, predicted in pairs)
        both = precision + recall
        scores[f"cluster_{name}_p"] = precision
        scores[f"cluster_{name}_r"] = recall
        scores[f"cluster_{name}_f"] = 2 * precision * recall / both if both else 0.0
    return scores


def make_entity_cluster_scorer(key: str = DEFAULT_KEY) -> Scorer:
    """`spacy_docre.entity_cluster_scorer.v1`: score how mentions are grouped into entities.

    A mention that is not found, or found where none is, lowers the scores. Documents whose
    reference has no entities are left out.

    key (str): The key of the group in `doc.spans` that holds the predicted entities.
    RETURNS (Scorer): The scorer. It gives what `score_clusters` gives.
    """
    return partial(_score_entity_clusters, key=key)


def _score_entity_clusters(
    examples: Iterable[Example], *, key: str, **settings: Any
) -> Dict[str, float]:
    get_gold, get_predicted = make_default_entities(key), make_span_group_entities(key)
    documents = []
    for example in examples:
        try:
            gold = reference_entities(example.reference, get_gold)
        except MissingEntities:
            continue
        predicted = get_predicted(example.predicted) if key in example.predicted.spans else []
        documents.append(
            (_clusters(project_entities(gold, example.predicted)), _clusters(predicted))
        )
    return score_clusters(documents)


def _clusters(entities: Iterable[Mentions]) -> List[Cluster]:
    return [frozenset((span.start, span.end) for span in mentions) for mentions in entities]


def _num_mentions(clusters: Sequence[Cluster]) -> int:
    return sum(map(len, clusters))


def _cluster_score(found: float, weight: int) -> ClusterScore:
    return ClusterScore(found / weight if weight else 0.0, weight)


def _mean(scores: Iterable[ClusterScore]) -> float:
    found = weight = 0.0
    for score in scores:
        found += score.recall * score.weight
        weight += score.weight
    return found / weight if weight else 0.0
