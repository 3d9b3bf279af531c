"""Precision, recall and F1 of evidence sentences, by the rules of the DocRED scorer."""

from typing import Collection, Mapping

from spacy.scorer import PRFScore

from .relations import ScoredTriple

Evidence = Mapping[ScoredTriple, Collection[int]]


def score_evidence(gold: Evidence, predicted: Evidence) -> PRFScore:
    """Score the evidence: sentences of triples that are not gold are wrong, too.

    gold (Evidence): The places of the evidence sentences of each gold triple.
    predicted (Evidence): Those of each predicted triple.
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
