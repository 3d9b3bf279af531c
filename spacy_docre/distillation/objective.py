"""The distillation term of the training loss (eq. 12 and 13)."""

from typing import Collection, Dict, List, Optional, Sequence

import torch
from spacy.tokens import Doc
from torch import Tensor

from ..alignment import GoldAlignment
from ..annotations import document_title
from ..losses import DistillationLoss, evidence_divergence, make_kl_loss, mse_loss
from .store import store_of
from .teacher import Teacher
from .teacher_logits import TeacherLogits


class Distillation:
    """The distillation term of the loss: its form, its weight, and the teacher.

    loss (DistillationLoss): The difference between a student's and a teacher's logits.
    weight (float): Factor on this difference, relative to the relation extraction loss.
    teacher (Optional[Teacher]): Gives its logits in each training step; None if the corpus brings
        them (`teacher_logits` of `spacy_docre.Corpus.v1`).
    evidence_weight (float): Factor on the divergence of the student's attention on sentences from
        the teacher's.
    RAISES (ValueError): If a weight is negative.
    """

    def __init__(
        self,
        loss: DistillationLoss,
        weight: float,
        teacher: Optional[Teacher],
        evidence_weight: float = 0.0,
    ) -> None:
        for name, value in (("weight", weight), ("evidence_weight", evidence_weight)):
            if value < 0:
                raise ValueError(f"{name} = {value} is negative: set 0 or more.")
        self.loss = loss
        self.weight = weight
        self.teacher = teacher
        self.evidence_weight = evidence_weight

    def teacher_of(self, reference: Doc) -> Optional[Teacher]:
        """Find the teacher of a document.

        reference (Doc): The gold document.
        RETURNS (Optional[Teacher]): The teacher of all documents, or else the logits that the
            corpus brings for this document; None if there are none.
        """
        return store_of(reference) if self.teacher is None else self.teacher

    def require_teacher(self, references: Collection[Doc], labels: Sequence[str]) -> None:
        """Check that there is a teacher, and that it has the student's relations.

        references (Collection[Doc]): The documents that have a teacher.
        labels (Sequence[str]): The student's relations, in order.
        RAISES (ValueError): If no document has a teacher, or as in `check_labels`.
        """
        if not references:
            raise ValueError(
                "'distillation' is set, but no document has a teacher. Set teacher_logits = ... "
                "in [corpora.train], or name the teacher itself, [...distillation.teacher] @misc "
                '= "spacy_docre.TeacherPipeline.v1". To train without a teacher, set distillation '
                "= null."
            )
        for reference in references:
            self.check_labels(reference, labels)

    def check_labels(self, reference: Doc, labels: Sequence[str]) -> None:
        """Check that teacher and student have the same relation in each column of logits.

        reference (Doc): The gold document.
        labels (Sequence[str]): The student's relations, in order.
        RAISES (ValueError): If the teacher has other relations, or has them in another order.
        """
        teacher = self.teacher_of(reference)
        if teacher is None or teacher.labels == tuple(labels):
            return
        known = teacher.labels
        if set(known) == set(labels):
            problem = "the same in another order"
        else:
            missing = sorted(set(labels) - set(known)) or sorted(set(known) - set(labels))
            whom = "the teacher" if set(labels) - set(known) else "the student"
            problem = f"others: {whom} does not know {', '.join(missing)}"
        raise ValueError(
            f"The relations of the teacher of the document {document_title(reference)!r} should be "
            f"those of the student, but they are {problem}. Train the student without 'labels' in "
            "[initialize.components], so that it takes the teacher's labels, or run 'python -m "
            "spacy docre logits' again."
        )

    def ask(
        self, alignments: Sequence[GoldAlignment], labels: Sequence[str]
    ) -> List[Optional[TeacherLogits]]:
        """Ask the teachers about a batch.

        alignments (Sequence[GoldAlignment]): The entities of the student and of the reference, for
            each document.
        labels (Sequence[str]): The student's relations, in order.
        RETURNS (List[Optional[TeacherLogits]]): The teacher's logits for each document; None for a
            document without a teacher.
        RAISES (ValueError): As in `check_labels`. If evidence should be learnt: also if a teacher
            gives no evidence, or a student has no sentence boundaries.
        """
        answers: List[Optional[TeacherLogits]] = [None] * len(alignments)
        taught: Dict[Teacher, List[int]] = {}
        for index, alignment in enumerate(alignments):
            reference = alignment.example.reference
            self.check_labels(reference, labels)
            teacher = self.teacher_of(reference)
            if teacher is not None:
                taught.setdefault(teacher, []).append(index)
        for teacher, indices in taught.items():
            asked = [alignments[index] for index in indices]
            for index, logits in zip(indices, teacher.logits(asked), strict=True):
                if self.evidence_weight and len(logits.values):
                    _require_evidence(alignments[index], logits)
                answers[index] = logits
        return answers

    def __call__(
        self,
        logits: Sequence[Tensor],
        taught: Sequence[Optional[TeacherLogits]],
        shares: Sequence[Tensor] = (),
    ) -> Tensor:
        """Compute the weighted loss of a batch: the mean over the pairs that have teacher logits.
        With `evidence_weight`, add the mean over the pairs in which the teacher finds a relation.

        logits (Sequence[Tensor]): The student's logits for the pairs of each document, shape
            (pairs, 1 + relations).
        taught (Sequence[Optional[TeacherLogits]]): The teacher's logits for them, see `ask`.
        shares (Sequence[Tensor]): The shares of the student's attention on sentences, shape (pairs,
            sentences). Ignored without `evidence_weight`.
        RETURNS (Tensor): The loss, a scalar.
        """
        loss = self._logits_loss(logits, taught)
        return loss + self._evidence_loss(shares, taught) if self.evidence_weight else loss

    def _logits_loss(
        self, logits: Sequence[Tensor], taught: Sequence[Optional[TeacherLogits]]
    ) -> Tensor:
        """Compute the weighted loss on logits, a scalar."""
        losses = [
            self._losses(student, teacher)
            for student, teacher in zip(logits, taught, strict=True)
            if teacher is not None
        ]
        number = sum(map(len, losses))
        return self.weight * torch.cat(losses).mean() if number else logits[0].sum() * 0.0

    def _losses(self, student: Tensor, teacher: TeacherLogits) -> Tensor:
        """Compute the loss of each pair that has teacher logits, shape (taught pairs,)."""
        if teacher.rows is not None:
            student = student[torch.as_tensor(teacher.rows, device=student.device)]
        if teacher.columns is not None:
            columns = torch.as_tensor(teacher.columns.astype("int64"), device=student.device)
            student = student.gather(1, columns)
        values = torch.as_tensor(teacher.values, dtype=student.dtype, device=student.device)
        return self.loss(student, values)

    def _evidence_loss(
        self, shares: Sequence[Tensor], taught: Sequence[Optional[TeacherLogits]]
    ) -> Tensor:
        """Compute the weighted loss on evidence, a scalar."""
        losses = []
        for student, teacher in zip(shares, taught, strict=True):
            if teacher is None or teacher.evidence is None:
                continue
            pairs = teacher.with_evidence
            rows = pairs if teacher.rows is None else teacher.rows[pairs]
            found = torch.as_tensor(teacher.evidence[pairs], device=student.device)
            chosen = student[torch.as_tensor(rows, device=student.device)]
            losses.append(evidence_divergence(chosen, found.to(student.dtype)))
        number = sum(map(len, losses))
        return self.evidence_weight * torch.cat(losses).mean() if number else torch.zeros(())


