"""What a teacher says of pairs: which of it is learnt, and of whose sentences."""

import numpy
import pytest

from spacy_docre.distillation.teacher_logits import TeacherLogits

VALUES = numpy.array([[0.0, 1.0, -1.0], [0.0, -1.0, -2.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
EVIDENCE = numpy.array([[0.5, 0.5], [1.0, 0.0], [0.2, 0.7], [0.0, 0.0]], "float16")


def test_pairs_with_a_relation_and_with_evidence() -> None:
    logits = TeacherLogits(VALUES, evidence=EVIDENCE)
    assert logits.with_evidence.tolist() == [0, 2]
    assert logits.best(1).with_evidence.tolist() == [0, 2]
    assert TeacherLogits(VALUES).with_evidence.tolist() == []


def test_evidence_of_some_pairs() -> None:
    chosen = TeacherLogits(VALUES, evidence=EVIDENCE).of_pairs(
        numpy.array([3, 0]), numpy.array([5, 7])
    )
    assert chosen.evidence is not None
    numpy.testing.assert_array_equal(chosen.evidence, EVIDENCE[[3, 0]])
    assert chosen.with_evidence.tolist() == [1]


def test_sentences_of_the_student() -> None:
    """The second of three sentences is cut; the other two are one."""
    evidence = numpy.array([[0.25, 0.5, 0.25], [0.0, 1.0, 0.0]], "float16")
    parts = numpy.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    logits = TeacherLogits(VALUES[:2], evidence=evidence)
    found = logits.on_sentences(parts).evidence
    assert found is not None and found.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert logits.on_sentences(parts[:2]).evidence is None
    assert TeacherLogits(VALUES).on_sentences(parts).evidence is None


@pytest.mark.parametrize(
    "evidence", [EVIDENCE[:3], EVIDENCE[0], -EVIDENCE, EVIDENCE * numpy.nan, EVIDENCE + numpy.inf]
)
def test_evidence_that_cannot_be(evidence: numpy.ndarray) -> None:
    assert TeacherLogits(VALUES, evidence=EVIDENCE).fits(4, 3)
    assert not TeacherLogits(VALUES, evidence=evidence).fits(4, 3)
