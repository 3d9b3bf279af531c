"""KD-DocRE between the encoder and the logits: eq. 2 to 8 of Tan et al. (2022), *Document-Level
Relation Extraction with Adaptive Focal Loss and Knowledge Distillation*, in the paper's order.

Eq. 1 is in `transformer.py`, eq. 9 to 12 are in `losses.py`, eq. 13 is in `distillation/`. Symbols:
H, hidden states; A, attention; e, an entity, with mentions m; s and o, head and tail of a pair; h,
entity embedding; q, attention of a pair; c, context; z, head or tail in context; g, features of a
pair; r, features of a pair among the others; l, logits; TH, the threshold class; W and b, weights.
"""

import math
from typing import Iterator, Literal, Optional, Tuple

import torch
from torch import Tensor, nn

from ..pairs import Pairs
from . import slots
from .bilinear_kernel import grouped_bilinear
from .encoded_document import (
    EncodedDocument,
    embed_mentions,
    entity_attention,
    merge_windows,
    segment_logsumexp,
)
from .network import Network
from .pair_blocks import PairBlock, add_along_lines, lines_of, steps, walk
from .precision import Precision, autocast

Order = Literal["sequential", "parallel"]

_SMALLEST = 1e-10  # The smallest divisor: where two entities share no attention, q stays zero.


class LogSumExpPooling(nn.Module):
    """Eq. 2, entities: h_e = log sum over mentions j of exp(h_mj).

    A mention is the mean of its positions. The embedding of an entity is zeros if none of its
    pieces reached the encoder.
    """

    def forward(self, hidden: Tensor, document: EncodedDocument) -> Tensor:
        """Embed the entities of one document.

        hidden (Tensor): H, shape (positions, hidden width).
        document (EncodedDocument): The document.
        RETURNS (Tensor): h, shape (entities, hidden width).
        """
        mentions, seen = embed_mentions(hidden, document)
        return segment_logsumexp(
            mentions, document.mention_entities[seen], document.num_entities
        )  # (entities, hidden width)


class LocalizedContextPooling(nn.Module):
    """Eq. 2 (attention) to 4: the context to which both entities of a pair attend.

    A_e is the sum of the attention of the entity's mentions (eq. 2). q(s, o) = sum over heads of
    A_s * A_o (eq. 3), divided by its sum over the positions. c(s, o) = H^T q(s, o) (eq. 4). q is
    symmetric, so it is computed once for (s, o) and (o, s).

    smoothing (float): Added to the sum that divides q. With a smoothing, A_e is the mean over
        mentions and q the mean over heads. ATLOP's code has 1e-5.
    normalised (bool): Whether q is divided by its sum, as in the released code and in ATLOP; the
        paper does not mention it. The shares of q on sentences are always divided.
    RAISES (ValueError): If `smoothing` is set and `normalised` is not.
    """

    def __init__(self, smoothing: float = 0.0, *, normalised: bool = True) -> None:
        super().__init__()
        if smoothing and not normalised:
            raise ValueError(
                f"smoothing = {smoothing} needs normalised = true. Else set it to 0.0."
            )
        self.smoothing = smoothing
        self.normalised = normalised

    def forward(
        self, hidden: Tensor, document: EncodedDocument, diagonal: bool = False
    ) -> Tuple[Tensor, Tensor]:
        """Pool the contexts of one document.

        hidden (Tensor): H, shape (positions, hidden width).
        document (EncodedDocument): The document, with at least two entities.
        diagonal (bool): Whether each entity also has a context with itself.
        RETURNS (Tuple[Tensor, Tensor]): c of the unordered pairs, shape (unordered pairs, hidden
            width); and the share of q on each sentence, for pairs of two different entities, shape
            (unordered pairs, sentences).
        """
        contexts, shares = zip(*self.blocks(hidden, document, diagonal), strict=True)
        return torch.cat(contexts), torch.cat(shares)

    def blocks(
        self, hidden: Tensor, document: EncodedDocument, diagonal: bool = False
    ) -> Iterator[Tuple[Tensor, Tensor]]:
        """Yield the same for a few pairs at a time, in their order. The contexts and the (heads x
        pairs x positions) table are never whole in memory."""
        n, added = document.num_entities, 0.0
        attention = entity_attention(document)  # A: (positions, entities, heads)
        if self.smoothing:
            mentions = torch.bincount(document.mention_entities, minlength=n)
            attention = attention / mentions.unsqueeze(1)
            added = self.smoothing * attention.shape[2]
        # Special tokens lie in no sentence.
        sentences = nn.functional.one_hot(
            document.position_sentences + 1, 1 + document.num_sentences
        )[:, 1:].to(hidden.dtype)  # (positions, sentences)
        for start, end in steps(n, len(hidden)):
            q = pair_attention(attention, start, end, diagonal)  # eq. 3
            shares = q / (q.sum(1, keepdim=True) + added).clamp_min(_SMALLEST)
            s, o = Pairs.unordered_between(n, start, end, diagonal, hidden.device)
            # Eq. 4: (unordered pairs, hidden width), and (unordered pairs, sentences)
            yield (shares if self.normalised else q) @ hidden, (shares @ sentences)[s != o]


