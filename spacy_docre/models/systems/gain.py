"""GAIN, after Zeng et al., *Double Graph Based Reasoning for Document-level Relation Extraction*
(EMNLP 2020): a graph of mentions, a graph of entities, and paths in the graph of entities.

The two graphs, the convolution, the attention over paths and the features of a pair are as in the
authors' code; the paper's text was not at hand. Some things are different here. A linear map brings
the encoder's states to `width`. There are no embeddings of entity types and entity numbers, so the
order of entities has no meaning. The document node is the mean of all word pieces, since a long
document has a [CLS] in each window. An edge is computed from all layers of its entities; in the
code it is computed from the last convolution. The sum over paths has no separate layer before the
last two. There is a TH among the logits.
"""

from typing import List, Optional, Tuple

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from torch import Tensor, nn

from ...pairs import Pairs
from ..chains import attend_over_chains
from ..encoded_document import (
    EncodedDocument,
    embed_mentions,
    entity_sentences,
    mention_sentences,
    merge_windows,
)
from ..extractor import ExtractorModel, make_extractor
from ..kd_docre import LinearClassifier
from ..network import Network
from ..pair_blocks import no_evidence, steps
from ..passages import Passages
from ..pieces import encode_document
from ..precision import Precision, autocast
from ..serialization import StoredPrecision
from ..slots import DocumentScores, require_positive, require_rates

# Kinds of edges of the graph of mentions.
SAME_ENTITY, SAME_SENTENCE, DOCUMENT = range(3)


def make_gain(
    tok2vec: Model[List[Doc], List[TransformerData]],
    width: int = 192,
    pair_width: int = 384,
    layers: int = 2,
    dropout: float = 0.2,
    precision: Precision = "float32",
    stored_precision: StoredPrecision = "float32",
    max_pairs: int = 500_000,
    passages: Optional[Passages] = None,
) -> ExtractorModel:
    """`spacy_docre.GAIN.v1`: GAIN over a transformer.

    tok2vec (Model): The encoder, usually `spacy_docre.TransformerListener.v1`.
    width (int): Width of a node of the mention graph, and of an edge of the entity graph.
    pair_width (int): Width of the layer before the logits.
    layers (int): Number of graph convolutions.
    dropout (float): Dropout on nodes and on the layer before the logits.
    precision (Precision): Precision of all parts except the logits, as in
        `spacy_docre.TransformerModel.v1`.
    stored_precision (StoredPrecision): Of the weights on disk; "float16" is also compressed.
    max_pairs (int): The largest number of pairs. A document with more fails, but no other document.
    passages (Optional[Passages]): Where to cut long documents in prediction; None: nowhere.
    RETURNS (ExtractorModel): The model.
    RAISES (ValueError): If a width, `layers`, `dropout` or `max_pairs` is out of range.
    """
    require_positive(width=width, pair_width=pair_width, layers=layers, max_pairs=max_pairs)
    require_rates(dropout)
    settings = dict(
        width=width, pair_width=pair_width, layers=layers, dropout=dropout, precision=precision
    )
    return make_extractor(
        tok2vec, GAIN, settings, encode_document, stored_precision, max_pairs, passages
    )


class GAIN(Network):
    """Score every ordered pair of entities in every relation.

    Two entities are linked if one sentence mentions both. The edge from i to j is e_ij = relu(W_q
    [e_i; e_j] + b_q). A path from h to t goes through an entity o that is linked to both:
    p_o = [e_ho; e_ot; e_to; e_oh]. p = sum over o of softmax_o([e_h; e_t] W_p p_o) p_o, or zeros if
    there is no such o. With the document node d,

    l(h, t) = W_l relu(W_f [e_h; e_t; |e_h - e_t|; e_h * e_t; d; p] + b_f) + b_l.

    hidden_width, width, pair_width (int): Width of H, of nodes and edges, and of the features of a
        pair.
    num_relations (int): Number of relations, without TH.
    layers (int): Number of graph convolutions.
    dropout (float): Dropout on nodes and on the features of a pair.
    precision (Precision): Precision of the matrix products before the logits.
    """

    first_weight = "graph.enter.weight"

    def __init__(
        self,
        *,
        hidden_width: int,
        num_relations: int,
        width: int,
        pair_width: int,
        layers: int,
        dropout: float,
        precision: Precision,
    ) -> None:
        super().__init__()
        self.precision = precision
        self.graph = MentionGraph(hidden_width, width, layers, dropout)
        entity = self.graph.output_width
        self.edge_head = nn.Linear(entity, width)
        self.edge_tail = nn.Linear(entity, width, bias=False)
        self.path_head = nn.Linear(entity, 4 * width, bias=False)
        self.path_tail = nn.Linear(entity, 4 * width, bias=False)
        self.features = nn.Linear(5 * entity + 4 * width, pair_width)
        self.classifier = LinearClassifier(pair_width, num_relations)
        self.dropout = nn.Dropout(dropout)

    def score(self, document: EncodedDocument) -> DocumentScores:
        """Score the pairs of one document. Only the edges and the result are in memory for all
        pairs."""
        n, device = document.num_entities, document.hidden.device
        pairs = Pairs.of([n], device=device)
        hidden = merge_windows(document)  # (positions, hidden width)
        linked = link_entities(document)
        with autocast(self.precision, device):
            entities, whole = self.graph(hidden, document)
            edges = self.embed_edges(entities)  # (entities, entities, 2 * width)
            # [e_h; e_t] W_p, once for each entity: (entities, 4 * width)
            from_head, from_tail = self.path_head(entities), self.path_tail(entities)
        logits = []
        for start, end in steps(n, n + self.features.in_features):
            here = (start <= pairs.heads) & (pairs.heads < end)
            heads, tails = pairs.heads[here], pairs.tails[here]  # (pairs,)
            with autocast(self.precision, device):
                queries = from_head[start:end].unsqueeze(1) + from_tail
                paths = attend_over_chains(queries, edges, linked, start)
                h, t, p = entities[heads], entities[tails], paths[heads - start, tails]
                known = [h, t, (h - t).abs(), h * t, whole.expand_as(h), p]
                features = torch.relu(self.features(torch.cat(known, dim=1)))
            # Not in bfloat16: rounded logits change scores by a hundredth.
            logits.append(self.classifier(self.dropout(features.to(hidden.dtype))))
        return DocumentScores(torch.cat(logits), no_evidence(document))

    def embed_edges(self, entities: Tensor) -> Tensor:
        """Compute [e_ij; e_ji] for all i and j. A path through o is then [e_ho; e_oh; e_ot; e_to],
        one half for each step.

        entities (Tensor): e, shape (entities, entity width).
        RETURNS (Tensor): The edges, shape (entities, entities, 2 * width).
        """
        head, tail = self.edge_head(entities), self.edge_tail(entities)  # (entities, width)
        first, second = torch.cat([head, tail], 1), torch.cat([tail, head], 1)
        return (first.unsqueeze(1) + second).relu_()  # (entities, entities, 2 * width)


