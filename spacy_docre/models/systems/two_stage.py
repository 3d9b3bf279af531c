"""Two classifiers: the first decides whether a pair is related, the second by which relation (Wang
et al., 2019)."""

from typing import List, Optional

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from torch import Tensor

from ..extractor import ExtractorModel
from ..passages import Passages
from ..pieces import MentionPooling
from ..serialization import StoredPrecision
from .docred_baseline import DocREDBaseline, make_baseline_extractor


class TwoStage(DocREDBaseline):
    """After Wang et al., *Fine-tune Bert for DocRED with Two-step Process* (2019): the first
    classifier decides whether a pair has a relation, the second decides which. Both use the
    bilinear forms of DocRED's baseline.

    The first form gives -u, the others give v_r: P(related) = sigmoid(u), and
    P(r | related) = sigmoid(v_r). In prediction l_TH = 0 and l_r = min(u, v_r). So l_r > l_TH if u
    > 0 and v_r > 0: the second classifier decides about the pairs that the first one accepts. The
    score of a relation is the smaller of the two probabilities, and a threshold applies to both.

    In training l_TH = -u and l_r = v_r: each classifier has a separate loss (see
    `spacy_docre.TwoStageLoss.v1`). With a loss on the smaller one alone, the other classifier would
    not learn. So this network cannot learn from another loss, or from a teacher's logits. In the
    paper the two steps are trained one after the other; here they are trained together, over one
    encoder.

    hidden_width, num_relations, width, distance_width: As in `DocREDBaseline`.
    """

    def compose(self, scores: Tensor) -> Tensor:
        """Make logits of the results of both classifiers, both of shape (pairs, 1 + relations)."""
        if self.training:
            return scores
        unrelated, relations = scores[:, :1], scores[:, 1:]
        margins = torch.minimum(-unrelated, relations)
        return torch.cat([torch.zeros_like(unrelated), margins], 1)


def make_two_stage(
    tok2vec: Model[List[Doc], List[TransformerData]],
    width: int = 128,
    distance_width: int = 20,
    stored_precision: StoredPrecision = "float32",
    mention_pooling: MentionPooling = "mean",
    max_pairs: int = 500_000,
    passages: Optional[Passages] = None,
) -> ExtractorModel:
    """`spacy_docre.TwoStage.v1`: two classifiers over a transformer, for training with
    `spacy_docre.TwoStageLoss.v1`.

    Arguments, result and errors are those of `spacy_docre.DocREDBaseline.v1`.
    """
    return make_baseline_extractor(
        TwoStage,
        tok2vec,
        {"width": width, "distance_width": distance_width},
        stored_precision,
        mention_pooling,
        max_pairs,
        passages,
    )
