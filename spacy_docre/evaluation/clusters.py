"""How well mentions are grouped into entities: B³, CEAF-e and LEA, and the registered scorer."""

from dataclasses import dataclass
from functools import partial
from math import comb
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Span
from spacy.training import Example

from ..alignment import GoldAlignment, mention_indices
from ..entity_sources import (
    DEFAULT_KEY,
    MissingEntities,
    make_default_entities,
    make_span_group_entities,
    reference_entities,
)
from .scorer import Scorer

Cluster = FrozenSet[Tuple[int, int]]


@dataclass
class ClusterScore:
    """How much of one document's gold entities is found.

    found (float): The mentions or entities that are found. Parts of them count, too.
    total (int): The number of all mentions or entities.
    """

    found: float
    total: int

    @property
    def recall(self) -> float:
        """RETURNS (float): The share that is found, from 0 to 1; 0 if there is nothing to find."""
        return self.found / self.total if self.total else 0.0


ClusterMetric = Callable[[Sequence[Cluster], Sequence[Cluster]], ClusterScore]


def score_b3(gold: Sequence[Cluster], predicted: Sequence[Cluster]) -> ClusterScore:
    """Compute the recall of B³ (Bagga and Baldwin 1998). For precision, swap the arguments.

    gold (Sequence[Cluster]): The mentions of each gold entity.
    predicted (Sequence[Cluster]): The mentions of each predicted entity.
    RETURNS (ClusterScore): How much of gold is found.
    """
    found = sum(len(entity & other) ** 2 / len(entity) for entity in gold for other in predicted)
    return ClusterScore(found, _num_mentions(gold))


def score_ceafe(gold: Sequence[Cluster], predicted: Sequence[Cluster]) -> ClusterScore:
    """Compute CEAF-e (Luo 2005). Entities are matched one to one by their share of common
    mentions. Arguments as in `score_b3`.
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
    return ClusterScore(found, len(gold))


def score_lea(gold: Sequence[Cluster], predicted: Sequence[Cluster]) -> ClusterScore:
    """Compute LEA (Moosavi and Strube 2016): the share of an entity's links that are found,
    weighted by the entity's size. A single mention has a link to itself. Arguments as in
    `score_b3`.
    """
    found = 0.0
    for entity in gold:
        if len(entity) == 1:
            found += entity in predicted
        else:
            links = sum(comb(len(entity & other), 2) for other in predicted)
            found += len(entity) * links / comb(len(entity), 2)
    return ClusterScore(found, _num_mentions(gold))


CLUSTER_METRICS: Dict[str, ClusterMetric] = {"b3": score_b3, "ceafe": score_ceafe, "lea": score_lea}


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
    for name, metric in CLUSTER_METRICS.items():
        recall = _sum(metric(gold, predicted) for gold, predicted in pairs).recall
        precision = _sum(metric(predicted, gold) for gold, predicted in pairs).recall
        both = precision + recall
        scores[f"cluster_{name}_p"] = precision
        scores[f"cluster_{name}_r"] = recall
        scores[f"cluster_{name}_f"] = 2 * precision * recall / both if both else 0.0
    return scores


def make_entity_cluster_scorer(key: str = DEFAULT_KEY) -> Scorer:
    """`spacy_docre.entity_cluster_scorer.v1`: score how mentions are grouped into entities.

    A missed mention or a spurious mention lowers the scores. Documents whose reference has no
    entities are left out.

    key (str): The key of the group in `doc.spans` that holds the predicted entities.
    RETURNS (Scorer): The scorer. It returns the scores of `score_clusters`; None for each if no
        document has gold entities.
    """
    return partial(_score_entity_clusters, key=key)


def _score_entity_clusters(
    examples: Iterable[Example], *, key: str, **settings: Any
) -> Dict[str, Optional[float]]:
    get_gold, get_predicted = make_default_entities(key), make_span_group_entities(key)
    documents = []
    for example in examples:
        try:
            gold = reference_entities(example.reference, get_gold)
        except MissingEntities:
            continue
        predicted = get_predicted(example.predicted) if key in example.predicted.spans else []
        alignment = GoldAlignment(example, predicted, gold)
        documents.append((_clusters(alignment.gold), _clusters(alignment.predicted)))
    scores = score_clusters(documents)
    return {name: score if documents else None for name, score in scores.items()}


def _clusters(entities: Iterable[Sequence[Span]]) -> List[Cluster]:
    return [mention_indices(mentions) for mentions in entities]


def _num_mentions(clusters: Sequence[Cluster]) -> int:
    return sum(map(len, clusters))


def _sum(scores: Iterable[ClusterScore]) -> ClusterScore:
    total = ClusterScore(0.0, 0)
    for score in scores:
        total.found += score.found
        total.total += score.total
    return total
