"""Gold relations to the labels that a loss is given, and the loss on them."""

from typing import Sequence

import numpy
import torch
from torch import Tensor

from ..alignment import GoldAlignment
from ..annotations import has_relations
from ..losses import Loss
from ..pairs import Pairs


def relation_loss(
    loss: Loss,
    logits: Sequence[Tensor],
    alignments: Sequence[GoldAlignment],
    labels: Sequence[str],
    owner: str,
) -> Tensor:
    """The loss of a batch on its gold relations. Documents whose relations nobody has annotated
    teach nothing.

    loss (Loss): The loss function.
    logits (Sequence[Tensor]): The logits for the pairs of each document, shape
        (pairs, 1 + relations).
    alignments (Sequence[GoldAlignment]): The entities of each document.
    labels (Sequence[str]): The relations, in the order of the logits.
    owner (str): The name of the component, for an error message.
    RETURNS (Tensor): The loss, a scalar; 0 where there are no pairs to learn from.
    RAISES (ValueError): As `gold_labels`.
    """
    annotated = [
        index
        for index, alignment in enumerate(alignments)
        if has_relations(alignment.example.reference)
    ]
    if not sum(len(logits[index]) for index in annotated):
        return torch.zeros((), requires_grad=True)
    rows = torch.cat([logits[index] for index in annotated])
    targets = numpy.concatenate(
        [gold_labels(alignments[index], labels, owner) for index in annotated]
    )
    return loss(rows, torch.as_tensor(targets, device=rows.device))


def gold_labels(alignment: GoldAlignment, labels: Sequence[str], owner: str) -> numpy.ndarray:
    """Tell which relations the pairs of a predicted document have by its reference.

    A relation is left out where `GoldAlignment.pair_row` finds no row.

    alignment (GoldAlignment): The predicted entities and those of the reference.
    labels (Sequence[str]): The relations, in the order of the logits.
    owner (str): The name of the component, for the error message.
    RETURNS (numpy.ndarray): Whether each pair has each relation, shape (pairs, relations).
    RAISES (ValueError): If the reference holds a relation that is not among the labels.
    """
    targets = numpy.zeros((Pairs.count(len(alignment.predicted)), len(labels)), dtype=bool)
    columns = {label: column for column, label in enumerate(labels)}
    for relation in alignment.example.reference._.relations:
        triple = relation.triple
        if triple.label not in columns:
            raise ValueError(
                f"The relation {triple.label!r} is not among the labels of '{owner}'. "
                "Add it with add_label(), or initialise the component with data that holds it."
            )
        row = alignment.pair_row(triple.head, triple.tail)
        if row is not None:
            targets[row, columns[triple.label]] = True
    return targets
