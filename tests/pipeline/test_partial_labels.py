"""What partial relations teach."""

import math
from typing import Any, Iterator, List, Optional, Sequence

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.training import Example

from spacy_docre import Triple
from spacy_docre.alignment import GoldAlignment
from spacy_docre.annotations import mark_partial
from spacy_docre.distillation.objective import Distillation, make_mse_distillation
from spacy_docre.distillation.teacher import Teacher
from spacy_docre.distillation.teacher_logits import TeacherLogits
from spacy_docre.pairs import Pairs
from spacy_docre.pipeline.partial_labels import AsComplete, PositivesOnly, TeacherDecides
from tests.pipeline.helpers import EXTRACTOR, LABELS

CLASSES = 1 + len(LABELS)


class FixedTeacher(Teacher):
    """Gives the same logits whenever it is asked, and counts how often that is."""

    labels = LABELS

    def __init__(self, logits: Sequence[TeacherLogits]) -> None:
        self.given = logits
        self.asked = 0

    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterator[TeacherLogits]:
        self.asked += 1
        return iter(self.given)


def pairs_of(example: Example) -> int:
    return Pairs.count(len(example.reference._.entities))


def random_logits(pairs: int, seed: int = 0) -> TeacherLogits:
    return TeacherLogits(2 * numpy.random.default_rng(seed).normal(size=(pairs, CLASSES)))


def gradients(nlp: Language, examples: Sequence[Example], **changed: Any) -> List[numpy.ndarray]:
    """The gradient of the logits of each document."""
    extractor = nlp.get_pipe(EXTRACTOR)
    for name, value in changed.items():
        setattr(extractor, name, value)
    docs = [example.predicted for example in examples]
    transformer = nlp.get_pipe("transformer")
    transformer.set_annotations(docs, transformer.predict(docs))
    loss, found = extractor.get_loss(examples, extractor.predict(docs))
    assert math.isfinite(loss) and all(numpy.isfinite(gradient).all() for gradient in found)
    return found


def taught_by(logits: Sequence[TeacherLogits], weight: float = 0.0) -> Distillation:
    """At a weight of 0 the teacher decides, and teaches nothing."""
    return make_mse_distillation(weight, FixedTeacher(logits))


@pytest.fixture
def examples(make_examples) -> List[Example]:
    """The first is partial, the second complete; both have pairs without a relation."""
    examples = make_examples(2, seed=3)
    first = examples[0].reference
    first._.relations = [relation.triple for relation in first._.relations][:2]
    mark_partial(first)
    return examples


class TestTreatments:
    def test_positives_only_is_the_default(self, loaded, examples) -> None:
        assert isinstance(loaded.get_pipe(EXTRACTOR).partial, PositivesOnly)
        partial, complete = gradients(loaded, examples)
        assert complete.any(axis=1).all()
        gold = [relation.triple for relation in examples[0].reference._.relations]
        number = len(examples[0].reference._.entities)
        expected = numpy.zeros_like(partial, dtype=bool)
        for triple in gold:
            row = Pairs.row(triple.head, triple.tail, number)
            expected[row, [0, 1 + LABELS.index(triple.label)]] = True
        # The model may be too sure for the gradient of TH.
        numpy.testing.assert_array_equal(partial[:, 1:] != 0, expected[:, 1:])
        assert not partial[~expected].any()

    def test_as_complete(self, loaded, examples) -> None:
        found = gradients(loaded, examples, partial=AsComplete())
        reference = examples[0].reference
        reference._.relations = reference._.relations
        for ours, theirs in zip(found, gradients(loaded, examples), strict=True):
            numpy.testing.assert_array_equal(ours, theirs)
            assert ours.any(axis=1).all()

    def test_the_teacher_decides(self, loaded, examples) -> None:
        logits = [random_logits(pairs_of(example)) for example in examples]
        partial, complete = gradients(
            loaded, examples, partial=TeacherDecides(0.3), distillation=taught_by(logits)
        )
        assert loaded.get_pipe(EXTRACTOR).distillation.teacher.asked == 1
        as_complete, _ = gradients(loaded, examples, partial=AsComplete())
        assert complete.any(axis=1).all()
        number = len(examples[0].reference._.entities)
        gold = {
            (Pairs.row(triple.head, triple.tail, number), LABELS.index(triple.label))
            for triple in (relation.triple for relation in examples[0].reference._.relations)
        }
        unknown = 0
        for row, values in enumerate(logits[0].values):
            for column in range(len(LABELS)):
                probability = 1 / (1 + math.exp(values[0] - values[1 + column]))
                left_out = probability > 0.3 and (row, column) not in gold
                assert (partial[row, 1 + column] == 0) == left_out
                unknown += left_out
        assert 0 < unknown < partial[:, 1:].size
        assert as_complete.any(axis=1).all()

    def test_the_teacher_is_asked_once_for_both_terms(self, loaded, examples) -> None:
        logits = [random_logits(pairs_of(example)) for example in examples]
        distillation = taught_by(logits, weight=2.0)
        both = gradients(loaded, examples, partial=TeacherDecides(), distillation=distillation)
        assert distillation.teacher.asked == 1
        alone = gradients(
            loaded, examples, partial=TeacherDecides(), distillation=taught_by(logits)
        )
        # What is unknown has a gradient again: the teacher's.
        assert not alone[0].all() and both[0].all()

    def test_relations_that_may_hold(self, loaded, examples) -> None:
        """They alone are unknown, all others negative."""
        reference = examples[0].reference
        number = len(reference._.entities)
        gold = {(relation.triple.head, relation.triple.tail) for relation in reference._.relations}
        head, tail = next(
            (head, tail)
            for head in range(number)
            for tail in range(number)
            if head != tail and (head, tail) not in gold
        )
        first = next(iter(reference._.relations)).triple
        # One that is listed stays so, and what the component does not know is nothing to it.
        mark_partial(
            reference, [Triple(head, tail, LABELS[1]), first, Triple(head, tail, "unheard of")]
        )
        partial, _ = gradients(loaded, examples)
        row = Pairs.row(head, tail, number)
        assert partial[row, 2] == 0 and (partial[:, 1:] == 0).sum() == 1
        believed = random_logits(pairs_of(examples[0]))
        for value, is_unknown in ((9.0, True), (-9.0, False)):
            believed.values[row, :3] = [0.0, 9.0, value]
            taught = [believed, random_logits(pairs_of(examples[1]))]
            partial, _ = gradients(
                loaded, examples, partial=TeacherDecides(), distillation=taught_by(taught)
            )
            assert (partial[row, 2] == 0) == is_unknown and partial[row, 1] != 0

    def test_entities_that_gold_does_not_have(self, loaded, examples) -> None:
        """Their pairs have no relation, whatever the teacher thinks of others."""
        example = examples[0]
        spans = list(example.predicted.spans["entities"])
        example.predicted.spans["entities"] = [*spans, example.predicted[-1:]]
        number = len(example.reference._.entities)
        rows = Pairs.rows_between(range(number), number + 1)
        believes = numpy.tile([0.0, *[9.0] * len(LABELS)], (len(rows), 1))
        taught = [TeacherLogits(believes, rows=rows), random_logits(pairs_of(examples[1]))]
        partial, _ = gradients(
            loaded, examples, partial=TeacherDecides(), distillation=taught_by(taught)
        )
        others = numpy.setdiff1d(numpy.arange(len(partial)), rows)
        assert len(others) == 2 * number and partial[others, 1:].all()
        assert (partial[rows, 1:] != 0).sum() == len(example.reference._.relations)


