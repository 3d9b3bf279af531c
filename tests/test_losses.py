"""The losses against plain loops over pairs and relations, and their gradients."""

import itertools
import math
from functools import partial
from typing import Callable, Dict, List

import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_docre.losses import (
    draw_pairs,
    evidence_divergence,
    leave_out,
    make_adaptive_focal_loss,
    make_adaptive_thresholding_loss,
    make_balanced_softmax_loss,
    make_binary_cross_entropy,
    make_evidence_loss,
    make_two_stage_loss,
)

Row = List[float]


def split(logits: Row, labels: List[bool]):
    """The logits of TH, of the gold relations, and of the others."""
    gold = [logit for logit, label in zip(logits[1:], labels, strict=True) if label]
    others = [logit for logit, label in zip(logits[1:], labels, strict=True) if not label]
    return logits[0], gold, others


def log_sum_exp(values: Row) -> float:
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))


def naive_focal(logits: Row, labels: List[bool], *, gamma: float, form: str) -> float:
    """Equations 9 to 11 for one pair."""
    threshold, gold, others = split(logits, labels)
    loss = -(threshold - log_sum_exp([threshold, *others]))
    for logit in gold:
        log_probability = logit - log_sum_exp([logit, threshold])
        rest = math.exp(threshold - log_sum_exp([logit, threshold]))
        weight = rest**gamma if form == "paper" else 1 + rest**gamma
        loss -= weight * log_probability
    return loss


def naive_thresholding(logits: Row, labels: List[bool]) -> float:
    """ATLOP's loss for one pair."""
    threshold, gold, others = split(logits, labels)
    loss = -(threshold - log_sum_exp([threshold, *others]))
    for logit in gold:
        loss -= logit - log_sum_exp([threshold, *gold])
    return loss


def naive_balanced(logits: Row, labels: List[bool]) -> float:
    """DocuNet's loss for one pair."""
    threshold, gold, others = split(logits, labels)
    return log_sum_exp([threshold, *others]) + log_sum_exp(
        [-threshold, *(-logit for logit in gold)]
    )


def naive_cross_entropy(logits: Row, labels: List[bool]) -> float:
    """Binary cross entropy of every relation of one pair."""
    threshold, gold, others = split(logits, labels)
    return sum(log_sum_exp([0, threshold - logit]) for logit in gold) + sum(
        log_sum_exp([0, logit - threshold]) for logit in others
    )


def naive_two_stage(logits: Row, labels: List[bool]) -> float:
    """Whether one pair is related, and if it is, by what."""
    unrelated, gold, others = split(logits, labels)
    if not gold:
        return log_sum_exp([0, -unrelated])
    return log_sum_exp([0, unrelated]) + naive_cross_entropy([0.0, *logits[1:]], labels)


def mean(naive: Callable, logits: torch.Tensor, labels: torch.Tensor) -> float:
    rows = list(zip(logits.tolist(), labels.tolist(), strict=True))
    return sum(naive(row, list(gold)) for row, gold in rows) / len(rows)


LOSSES: Dict[str, Callable] = {
    "thresholding": make_adaptive_thresholding_loss(),
    "balanced softmax": make_balanced_softmax_loss(),
    "cross entropy": make_binary_cross_entropy(),
    "two stages": make_two_stage_loss(negatives=None),
}
NAIVE: Dict[str, Callable] = {
    "thresholding": naive_thresholding,
    "balanced softmax": naive_balanced,
    "cross entropy": naive_cross_entropy,
    "two stages": naive_two_stage,
}
for form, gamma in itertools.product(["paper", "released"], [0.0, 0.5, 1.0, 2.0]):
    name = f"focal {form} {gamma}"
    LOSSES[name] = make_adaptive_focal_loss(gamma, form)
    NAIVE[name] = partial(naive_focal, gamma=gamma, form=form)
every_loss = pytest.mark.parametrize("name", LOSSES)
# Those that read l_r - l_TH, as eq. 9 does.
every_loss_of_margins = pytest.mark.parametrize(
    "name", [name for name in LOSSES if name != "two stages"]
)


