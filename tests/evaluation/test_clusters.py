"""B³, CEAF-e and LEA, against loops written from their definitions."""

from itertools import permutations
from typing import FrozenSet, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_docre.evaluation.clusters import (
    CLUSTER_METRICS,
    make_entity_cluster_scorer,
    score_clusters,
)

Cluster = FrozenSet[Tuple[int, int]]


def clusters(*texts: str) -> List[Cluster]:
    """clusters("ab", "c") has the mentions a and b in one entity and c in another."""
    return [frozenset((ord(char), ord(char) + 1) for char in text) for text in texts]


@st.composite
def clusterings(draw) -> List[Cluster]:
    mentions = draw(st.lists(st.sampled_from("abcdefg"), unique=True, max_size=7))
    entity = [draw(st.integers(0, 3)) for _ in mentions]
    return clusters(
        *(
            "".join(m for m, e in zip(mentions, entity, strict=True) if e == number)
            for number in set(entity)
        )
    )


def naive_recall(metric: str, gold: List[Cluster], predicted: List[Cluster]) -> float:
    if metric == "b3":
        parts = [
            max(
                (len(entity & other) / len(entity) for other in predicted if mention in other),
                default=0,
            )
            for entity in gold
            for mention in entity
        ]
        return sum(parts) / len(parts) if parts else 0.0
    if metric == "ceafe":
        longer, shorter = sorted([gold, predicted], key=len, reverse=True)
        best = max(
            sum(2 * len(a & b) / (len(a) + len(b)) for a, b in zip(order, shorter, strict=True))
            for order in permutations(longer, len(shorter))
        )
        return best / len(gold) if gold else 0.0
    total = found = 0.0
    for entity in gold:
        total += len(entity)
        links = [(a, b) for a in entity for b in entity if a < b]
        if links:
            kept = [pair for pair in links for other in predicted if set(pair) <= other]
            found += len(entity) * len(kept) / len(links)
        else:
            found += any(entity == other for other in predicted)
    return found / total if total else 0.0


@pytest.mark.parametrize("metric", CLUSTER_METRICS)
@given(clusterings(), clusterings())
def test_recall(metric: str, gold: List[Cluster], predicted: List[Cluster]) -> None:
    score = CLUSTER_METRICS[metric](gold, predicted)
    assert score.recall == pytest.approx(naive_recall(metric, gold, predicted))


@given(st.lists(st.tuples(clusterings(), clusterings()), max_size=3))
def test_documents_count_as_one(documents: List[Tuple[List[Cluster], List[Cluster]]]) -> None:
    def merged(side: int) -> List[Cluster]:
        return [
            frozenset((number, *mention) for mention in entity)  # type: ignore[misc]
            for number, document in enumerate(documents)
            for entity in document[side]
        ]

    assert score_clusters(documents) == pytest.approx(score_clusters([(merged(0), merged(1))]))


def test_known_scores() -> None:
    scores = score_clusters([(clusters("abc", "d"), clusters("ab", "cd"))])
    assert scores["cluster_b3_r"] == pytest.approx((2 / 3 * 2 + 1 / 3 + 1) / 4)
    assert scores["cluster_b3_p"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)
    assert scores["cluster_lea_r"] == pytest.approx(3 * (1 / 3) / 4)
    assert scores["cluster_lea_p"] == pytest.approx(2 * 1 / 4)
    assert scores["cluster_ceafe_r"] == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_nothing() -> None:
    assert set(score_clusters([]).values()) == {0.0}
    assert set(score_clusters([([], [])]).values()) == {0.0}


def test_no_gold_entities() -> None:
    """Nothing to score is not a score of 0."""
    doc = Doc(Vocab(), words=["Ann"])
    scores = make_entity_cluster_scorer()([Example(doc, doc.copy())])
    assert len(scores) == 9 and set(scores.values()) == {None}
