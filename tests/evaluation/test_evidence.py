"""Evidence sentences."""

from spacy_docre.evaluation.evidence import score_evidence
from spacy_docre.evaluation.relations import ScoredTriple

BORN, LEFT, DIED = (ScoredTriple("A", 0, 1, label) for label in ("P19", "P1", "P20"))


def test_sentences_of_correct_triples_are_compared() -> None:
    gold = {BORN: [0, 2], LEFT: [1, 3, 4]}
    score = score_evidence(gold, {BORN: [0, 1], DIED: [0], LEFT: []})
    assert (score.tp, score.fp, score.fn) == (1, 2, 4)


def test_nothing_predicted() -> None:
    score = score_evidence({BORN: [0]}, {})
    assert (score.precision, score.recall, score.fscore) == (0, 0, 0)
