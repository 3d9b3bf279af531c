"""What a teacher is, and several as one."""

from abc import ABC, abstractmethod
from typing import Iterable, Iterator, Sequence, Tuple

import numpy

from ..alignment import GoldAlignment
from .teacher_logits import TeacherLogits


class Teacher(ABC):
    """Whoever knows the logits of documents: a trained pipeline, or a store of logits.

    A base class and not a typing.Protocol: to check the latter, the registry would ask for
    `labels`, for which a pipeline has to be loaded.
    """

    @property
    @abstractmethod
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The relations, in the order of the logits."""

    @abstractmethod
    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterable[TeacherLogits]:
        """The logits of the pairs of a student's entities.

        alignments (Sequence[GoldAlignment]): The predicted entities of each document, which are
            the student's, and those of its reference. They stay as they are.
        RETURNS (Iterable[TeacherLogits]): The logits of each document, for all pairs or for
            those that the teacher knows; evidence, if any, is on the sentences of the student.
        """


class MeanTeacher(Teacher):
    """`spacy_docre.MeanTeacher.v1`: several teachers as one, which says the mean of what they say,
    of logits as of evidence.

    *teachers (Teacher): The teachers, of the same relations; they speak of all pairs.
    RAISES (ValueError): If there is none.
    """

    def __init__(self, *teachers: Teacher) -> None:
        if not teachers:
            raise ValueError("The mean of teachers needs one or more: [...teacher.*.first].")
        self.teachers = teachers

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The relations, in the order of the logits.
        RAISES (ValueError): If the teachers have others, or another order.
        """
        labels = self.teachers[0].labels
        for number, teacher in enumerate(self.teachers[1:], start=2):
            if teacher.labels != labels:
                raise ValueError(
                    f"Teacher {number} has other relations than the first, or another order of "
                    "them. Train both on the same labels."
                )
        return labels

    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterator[TeacherLogits]:
        """The mean of the logits, and of the evidence where all teachers have some.

        alignments (Sequence[GoldAlignment]): The documents.
        YIELDS (TeacherLogits): The logits of each.
        """
        for said in zip(*(teacher.logits(alignments) for teacher in self.teachers), strict=True):
            evidence = [answer.evidence for answer in said if answer.evidence is not None]
            yield TeacherLogits(
                numpy.mean([answer.values for answer in said], axis=0),
                evidence=numpy.mean(evidence, axis=0) if len(evidence) == len(said) else None,
            )