def make_inputs(pairs: int = 5, relations: int = 4, *, seed: int = 0, scale: float = 2.0):
    """Logits in float64 and labels; the first pair has no relation, the second all."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(pairs, 1 + relations, generator=generator, dtype=torch.float64)
    labels = torch.rand(pairs, relations, generator=generator) < 0.4
    labels[:1] = False
    labels[1:2] = True
    return logits, labels


class TestValues:
    @every_loss
    @pytest.mark.parametrize("seed", range(3))
    def test_agree_with_naive_loops(self, name, seed):
        logits, labels = make_inputs(seed=seed)
        expected = mean(NAIVE[name], logits, labels)
        assert LOSSES[name](logits, labels).item() == pytest.approx(expected, rel=1e-9)
        assert LOSSES[name](logits.float(), labels).item() == pytest.approx(expected, rel=1e-5)

    @every_loss
    @given(
        pairs=st.integers(1, 6),
        relations=st.integers(1, 6),
        seed=st.integers(0, 10_000),
        scale=st.sampled_from([0.01, 1.0, 10.0]),
    )
    @settings(max_examples=20, deadline=None)
    def test_agree_with_naive_loops_in_any_shape(self, name, pairs, relations, seed, scale):
        logits, labels = make_inputs(pairs, relations, seed=seed, scale=scale)
        found = LOSSES[name](logits, labels)
        assert found.shape == ()
        assert found.item() == pytest.approx(mean(NAIVE[name], logits, labels), rel=1e-9)

    @every_loss
    @pytest.mark.parametrize("gold", [False, True], ids=["no relation", "every relation"])
    def test_one_pair_with(self, gold, name):
        logits, _ = make_inputs(1)
        labels = torch.full((1, 4), gold)
        expected = mean(NAIVE[name], logits, labels)
        assert LOSSES[name](logits, labels).item() == pytest.approx(expected, rel=1e-9)

    @every_loss
    def test_labels_may_be_numbers(self, name):
        logits, labels = make_inputs()
        expected = LOSSES[name](logits, labels)
        for dtype in (torch.float32, torch.float64, torch.int64):
            assert torch.equal(LOSSES[name](logits, labels.to(dtype)), expected)

    @every_loss
    def test_inputs_are_left_alone(self, name):
        logits, labels = make_inputs()
        before = logits.clone(), labels.clone()
        LOSSES[name](logits, labels)
        assert torch.equal(logits, before[0]) and torch.equal(labels, before[1])

    @every_loss_of_margins
    def test_a_shift_of_all_logits_of_a_pair_changes_nothing(self, name):
        logits, labels = make_inputs()
        shift = torch.linspace(-3, 3, len(logits), dtype=torch.float64).unsqueeze(1)
        found = LOSSES[name](logits + shift, labels)
        assert found.item() == pytest.approx(LOSSES[name](logits, labels).item())

    @every_loss_of_margins
    def test_a_perfect_answer_costs_nothing(self, name):
        _, labels = make_inputs()
        # One relation a pair, or none: in ATL the gold relations share one softmax.
        labels[1] = torch.tensor([True, False, False, False])
        labels[2:] = labels[1]
        answer = torch.cat([torch.zeros(5, 1), torch.where(labels, 60.0, -60.0)], 1)
        assert LOSSES[name](answer, labels).item() == pytest.approx(0, abs=1e-6)
        assert LOSSES[name](-answer, labels).item() > 10

    def test_gamma_zero_weighs_all_alike(self):
        """Then the released form counts the positive term twice."""
        logits, labels = make_inputs()
        paper = make_adaptive_focal_loss(0, "paper")
        released = make_adaptive_focal_loss(0, "released")
        positive = sum(
            math.log1p(math.exp(row[0] - logit))
            for row, gold in zip(logits.tolist(), labels.tolist(), strict=True)
            for logit, is_gold in zip(row[1:], gold, strict=True)
            if is_gold
        )
        difference = released(logits, labels) - paper(logits, labels)
        assert difference.item() == pytest.approx(positive / len(logits))

    def test_the_default_is_the_form_of_the_paper(self):
        logits, labels = make_inputs()
        expected = mean(partial(naive_focal, gamma=1.0, form="paper"), logits, labels)
        assert make_adaptive_focal_loss()(logits, labels).item() == pytest.approx(expected)


class TestGradients:
    @every_loss
    def test_gradcheck(self, name):
        logits, labels = make_inputs()
        variable = logits.requires_grad_()
        assert torch.autograd.gradcheck(lambda variable: LOSSES[name](variable, labels), variable)

    @every_loss
    def test_agree_with_finite_differences_of_the_naive_loops(self, name):
        logits, labels = make_inputs(4, 3, seed=5)
        variable = logits.clone().requires_grad_()
        (found,) = torch.autograd.grad(LOSSES[name](variable, labels), variable)
        for row, column in itertools.product(range(4), range(4)):
            step = torch.zeros_like(logits)
            step[row, column] = 1e-5
            above = mean(NAIVE[name], logits + step, labels)
            below = mean(NAIVE[name], logits - step, labels)
            expected = (above - below) / 2e-5
            assert found[row, column].item() == pytest.approx(expected, abs=1e-7)

    @every_loss
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    def test_extreme_logits_stay_finite(self, name, dtype):
        """Every combination of TH, a gold relation and another one at -100, 0 and 100."""
        rows = list(itertools.product([-100.0, 0.0, 100.0], repeat=3))
        logits = torch.tensor(rows, dtype=dtype, requires_grad=True)
        labels = torch.tensor([[True, False]] * len(rows))
        loss = LOSSES[name](logits, labels)
        assert torch.isfinite(loss)
        assert loss.item() == pytest.approx(mean(NAIVE[name], logits, labels), rel=1e-5)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(gradient).all()

    @every_loss
    @pytest.mark.parametrize("gold", [False, True], ids=["no relation", "every relation"])
    def test_extreme_logits_of_a_pair_with(self, gold, name):
        logits = torch.tensor([[100.0, -100.0, 100.0], [-100.0, 100.0, -100.0]])
        variable = logits.requires_grad_()
        loss = LOSSES[name](variable, torch.full((2, 2), gold))
        (gradient,) = torch.autograd.grad(loss, variable)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()

    @every_loss
    def test_a_step_down_the_gradient_lowers_the_loss(self, name):
        logits, labels = make_inputs()
        variable = logits.requires_grad_()
        loss = LOSSES[name](variable, labels)
        (gradient,) = torch.autograd.grad(loss, variable)
        assert LOSSES[name](logits - 0.01 * gradient, labels) < loss

    def test_the_focal_weight_has_a_gradient_of_its_own(self):
        """It is no constant: the paper's weight of a relation depends on its logit."""
        logits = torch.tensor([[0.0, 1.0]], dtype=torch.float64, requires_grad=True)
        loss = make_adaptive_focal_loss(2.0)(logits, torch.tensor([[True]]))
        (gradient,) = torch.autograd.grad(loss, logits)
        rest = 1 / (1 + math.e)
        constant = -(rest**2) * rest
        assert abs(gradient[0, 1].item() - constant) > 0.01


