"""Evidence that a student learns from its teacher."""

from dataclasses import replace
from pathlib import Path
from typing import Callable, List

import numpy
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam

from spacy_docre.alignment import GoldAlignment
from spacy_docre.annotations import sentence_boundaries
from spacy_docre.distillation.objective import make_kl_distillation, make_mse_distillation
from spacy_docre.distillation.store import LogitsStore
from spacy_docre.distillation.teacher_logits import TeacherLogits
from spacy_docre.entity_sources import gold_entities
from tests.distillation.test_objective import EXTRACTOR, MSE, online, random_logits

WITH_EVIDENCE = {**MSE, "evidence_weight": 1.0}


@pytest.mark.parametrize("make", [make_mse_distillation, make_kl_distillation])
def test_loss_on_evidence_is_the_equation(make: Callable) -> None:
    """Over the pairs in which the teacher finds a relation, of all documents together."""
    generator = torch.Generator().manual_seed(0)
    random, rows = numpy.random.default_rng(0), numpy.array([0, 2, 5])
    students = [torch.randn(number, 5, generator=generator) for number in (6, 2, 6)]
    shares = [torch.rand(n, s, generator=generator) / s for n, s in ((6, 3), (2, 4), (6, 2))]
    taught = [
        replace(random_logits(len(student), 5), evidence=random.dirichlet([1.0] * s, len(student)))
        for student, s in zip(students, (3, 4, 2), strict=True)
    ]
    taught[0] = taught[0].of_pairs(rows, rows)
    expected = []
    for share, teacher in zip(shares, taught, strict=True):
        assert teacher.evidence is not None
        for index, (values, evidence) in enumerate(
            zip(teacher.values, teacher.evidence, strict=True)
        ):
            row = index if teacher.rows is None else teacher.rows[index]
            if any(values[1:] > values[0]):
                ours = share[row].numpy()
                expected.append(sum(evidence * numpy.log(evidence / ours)))
    assert 3 < len(expected) < 11
    weighted = make(weight=2.0, evidence_weight=0.5)
    more = weighted([*students, students[0]], [*taught, None], [*shares, shares[0]])
    without = make(weight=2.0)([*students, students[0]], [*taught, None])
    assert (more - without).item() == pytest.approx(0.5 * numpy.mean(expected), rel=1e-4)
    for share in shares:
        share.requires_grad_()
    weighted(students, taught, shares).backward()
    assert shares[0].grad is not None and not shares[0].grad[1].any()


def test_nothing_with_evidence() -> None:
    """The teacher finds no relation."""
    values = numpy.tile([9.0, 0.0], (2, 1))
    taught = [TeacherLogits(values, evidence=numpy.ones((2, 1))), None]
    students = [torch.zeros(2, 2), torch.zeros(2, 2)]
    distillation = make_mse_distillation(0.0, evidence_weight=1.0)
    assert distillation(students, taught, [torch.ones(2, 1)] * 2).item() == 0


def step(nlp: Language, examples: List[Example]) -> float:
    """The loss of a batch; its gradient is left on the weights of the transformer."""
    transformer = nlp.get_pipe("transformer").model.transformer
    transformer.zero_grad()
    return nlp.update(examples, sgd=False)[EXTRACTOR]


def evidence_alone(nlp: Language, examples: List[Example]) -> float:
    component = nlp.get_pipe(EXTRACTOR)
    component.loss = lambda logits, labels: logits.sum() * 0.0
    component.distillation.weight = 0.0
    return step(nlp, examples)


def test_stored_and_online_teacher_teach_the_same_evidence(
    make_pipeline: Callable, taught: List[Example], trained_folder: Path
) -> None:
    found = []
    for distillation in (WITH_EVIDENCE, online(trained_folder, evidence_weight=1.0)):
        nlp = make_pipeline(examples=taught, distillation=distillation)
        loss = evidence_alone(nlp, taught)
        weights = nlp.get_pipe("transformer").model.transformer.parameters()
        found.append((loss, torch.cat([w.grad.flatten() for w in weights if w.grad is not None])))
    (stored, ours), (asked, theirs) = found
    assert stored == pytest.approx(asked, rel=1e-3) and stored > 0.003
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-4)
    assert ours.any()


def test_student_of_the_teacher_itself(
    make_pipeline: Callable, taught: List[Example], trained_folder: Path
) -> None:
    """It has the teacher's evidence already."""
    nlp = spacy.load(trained_folder)
    nlp.get_pipe(EXTRACTOR).distillation = make_mse_distillation(evidence_weight=1.0)
    assert evidence_alone(nlp, taught) == pytest.approx(0.0, abs=1e-4)
    other = make_pipeline(examples=taught, distillation=WITH_EVIDENCE)
    assert evidence_alone(other, taught) > 0.003


def test_student_learns_the_evidence(
    make_pipeline: Callable, taught: List[Example], train_step: Callable
) -> None:
    nlp = make_pipeline(examples=taught, distillation=WITH_EVIDENCE, learn_rate_factor=10.0)
    before = evidence_alone(nlp, taught)
    optimizer = Adam(0.001)
    for _ in range(40):
        train_step(nlp, taught, optimizer)
    assert evidence_alone(nlp, taught) < 0.3 * before


def test_student_with_other_sentences_and_entities(
    make_pipeline: Callable, taught: List[Example], stored: Path
) -> None:
    """Two sentences of the teacher are one of the student, which has their shares."""
    example = taught[0]
    starts = [start for start, _ in sentence_boundaries(example.predicted)]
    assert len(starts) > 3
    joined = starts[1]
    example.predicted[joined].is_sent_start = False
    spans = list(example.predicted.spans["entities"])
    example.predicted.spans["entities"] = [s for s in spans if s.id_ != spans[0].id_][::-1]
    nlp = make_pipeline(examples=taught, distillation=WITH_EVIDENCE)
    component = nlp.get_pipe(EXTRACTOR)
    document = component.entity_policy.choose(example.predicted, example)
    (found,) = component.distillation.ask(
        [GoldAlignment(example, document.entities)], component.labels
    )
    reference = example.reference
    itself = GoldAlignment(Example(reference, reference), gold_entities(reference))
    (full,) = LogitsStore(stored).logits([itself])
    assert found.rows is not None and found.evidence is not None and full.evidence is not None
    assert found.evidence.shape == (len(found.rows), len(starts) - 1)
    joins = numpy.concatenate(
        [full.evidence[:, :2].sum(1, keepdims=True), full.evidence[:, 2:]], axis=1
    )
    by_values = {tuple(values): row for values, row in zip(full.values, joins, strict=True)}
    assert len(by_values) == len(full.values)
    for values, row in zip(found.values, found.evidence, strict=True):
        numpy.testing.assert_allclose(row, by_values[tuple(values)], atol=1e-6)
    assert step(nlp, taught) > 0


def test_student_without_sentences(make_pipeline: Callable, taught: List[Example]) -> None:
    nlp = make_pipeline(examples=taught, distillation=WITH_EVIDENCE)
    doc = taught[0].predicted
    bare = Doc(doc.vocab, words=[token.text for token in doc])
    bare.spans["entities"] = [
        Span(bare, s.start, s.end, span_id=s.id_) for s in doc.spans["entities"]
    ]
    examples = [Example(bare, taught[0].reference)]
    with pytest.raises(ValueError, match="evidence_weight' needs sentence.*'Document 0' has none"):
        nlp.update(examples)
    nlp.get_pipe(EXTRACTOR).distillation = make_mse_distillation()
    assert step(nlp, examples) > 0
