"""Turn gold evidence into targets for the shares of attention, and compute the loss on them."""

from typing import Sequence

import numpy
import torch
from thinc.api import xp2torch
from torch import Tensor

from ..alignment import GoldAlignment
from ..annotations import sentence_boundaries
from ..losses import EvidenceLoss
from ..models.extractor import PairScores
from ..pairs import Pairs
from ..stored import get_triples


def evidence_loss(
    loss: EvidenceLoss, shares: Sequence[Tensor], alignments: Sequence[GoldAlignment]
) -> Tensor:
    """Compute the loss of a batch on its gold evidence: the mean over the pairs with evidence.
    Pairs without evidence are left out.

    loss (EvidenceLoss): The loss function.
    shares (Sequence[Tensor]): The shares of attention of the pairs of each document, shape
        (pairs, sentences).
    alignments (Sequence[GoldAlignment]): The entities of each document.
    RETURNS (Tensor): The loss, a scalar; 0 if no pair has evidence.
    RAISES (ValueError): As `gold_evidence`.
    """
    losses = []
    for document, alignment in zip(shares, alignments, strict=True):
        gold = gold_evidence(alignment)
        rows = numpy.flatnonzero(gold.any(axis=1))
        if len(rows):
            target = torch.as_tensor(gold[rows], device=document.device)
            losses.append(loss(document[torch.as_tensor(rows, device=document.device)], target))
    return torch.cat(losses).mean() if losses else torch.zeros(())


def gold_evidence(alignment: GoldAlignment) -> numpy.ndarray:
    """Tell which sentences of a predicted document are gold evidence of its pairs. A sentence is
    evidence of (head, tail) if it is evidence of any relation of this pair; those of
    (tail, head) do not count.

    An evidence sentence of the reference becomes the predicted sentence that holds most of its
    characters. If several sentences hold equally many, all of them are evidence.

    alignment (GoldAlignment): The predicted entities and those of the reference.
    RETURNS (numpy.ndarray): Whether each sentence is evidence of each pair, shape
        (pairs, sentences).
    RAISES (ValueError): If a pair has evidence, but the predicted document has no sentence
        boundaries.
    """
    num_sentences = len(sentence_boundaries(alignment.example.predicted))
    evidence = numpy.zeros((Pairs.count(len(alignment.predicted)), num_sentences), dtype=bool)
    for triple in get_triples(alignment.example.reference):
        row = alignment.pair_row(triple.head, triple.tail)
        if row is None or not triple.evidence:
            continue
        alignment.require_sentences("evidence")
        for start, end in triple.evidence:
            overlap = alignment.sentence_overlap(start, end)
            evidence[row] |= (overlap > 0) & (overlap == overlap.max())
    return evidence


def sentence_shares(prediction: PairScores, kept: Tensor) -> Tensor:
    """Compute the share of each pair's attention on each sentence.

    prediction (PairScores): The scores of a document, with the evidence of all sentences.
    kept (Tensor): Its `evidence.shares`, which may have a gradient, shape
        (unordered pairs, kept sentences).
    RETURNS (Tensor): The shares, sentence by sentence, shape (pairs, sentences).
    RAISES (ValueError): If the scores hold the evidence of the best sentences only.
    """
    document = prediction.document
    number = len(sentence_boundaries(document.doc))
    if len(kept) and kept.shape[1] < number:
        raise ValueError(
            f"The scores of the document that begins {document.doc[:5].text!r} hold the evidence "
            f"of {kept.shape[1]} sentences of {number}, but evidence is learnt from all. Take the "
            "scores from model.begin_update, or from predict for EntityDoc(all_sentences=True)."
        )
    sentences = xp2torch(prediction.evidence.sentences, device=kept.device).long()
    shares = kept.new_zeros(len(kept), number).scatter(1, sentences, kept)
    return shares[Pairs.of([len(document.entities)], device=kept.device).unordered]
