"""The interface of a teacher, and the mean of several teachers."""

from abc import ABC, abstractmethod
from typing import Iterable, Iterator, Sequence, Tuple

import numpy

from ..alignment import GoldAlignment
from .teacher_logits import TeacherLogits


class Teacher(ABC):
    """Gives the logits of documents, e.g. a trained pipeline, or a store of logits.

    It is a base class, not a typing.Protocol. To check a protocol, the registry would read
    `labels`, and a pipeline would have to be loaded for them.
    """

    @property
    @abstractmethod
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The relations, in the order of the logits."""

    @abstractmethod
    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterable[TeacherLogits]:
        """Compute or read the logits of the pairs of a student's entities.

        alignments (Sequence[GoldAlignment]): The entities of each document: the predicted ones,
            which are the student's, and those of the reference. They are not changed.
        RETURNS (Iterable[TeacherLogits]): The logits of each document, for all pairs or for those
            that the teacher knows. Evidence, if any, is on the sentences of the student.
        """


class MeanTeacher(Teacher):
    """`spacy_docre.MeanTeacher.v1`: several teachers as one. Its logits and evidence are the means
    of the teachers' logits and evidence.

    *teachers (Teacher): The teachers, with the same relations, and with logits for all pairs.
    RAISES (ValueError): If there are no teachers.
    """

    def __init__(self, *teachers: Teacher) -> None:
        if not teachers:
            raise ValueError(
                "spacy_docre.MeanTeacher.v1 has no teacher. Add one or more: [...teacher.*.first]."
            )
        self.teachers = teachers

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The relations, in the order of the logits.
        RAISES (ValueError): If the teachers have other relations, or have them in another order.
        """
        labels = self.teachers[0].labels
        for number, teacher in enumerate(self.teachers[1:], start=2):
            if teacher.labels != labels:
                raise ValueError(
                    f"Teacher {number} has other relations than the first, or has them in another "
                    "order. Train both on the same labels."
                )
        return labels

    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterator[TeacherLogits]:
        """Compute the mean of the logits, and of the evidence if all teachers give some.

        alignments (Sequence[GoldAlignment]): The documents.
        YIELDS (TeacherLogits): The logits of each.
        """
        for said in zip(*(teacher.logits(alignments) for teacher in self.teachers), strict=True):
            evidence = [answer.evidence for answer in said if answer.evidence is not None]
            yield TeacherLogits(
                numpy.mean([answer.values for answer in said], axis=0),
                evidence=numpy.mean(evidence, axis=0) if len(evidence) == len(said) else None,
            )
