"""Losses on the logits of entity pairs (equations 9 to 12).

A loss takes the logits, shape (pairs, 1 + relations), with the threshold class TH in column 0, and
the gold labels, shape (pairs, relations). It returns a scalar, the mean over pairs. All pairs are
pairs of different entities: the diagonal of the pair table (head = tail) is left out. Relations
that `leave_out` has marked are left out, too.

A distillation loss takes the logits of a student and of its teacher, both of shape
(pairs, classes). It returns the loss of each pair, shape (pairs,).

An evidence loss takes the shares of attention of pairs on sentences, and their targets, both of
shape (pairs, sentences). It returns the loss of each pair, shape (pairs,).
"""

import math
from functools import partial
from typing import Callable, Literal, Optional

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
DistillationLoss = Callable[[Tensor, Tensor], Tensor]
EvidenceLoss = Callable[[Tensor, Tensor], Tensor]

FocalForm = Literal["paper", "released"]


def make_adaptive_focal_loss(gamma: float = 1.0, form: FocalForm = "paper") -> Loss:
    """Adaptive focal loss (AFL), eq. 9 to 11 of Tan et al. (2022).

    With P(r) = exp(l_r) / (exp(l_r) + exp(l_TH)) for the gold relations (eq. 9) and
    P(TH) = exp(l_TH) / sum over r' not gold, and TH, of exp(l_r') (eq. 10), the loss of
    a pair is - sum over gold r of (1 - P(r))^gamma log P(r) - log P(TH) (eq. 11).

    gamma (float): Focusing exponent. 0 gives easy and hard relations the same weight.
    form (FocalForm): "paper" for the weight (1 - P)^gamma, "released" for the weight
        1 + (1 - P)^gamma of the authors' code.
    RETURNS (Loss): The loss function.
    RAISES (ValueError): If `gamma` is negative or `form` is unknown.
    """
    if gamma < 0:
        raise ValueError(f"gamma = {gamma} is negative: the focusing exponent is 0 or more.")
    if form not in ("paper", "released"):
        raise ValueError(f"form = {form!r} is not one of 'paper', 'released'.")

    return partial(_adaptive_focal_loss, gamma=gamma, form=form)


def _adaptive_focal_loss(
    logits: Tensor, labels: Tensor, *, gamma: float, form: FocalForm
) -> Tensor:
    margin = logits[:, 1:] - logits[:, :1]
    # (1 - P)^gamma by its logarithm, as a power below 1 has no gradient at 0.
    weight = torch.exp(gamma * F.logsigmoid(-margin))
    if form == "released":
        weight = 1 + weight
    positive = (weight * F.logsigmoid(margin) * labels).sum(1)
    return -(positive + _log_threshold(logits, labels)).mean()


def make_adaptive_thresholding_loss() -> Loss:
    """Adaptive thresholding loss (ATL) of ATLOP (Zhou et al., AAAI 2021).

    The loss of a pair is - sum over gold r of log(exp(l_r) / sum over gold r' and TH of exp(l_r'))
    - log(exp(l_TH) / sum over r' not gold, and TH, of exp(l_r')).

    RETURNS (Loss): The loss function.
    """
    return _adaptive_thresholding_loss


def _adaptive_thresholding_loss(logits: Tensor, labels: Tensor) -> Tensor:
    others = torch.cat([torch.zeros_like(logits[:, :1]), 1 - labels.to(logits.dtype)], 1)
    log_gold = F.log_softmax(logits.masked_fill(others.bool(), _MASKED), dim=1)[:, 1:]
    positive = log_gold.masked_fill(~labels.bool(), 0).sum(1)
    return -(positive + _log_threshold(logits, labels)).mean()


def make_balanced_softmax_loss() -> Loss:
    """The balanced softmax of DocuNet (Zhang et al., IJCAI 2021).

    The loss of a pair is log(exp(l_TH) + sum over r not gold of exp(l_r))
    + log(exp(-l_TH) + sum over gold r of exp(-l_r)). It is computed on the margins l_r - l_TH:
    this subtracts l_TH from the first term and adds l_TH to the second. The paper then fixes the
    threshold at 0, so that its scores are these margins, and chooses r if its score is above 0,
    that is, if l_r > l_TH. The paper's code also has a score for "no relation"; here this is l_TH.

    RETURNS (Loss): The loss function.
    """
    return _balanced_softmax_loss


