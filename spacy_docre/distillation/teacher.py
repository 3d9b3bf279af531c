"""What a teacher is."""

from abc import ABC, abstractmethod
from typing import Iterable, Sequence, Tuple

from ..entity_sources import EntityDoc
from .logits import TeacherLogits


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
    def logits(self, documents: Sequence[EntityDoc]) -> Iterable[TeacherLogits]:
        """The logits of all pairs of documents.

        documents (Sequence[EntityDoc]): The documents and their entities; they stay as they are.
        RETURNS (Iterable[TeacherLogits]): The logits of each document.
        """
