"""Equations 3 to 5: the context that the two entities of a pair both attend to."""

from typing import Tuple

import torch
from torch import Tensor, nn

from .documents import EncodedDocument


class ContextPooling(nn.Module):
    """Localised context pooling over the encoder's own attention.

    An entity's attention A_e is that of its mentions' pieces (eq. 3; sum and mean over
    mentions give the same result, since the pair attention is normalised). For a pair,
    q(s, o) = sum over heads of A_s * A_o, normalised over the positions (eq. 4), and
    the context is c(s, o) = H^T q(s, o) (eq. 5). q is symmetric, so it is computed once
    for (s, o) and (o, s).

    smoothing (float): Added to the sum that q is divided by, where A_e is the mean over
        mentions and q the mean over heads. ATLOP's code has 1e-5.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, hidden: Tensor, document: EncodedDocument) -> Tuple[Tensor, Tensor]:
        """Pool the contexts of one document.

        hidden (Tensor): Hidden states of the document, shape (positions, width).
        document (EncodedDocument): The document, with at least two entities.
        RETURNS (Tuple[Tensor, Tensor]): The contexts of the unordered pairs, shape
            (unordered pairs, width), and the share of their attention on each sentence,
            shape (unordered pairs, sentences).
        """
        attention = self._entity_attention(document)
        # Special tokens lie in no sentence.
        sentences = nn.functional.one_hot(
            document.position_sentences + 1, 1 + document.num_sentences
        )[:, 1:].to(hidden.dtype)
        # Few entities at a time, so that the (heads x pairs x positions) table stays small.
        contexts, evidence = [], []
        step = max(1, _TABLE_ROWS // document.num_entities)
        for start in range(0, document.num_entities - 1, step):
            shared = pair_attention(attention, start, start + step, self._added(attention))
            contexts.append(shared @ hidden)
            evidence.append(shared.detach() @ sentences)
        return torch.cat(contexts), torch.cat(evidence)

    def own_contexts(self, hidden: Tensor, document: EncodedDocument) -> Tensor:
        """Pool the context of each entity with itself. Arguments as in `forward`.

        RETURNS (Tensor): The contexts c(s, s), shape (entities, width).
        """
        attention = self._entity_attention(document)
        shared = attention.square().sum(2).T
        return _normalised(shared, self._added(attention)) @ hidden

    def _entity_attention(self, document: EncodedDocument) -> Tensor:
        attention = entity_attention(document)
        if not self.smoothing:
            return attention
        mentions = torch.bincount(document.mention_entities, minlength=document.num_entities)
        return attention / mentions.unsqueeze(1)

    def _added(self, attention: Tensor) -> float:
        """What is added to sums over heads."""
        return self.smoothing * attention.shape[2]


# Unordered pairs whose attention is held at once.
_TABLE_ROWS = 4096
# Divides the attention of entities that share none, so that it stays zero.
_SMALLEST = 1e-10


def entity_attention(document: EncodedDocument) -> Tensor:
    """The attention of each entity over the document's positions (eq. 3).

    An entity's is the sum over its mentions; a mention's the mean over its pieces, in every
    window that holds them. What falls on special tokens is left out.

    document (EncodedDocument): The document.
    RETURNS (Tensor): Attention, shape (positions, entities, heads).
    """
    windows, heads, pieces, _ = document.attention.shape
    entities = document.mention_entities[document.piece_mentions]
    length = torch.bincount(document.piece_mentions, minlength=len(document.mention_entities))
    membership = document.attention.new_zeros(document.num_entities, windows * pieces)
    membership.index_put_(
        (entities, document.mention_pieces),
        1.0 / length[document.piece_mentions].to(membership.dtype),
        accumulate=True,
    )
    membership = membership.view(document.num_entities, windows, pieces).transpose(0, 1)
    # (windows, 1, entities, pieces) @ (windows, heads, pieces, pieces)
    rows = torch.matmul(membership.unsqueeze(1), document.attention)
    rows = rows.permute(0, 3, 2, 1).flatten(0, 1)
    kept = document.piece_positions >= 0
    return rows.new_zeros(document.num_positions, *rows.shape[1:]).index_add(
        0, document.piece_positions[kept], rows[kept]
    )


def pair_attention(attention: Tensor, start: int, end: int, added: float = 0.0) -> Tensor:
    """The normalised attention that two entities share (eq. 4).

    attention (Tensor): Attention of the entities, shape (positions, entities, heads).
    start (int): The first of the entities s to pair with the entities o > s.
    end (int): The entity s to stop before.
    added (float): Added to the sum that each row is divided by.
    RETURNS (Tensor): q(s, o), shape (unordered pairs with start <= s < end, positions).
    """
    num_entities = attention.shape[1]
    first = attention[:, start:end]
    products = torch.bmm(first, attention.transpose(1, 2))
    s, o = torch.triu_indices(
        first.shape[1], num_entities, offset=start + 1, device=attention.device
    )
    return _normalised(products[:, s, o].T, added)


def _normalised(shared: Tensor, added: float) -> Tensor:
    return shared / (shared.sum(1, keepdim=True) + added).clamp_min(_SMALLEST)
