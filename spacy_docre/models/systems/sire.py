"""SIRE, after Zeng et al., *SIRE: Separate Intra- and Inter-sentential Reasoning for Document-level
Relation Extraction* (Findings of ACL 2021).

The paper's text and code were not at hand. Two things are certain from the abstract: pairs within a
sentence and pairs across sentences have different representations, and logical reasoning goes over
chains of two pairs that no graph restricts. The rest is our interpretation. An attention over
sentences selects among the shared sentences for pairs within a sentence, and among all sentences
for pairs across sentences. Entities are embedded by the graph of GAIN, from the same authors.
Sentences and mentions are read from one encoding of the document. There is a TH among the logits.
"""

import math
from typing import List, Optional, Tuple

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from torch import Tensor, nn

from ...pairs import Pairs
from ..chains import attend_over_chains, masked_softmax
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
from ..pair_blocks import kept_sentences, steps
from ..passages import Passages
from ..pieces import encode_document
from ..precision import Precision, autocast
from ..serialization import StoredPrecision
from ..slots import DocumentScores, Evidence, join, require_positive, require_rates, strongest
from .gain import MentionGraph


def make_sire(
    tok2vec: Model[List[Doc], List[TransformerData]],
    width: int = 192,
    layers: int = 2,
    dropout: float = 0.2,
    precision: Precision = "float32",
    stored_precision: StoredPrecision = "float32",
    max_pairs: int = 500_000,
    passages: Optional[Passages] = None,
) -> ExtractorModel:
    """`spacy_docre.SIRE.v1`: SIRE over a transformer.

    tok2vec (Model): The encoder, usually `spacy_docre.TransformerListener.v1`.
    width (int): Width of the nodes of the mention graph, of sentences, and of pairs.
    layers (int): Number of graph convolutions.
    dropout (float): Dropout on nodes, on pairs and on the layer before the logits.
    precision (Precision): Precision of all parts except the attention on sentences and the logits,
        as in `spacy_docre.TransformerModel.v1`.
    stored_precision (StoredPrecision): Of the weights on disk; "float16" is also compressed.
    max_pairs (int): The largest number of pairs. A document with more fails, but no other document.
    passages (Optional[Passages]): Where to cut long documents in prediction; None: nowhere.
    RETURNS (ExtractorModel): The model.
    RAISES (ValueError): If `width`, `layers`, `dropout` or `max_pairs` is out of range.
    """
    require_positive(width=width, layers=layers, max_pairs=max_pairs)
    require_rates(dropout)
    settings = dict(width=width, layers=layers, dropout=dropout, precision=precision)
    return make_extractor(
        tok2vec, SIRE, settings, encode_document, stored_precision, max_pairs, passages
    )


class SIRE(Network):
    """Score every ordered pair of entities in every relation.

    r(h, t) is the pair's representation by `SentenceReader`. A chain through another entity o is
    c_o = [r(h, o); r(o, t)]. Self-attention reads all chains:

    c(h, t) = sum over o of softmax_o(W_q r(h, t) . c_o / root of c_o's width) c_o,
    l(h, t) = W_l relu(W_r r(h, t) + W_c c(h, t) + b_r) + b_l.

    hidden_width, width (int): Width of H, and of all later layers.
    num_relations (int): Number of relations, without TH.
    layers (int): Number of graph convolutions.
    dropout (float): Dropout on nodes, on r, and on the features before the logits.
    precision (Precision): Precision of the matrix products, except those of the logits and of the
        attention in `SentenceReader`.
    """

    first_weight = "reader.key.weight"

    def __init__(
        self,
        *,
        hidden_width: int,
        num_relations: int,
        width: int,
        layers: int,
        dropout: float,
        precision: Precision,
    ) -> None:
        super().__init__()
        self.precision = precision
        self.graph = MentionGraph(hidden_width, width, layers, dropout)
        self.reader = SentenceReader(hidden_width, self.graph.output_width, width)
        self.query = nn.Linear(width, 2 * width, bias=False)
        self.own = nn.Linear(width, width)
        self.chains = nn.Linear(2 * width, width, bias=False)
        self.classifier = LinearClassifier(width, num_relations)
        self.dropout = nn.Dropout(dropout)

    def score(self, document: EncodedDocument) -> DocumentScores:
        """Score the pairs of one document. Only r and the result are in memory for all pairs."""
        n, device = document.num_entities, document.hidden.device
        pairs = Pairs.of([n], device=device)
        hidden = merge_windows(document)  # (positions, hidden width)
        with autocast(self.precision, device):
            entities, _ = self.graph(hidden, document)  # (entities, entity width)
            table, evidence = self.reader(hidden, entities, document)
            table = self.dropout(table)  # r: (entities, entities, width)
        others = ~torch.eye(n, dtype=torch.bool, device=device)
        logits = []
        for start, end in steps(n, n + 4 * table.shape[2]):
            here = (start <= pairs.heads) & (pairs.heads < end)
            rows, tails = pairs.heads[here] - start, pairs.tails[here]  # (pairs,)
            with autocast(self.precision, device):
                queries = self.query(table[start:end]) / math.sqrt(2 * table.shape[2])
                chains = attend_over_chains(queries, table, others, start)
                known = self.own(table[start:end]) + self.chains(chains)
                features = torch.relu(known[rows, tails])  # (pairs, width)
            # Not in bfloat16: rounded logits change scores by a hundredth.
            logits.append(self.classifier(self.dropout(features.to(hidden.dtype))))
        return DocumentScores(torch.cat(logits), evidence)


