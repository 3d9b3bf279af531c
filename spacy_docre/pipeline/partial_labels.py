"""What is taught by documents whose relations are partial: right, but incomplete."""

from abc import ABC, abstractmethod
from typing import Optional

import numpy
from scipy.special import expit
from spacy.tokens import Doc

from ..annotations import document_title
from ..distillation.teacher_logits import TeacherLogits


class PartialLabels(ABC):
    """Tells which of the relations that a document does not list are unknown. They take no part in
    the loss; the others are negative."""

    needs_teacher = False

    @abstractmethod
    def unknown(self, possible: numpy.ndarray, taught: Optional[TeacherLogits]) -> numpy.ndarray:
        """Tell which relations of a document are unknown.

        possible (numpy.ndarray): Whether each relation of each pair may hold and is not listed,
            shape (pairs, relations).
        taught (Optional[TeacherLogits]): What the teacher says of the pairs; None without one.
        RETURNS (numpy.ndarray): Whether each is unknown, of the same shape. All of them are
            possible.
        """

    def require_teacher(self, reference: Doc) -> None:
        """See that no teacher is needed, where a document has none.

        reference (Doc): The gold document.
        RAISES (ValueError): If one is needed.
        """
        if self.needs_teacher:
            raise ValueError(
                f"The relations of the document {document_title(reference)!r} are partial, and it "
                f"has no teacher, which 'partial' = {type(self).__name__} asks. Set 'distillation' "
                "(weight = 0 where its logits are to decide and not to teach), and name the logits "
                "of these documents in their corpus, teacher_logits = ...; or set [...partial] "
                '@misc = "spacy_docre.PositivesOnly.v1".'
            )


class PositivesOnly(PartialLabels):
    """`spacy_docre.PositivesOnly.v1`: all that are not listed are unknown. A pair without any
    relation teaches nothing, where any may hold."""

    def unknown(self, possible: numpy.ndarray, taught: Optional[TeacherLogits]) -> numpy.ndarray:
        """As in PartialLabels."""
        return possible


class AsComplete(PartialLabels):
    """`spacy_docre.AsComplete.v1`: none is unknown, as if the document listed all; to compare."""

    def unknown(self, possible: numpy.ndarray, taught: Optional[TeacherLogits]) -> numpy.ndarray:
        """As in PartialLabels."""
        return numpy.zeros_like(possible)


class TeacherDecides(PartialLabels):
    """`spacy_docre.TeacherDecides.v1`: those that the teacher believes in are unknown. A pair that
    the teacher does not know has no relation, as its entities are not those of the reference.

    threshold (float): It believes in a relation if its P(r | head, tail) (eq. 9) is above this.
    RAISES (ValueError): If it is no probability.
    """

    needs_teacher = True

    def __init__(self, threshold: float = 0.3) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold = {threshold} is no probability: set one of 0 to 1.")
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
