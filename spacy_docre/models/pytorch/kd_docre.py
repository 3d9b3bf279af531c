"""The network of KD-DocRE between the encoder and the logits (equations 2 to 8)."""

import math
from typing import Callable, List, Protocol, Tuple

import torch
from torch import Tensor, nn

from .axial_attention import PaddedAxialAttention
from .bilinear import GroupedBilinear
from .context_pooling import ContextPooling
from .documents import EncodedDocument, PairLayout, PairScores
from .entity_pooling import EntityPooling, merge_windows
from .precision import Precision, autocast


class PairEncoder(Protocol):
    """A layer over the table of entity pairs.

    It is called with the features of every pair, shape (pairs, width), and the
    `PairLayout`, and returns a tensor of the same shape. `PaddedAxialAttention` alone is told
    of the diagonal and of padding besides.
    """

    def __call__(self, table: Tensor, layout: PairLayout) -> Tensor: ...


class NoPairEncoder(nn.Module):
    """Leave the pairs as they are: the paper's "w/o Axial"."""

    def forward(self, table: Tensor, layout: PairLayout) -> Tensor:
        """Return the table. Arguments as in `PairEncoder`."""
        return table


class KDDocRE(nn.Module):
    """Score every ordered pair of entities in every relation.

    z_s = tanh(W_s [h_s; c]) and z_o = tanh(W_o [h_o; c]) (eq. 5), g by the grouped
    bilinear product (eq. 6), r by the pair encoder (eq. 7), l = W_l r + b_l (eq. 8).

    hidden_width (int): Width of the encoder's hidden states.
    num_relations (int): Number of relations, without the threshold class TH.
    width (int): Width of z_s and z_o.
    block_size (int): Width of a block of the bilinear product.
    pair_width (int): Width of g and r.
    pair_encoder (Callable[[int], nn.Module]): Makes the pair encoder for a width.
    dropout (float): Dropout on z_s, z_o and r.
    precision (Precision): Precision of the matrix products.
    smoothing (float): As in `ContextPooling`.
    """

    def __init__(
        self,
        *,
        hidden_width: int,
        num_relations: int,
        width: int,
        block_size: int,
        pair_width: int,
        pair_encoder: Callable[[int], nn.Module],
        dropout: float,
        precision: Precision,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.precision = precision
        self.entity_pooling = EntityPooling()
        self.context_pooling = ContextPooling(smoothing)
        self.head_entity = nn.Linear(hidden_width, width)
        self.head_context = nn.Linear(hidden_width, width, bias=False)
        self.tail_entity = nn.Linear(hidden_width, width)
        self.tail_context = nn.Linear(hidden_width, width, bias=False)
        self.bilinear = GroupedBilinear(width, pair_width, block_size)
        self.pair_encoder = pair_encoder(pair_width)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(pair_width, 1 + num_relations)
        # Start from P(r) = 0.01, about as rare as relations are: else the first steps of the
        # whole network go into lifting TH above the rest (Lin et al., Focal Loss, 2017).
        nn.init.zeros_(self.classifier.bias)
        nn.init.constant_(self.classifier.bias[0], math.log(0.99 / 0.01))

    def forward(self, documents: List[EncodedDocument]) -> PairScores:
        """Score the pairs of a batch of documents, each as if it were alone.

        documents (List[EncodedDocument]): The documents; at least one, each with at
            least two entities.
        RETURNS (PairScores): Logits and evidence.
        """
        entities, contexts, own_contexts, evidence = [], [], [], []
        for document in documents:
            hidden = merge_windows(document)
            entities.append(self.entity_pooling(hidden, document))
            context, sentences = self.context_pooling(hidden, document)
            contexts.append(context)
            evidence.append(sentences)
            if isinstance(self.pair_encoder, PaddedAxialAttention):
                own_contexts.append(self.context_pooling.own_contexts(hidden, document))
        layout = PairLayout.of([document.num_entities for document in documents], hidden.device)
        with autocast(self.precision, hidden.device):
            embeddings = torch.cat(entities)
            table = self._pair_features(embeddings, torch.cat(contexts), layout)
            if isinstance(self.pair_encoder, PaddedAxialAttention):
                own = self._own_features(embeddings, torch.cat(own_contexts))
                table = self.pair_encoder.forward_square(table, layout, *own)
            else:
                table = self.pair_encoder(table, layout)
            logits = self.classifier(self.dropout(table))
        return PairScores(logits.float(), evidence, layout)

    def _pair_features(self, entities: Tensor, contexts: Tensor, layout: PairLayout) -> Tensor:
        # W [h; c] = W_h h + W_c c: once an entity, and once an unordered pair.
        heads = self.head_entity(entities)[layout.heads]
        heads = heads + self.head_context(contexts)[layout.contexts]
        tails = self.tail_entity(entities)[layout.tails]
        tails = tails + self.tail_context(contexts)[layout.contexts]
        return self._bilinear(heads, tails)

    def _own_features(self, entities: Tensor, contexts: Tensor) -> Tuple[Tensor, Tensor]:
        """The features of each entity with itself, and those of padding, which is zeros."""
        heads = self.head_entity(entities) + self.head_context(contexts)
        tails = self.tail_entity(entities) + self.tail_context(contexts)
        padding = self._bilinear(self.head_entity.bias[None], self.tail_entity.bias[None])
        return self._bilinear(heads, tails), padding[0]

    def _bilinear(self, heads: Tensor, tails: Tensor) -> Tensor:
        return self.bilinear(self.dropout(torch.tanh(heads)), self.dropout(torch.tanh(tails)))

    def set_num_relations(self, num_relations: int) -> None:
        """Grow the classifier, keeping what it knows of the relations it has.

        num_relations (int): The new number of relations.
        RAISES (ValueError): If it is smaller than the number of those it knows.
        """
        old = self.classifier
        known = old.out_features - 1
        if num_relations < known:
            raise ValueError(
                f"The network knows {known} relations and cannot be cut to {num_relations}: "
                "it does not know which to forget. Train one anew for fewer relations."
            )
        new = nn.Linear(old.in_features, 1 + num_relations).to(old.weight.device)
        with torch.no_grad():
            new.weight[: old.out_features] = old.weight
            new.bias[: old.out_features] = old.bias
        self.classifier = new