class SentenceReader(nn.Module):
    """The representation r of pairs within a sentence, and of pairs across sentences.

    x_k is the mean of a sentence's word pieces, and e is the embedding of an entity:
    a_k(h, t) = softmax_k((W_q e_h + W_q e_t) . W_k x_k / root of the width). The softmax is over
    the sentences that mention both h and t, or over all sentences if there are none. m_ik is the
    mean of the mentions of i in sentence k:

    within: r(h, t) = sum over k of a_k relu(W_h m_hk + W_t m_tk + W_s x_k + b),
    across: r(h, t) = relu(V_h e_h + V_t e_t + V_s (sum over k of a_k x_k) + c).

    hidden_width, entity_width, width (int): Width of H, of e and of r.
    """

    def __init__(self, hidden_width: int, entity_width: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(entity_width, width, bias=False)
        self.key = nn.Linear(hidden_width, width, bias=False)
        self.head_mention = nn.Linear(hidden_width, width, bias=False)
        self.tail_mention = nn.Linear(hidden_width, width, bias=False)
        self.sentence = nn.Linear(hidden_width, width)
        self.head_entity = nn.Linear(entity_width, width, bias=False)
        self.tail_entity = nn.Linear(entity_width, width, bias=False)
        self.context = nn.Linear(hidden_width, width)

    def forward(
        self, hidden: Tensor, entities: Tensor, document: EncodedDocument
    ) -> Tuple[Tensor, Evidence]:
        """Represent the pairs, a few at a time.

        hidden (Tensor): H, shape (positions, hidden width).
        entities (Tensor): e, shape (entities, entity width).
        document (EncodedDocument): The document.
        RETURNS (Tuple[Tensor, Evidence]): r, shape (entities, entities, width), whose diagonal
            (i, i) has no meaning; and a as evidence.
        """
        n = document.num_entities
        sentences, length = embed_sentences(hidden, document)  # (sentences, hidden width)
        # Evidence is never rounded.
        with autocast("float32", hidden.device):
            interest = self.query(entities) @ self.key(sentences).T  # (entities, sentences)
        interest = interest / math.sqrt(self.key.out_features)
        mentions, place = local_mentions(hidden, document)
        # Computed once for each place, sentence and entity, not for each pair.
        said = self.head_mention(mentions), self.tail_mention(mentions), self.sentence(sentences)
        known = self.head_entity(entities), self.tail_entity(entities), self.context(sentences)
        table, evidence = [], []
        for start, end in steps(n, len(sentences) + 2 * self.key.out_features):
            both = (place[start:end] >= 0).unsqueeze(1) & (place >= 0)
            within = both.any(2, keepdim=True)  # (heads, tails, 1)
            # A sentence without word pieces takes no part.
            shares = masked_softmax(
                interest[start:end].unsqueeze(1) + interest, torch.where(within, both, length > 0)
            )  # a: (heads, tails, sentences)
            across = known[0][start:end].unsqueeze(1) + known[1] + shares @ known[2]
            h, t, k = both.nonzero(as_tuple=True)
            inside = said[0][place[start + h, k]] + said[1][place[t, k]] + said[2][k]
            inside = shares[h, t, k].unsqueeze(1) * torch.relu(inside)  # (places of pairs, width)
            rows = torch.relu(across).to(hidden.dtype).masked_fill(within, 0)
            rows = rows.index_put((h, t), inside.to(rows.dtype), accumulate=True)
            table.append(rows)  # (heads, entities, width)
            s, o = Pairs.unordered_between(n, start, end, device=hidden.device)
            evidence.append(strongest(shares[s - start, o], kept_sentences(document)))
        return torch.cat(table), join(evidence)


def embed_sentences(hidden: Tensor, document: EncodedDocument) -> Tuple[Tensor, Tensor]:
    """Embed each sentence as the mean of its positions.

    hidden (Tensor): H, shape (positions, hidden width).
    document (EncodedDocument): The document.
    RETURNS (Tuple[Tensor, Tensor]): x, shape (sentences, hidden width), zeros for a sentence
        without word pieces; and the number of positions of each sentence, shape (sentences,).
    """
    inside = document.position_sentences >= 0
    sentences = document.position_sentences[inside]
    length = torch.bincount(sentences, minlength=document.num_sentences)
    total = hidden.new_zeros(len(length), hidden.shape[1])
    total = total.index_add(0, sentences, hidden[inside])  # (sentences, hidden width)
    return total / length.clamp_min(1).unsqueeze(1), length


def local_mentions(hidden: Tensor, document: EncodedDocument) -> Tuple[Tensor, Tensor]:
    """Embed each entity in each sentence that mentions it.

    hidden (Tensor): H, shape (positions, hidden width).
    document (EncodedDocument): The document.
    RETURNS (Tuple[Tensor, Tensor]): m, the mean of the mentions, shape (places, hidden width); and
        the index of each entity's place in each sentence, -1 for none, shape (entities, sentences).
    """
    mentioned = entity_sentences(document)
    place = mentioned.flatten().cumsum(0).view_as(mentioned) - 1
    mentions, seen = embed_mentions(hidden, document)  # (seen mentions, hidden width)
    row = place[document.mention_entities[seen], mention_sentences(document)[seen]]
    number = torch.bincount(row, minlength=int(mentioned.sum()))
    total = hidden.new_zeros(len(number), hidden.shape[1])
    total = total.index_add(0, row, mentions)  # (places, hidden width)
    return total / number.unsqueeze(1), place.masked_fill(~mentioned, -1)