def _balanced_softmax_loss(logits: Tensor, labels: Tensor) -> Tensor:
    margin = logits[:, 1:] - logits[:, :1]
    gold = labels.bool()
    zero = torch.zeros_like(margin[:, :1])
    negative = torch.cat([zero, margin.masked_fill(gold, _MASKED)], 1)
    positive = torch.cat([zero, (-margin).masked_fill(~gold, _MASKED)], 1)
    return (negative.logsumexp(1) + positive.logsumexp(1)).mean()


def make_binary_cross_entropy(negatives: Optional[float] = None) -> Loss:
    """Binary cross entropy of each relation by itself: the loss of DocRED's baselines (Yao et al.,
    ACL 2019) and of CorefBERT (Ye et al., EMNLP 2020).

    With P(r) = exp(l_r) / (exp(l_r) + exp(l_TH)) (eq. 9), the loss of a pair is
    - sum over gold r of log P(r) - sum over r not gold of log(1 - P(r)). The margin l_r - l_TH is
    here what a score is in the baselines, so that TH has no loss term. The baselines also divide by
    the number of relations, and count "no relation" as a relation. They choose relations by the
    threshold on P that is best on development data: see `docre tune-threshold`.

    negatives (Optional[float]): As in `draw_pairs`; the baselines' code has 3. None for all pairs.
    RETURNS (Loss): The loss function.
    RAISES (ValueError): If `negatives` is not positive.
    """
    require_negatives(negatives)
    return partial(_binary_cross_entropy, negatives=negatives)


def _binary_cross_entropy(
    logits: Tensor, labels: Tensor, *, negatives: Optional[float] = None
) -> Tensor:
    drawn = draw_pairs(labels, negatives)
    margin = logits[drawn, 1:] - logits[drawn, :1]
    gold = labels[drawn].to(margin.dtype)
    losses = F.binary_cross_entropy_with_logits(margin, gold, reduction="none")
    return losses.sum(1).mean()


def make_two_stage_loss(negatives: Optional[float] = 3.0) -> Loss:
    """The loss of two classifiers, after Wang et al. (2019), *Fine-tune Bert for DocRED with
    Two-step Process*. The first classifier tells whether a pair is related, the second tells which
    relations it has. The loss is for the scores of `spacy_docre.TwoStage.v1` in training.

    With P(related) = sigmoid(-l_TH) and P(r | related) = sigmoid(l_r), the loss of a pair without
    relations is - log(1 - P(related)). The loss of another pair is - log P(related)
    - sum over gold r of log P(r | related) - sum over r not gold of log(1 - P(r | related)). So the
    second classifier learns from related pairs only. If some relations of a pair are unknown and
    none is gold, the pair is left out: nobody knows whether it is related.

    The two steps are the paper's, and so are the 3 unrelated pairs for each related pair in the
    first step. Two choices are our reading: the second step takes each relation by itself, as
    DocRED's baseline does, and both steps are trained together over one encoder.

    negatives (Optional[float]): As in `draw_pairs`. None for all pairs.
    RETURNS (Loss): The loss function.
    RAISES (ValueError): If `negatives` is not positive.
    """
    require_negatives(negatives)
    return partial(_two_stage_loss, negatives=negatives)


def _two_stage_loss(logits: Tensor, labels: Tensor, *, negatives: Optional[float]) -> Tensor:
    drawn = draw_pairs(labels, negatives)
    unrelated, scores, gold = logits[drawn, 0], logits[drawn, 1:], labels[drawn].to(logits.dtype)
    related = gold.any(1)
    doubtful = ~related & (scores == _MASKED).any(1)
    first = F.binary_cross_entropy_with_logits(
        -unrelated, related.to(logits.dtype), reduction="none"
    ).masked_fill(doubtful, 0)
    second = F.binary_cross_entropy_with_logits(scores, gold, reduction="none").sum(1)
    return (first + second.masked_fill(~related, 0)).mean()


def draw_pairs(labels: Tensor, negatives: Optional[float]) -> Tensor:
    """Choose the pairs of a training step: all related pairs, and a random sample of the others.

    labels (Tensor): The gold labels, shape (pairs, relations).
    negatives (Optional[float]): The largest number of unrelated pairs for each related pair of the
        batch. A batch without related pairs counts as one with a single related pair. None for all
        pairs.
    RETURNS (Tensor): The rows of the chosen pairs, shape (drawn pairs,).
    """
    if negatives is None:
        return torch.arange(len(labels), device=labels.device)
    related = labels.bool().any(1)
    others = (~related).nonzero().squeeze(1)
    most = math.ceil(negatives * max(1, int(related.sum())))
    chosen = torch.randperm(len(others))[:most].to(others.device)
    return torch.cat([related.nonzero().squeeze(1), others[chosen]])


