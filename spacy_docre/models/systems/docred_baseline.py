"""The baseline of DocRED (Yao et al., ACL 2019) over a transformer, as in the evaluation of
CorefBERT (Ye et al., EMNLP 2020): means of mentions, distances, and one bilinear form for each
class."""

from functools import partial
from typing import Any, Dict, List, Optional, Type

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from torch import Tensor, nn

from ..bilinear_kernel import grouped_bilinear
from ..encoded_document import EncodedDocument, embed_mentions, merge_windows
from ..extractor import ExtractorModel, make_extractor
from ..network import Network
from ..pair_blocks import walk
from ..passages import Passages
from ..pieces import MentionPooling, encode_document
from ..serialization import StoredPrecision
from ..slots import DocumentScores, join, require_positive

# The smallest distance of each step after 0: 1, 2 to 3, 4 to 7 ... 256 and more.
_STEPS = [2**power for power in range(9)]


class BilinearClassifier(nn.Linear):
    """l_k = s^T W_k o + b_k, with TH for k = 0 and the relations after it. The weight has a row for
    each class, so it grows like any last layer. It has a column for each pair of values of s and o.

    width (int): Width of s and o.
    num_relations (int): Number of relations, without TH.
    """

    def __init__(self, width: int, num_relations: int) -> None:
        super().__init__(width**2, 1 + num_relations)

    def score(self, heads: Tensor, tails: Tensor) -> Tensor:
        """Score pairs. The products s o^T are never all in memory at once.

        heads (Tensor): s, shape (pairs, width).
        tails (Tensor): o, shape (pairs, width).
        RETURNS (Tensor): l, shape (pairs, 1 + relations).
        """
        return grouped_bilinear(heads, tails, self.weight.T.unsqueeze(0)) + self.bias


class DocREDBaseline(Network):
    """Score a pair by the means of its mentions and by the distance of its entities.

    e is the mean over the entity's mentions, and a mention is the mean of its word pieces. d is the
    distance of the first mentions, in word pieces, with its sign. It is counted in steps that
    double, and has the embedding E(d), with E(0) = 0. With h_e = W e + b, s = [h_s; E(d)] and
    o = [h_o; E(-d)]: l_k = s^T W_k o + b_k.

    CorefBERT's released code does the same: width 128, distances of width 20, no activation. There
    are two differences. In that code "no relation" is a class that is learnt like a relation, and
    here it is TH (see `spacy_docre.BinaryCrossEntropy.v1`). In that code the first mention is the
    one that is listed first, and here it is the earliest in the text. The network reads no
    attention and has no evidence.

    hidden_width (int): Width of H.
    num_relations (int): Number of relations, without TH.
    width (int): Width of h.
    distance_width (int): Width of E.
    """

    classifier: BilinearClassifier
    first_weight = "entity.weight"

    def __init__(
        self, *, hidden_width: int, num_relations: int, width: int, distance_width: int
    ) -> None:
        super().__init__()
        self.entity = nn.Linear(hidden_width, width)
        steps = len(_STEPS)
        self.distance = nn.Embedding(2 * steps + 1, distance_width, padding_idx=steps)
        self.classifier = BilinearClassifier(width + distance_width, num_relations)

    def score(self, document: EncodedDocument) -> DocumentScores:
        """Score the pairs of one document.

        document (EncodedDocument): The document, with at least two entities.
        RETURNS (DocumentScores): Logits, and evidence with zero shares on all sentences.
        """
        n, hidden = document.num_entities, merge_windows(document)  # H: (positions, hidden width)
        mentions, seen = embed_mentions(hidden, document)  # (seen mentions, hidden width)
        owners = document.mention_entities[seen]
        total = hidden.new_zeros(n, hidden.shape[1]).index_add(0, owners, mentions)
        number = torch.bincount(owners, minlength=n).clamp_min(1).unsqueeze(1)
        entities = self.entity(total / number)  # h: (entities, width)
        first = first_positions(document)  # (entities,)
        logits = hidden.new_empty(n * (n - 1), self.classifier.out_features)
        evidence = []
        for block in walk(None, hidden, document, diagonal=False):
            step = distance_steps(first[block.heads] - first[block.tails])  # (pairs,)
            heads = torch.cat([entities[block.heads], self._embed(step)], 1)
            tails = torch.cat([entities[block.tails], self._embed(-step)], 1)
            logits[block.rows] = self.classifier.score(heads, tails)
            evidence.append(block.evidence)
        return DocumentScores(self.compose(logits), join(evidence))

    def _embed(self, step: Tensor) -> Tensor:
        embedded: Tensor = self.distance(step + len(_STEPS))
        return embedded  # (pairs, distance width)

    def compose(self, scores: Tensor) -> Tensor:
        """Make logits of the bilinear forms' results, both of shape (pairs, 1 + relations)."""
        return scores


def first_positions(document: EncodedDocument) -> Tensor:
    """Find the first position of each entity; 0 if no piece of the entity reached the encoder.

    document (EncodedDocument): The document.
    RETURNS (Tensor): The positions, shape (entities,).
    """
    positions = document.piece_positions[document.mention_pieces]
    owners = document.mention_entities[document.piece_mentions]
    first = positions.new_zeros(document.num_entities)
    return first.scatter_reduce(0, owners, positions, "amin", include_self=False)


def distance_steps(distance: Tensor) -> Tensor:
    """Count distances in steps: 0, 1, 2 for 2 and 3, 3 for 4 to 7 ... 9 for 256 and more, with the
    sign.

    distance (Tensor): The distances, integers of any shape.
    RETURNS (Tensor): The steps, of the same shape.
    """
    edges = torch.tensor(_STEPS, device=distance.device)
    return distance.sign() * torch.bucketize(distance.abs(), edges, right=True)


def make_docred_baseline(
    tok2vec: Model[List[Doc], List[TransformerData]],
    width: int = 128,
    distance_width: int = 20,
    stored_precision: StoredPrecision = "float32",
    mention_pooling: MentionPooling = "mean",
    max_pairs: int = 500_000,
    passages: Optional[Passages] = None,
) -> ExtractorModel:
    """`spacy_docre.DocREDBaseline.v1`: the baseline of DocRED over a transformer.

    tok2vec (Model): The encoder, usually `spacy_docre.TransformerListener.v1`.
    width (int): Width of the entity embeddings before the bilinear forms.
    distance_width (int): Width of the embeddings of distances.
    stored_precision, mention_pooling, max_pairs, passages: As in `spacy_docre.DocRelationModel.v1`.
    RETURNS (ExtractorModel): The model.
    RAISES (ValueError): If a size is less than 1.
    """
    return make_baseline_extractor(
        DocREDBaseline,
        tok2vec,
        {"width": width, "distance_width": distance_width},
        stored_precision,
        mention_pooling,
        max_pairs,
        passages,
    )


def make_baseline_extractor(
    network: Type[DocREDBaseline],
    tok2vec: Model[List[Doc], List[TransformerData]],
    sizes: Dict[str, Any],
    stored_precision: StoredPrecision,
    mention_pooling: MentionPooling,
    max_pairs: int,
    passages: Optional[Passages],
) -> ExtractorModel:
    """Put the baseline, or a network built on it, on top of an encoder. Arguments as in
    `make_docred_baseline`; `sizes` are the settings of the network."""
    require_positive(**sizes, max_pairs=max_pairs)
    encode = partial(encode_document, mention_pooling=mention_pooling)
    return make_extractor(tok2vec, network, sizes, encode, stored_precision, max_pairs, passages)
