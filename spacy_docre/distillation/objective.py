"""What learning from a teacher adds to the training loss (eq. 12 and 13)."""

from dataclasses import dataclass
from typing import Collection, List, Optional, Sequence, Tuple, Union

import numpy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from torch import Tensor

from ..alignment import GoldAlignment
from ..entity_sources import EntityDoc
from ..losses import DistillationLoss, make_kl_loss, mse_loss
from ..pairs import Pairs
from .logits import TeacherLogits
from .store import LogitsStore, store_of, title_of
from .teacher import Teacher


@dataclass
class TaughtPairs:
    """The pairs of one document of which a teacher has something to say.

    rows (numpy.ndarray): Their places among the student's pairs, shape (taught pairs,).
    logits (TeacherLogits): The teacher's logits for them.
    """

    rows: numpy.ndarray
    logits: TeacherLogits


class Distillation:
    """The distillation term of the loss: its form, its weight, and the teacher.

    loss (DistillationLoss): The difference between a student's and a teacher's logits.
    weight (float): Factor on it, as against the relation extraction loss.
    teacher (Optional[Teacher]): Asked for its logits in each training step; None
        where the corpus brings them (`teacher_logits` of `spacy_docre.Corpus.v1`).
    RAISES (ValueError): If `weight` is negative.
    """

    def __init__(self, loss: DistillationLoss, weight: float, teacher: Optional[Teacher]) -> None:
        if weight < 0:
            raise ValueError(f"weight = {weight} is negative: set 0 or more.")
        self.loss = loss
        self.weight = weight
        self.teacher = teacher

    def teaches(self, reference: Doc) -> bool:
        """Tell whether there is a teacher for a document.

        reference (Doc): The gold document.
        RETURNS (bool): Whether there is.
        """
        return self._teacher_of(reference) is not None

    def labels(self, reference: Doc) -> Tuple[str, ...]:
        """The relations that the teacher of a document knows.

        reference (Doc): The gold document.
        RETURNS (Tuple[str, ...]): Them, in the order of its logits; none where the document
            has no teacher.
        """
        teacher = self._teacher_of(reference)
        return () if teacher is None else teacher.labels

    def _teacher_of(self, reference: Doc) -> Union[Teacher, LogitsStore, None]:
        return self.teacher or store_of(reference)

    def require_teacher(self, references: Collection[Doc], labels: Sequence[str]) -> None:
        """See that there is a teacher, of the same relations.

        references (Collection[Doc]): Documents that are taught.
        labels (Sequence[str]): The student's relations, in order.
        RAISES (ValueError): If no document is taught, or as `check_labels`.
        """
        if not references:
            raise ValueError(
                "'distillation' is set, and no document has a teacher. Name the teacher's logits "
                "in [corpora.train], teacher_logits = ..., or the teacher itself, "
                '[...distillation.teacher] @misc = "spacy_docre.TeacherPipeline.v1"; or set '
                "distillation = null."
            )
        for reference in references:
            self.check_labels(reference, labels)

    def check_labels(self, reference: Doc, labels: Sequence[str]) -> None:
        """See that teacher and student mean the same by a column of logits.

        reference (Doc): The gold document.
        labels (Sequence[str]): The student's relations, in order.
        RAISES (ValueError): If the teacher's are others, or in another order.
        """
        known = self.labels(reference)
        if known == tuple(labels) or not self.teaches(reference):
            return
        if set(known) == set(labels):
            problem = "the same in another order"
        else:
            missing = sorted(set(labels) - set(known)) or sorted(set(known) - set(labels))
            whom = "the teacher" if set(labels) - set(known) else "the student"
            problem = f"others: {whom} does not know {', '.join(missing)}"
        raise ValueError(
            f"The relations of the teacher of {title_of(reference)} should be those of the "
            f"student, and are {problem}. Train the student without 'labels' in "
            "[initialize.components], so that it takes the teacher's, or ask the teacher anew."
        )

    def taught_pairs(
        self, examples: Sequence[Example], documents: Sequence[EntityDoc]
    ) -> List[Optional[TaughtPairs]]:
        """Ask the teacher about a batch.

        examples (Sequence[Example]): The examples.
        documents (Sequence[EntityDoc]): Their predicted Docs, with the student's entities.
        RETURNS (List[Optional[TaughtPairs]]): The pairs it knows, a document each; None for a
            document without a teacher.
        """
        if self.teacher is not None:
            return [
                TaughtPairs(numpy.arange(len(logits.values)), logits)
                for logits in self.teacher.logits(documents)
            ]
        return [_stored_pairs(*pair) for pair in zip(examples, documents)]

    def __call__(self, logits: Sequence[Tensor], taught: Sequence[Optional[TaughtPairs]]) -> Tensor:
        """The weighted loss of a batch, the mean over the pairs that are taught.

        logits (Sequence[Tensor]): The student's logits for the pairs of each document, shape
            (pairs, 1 + relations).
        taught (Sequence[Optional[TaughtPairs]]): What the teacher says of them.
        RETURNS (Tensor): The loss, a scalar.
        """
        losses = [
            self._losses(student[torch.as_tensor(pairs.rows, device=student.device)], pairs.logits)
            for student, pairs in zip(logits, taught)
            if pairs is not None
        ]
        number = sum(map(len, losses))
        return self.weight * torch.cat(losses).mean() if number else logits[0].sum() * 0.0

    def _losses(self, student: Tensor, teacher: TeacherLogits) -> Tensor:
        """The loss of each pair."""
        if teacher.columns is not None:
            columns = torch.as_tensor(teacher.columns.astype("int64"), device=student.device)
            student = student.gather(1, columns)
        values = torch.as_tensor(teacher.values, dtype=student.dtype, device=student.device)
        return self.loss(student, values)


def _stored_pairs(example: Example, document: EntityDoc) -> Optional[TaughtPairs]:
    """The pairs of the student's entities that are entities of the teacher's, too."""
    store = store_of(example.reference)
    if store is None:
        return None
    alignment = GoldAlignment(example, document.entities)
    theirs = [*alignment.to_predicted]
    ours = [*alignment.to_predicted.values()]
    return TaughtPairs(
        Pairs.rows_between(ours, len(document.entities)),
        store.read(example.reference).of_pairs(Pairs.rows_between(theirs, len(alignment.gold))),
    )


def make_mse_distillation(weight: float = 1.0, teacher: Optional[Teacher] = None) -> Distillation:
    """`spacy_docre.MSEDistillation.v1`: the mean squared error between logits (eq. 12), added
    to the relation extraction loss (eq. 13).

    weight (float): Factor on it.
    teacher (Optional[Teacher]): Gives the logits in each step, e.g.
        `spacy_docre.TeacherPipeline.v1`; null where the corpus brings them.
    RETURNS (Distillation): The distillation.
    RAISES (ValueError): If `weight` is negative.
    """
    return Distillation(mse_loss, weight, teacher)


def make_kl_distillation(
    weight: float = 1.0, temperature: float = 1.0, teacher: Optional[Teacher] = None
) -> Distillation:
    """`spacy_docre.KLDistillation.v1`: the Kullback-Leibler divergence between the classes'
    probabilities by softmax, added to the relation extraction loss.

    weight (float): Factor on it.
    temperature (float): Divides the logits of both; above 1, what the teacher thinks
        unlikely counts for more.
    teacher (Optional[Teacher]): Gives the logits in each step; null where the corpus
        brings them.
    RETURNS (Distillation): The distillation.
    RAISES (ValueError): If `weight` is negative, or `temperature` is not positive.
    """
    return Distillation(make_kl_loss(temperature), weight, teacher)
