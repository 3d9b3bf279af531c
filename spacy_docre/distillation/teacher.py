"""What a teacher is."""

from abc import ABC, abstractmethod
from typing import Iterable, Sequence, Tuple

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
