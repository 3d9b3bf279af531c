"""How to learn from documents whose relations are partial: right, but incomplete."""

from abc import ABC, abstractmethod
from typing import Optional

import numpy
from scipy.special import expit
from spacy.tokens import Doc

from ..annotations import document_title
from ..distillation.teacher_logits import TeacherLogits


class PartialLabels(ABC):
    """Tell which of the relations that a document does not list are unknown. The loss ignores
    unknown relations. The other unlisted relations are negative."""

    needs_teacher = False

    @abstractmethod
    def unknown(self, possible: numpy.ndarray, taught: Optional[TeacherLogits]) -> numpy.ndarray:
        """Tell which relations of a document are unknown.

        possible (numpy.ndarray): Whether each relation of each pair may hold and is not listed,
            shape (pairs, relations).
        taught (Optional[TeacherLogits]): What the teacher says of the pairs; None without one.
        RETURNS (numpy.ndarray): Whether each relation is unknown, of the same shape. Only
            possible relations are unknown.
        """

    def require_teacher(self, reference: Doc) -> None:
        """Check that a document without a teacher needs none.

        reference (Doc): The gold document.
        RAISES (ValueError): If a teacher is needed.
        """
        if self.needs_teacher:
            raise ValueError(
                f"The relations of the document {document_title(reference)!r} are partial, and "
                f"'partial' = {type(self).__name__} needs a teacher, but the document has none. "
                "Set 'distillation' (with weight = 0 if the logits should decide, but not teach), "
                "and name the logits of these documents in their corpus, teacher_logits = ...; or "
                'set [...partial] @misc = "spacy_docre.PositivesOnly.v1".'
            )


class PositivesOnly(PartialLabels):
    """`spacy_docre.PositivesOnly.v1`: all unlisted relations that may hold are unknown. A pair
    without a listed relation teaches nothing if every relation may hold."""

    def unknown(self, possible: numpy.ndarray, taught: Optional[TeacherLogits]) -> numpy.ndarray:
        """As in PartialLabels."""
        return possible


class AsComplete(PartialLabels):
    """`spacy_docre.AsComplete.v1`: no relation is unknown, as if the document listed all. It is
    for comparison."""

    def unknown(self, possible: numpy.ndarray, taught: Optional[TeacherLogits]) -> numpy.ndarray:
        """As in PartialLabels."""
        return numpy.zeros_like(possible)


class TeacherDecides(PartialLabels):
    """`spacy_docre.TeacherDecides.v1`: the relations that the teacher believes in are unknown. A
    pair that the teacher does not know has no relation, as its entities are not in the reference.

    threshold (float): The teacher believes in a relation if its P(r | head, tail) (eq. 9) is above
        this.
    RAISES (ValueError): If the threshold is not a probability.
    """

    needs_teacher = True

    def __init__(self, threshold: float = 0.3) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(
                f"threshold = {threshold} is not a probability: set a number of 0 to 1."
            )
        self.threshold = threshold

    def unknown(self, possible: numpy.ndarray, taught: Optional[TeacherLogits]) -> numpy.ndarray:
        """As in PartialLabels."""
        assert taught is not None  # See require_teacher.
        values, num_pairs = taught.values, len(possible)
        rows = numpy.arange(num_pairs) if taught.rows is None else taught.rows
        columns = numpy.arange(values.shape[1]) if taught.columns is None else taught.columns
        believed = numpy.zeros((num_pairs, 1 + possible.shape[1]), dtype=bool)
        believed[rows[:, None], columns] = expit(values - values[:, :1]) > self.threshold
        return possible & believed[:, 1:]


POSITIVES_ONLY = PositivesOnly()