class TestUnknownRelations:
    """A relation that is left out is as one that the model does not have."""

    @staticmethod
    def known_mean(name: str, logits: torch.Tensor, labels: torch.Tensor, unknown) -> float:
        """Naive loops over the relations that are known."""
        total = 0.0
        for row, gold, left_out in zip(
            logits.tolist(), labels.tolist(), unknown.tolist(), strict=True
        ):
            known = [index for index, left in enumerate(left_out) if not left]
            total += NAIVE[name](
                [row[0], *(row[1 + index] for index in known)], [gold[index] for index in known]
            )
        return total / len(logits)

    @staticmethod
    def make_unknown(labels: torch.Tensor, seed: int) -> torch.Tensor:
        """Some, of the first pair, which has no relation, all."""
        generator = torch.Generator().manual_seed(seed)
        unknown = ~labels & (torch.rand(labels.shape, generator=generator) < 0.5)
        unknown[0] = ~labels[0]
        return unknown

    @every_loss_of_margins
    @given(
        pairs=st.integers(2, 6),
        relations=st.integers(1, 6),
        seed=st.integers(0, 10_000),
        scale=st.sampled_from([0.01, 1.0, 10.0]),
    )
    @settings(max_examples=20, deadline=None)
    def test_values_agree_with_naive_loops(self, name, pairs, relations, seed, scale):
        logits, labels = make_inputs(pairs, relations, seed=seed, scale=scale)
        unknown = self.make_unknown(labels, seed)
        expected = self.known_mean(name, logits, labels, unknown)
        for given_logits in (logits, logits.float()):
            found = LOSSES[name](leave_out(given_logits, unknown), labels).item()
            assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)

    @every_loss_of_margins
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    def test_gradients_agree_with_finite_differences(self, name, dtype):
        logits, labels = make_inputs(4, 3, seed=5)
        unknown = self.make_unknown(labels, 5)
        variable = logits.to(dtype).requires_grad_()
        loss = LOSSES[name](leave_out(variable, unknown), labels)
        (found,) = torch.autograd.grad(loss, variable)
        for row, column in itertools.product(range(4), range(4)):
            step = torch.zeros_like(logits)
            step[row, column] = 1e-5
            above = self.known_mean(name, logits + step, labels, unknown)
            below = self.known_mean(name, logits - step, labels, unknown)
            tolerance = 1e-5 if dtype == torch.float32 else 1e-7
            assert found[row, column].item() == pytest.approx((above - below) / 2e-5, abs=tolerance)
        assert not found[:, 1:][unknown].any()

    @every_loss_of_margins
    def test_extreme_logits_stay_finite(self, name):
        rows = list(itertools.product([-100.0, 0.0, 100.0], repeat=4))
        logits = torch.tensor(rows, requires_grad=True)
        labels = torch.tensor([[True, False, False], [False, False, False]]).repeat(41, 1)[:81]
        unknown = torch.tensor([[False, True, False], [True, True, True]]).repeat(41, 1)[:81]
        loss = LOSSES[name](leave_out(logits, unknown), labels)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()
        # A pair of which nothing is known teaches nothing.
        assert not gradient[1::2].any() and gradient[::2].any()

    def test_whether_a_pair_is_related_is_unknown_with_its_relations(self):
        loss = make_two_stage_loss(negatives=None)
        logits = torch.tensor([[0.3, 1.0, -2.0], [0.7, 0.1, 0.2]], requires_grad=True)
        labels = torch.tensor([[False, False], [True, False]])
        unknown = torch.tensor([[False, True], [False, True]])
        found = loss(leave_out(logits, unknown), labels)
        # Of the second pair, that it is related, and that by its first relation.
        assert found.item() == pytest.approx(naive_two_stage([0.7, 0.1], [True]) / 2)
        (gradient,) = torch.autograd.grad(found, logits)
        assert gradient.ne(0).tolist() == [[False] * 3, [True, True, False]]


