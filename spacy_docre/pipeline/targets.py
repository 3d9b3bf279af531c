"""Turn gold relations into the labels of a loss, and compute the loss on them."""

from typing import Iterable, Optional, Sequence

import numpy
import torch
from torch import Tensor

from ..alignment import GoldAlignment
from ..annotations import (
    Triple,
    has_partial_relations,
    has_relations,
    possible_relations,
)
from ..distillation.teacher_logits import TeacherLogits
from ..losses import Loss, leave_out
from ..pairs import Pairs
from ..stored import get_triples
from .partial_labels import PartialLabels


def relation_loss(
    loss: Loss,
    partial: PartialLabels,
    logits: Sequence[Tensor],
    alignments: Sequence[GoldAlignment],
    taught: Sequence[Optional[TeacherLogits]],
    labels: Sequence[str],
    owner: str,
) -> Tensor:
    """Compute the loss of a batch on its gold relations, a mean over its pairs. Documents without
    annotated relations are left out.

    loss (Loss): The loss function.
    partial (PartialLabels): Tells which relations are unknown, if the relations of a document are
        partial.
    logits (Sequence[Tensor]): The logits for the pairs of each document, shape
        (pairs, 1 + relations).
    alignments (Sequence[GoldAlignment]): The entities of each document.
    taught (Sequence[Optional[TeacherLogits]]): The teacher's logits for each document.
    labels (Sequence[str]): The relations, in the order of the logits.
    owner (str): The name of the component, for the error message.
    RETURNS (Tensor): The loss, a scalar; 0 if there are no pairs to learn from.
    RAISES (ValueError): As `gold_labels` and `unknown_labels`.
    """
    annotated = [
        index
        for index, alignment in enumerate(alignments)
        if has_relations(alignment.example.reference)
    ]
    if not sum(len(logits[index]) for index in annotated):
        return torch.zeros((), requires_grad=True)
    rows = torch.cat([logits[index] for index in annotated])
    gold = [gold_labels(alignments[index], labels, owner) for index in annotated]
    unknown = numpy.concatenate(
        [
            unknown_labels(alignments[index], labels, known, partial, taught[index])
            for index, known in zip(annotated, gold, strict=True)
        ]
    )
    if unknown.any():
        rows = leave_out(rows, torch.as_tensor(unknown, device=rows.device))
    return loss(rows, torch.as_tensor(numpy.concatenate(gold), device=rows.device))


def gold_labels(alignment: GoldAlignment, labels: Sequence[str], owner: str) -> numpy.ndarray:
    """Tell which relations the pairs of a predicted document have in its reference.

    A relation is left out if `GoldAlignment.pair_row` finds no row for its pair.

    alignment (GoldAlignment): The predicted entities and those of the reference.
    labels (Sequence[str]): The relations, in the order of the logits.
    owner (str): The name of the component, for the error message.
    RETURNS (numpy.ndarray): Whether each pair has each relation, shape (pairs, relations).
    RAISES (ValueError): If the reference holds a relation that is not among the labels.
    """
    triples = get_triples(alignment.example.reference)
    for triple in triples:
        if triple.label not in labels:
            raise ValueError(
                f"The relation {triple.label!r} is not among the labels of '{owner}'. "
                "Add it with add_label(), or initialise the component with data that holds it."
            )
    return _labels_of(triples, alignment, labels)


def unknown_labels(
    alignment: GoldAlignment,
    labels: Sequence[str],
    gold: numpy.ndarray,
    partial: PartialLabels,
    taught: Optional[TeacherLogits],
) -> numpy.ndarray:
    """Tell which relations of the pairs are unknown: nobody knows whether they hold.

    alignment (GoldAlignment): The predicted entities and those of the reference.
    labels (Sequence[str]): The relations, in the order of the logits.
    gold (numpy.ndarray): The labels that `gold_labels` returned.
    partial (PartialLabels): Decides, if the relations of the reference are partial.
    taught (Optional[TeacherLogits]): The teacher's logits for the pairs.
    RETURNS (numpy.ndarray): Whether each relation is unknown, shape (pairs, relations).
    RAISES (ValueError): If a teacher is needed, and the document has none.
    """
    reference = alignment.example.reference
    if not has_partial_relations(reference):
        return numpy.zeros_like(gold)
    if taught is None:
        partial.require_teacher(reference)
    possible = possible_relations(reference)
    may_hold = ~gold if possible is None else ~gold & _labels_of(possible, alignment, labels)
    return partial.unknown(may_hold, taught)


def _labels_of(
    triples: Iterable[Triple], alignment: GoldAlignment, labels: Sequence[str]
) -> numpy.ndarray:
    """Turn relations of the reference into labels for the pairs of the predicted document.
    Relations that are not among the labels are left out."""
    found = numpy.zeros((Pairs.count(len(alignment.predicted)), len(labels)), dtype=bool)
    columns = {label: column for column, label in enumerate(labels)}
    for triple in triples:
        row = alignment.pair_row(triple.head, triple.tail)
        if triple.label in columns and row is not None:
            found[row, columns[triple.label]] = True
    return found
