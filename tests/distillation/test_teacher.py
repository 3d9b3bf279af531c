"""Several teachers as one."""

from pathlib import Path
from typing import Callable, List

import numpy
import pytest
from spacy.tokens import Doc

from spacy_docre.distillation.teacher import MeanTeacher
from spacy_docre.pipeline.teacher_pipeline import TeacherPipeline
from tests.distillation.test_store import against_itself


@pytest.fixture(scope="module")
def other(make_pipeline: Callable, make_examples: Callable, tmp_path_factory) -> TeacherPipeline:
    """Another encoder, which has not been trained."""
    path = tmp_path_factory.mktemp("other")
    make_pipeline(transformer={"family": "roberta"}, examples=make_examples(3)).to_disk(path)
    return TeacherPipeline(path)


def test_means(teacher: TeacherPipeline, other: TeacherPipeline, docs: List[Doc]) -> None:
    alignments = [against_itself(doc) for doc in docs[:2]]
    means = list(MeanTeacher(teacher, other, other).logits(alignments))
    assert len(means) == 2
    for mean, ours, theirs in zip(
        means, teacher.logits(alignments), other.logits(alignments), strict=True
    ):
        assert abs(ours.values - theirs.values).max() > 0.1
        numpy.testing.assert_allclose(
            mean.values, (ours.values + 2 * theirs.values) / 3, rtol=1e-5, atol=1e-5
        )
        numpy.testing.assert_allclose(
            mean.evidence, (ours.evidence + 2 * theirs.evidence) / 3, atol=1e-5
        )


def test_other_relations(
    teacher: TeacherPipeline, make_pipeline: Callable, make_examples: Callable, tmp_path: Path
) -> None:
    nlp = make_pipeline()
    nlp.get_pipe("doc_relation_extractor").add_label("another")
    nlp.initialize(lambda: make_examples(3))
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match="Teacher 2 has other relations"):
        assert MeanTeacher(teacher, TeacherPipeline(tmp_path)).labels


def test_none() -> None:
    with pytest.raises(ValueError, match="has no teacher"):
        MeanTeacher()