def _require_evidence(alignment: GoldAlignment, logits: TeacherLogits) -> None:
    """Check that a teacher gives evidence for a document."""
    alignment.require_sentences("distillation.evidence_weight")
    if logits.evidence is None:
        raise ValueError(
            "'distillation.evidence_weight' is set, but the teacher gives no evidence for the "
            f"document {document_title(alignment.example.reference)!r}. Its logits were stored by "
            "an earlier version, or for a document without sentence boundaries or with other "
            "boundaries. Store them again, 'python -m spacy docre logits ... --force', or remove "
            "'distillation.evidence_weight'."
        )


def make_mse_distillation(
    weight: float = 1.0, teacher: Optional[Teacher] = None, evidence_weight: float = 0.0
) -> Distillation:
    """`spacy_docre.MSEDistillation.v1`: the mean squared error between logits (eq. 12), added
    to the relation extraction loss (eq. 13).

    weight (float): Factor on this loss.
    teacher (Optional[Teacher]): Gives the logits in each step, e.g.
        `spacy_docre.TeacherPipeline.v1`; null if the corpus brings them.
    evidence_weight (float): Factor on the Kullback-Leibler divergence between the teacher's and the
        student's attention on sentences (see `evidence_divergence`): the mean over the pairs in
        which the teacher finds a relation. It is not multiplied by `weight`.
    RETURNS (Distillation): The distillation.
    RAISES (ValueError): If a weight is negative.
    """
    return Distillation(mse_loss, weight, teacher, evidence_weight)


def make_kl_distillation(
    weight: float = 1.0,
    temperature: float = 1.0,
    teacher: Optional[Teacher] = None,
    evidence_weight: float = 0.0,
) -> Distillation:
    """`spacy_docre.KLDistillation.v1`: the Kullback-Leibler divergence between the classes'
    probabilities by softmax, added to the relation extraction loss.

    weight (float): Factor on this loss.
    temperature (float): Divides the logits of teacher and student. Above 1, classes that the
        teacher finds unlikely count for more.
    teacher (Optional[Teacher]): Gives the logits in each step; null if the corpus brings them.
    evidence_weight (float): As in `spacy_docre.MSEDistillation.v1`.
    RETURNS (Distillation): The distillation.
    RAISES (ValueError): If a weight is negative, or `temperature` is not positive.
    """
    return Distillation(make_kl_loss(temperature), weight, teacher, evidence_weight)
