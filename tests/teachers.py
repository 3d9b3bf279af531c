"""A teacher that knows nothing."""

from typing import Iterator, Sequence, Tuple

import numpy

from spacy_docre.alignment import GoldAlignment
from spacy_docre.distillation.teacher import Teacher
from spacy_docre.distillation.teacher_logits import TeacherLogits
from spacy_docre.pairs import Pairs


class RandomTeacher(Teacher):
    """Says the same of any two documents with as many entities.

    labels (Sequence[str]): The relations.
    evidence (bool): Whether it finds any, the same share of each sentence.
    """

    def __init__(self, labels: Sequence[str], *, evidence: bool = False) -> None:
        self._labels = tuple(labels)
        self.evidence = evidence

    @property
    def labels(self) -> Tuple[str, ...]:
        return self._labels

    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterator[TeacherLogits]:
        for alignment in alignments:
            shape = Pairs.count(len(alignment.predicted)), 1 + len(self.labels)
            sentences = len(list(alignment.example.predicted.sents)) if self.evidence else 0
            shares = numpy.full((shape[0], sentences), 1 / sentences) if self.evidence else None
            logits = numpy.random.default_rng(shape[0]).normal(size=shape)
            yield TeacherLogits(logits, evidence=shares)
