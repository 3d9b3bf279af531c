"""A teacher's logits for the entity pairs of one document."""

from dataclasses import dataclass, replace
from typing import Optional

import numpy


@dataclass(frozen=True)
class TeacherLogits:
    """The logits of a document's pairs: of all or some pairs, for all classes or the best ones.

    values (numpy.ndarray): The logits, threshold class TH in column 0, shape
        (pairs, 1 + relations); or those of TH and the k best relations, shape (pairs, 1 + k).
    columns (Optional[numpy.ndarray]): The class of each value, integers of the same shape; None if
        the values are of all classes in their order.
    rows (Optional[numpy.ndarray]): The row of each pair among the document's `Pairs`, shape
        (pairs,); None if the values are of all pairs in their order.
    evidence (Optional[numpy.ndarray]): The share of each pair's attention on each sentence, shape
        (pairs, sentences); None if the teacher gives no evidence.
    """

    values: numpy.ndarray
    columns: Optional[numpy.ndarray] = None
    rows: Optional[numpy.ndarray] = None
    evidence: Optional[numpy.ndarray] = None

    @property
    def with_evidence(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The pairs, as indices of `values`, in which the teacher finds a
        relation, l_r > l_TH, and for which it gives evidence."""
        if self.evidence is None:
            return numpy.zeros(0, dtype="int64")
        related = (self.values[:, 1:] > self.values[:, :1]).any(axis=1)
        return numpy.flatnonzero(related & self.evidence.any(axis=1))

    def fits(self, num_pairs: int, num_classes: int) -> bool:
        """Tell whether these can be the logits of all pairs of a document.

        num_pairs (int): The number of pairs.
        num_classes (int): The number of relations, plus one for the threshold class TH.
        RETURNS (bool): Whether shapes and classes are right, all values are finite, and no share is
            negative.
        """
        values, columns, evidence = self.values, self.columns, self.evidence
        if values.ndim != 2 or len(values) != num_pairs or not numpy.isfinite(values).all():
            return False
        if evidence is not None and not (
            evidence.ndim == 2
            and len(evidence) == num_pairs
            and bool((numpy.isfinite(evidence) & (evidence >= 0)).all())
        ):
            return False
        if columns is None:
            return values.shape[1] == num_classes
        return columns.shape == values.shape and bool((columns < num_classes).all())

    def best(self, number: int) -> "TeacherLogits":
        """Keep the logits of TH and of the best relations.

        number (int): The number of relations to keep for each pair.
        RETURNS (TeacherLogits): Their logits; the same logits if there are no more relations.
        """
        relations = self.values[:, 1:]
        if number >= relations.shape[1]:
            return self
        best = numpy.argpartition(-relations, number - 1, axis=1)[:, :number] + 1
        columns = numpy.concatenate([numpy.zeros((len(best), 1), best.dtype), best], axis=1)
        values = numpy.take_along_axis(self.values, columns, axis=1)
        return replace(self, values=values, columns=columns)

    def of_pairs(self, rows: numpy.ndarray, student_rows: numpy.ndarray) -> "TeacherLogits":
        """Select pairs from all pairs of the teacher's entities.

        rows (numpy.ndarray): The row of each pair among the teacher's pairs, shape (pairs,).
        student_rows (numpy.ndarray): The row of the same pair among the student's pairs.
        RETURNS (TeacherLogits): Their logits.
        """
        columns = None if self.columns is None else self.columns[rows]
        evidence = None if self.evidence is None else self.evidence[rows]
        return TeacherLogits(self.values[rows], columns, student_rows, evidence)

    def on_sentences(self, parts: numpy.ndarray) -> "TeacherLogits":
        """Convert the evidence from the teacher's sentences to the student's sentences.

        parts (numpy.ndarray): The part of each of the teacher's sentences that is in each of the
            student's sentences, shape (teacher's sentences, student's sentences).
        RETURNS (TeacherLogits): The logits and the evidence; no evidence if the teacher saw another
            number of sentences.
        """
        evidence = self.evidence
        if evidence is None or evidence.shape[1] != len(parts):
            return replace(self, evidence=None)
        return replace(self, evidence=evidence.astype("float32") @ parts)
