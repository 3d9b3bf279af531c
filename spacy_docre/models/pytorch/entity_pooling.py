"""Equation 2: from word pieces to mentions, and from mentions to entities."""

import torch
from torch import Tensor, nn

from .documents import EncodedDocument


def merge_windows(document: EncodedDocument) -> Tensor:
    """Average the hidden states of overlapping windows into one row a position.

    document (EncodedDocument): The document.
    RETURNS (Tensor): Hidden states, shape (positions, width).
    """
    kept = document.piece_positions >= 0
    positions = document.piece_positions[kept]
    rows = document.hidden.flatten(0, 1)[kept]
    total = rows.new_zeros(document.num_positions, rows.shape[1]).index_add(0, positions, rows)
    if len(document.hidden) == 1:
        return total
    count = torch.bincount(positions, minlength=document.num_positions)
    return total / count.unsqueeze(1)


class EntityPooling(nn.Module):
    """Embed entities by their mentions: h_e = log sum_j exp(h_mj) (eq. 2).

    A mention is the mean of its positions. An entity of which no piece reached the
    encoder is embedded as zeros.
    """

    def forward(self, hidden: Tensor, document: EncodedDocument) -> Tensor:
        """Embed the entities of one document.

        hidden (Tensor): Hidden states of the document, shape (positions, width).
        document (EncodedDocument): The document.
        RETURNS (Tensor): Entity embeddings, shape (entities, width).
        """
        num_mentions = len(document.mention_entities)
        # A piece that two windows hold is one position, and counts once.
        places = torch.stack(
            [document.piece_mentions, document.piece_positions[document.mention_pieces]]
        ).unique(dim=1)
        length = torch.bincount(places[0], minlength=num_mentions)
        mentions = hidden.new_zeros(num_mentions, hidden.shape[1])
        mentions = mentions.index_add(0, places[0], hidden[places[1]])
        present = length > 0
        mentions = mentions[present] / length[present].unsqueeze(1)
        return segment_logsumexp(
            mentions, document.mention_entities[present], document.num_entities
        )


def segment_logsumexp(rows: Tensor, segments: Tensor, num_segments: int) -> Tensor:
    """log sum exp over the rows of each segment; zeros for a segment with no row.

    rows (Tensor): The values, shape (rows, width).
    segments (Tensor): The segment of each row, shape (rows,).
    num_segments (int): The number of segments.
    RETURNS (Tensor): One row a segment, shape (segments, width).
    """
    index = segments.unsqueeze(1).expand_as(rows)
    largest = rows.new_zeros(num_segments, rows.shape[1]).scatter_reduce(
        0, index, rows.detach(), "amax", include_self=False
    )
    total = torch.zeros_like(largest).index_add(0, segments, (rows - largest[segments]).exp())
    empty = total == 0
    return largest + total.masked_fill(empty, 1.0).log()