class MentionGraph(nn.Module):
    """The graph of mentions: one node for each mention, and one for the document.

    Edges join mentions of one entity, mentions of different entities in one sentence, and every
    mention with the document. A node after layer l is n_u = relu(sum over kinds k of (mean over
    neighbours v in N_k(u) of W_k n_v) + W_0 n_u + b). The output concatenates the nodes of all
    layers, the first nodes included. A mention is not a node if none of its pieces reached the
    encoder.

    hidden_width (int): Width of H.
    width (int): Width of a node in each layer.
    layers (int): Number of layers.
    dropout (float): Dropout on the nodes of each layer.
    """

    def __init__(self, hidden_width: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.output_width = (1 + layers) * width
        self.enter = nn.Linear(hidden_width, width)
        self.layers = nn.ModuleList(GraphConvolution(width) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, document: EncodedDocument) -> Tuple[Tensor, Tensor]:
        """Embed entities and document.

        hidden (Tensor): H, shape (positions, hidden width).
        document (EncodedDocument): The document.
        RETURNS (Tuple[Tensor, Tensor]): e, the mean of the nodes of an entity's mentions, zeros if
            there are none, shape (entities, output width); and the document node, shape (output
            width,).
        """
        mentions, seen = embed_mentions(hidden, document)  # (seen mentions, hidden width)
        owners = document.mention_entities[seen]
        adjacency = mention_adjacency(owners, mention_sentences(document)[seen], hidden.dtype)
        whole = hidden.sum(0, keepdim=True) / max(1, len(hidden))
        nodes = self.enter(torch.cat([whole, mentions]))  # (nodes, width)
        found = [nodes]
        for layer in self.layers:
            nodes = self.dropout(layer(nodes, adjacency))
            found.append(nodes)
        # Sums of many nodes are not rounded.
        output = torch.cat(found, dim=1).to(hidden.dtype)  # (nodes, output width)
        total = output.new_zeros(document.num_entities, self.output_width)
        total = total.index_add(0, owners, output[1:])  # (entities, output width)
        number = torch.bincount(owners, minlength=document.num_entities)
        return total / number.clamp_min(1).unsqueeze(1), output[0]


class GraphConvolution(nn.Module):
    """One layer of the graph of mentions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.neighbours = nn.Linear(width, 3 * width, bias=False)
        self.own = nn.Linear(width, width)

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        """Convolve.

        nodes (Tensor): n, shape (nodes, width).
        adjacency (Tensor): The result of `mention_adjacency`, shape (kinds, nodes, nodes).
        RETURNS (Tensor): The nodes of the next layer, shape (nodes, width).
        """
        messages = self.neighbours(nodes).unflatten(1, (len(adjacency), -1))
        gathered = adjacency @ messages.transpose(0, 1)  # (kinds, nodes, width)
        return torch.relu(gathered.sum(0) + self.own(nodes))


def mention_adjacency(owners: Tensor, sentences: Tensor, dtype: torch.dtype) -> Tensor:
    """Compute the edges of the mention graph. Node 0 is the document.

    owners (Tensor): The entity of each mention, shape (mentions,).
    sentences (Tensor): The sentence of each mention, shape (mentions,).
    dtype (torch.dtype): The type of the result.
    RETURNS (Tensor): For each kind of edge, each node and each of its neighbours: 1 / the number of
        neighbours. Zeros elsewhere. Shape (kinds, nodes, nodes).
    """
    nodes = 1 + len(owners)
    edges = torch.zeros(3, nodes, nodes, dtype=torch.bool, device=owners.device)
    same = owners.unsqueeze(1) == owners  # (mentions, mentions)
    edges[SAME_ENTITY, 1:, 1:] = same.clone().fill_diagonal_(False)
    edges[SAME_SENTENCE, 1:, 1:] = (sentences.unsqueeze(1) == sentences) & ~same
    edges[DOCUMENT, 0, 1:] = edges[DOCUMENT, 1:, 0] = True
    return edges.to(dtype) / edges.sum(2, keepdim=True).clamp_min(1)


def link_entities(document: EncodedDocument) -> Tensor:
    """Compute the graph of entities. Two entities are linked if one sentence mentions both.

    document (EncodedDocument): The document.
    RETURNS (Tensor): Symmetric booleans of shape (entities, entities); no entity is linked to
        itself.
    """
    mentioned = entity_sentences(document).to(document.hidden.dtype)  # (entities, sentences)
    return (mentioned @ mentioned.T > 0).fill_diagonal_(False)