def require_negatives(negatives: Optional[float]) -> None:
    """Check that the number of unrelated pairs is positive.

    negatives (Optional[float]): As in `draw_pairs`.
    RAISES (ValueError): If `negatives` is not positive.
    """
    if negatives is not None and negatives <= 0:
        raise ValueError(f"negatives = {negatives} should be more than 0, or null for all pairs.")


def mse_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared error between logits, eq. 12 of Tan et al. (2022).

    student (Tensor): The student's logits, shape (pairs, classes).
    teacher (Tensor): The teacher's logits, of the same shape.
    RETURNS (Tensor): The mean over classes of (l_student - l_teacher)^2, shape (pairs,).
    """
    return (student - teacher).square().mean(1)


def make_kl_loss(temperature: float = 1.0) -> DistillationLoss:
    """The Kullback-Leibler divergence of Hinton et al. (2015), a baseline of the paper.

    With p = softmax(l / T), the loss is T^2 times the sum over classes of
    p_teacher (log p_teacher - log p_student). The factor T^2 keeps the size of the gradient.

    temperature (float): The temperature T. Above 1, small probabilities count more.
    RETURNS (DistillationLoss): The loss function; its result has the shape (pairs,).
    RAISES (ValueError): If `temperature` is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"temperature = {temperature} should be positive.")
    return partial(_kl_loss, temperature=temperature)


def _kl_loss(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        log_target=True,
        reduction="none",
    )
    return temperature**2 * divergence.sum(1)


def make_evidence_loss(weight: float = 0.1) -> EvidenceLoss:
    """Evidence-guided attention, after DREEAM (Ma et al., EACL 2023): a pair learns to attend to
    its evidence sentences.

    weight (float): Factor on `evidence_divergence`, relative to the relation extraction loss.
    RETURNS (EvidenceLoss): The loss function.
    RAISES (ValueError): If `weight` is negative.
    """
    if weight < 0:
        raise ValueError(f"weight = {weight} is negative: set 0 or more.")
    return partial(_evidence_loss, weight=weight)


def _evidence_loss(shares: Tensor, evidence: Tensor, *, weight: float) -> Tensor:
    return weight * evidence_divergence(shares, evidence)


def evidence_divergence(shares: Tensor, evidence: Tensor) -> Tensor:
    """KL(v || p), the sum over sentences of v (log v - log p), with p at least 1e-5.

    shares (Tensor): p, the share of a pair's attention on each sentence, shape (pairs, sentences).
        The shares of special tokens are missing, so that the sum of p is below 1.
    evidence (Tensor): v, the target of the shares, of the same shape: gold evidence or the shares
        of a teacher. The values are not negative. Their sum is above 0, and is normalised to 1.
    RETURNS (Tensor): The divergence, shape (pairs,).
    """
    target = evidence.to(shares.dtype)
    target = target / target.sum(1, keepdim=True)
    log_shares = shares.clamp_min(_SMALLEST_SHARE).log()
    return (torch.xlogy(target, target) - target * log_shares).sum(1)


# The smallest share, so that a sentence without attention has a logarithm.
_SMALLEST_SHARE = 1e-5

# Far below any logit, and finite, so that 0 * _MASKED stays 0 in gradients.
_MASKED = -1e30


def leave_out(logits: Tensor, unknown: Tensor) -> Tensor:
    """Mark unknown relations, so that every loss leaves them out. They have no gradient.

    logits (Tensor): The logits, shape (pairs, 1 + relations).
    unknown (Tensor): Whether each relation is unknown, booleans of shape (pairs, relations). No
        unknown relation is a gold label.
    RETURNS (Tensor): The logits. The logit of an unknown relation is far below any other.
    """
    threshold = torch.zeros_like(unknown[:, :1])
    return logits.masked_fill(torch.cat([threshold, unknown], 1), _MASKED)


def _log_threshold(logits: Tensor, labels: Tensor) -> Tensor:
    """log P(TH), eq. 10, shape (pairs,)."""
    gold = torch.cat([torch.zeros_like(labels[:, :1]), labels], 1).bool()
    return logits[:, 0] - logits.masked_fill(gold, _MASKED).logsumexp(1)