class TestSettings:
    def test_negative_gamma(self):
        with pytest.raises(ValueError, match="gamma = -0.5 is negative"):
            make_adaptive_focal_loss(-0.5)

    def test_unknown_form(self):
        with pytest.raises(ValueError, match="form = 'other' is not one of 'paper', 'released'"):
            make_adaptive_focal_loss(form="other")

    @pytest.mark.parametrize(
        "name, arguments, naive",
        [
            (
                "AdaptiveFocalLoss",
                {"gamma": 2.0, "form": "released"},
                partial(naive_focal, gamma=2.0, form="released"),
            ),
            ("AdaptiveThresholdingLoss", {}, naive_thresholding),
            ("BalancedSoftmaxLoss", {}, naive_balanced),
            ("BinaryCrossEntropy", {}, naive_cross_entropy),
            ("TwoStageLoss", {"negatives": None}, naive_two_stage),
        ],
    )
    def test_registered(self, name, arguments, naive):
        config = {"loss": {"@misc": f"spacy_docre.{name}.v1", **arguments}}
        logits, labels = make_inputs()
        loss = spacy.registry.resolve(config)["loss"]
        assert loss(logits, labels).item() == pytest.approx(mean(naive, logits, labels))


class TestNegatives:
    LABELS = torch.tensor([[True, False], [False, True]] + [[False, False]] * 20)

    @pytest.mark.parametrize("negatives, number", [(3.0, 6), (0.5, 1), (100, 20), (None, 20)])
    def test_related_pairs_and_so_many_others(self, negatives, number):
        drawn = draw_pairs(self.LABELS, negatives).tolist()
        assert len(drawn) == len(set(drawn)) == 2 + number and {0, 1} <= set(drawn)

    def test_others_are_drawn_anew_and_each_in_its_turn(self):
        torch.manual_seed(0)
        draws = [frozenset(draw_pairs(self.LABELS, 3.0).tolist()) for _ in range(50)]
        assert len(set(draws)) > 10 and frozenset().union(*draws) == set(range(22))

    def test_some_where_none_is_related(self):
        assert len(draw_pairs(self.LABELS[2:], 3.0)) == 3

    @pytest.mark.parametrize("make", [make_binary_cross_entropy, make_two_stage_loss])
    def test_the_loss_is_that_of_the_drawn_pairs(self, make):
        logits = torch.randn(22, 3, generator=torch.Generator().manual_seed(1))
        torch.manual_seed(2)
        found = make(negatives=3.0)(logits, self.LABELS)
        torch.manual_seed(2)
        drawn = draw_pairs(self.LABELS, 3.0)
        assert found == make(negatives=None)(logits[drawn], self.LABELS[drawn])

    @pytest.mark.parametrize("make", [make_binary_cross_entropy, make_two_stage_loss])
    def test_none_at_all_are_refused(self, make):
        with pytest.raises(ValueError, match="negatives = 0 should be more than 0"):
            make(negatives=0)