def naive(possible: numpy.ndarray, taught: TeacherLogits, threshold: float) -> numpy.ndarray:
    unknown = numpy.zeros_like(possible)
    for index, values in enumerate(taught.values):
        row = index if taught.rows is None else taught.rows[index]
        columns = range(len(values)) if taught.columns is None else taught.columns[index]
        for value, column in zip(values[1:], [*columns][1:], strict=True):
            probability = 1 / (1 + math.exp(values[0] - value))
            unknown[row, column - 1] = possible[row, column - 1] and probability > threshold
    return unknown


@given(
    pairs=st.integers(0, 6),
    top_k=st.sampled_from([None, 1, 2]),
    threshold=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    some_pairs=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_what_the_teacher_believes(
    pairs: int, top_k: Optional[int], threshold: float, some_pairs: bool, seed: int
) -> None:
    choice = numpy.random.default_rng(seed)
    taught = random_logits(pairs, seed)
    if top_k is not None:
        taught = taught.best(top_k)
    if some_pairs:
        rows = choice.permutation(pairs)[: pairs // 2]
        taught = taught.of_pairs(rows, rows)
    possible = choice.random((pairs, len(LABELS))) < 0.7
    found = TeacherDecides(threshold).unknown(possible, taught)
    numpy.testing.assert_array_equal(found, naive(possible, taught, threshold))


class TestNoTeacher:
    def test_at_initialisation(self, make_pipeline, examples) -> None:
        nlp = make_pipeline(partial={"@misc": "spacy_docre.TeacherDecides.v1"})
        examples[0].reference.user_data["title"] = "Ada"
        with pytest.raises(ValueError, match="'Ada' are partial.*needs a teacher.*PositivesOnly"):
            nlp.initialize(lambda: examples)
        # Complete documents need none.
        nlp.initialize(lambda: examples[1:])

    def test_in_training(self, loaded, examples) -> None:
        with pytest.raises(ValueError, match="are partial.*needs a teacher.*teacher_logits"):
            gradients(loaded, examples, partial=TeacherDecides())
        assert gradients(loaded, examples, partial=PositivesOnly())


class TestSettings:
    @pytest.mark.parametrize(
        "name, kind",
        [
            ("TeacherDecides", TeacherDecides),
            ("PositivesOnly", PositivesOnly),
            ("AsComplete", AsComplete),
        ],
    )
    def test_registered(self, name: str, kind: type) -> None:
        made = spacy.registry.resolve({"partial": {"@misc": f"spacy_docre.{name}.v1"}})["partial"]
        assert type(made) is kind

    @pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
    def test_threshold(self, threshold: float) -> None:
        with pytest.raises(ValueError, match="threshold = .* is not a probability"):
            TeacherDecides(threshold)

    def test_a_partial_document_without_relations_teaches_nothing(self, loaded, examples) -> None:
        reference = examples[0].reference
        reference._.relations = []
        mark_partial(reference)
        partial, complete = gradients(loaded, examples)
        assert not partial.any() and complete.any()
        assert gradients(loaded, examples[:1])[0].sum() == 0

    def test_a_loss_of_ones_own(self, loaded, examples) -> None:
        """It need not know of relations that are unknown."""

        def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            margin = logits[:, 1:] - logits[:, :1]
            return torch.where(labels, -margin, margin).add(1).relu().mean()

        partial, _ = gradients(loaded, examples, loss=loss)
        assert (partial[:, 1:] != 0).sum() <= len(examples[0].reference._.relations)