def pair_attention(attention: Tensor, start: int, end: int, diagonal: bool = False) -> Tensor:
    """Compute q(s, o) of the unordered pairs with start <= s < end (eq. 3).

    attention (Tensor): A, shape (positions, entities, heads).
    start (int): The first s.
    end (int): The s to stop before.
    diagonal (bool): Whether the pairs (s, s) are included.
    RETURNS (Tensor): q, shape (unordered pairs, positions).
    """
    heads = attention[:, start:end]  # (positions, step, heads)
    products = torch.bmm(heads, attention.transpose(1, 2))  # (positions, step, entities)
    n = attention.shape[1]
    s, o = Pairs.unordered_between(n, start, end, diagonal, attention.device)
    # Here and below, index_select is many times faster than an index in brackets.
    return (
        products.flatten(1).index_select(1, (s - start) * n + o).T
    )  # (unordered pairs, positions)


class GroupedBilinear(nn.Module):
    """Eq. 6: g_i = sum over blocks j of z_s^j W_i^j z_o^j + b_i.

    Head and tail are split into `width / block_size` blocks. Values are multiplied within a block.

    width (int): Width of z_s and z_o.
    pair_width (int): Width of g.
    block_size (int): Width of a block; must divide `width`.
    RAISES (ValueError): If `block_size` does not divide `width`.
    """

    def __init__(self, width: int, pair_width: int, block_size: int) -> None:
        super().__init__()
        if width % block_size != 0:
            raise ValueError(
                f"block_size = {block_size} does not divide width = {width}. Set a "
                "block_size that does, for instance a power of two."
            )
        self.block_size = block_size
        self.weight = nn.Parameter(torch.empty(width // block_size, block_size**2, pair_width))
        self.bias = nn.Parameter(torch.zeros(pair_width))
        bound = 1.0 / math.sqrt(width * block_size)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, heads: Tensor, tails: Tensor) -> Tensor:
        """Multiply heads and tails.

        heads (Tensor): z_s, shape (pairs, width).
        tails (Tensor): z_o, shape (pairs, width).
        RETURNS (Tensor): g, float32, shape (pairs, pair width).
        """
        return grouped_bilinear(heads, tails, self.weight) + self.bias  # (pairs, pair width)


class AxialAttention(slots.PairEncoder):
    """Eq. 7 as multi-head attention: a pair (s, o) attends to the pairs with its tail or its head.

    First along the column, r' = g + sum over p of softmax_p(q_(s,o) . k_(p,o)) v_(p,o), then along
    the row, r = r' + sum over p of softmax_p(q'_(s,o) . k'_(s,p)) v'_(s,p), with q', k', v' of r'.
    Five things differ from the paper (see `PrintedAxialAttention`): this sequence, separate maps
    for each axis, the root of a head's width that divides q . k, a linear map that joins the heads,
    and the diagonal (s, s), which is not a pair and takes no part.

    width (int): Width of g.
    depth (int): Number of layers, each with a column step and a row step.
    heads (int): Number of attention heads; must divide `width`.
    order (Order): "sequential", or "parallel": both axes attend to g, as in released code.
    transform (bool): Whether each layer ends with a linear map and layer normalisation, and g is
        added after the last layer, as in the released code.
    RAISES (ValueError): If `heads` does not divide `width`.
    """

    def __init__(
        self, width: int, *, depth: int, heads: int, order: Order, transform: bool
    ) -> None:
        super().__init__()
        self.adds_input = transform
        layers = (AxialLayer(width, heads, order, transform) for _ in range(depth))
        self.layers = nn.ModuleList(layers)

    def forward(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Attend. Arguments and result as in `PairEncoder`."""
        output = table
        for layer in self.layers:
            output = layer(output, pairs)  # (pairs, pair width)
        return output + table if self.adds_input else output


class AxialLayer(nn.Module):
    """One column attention and one row attention."""

    def __init__(self, width: int, heads: int, order: Order, transform: bool) -> None:
        super().__init__()
        self.order = order
        self.column = LineAttention(width, heads)
        self.row = LineAttention(width, heads)
        self.transform = (
            nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width)) if transform else None
        )

    def forward(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Attend along both axes. Arguments and result as in `PairEncoder`."""
        output = table.clone()
        # In sequence, the rows read r', the result of the columns.
        source = output if self.order == "sequential" else table
        for attention, columns in ((self.column, True), (self.row, False)):
            add_along_lines(output, source, pairs, columns, attention)
        if self.transform is not None:
            linear, norm = self.transform
            for rows in lines_of(pairs):
                # The normalisation is never rounded.
                output[rows] = norm(linear(output[rows]).to(output.dtype))
        return output


class LineAttention(nn.Module):
    """Multi-head attention within lines (rows or columns) of the pair table."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads != 0:
            raise ValueError(f"heads = {heads} does not divide pair_width = {width}.")
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)

    def forward(self, lines: Tensor) -> Tensor:
        """Attend. Input and output have the shape (lines, length, pair width)."""
        return self.output(attend_in_lines(self.query_key_value(lines), self.heads))


class PrintedAxialAttention(slots.PairEncoder):
    """Eq. 7 as printed: r(s, o) = g(s, o) + sum over p of softmax_p(q_(s,o) . k_(p,o)) v_(p,o) +
    sum over p of softmax_p(q_(s,o) . k_(s,p)) v_(s,p).

    q, k and v are W_Q g, W_K g and W_V g, for both axes; p runs over 1 ... n, the diagonal
    included.

    width (int): Width of g.
    depth (int): Number of layers.
    """

    diagonal = True

    def __init__(self, width: int, *, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, 3 * width, bias=False) for _ in range(depth))

    def forward(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Attend. Arguments and result as in `PairEncoder`."""
        for layer in self.layers:
            output = table.clone()

            def attend(lines: Tensor, layer: nn.Module = layer) -> Tensor:
                return attend_in_lines(layer(lines), heads=1, scale=1.0)

            for columns in (True, False):
                add_along_lines(output, table, pairs, columns, attend)
            table = output
        return table


def attend_in_lines(projected: Tensor, heads: int, scale: Optional[float] = None) -> Tensor:
    """Compute the attention of each pair over the pairs of its line.

    projected (Tensor): Queries, keys and values, shape (lines, length, 3 * pair width).
    heads (int): Number of attention heads.
    scale (Optional[float]): Factor on q . k; None for 1 / root of a head's width.
    RETURNS (Tensor): The sums over the lines, shape (lines, length, pair width).
    """
    # 3 x (lines, heads, length, head width)
    q, k, v = projected.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    gathered = nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
    return gathered.transpose(1, 2).flatten(2)


class LinearClassifier(nn.Linear):
    """Eq. 8: l = W_l r + b_l, with TH in column 0 and the relations after it.

    pair_width (int): Width of r.
    num_relations (int): Number of relations, without TH.
    prior (float): P(r) at the start of training, which sets the biases. It should be about as small
        as the share of relations: else the first steps only lift TH above the rest (Lin et al.,
        *Focal Loss for Dense Object Detection*, 2017). The bias of TH is log((1 - prior) / prior);
        with 0.5 it is 0.
    """

    def __init__(self, pair_width: int, num_relations: int, *, prior: float = 0.01) -> None:
        super().__init__(pair_width, 1 + num_relations)
        nn.init.zeros_(self.bias)
        nn.init.constant_(self.bias[0], math.log((1 - prior) / prior))


class KDDocRE(Network):
    """Eq. 2 to 8: score every ordered pair of entities in every relation.

    hidden_width, width, pair_width (int): Width of H, of z_s and z_o, and of g and r.
    num_relations (int): Number of relations, without TH.
    block_size (int): Width of a block of the bilinear product.
    entity_pooling, context_pooling, pair_features, pair_encoder, classifier (Callable): Make the
        layers of eq. 2, of 3 and 4, of 6, 7 and 8 (see `slots.py`). context_pooling = None: z
        without a context. pair_encoder = None: r = g, the paper's "w/o Axial".
    dropout (float): Dropout on z_s, z_o and r.
    precision (Precision): Precision of the matrix products of eq. 5 to 7.
    smoothing (float): As in `LocalizedContextPooling`.
    """

    first_weight = "head_entity.weight"

    def __init__(
        self,
        *,
        hidden_width: int,
        num_relations: int,
        width: int,
        block_size: int,
        pair_width: int,
        entity_pooling: slots.MakeEntityPooling,
        context_pooling: Optional[slots.MakeContextPooling],
        pair_features: slots.MakePairFeatures,
        pair_encoder: Optional[slots.MakePairEncoder],
        classifier: slots.MakeClassifier,
        dropout: float,
        precision: Precision,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.precision = precision
        self.entity_pooling = entity_pooling()
        self.context_pooling = None if context_pooling is None else context_pooling(smoothing)
        self.head_entity = nn.Linear(hidden_width, width)
        if context_pooling is not None:
            self.head_context = nn.Linear(hidden_width, width, bias=False)
        self.tail_entity = nn.Linear(hidden_width, width)
        if context_pooling is not None:
            self.tail_context = nn.Linear(hidden_width, width, bias=False)
        # Not self.pair_features: stored weights have this name.
        self.bilinear = pair_features(width, pair_width, block_size)
        self.pair_encoder = None if pair_encoder is None else pair_encoder(pair_width)
        self.diagonal = getattr(self.pair_encoder, "diagonal", False)
        self.classifier = classifier(pair_width, num_relations)
        self.dropout = nn.Dropout(dropout)

    def score(self, document: EncodedDocument) -> slots.DocumentScores:
        """Score the pairs of one document. Only g, r and the result are in memory for all pairs."""
        n, device = document.num_entities, document.hidden.device
        pairs = Pairs.of([n], diagonal=self.diagonal, device=device)
        hidden = merge_windows(document)  # eq. 1: (positions, hidden width)
        entities = self.entity_pooling(hidden, document)  # eq. 2, h: (entities, hidden width)
        with autocast(self.precision, device):
            # W h once for each entity: (entities, width)
            maps = self.head_entity(entities), self.tail_entity(entities)
        table = hidden.new_empty(len(pairs.heads), self.classifier.in_features)
        evidence = []
        # Eq. 3 and 4, a few pairs at a time.
        for block in walk(self.context_pooling, hidden, document, self.diagonal):
            with autocast(self.precision, device):
                g = self.bilinear(*self.embed_pairs(*maps, block))  # eq. 5, 6
            table[block.rows] = g.to(table.dtype)
            evidence.append(block.evidence)
        with autocast(self.precision, device):
            table = self.encode_pairs(table, pairs)  # eq. 7, r: (pairs, pair width)
        if self.diagonal:
            table = table[pairs.off_diagonal]
        # Not in bfloat16: rounded logits change scores by a hundredth.
        logits = self.classifier(self.dropout(table.to(hidden.dtype)))  # eq. 8
        return slots.DocumentScores(logits, slots.join(evidence))

    def embed_pairs(self, heads: Tensor, tails: Tensor, block: PairBlock) -> Tuple[Tensor, Tensor]:
        """Eq. 5: z_s = tanh(W_s h_s + W_cs c + b_s) and z_o = tanh(W_o h_o + W_co c + b_o).

        heads, tails (Tensor): W_s h + b_s and W_o h + b_o, both of shape (entities, width).
        block (PairBlock): The pairs.
        RETURNS (Tuple[Tensor, Tensor]): z_s and z_o, both of shape (pairs, width).
        """
        heads = heads.index_select(0, block.heads)  # (pairs, width)
        tails = tails.index_select(0, block.tails)  # (pairs, width)
        if self.context_pooling is not None:
            # W c once for each unordered pair.
            heads = heads + self.head_context(block.contexts).index_select(0, block.unordered)
            tails = tails + self.tail_context(block.contexts).index_select(0, block.unordered)
        return self.dropout(torch.tanh(heads)), self.dropout(torch.tanh(tails))

    def encode_pairs(self, table: Tensor, pairs: Pairs) -> Tensor:
        """Eq. 7. Arguments and result as in `PairEncoder`."""
        return table if self.pair_encoder is None else self.pair_encoder(table, pairs)