class TestEvidence:
    # The last sentence of the first pair has nothing; the attention of the second is not whole.
    SHARES = [[0.5, 0.3, 0.2, 0.0], [0.1, 0.2, 0.3, 0.1], [0.25, 0.25, 0.25, 0.25]]
    GOLD = [[True, False, True, True], [False, True, False, False], [True, True, True, True]]

    def test_divergence_is_the_equation(self):
        found = evidence_divergence(torch.tensor(self.SHARES), torch.tensor(self.GOLD))
        for shares, gold, divergence in zip(self.SHARES, self.GOLD, found, strict=True):
            expected = 0.0
            for share, is_evidence in zip(shares, gold, strict=True):
                if is_evidence:
                    v = 1 / sum(gold)
                    expected += v * (math.log(v) - math.log(max(share, 1e-5)))
            assert divergence.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert found[2] == pytest.approx(0.0, abs=1e-6)

    def test_divergence_from_shares(self):
        """Whatever they sum to, as half precision and special tokens leave it."""
        shares, teacher = [0.2, 0.5, 0.3], [0.3, 0.0, 0.1]
        (found,) = evidence_divergence(torch.tensor([shares]), torch.tensor([teacher]).half())
        expected = 0.75 * math.log(0.75 / 0.2) + 0.25 * math.log(0.25 / 0.3)
        assert found.item() == pytest.approx(expected, rel=1e-3)

    def test_gradient(self):
        generator = torch.Generator().manual_seed(0)
        shares = torch.rand(3, 4, generator=generator, dtype=torch.float64) + 0.1
        gold = torch.tensor(self.GOLD)
        assert torch.autograd.gradcheck(
            lambda p: evidence_divergence(p, gold), shares.requires_grad_()
        )

    def test_a_share_of_nothing_has_a_gradient_of_nothing(self):
        shares = torch.tensor([[0.0, 1.0]], requires_grad=True)
        (gradient,) = torch.autograd.grad(
            evidence_divergence(shares, torch.tensor([[True, False]])).sum(), shares
        )
        assert gradient.tolist() == [[0.0, 0.0]]

    def test_registered(self):
        shares, gold = torch.tensor(self.SHARES), torch.tensor(self.GOLD)
        expected = evidence_divergence(shares, gold)
        for settings_, weight in (({}, 0.1), ({"weight": 2.0}, 2.0)):
            config = {"loss": {"@misc": "spacy_docre.EvidenceLoss.v1", **settings_}}
            loss = spacy.registry.resolve(config)["loss"]
            assert torch.allclose(loss(shares, gold), weight * expected)

    def test_negative_weight(self):
        with pytest.raises(ValueError, match="weight = -1.0 is negative"):
            make_evidence_loss(-1.0)
