"""Decode logits to triples: apply the threshold."""

from bisect import bisect_right
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy
from thinc.api import NumpyOps, to_numpy

from ..annotations import Triple, sentence_boundaries
from ..entity_sources import EntityDoc
from ..models.extractor import PairScores

# A sentence is evidence if at least this share of the pair's attention falls on it. The value was
# chosen on Re-DocRED development documents, by evidence F1 of the gold triples
# (0.2: 43, 0.3: 45, 0.4: 42).
EVIDENCE_SHARE = 0.3
# The number of pairs whose scores are held in float64 at once.
_ROWS = 2**14


def decode(
    scores: PairScores,
    labels: Sequence[str],
    names: Mapping[str, str],
    threshold: float,
    top_k: Optional[int],
) -> List[Triple]:
    """Choose the relations of a document.

    scores (PairScores): The scores of its pairs.
    labels (Sequence[str]): The relations, in the order of the logits.
    names (Mapping[str, str]): Readable names of relations.
    threshold (float): A relation is chosen if its probability is above this.
    top_k (Optional[int]): The largest number of relations of a pair; None for no limit.
    RETURNS (List[Triple]): The relations, pair by pair.
    """
    document = scores.document
    pairs = scores.pairs
    has_sentences = document.doc.has_annotation("SENT_START")
    sentences = sentence_boundaries(document.doc) if has_sentences else []
    kept, shares = to_numpy(scores.evidence.sentences), to_numpy(scores.evidence.shares)
    entity_sentences = _entity_sentences(document, sentences)
    triples = []
    for start in range(0, len(scores.logits), _ROWS):
        logits = to_numpy(scores.logits[start : start + _ROWS]).astype("float64")
        margins = logits[:, 1:] - logits[:, :1]  # (pairs, relations)
        # Eq. 9, in float64: in float32 a confident relation would have probability 1.
        probabilities = NumpyOps().sigmoid(margins)
        chosen = probabilities > threshold
        if top_k is not None:
            chosen &= _among_best(margins, top_k)
        for row, column in zip(*chosen.nonzero(), strict=True):
            head, tail = int(pairs.heads[start + row]), int(pairs.tails[start + row])
            unordered = int(pairs.unordered[start + row])
            # A share of 0 may be that of a sentence that is not there.
            attention = {
                sentence: share
                for sentence, share in zip(
                    kept[unordered].tolist(), shares[unordered].tolist(), strict=True
                )
                if share > 0 and sentences
            }
            evidence = _choose_evidence(attention, entity_sentences[head], entity_sentences[tail])
            triples.append(
                Triple(
                    head=head,
                    tail=tail,
                    label=labels[column],
                    score=float(probabilities[row, column]),
                    name=names.get(labels[column], ""),
                    evidence=tuple(sentences[index] for index in evidence),
                )
            )
    return triples


def _among_best(margins: numpy.ndarray, top_k: int) -> numpy.ndarray:
    """Tell whether each relation is among the best of its pair, shape (pairs, relations)."""
    best = numpy.ones(margins.shape, dtype=bool)
    worst_first = margins.argsort(axis=1)
    numpy.put_along_axis(best, worst_first[:, : max(0, margins.shape[1] - top_k)], False, axis=1)
    return best


def _entity_sentences(document: EntityDoc, sentences: Sequence[Tuple[int, int]]) -> List[Set[int]]:
    """Find the sentences in which each entity is mentioned."""
    starts = [start for start, _ in sentences]
    return [
        {bisect_right(starts, span.start) - 1 for span in mentions} if starts else set()
        for mentions in document.entities
    ]


def _choose_evidence(attention: Dict[int, float], head: Set[int], tail: Set[int]) -> List[int]:
    """Choose the sentences with most of a pair's attention. If they do not mention the head (or
    the tail), add a sentence that does: a reader needs both to see the relation.

    attention (Dict[int, float]): The shares of attention that are more than 0, the largest first.
    head (Set[int]): The sentences that mention the head.
    tail (Set[int]): The sentences that mention the tail.
    RETURNS (List[int]): The sentences. Of several that mention the head, the sentence with most of
        the attention is added; without attention, the nearest sentence.
    """
    enough = min(EVIDENCE_SHARE, max(attention.values(), default=0))
    evidence = [sentence for sentence, share in attention.items() if share >= enough]
    for entity, other in ((head, tail), (tail, head)):
        if entity and entity.isdisjoint(evidence):
            near = evidence or other or entity
            distances = {one: min(abs(one - two) for two in near) for one in entity}
            evidence.append(max(entity, key=lambda one: (attention.get(one, 0), -distances[one])))
    return evidence


def check_decision(threshold: float, top_k: Optional[int]) -> None:
    """Check the settings by which relations are chosen. They may come from a file.

    threshold (float): The probability above which a relation is chosen.
    top_k (Optional[int]): The largest number of relations of a pair.
    RAISES (ValueError): If a setting is not a number, or out of its range.
    """
    for name, value, kinds in (
        ("threshold", threshold, (int, float)),
        ("top_k", 1 if top_k is None else top_k, int),
    ):
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise ValueError(f"{name} = {value!r} is not a number (top_k: not a whole number).")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold = {threshold} is not a probability: set a number of 0 to 1.")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k = {top_k} annotates nothing: set 1 or more, or null.")
