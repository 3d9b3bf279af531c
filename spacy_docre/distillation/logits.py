"""What a teacher says of the entity pairs of one document."""

from dataclasses import dataclass
from typing import Optional

import numpy


@dataclass(frozen=True)
class TeacherLogits:
    """The logits of a document's pairs: those of all classes, or of the best.

    The pairs are those of different entities, head by head, the tails in order.

    values (numpy.ndarray): The logits, threshold class TH in column 0, shape
        (pairs, 1 + relations); or those of TH and the k best relations, shape (pairs, 1 + k).
    columns (Optional[numpy.ndarray]): The class of each value, integers of the same shape;
        None where the values are of all classes in their order.
    """

    values: numpy.ndarray
    columns: Optional[numpy.ndarray] = None

    def best(self, number: int) -> "TeacherLogits":
        """Keep the logits of TH and of the best relations.

        number (int): The number of relations to keep for each pair.
        RETURNS (TeacherLogits): Their logits, or these where there are no more relations.
        """
        relations = self.values[:, 1:]
        if number >= relations.shape[1]:
            return self
        best = numpy.argpartition(-relations, number - 1, axis=1)[:, :number] + 1
        columns = numpy.concatenate([numpy.zeros((len(best), 1), best.dtype), best], axis=1)
        return TeacherLogits(numpy.take_along_axis(self.values, columns, axis=1), columns)

    def of_pairs(self, rows: numpy.ndarray) -> "TeacherLogits":
        """Choose pairs.

        rows (numpy.ndarray): The places of the pairs.
        RETURNS (TeacherLogits): Their logits.
        """
        columns = None if self.columns is None else self.columns[rows]
        return TeacherLogits(self.values[rows], columns)
