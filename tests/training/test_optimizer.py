"""The optimiser against torch's own AdamW and thinc's Adam."""

import copy
from typing import Dict, List, Sequence, Tuple

import numpy
import pytest
import spacy
import torch
from thinc.api import (
    Adam,
    Linear,
    Optimizer,
    PyTorchGradScaler,
    PyTorchWrapper_v2,
    chain,
    use_ops,
)

from spacy_docre.training.optimizer import AdamW, make_adamw

SHAPES = {"matrix": (4, 3), "vector": (5,), "same shape": (4, 3), "table": (2, 3, 2)}
Arrays = Dict[str, numpy.ndarray]


def random_arrays(seed: int, scale: float = 1.0) -> Arrays:
    generator = numpy.random.default_rng(seed)
    return {
        name: (scale * generator.standard_normal(shape)).astype("float32")
        for name, shape in SHAPES.items()
    }


def gradients(number: int) -> List[Arrays]:
    return [random_arrays(100 + step, scale=1 + step % 3) for step in range(number)]


def run(optimizer: Optimizer, steps: Sequence[Arrays], lr_scale: float = 1.0) -> Arrays:
    """Weights after some steps. Weights and gradients are handed over in new arrays each
    time, as thinc's layers may do."""
    weights = random_arrays(0)
    for step in steps:
        for number, name in enumerate(SHAPES):
            weights[name], _ = optimizer(
                (number, name), weights[name].copy(), step[name].copy(), lr_scale=lr_scale
            )
        optimizer.step_schedules()
    return weights


def run_torch(
    steps: Sequence[Arrays],
    *,
    rates: Sequence[float],
    clip: float = 0.0,
    L2: float = 0.0,
    betas: Tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Arrays:
    parameters = {
        name: torch.nn.Parameter(torch.tensor(value)) for name, value in random_arrays(0).items()
    }
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=rates[0], betas=betas, eps=eps, weight_decay=L2
    )
    for step, rate in zip(steps, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(step[name])
            if clip:
                torch.nn.utils.clip_grad_norm_([parameter], clip)
        optimizer.step()
    return {name: parameter.detach().numpy() for name, parameter in parameters.items()}


def assert_close(found: Arrays, expected: Arrays, tolerance: float = 1e-6) -> None:
    for name in SHAPES:
        assert numpy.allclose(found[name], expected[name], rtol=1e-5, atol=tolerance), name


STEPS = gradients(8)


class TestAgainstTorch:
    def test_plain(self):
        found = run(make_adamw(0.01, L2=0.0, grad_clip=0.0), STEPS)
        assert_close(found, run_torch(STEPS, rates=[0.01] * 8))

    def test_weight_decay(self):
        found = run(make_adamw(0.01, L2=0.3, grad_clip=0.0), STEPS)
        assert_close(found, run_torch(STEPS, rates=[0.01] * 8, L2=0.3))

    def test_clipping(self):
        found = run(make_adamw(0.01, L2=0.0, grad_clip=0.5), STEPS)
        expected = run_torch(STEPS, rates=[0.01] * 8, clip=0.5)
        assert_close(found, expected)
        unclipped = run_torch(STEPS, rates=[0.01] * 8)
        assert not numpy.allclose(expected["matrix"], unclipped["matrix"], atol=1e-4)

    def test_learning_rate_scale(self):
        """It bears on the weight decay as well."""
        found = run(make_adamw(0.01, L2=0.3, grad_clip=0.0), STEPS, lr_scale=3.0)
        assert_close(found, run_torch(STEPS, rates=[0.03] * 8, L2=0.3))

    @pytest.mark.parametrize("kind", ["list", "generator"])
    def test_schedule(self, kind):
        rates = [0.001 * (step + 1) for step in range(8)]
        schedule = rates if kind == "list" else (rate for rate in rates)
        found = run(make_adamw(schedule, L2=0.1, grad_clip=1.0), STEPS)
        assert_close(found, run_torch(STEPS, rates=rates, L2=0.1, clip=1.0))

    def test_betas_and_epsilon(self):
        optimizer = make_adamw(0.01, beta1=0.5, beta2=0.8, eps=0.1, L2=0.0, grad_clip=0.0)
        expected = run_torch(STEPS, rates=[0.01] * 8, betas=(0.5, 0.8), eps=0.1)
        assert_close(run(optimizer, STEPS), expected)

    def test_defaults(self):
        found = run(make_adamw(0.01), STEPS)
        assert_close(found, run_torch(STEPS, rates=[0.01] * 8, L2=0.01, clip=1.0))

    def test_a_torch_layer_in_thinc(self):
        """A linear layer learns the same with thinc's finish_update as with torch alone."""
        torch.manual_seed(0)
        ours, theirs = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
        theirs.load_state_dict(ours.state_dict())
        model = PyTorchWrapper_v2(ours)
        optimizer = make_adamw(0.05, L2=0.1, grad_clip=0.0)
        reference = torch.optim.AdamW(theirs.parameters(), lr=0.05, weight_decay=0.1)
        data = numpy.random.default_rng(0).standard_normal((6, 5, 3)).astype("float32")
        for batch in data:
            output, backprop = model.begin_update(batch)
            backprop(2 * output)
            model.finish_update(optimizer)
            reference.zero_grad()
            theirs(torch.tensor(batch)).square().sum().backward()
            reference.step()
        for found, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(found, expected, atol=1e-6)


def test_close_to_the_adam_of_thinc_without_decay():
    settings = {"L2": 0.0, "grad_clip": 1.0}
    found = run(make_adamw(0.01, **settings), STEPS)
    expected = run(Adam(0.01, use_averages=False, L2_is_weight_decay=True, **settings), STEPS)
    assert_close(found, expected, tolerance=1e-4)


class TestInterface:
    def test_weights_are_updated_in_place_and_the_gradient_set_to_zero(self):
        weights, gradient = random_arrays(0)["matrix"], random_arrays(1)["matrix"]
        before = weights.copy()
        new_weights, new_gradient = make_adamw(0.1)((0, "W"), weights, gradient)
        assert new_weights is weights and new_gradient is gradient
        assert (numpy.abs(weights - before) > 0.01).all()
        assert not gradient.any()

    def test_parameters_have_moments_of_their_own(self):
        """A parameter takes the same steps whatever else is updated between them."""
        alone = random_arrays(0)["matrix"]
        optimizer = make_adamw(0.01)
        for step in STEPS:
            optimizer((0, "matrix"), alone, step["matrix"].copy())
        assert numpy.allclose(alone, run(make_adamw(0.01), STEPS)["matrix"], atol=1e-7)

    def test_the_moments_do_not_pile_up(self):
        optimizer = make_adamw(0.01)
        run(optimizer, STEPS)
        assert len(optimizer._steppers) == len(SHAPES)
        assert {len(stepper.state) for stepper in optimizer._steppers.values()} == {1}

    def test_arrays_in_main_memory_are_updated_where_they_are(self):
        """On an Apple GPU torch has its own memory, and thinc's arrays are numpy's."""
        weights, gradient = random_arrays(0)["matrix"], random_arrays(1)["matrix"]
        expected = weights.copy()
        make_adamw(0.1)((0, "W"), expected, gradient.copy())
        with use_ops("mps"):
            make_adamw(0.1)((0, "W"), weights, gradient)
        assert numpy.array_equal(weights, expected)
        assert not gradient.any()

    def test_an_empty_parameter(self):
        """Thinc's own optimiser leaves it alone."""
        weights = numpy.zeros((0, 3), dtype="float32")
        new_weights, new_gradient = make_adamw(0.1)((0, "W"), weights, weights.copy())
        assert new_weights.shape == new_gradient.shape == (0, 3)

    def test_no_averages(self):
        assert make_adamw(0.1).averages is None

    def test_registered(self):
        config = {
            "optimizer": {
                "@optimizers": "spacy_docre.AdamW.v1",
                "L2": 0.1,
                "learn_rate": {
                    "@schedules": "warmup_linear.v1",
                    "warmup_steps": 4,
                    "total_steps": 10,
                    "initial_rate": 0.02,
                },
            }
        }
        optimizer = spacy.registry.resolve(config)["optimizer"]
        assert isinstance(optimizer, AdamW)
        rates = [0.02 * step / 4 if step < 4 else 0.02 * (10 - step) / 6 for step in range(8)]
        assert_close(run(optimizer, STEPS), run_torch(STEPS, rates=rates, L2=0.1, clip=1.0))


def test_the_schedule_is_read_at_each_step():
    """A rate of zero leaves the weights where they are; the moments move on."""
    rates = [0.0, 0.0, 0.05]
    settings = {"L2": 0.0, "grad_clip": 0.0}
    assert_close(run(make_adamw(rates, **settings), STEPS[:2]), random_arrays(0))
    found = run(make_adamw(rates, **settings), STEPS[:3])
    assert_close(found, run_torch(STEPS[:3], rates=rates))


def test_a_parameter_that_has_grown_begins_anew():
    """As a classifier does that is given a label. The fused kernel would write behind its end."""
    optimizer, fresh = make_adamw(1e-2, grad_clip=0.0), make_adamw(1e-2, grad_clip=0.0)
    optimizer((1, "weight"), numpy.ones((4, 8), "f"), numpy.ones((4, 8), "f"))
    grown, expected = numpy.ones((6000, 8), "f"), numpy.ones((6000, 8), "f")
    for _ in range(2):
        optimizer((1, "weight"), grown, numpy.ones((6000, 8), "f"))
        fresh((1, "weight"), expected, numpy.ones((6000, 8), "f"))
    assert numpy.array_equal(grown, expected)


class TestClippingTogether:
    """All gradients as one vector, of torch's layers and of thinc's own."""

    def test_is_torchs(self):
        torch.manual_seed(0)
        layers = [torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)]
        copies = [copy.deepcopy(layer) for layer in layers]
        models = [PyTorchWrapper_v2(layer) for layer in layers]
        optimizer = make_adamw(0.05, L2=0.1, grad_clip=0.3, clip_together=True)
        optimizer.watch([*models, models[0]])
        weights = [weight for layer in copies for weight in layer.parameters()]
        reference = torch.optim.AdamW(weights, lr=0.05, weight_decay=0.1)
        for batch in numpy.random.default_rng(0).standard_normal((6, 5, 3)).astype("float32"):
            hidden, backprop_first = models[0].begin_update(batch)
            output, backprop_second = models[1].begin_update(hidden)
            backprop_first(backprop_second(2 * output))
            for model in models:
                model.finish_update(optimizer)
            reference.zero_grad()
            copies[1](copies[0](torch.tensor(batch))).square().sum().backward()
            norm = torch.nn.utils.clip_grad_norm_(weights, 0.3)
            assert norm > 0.3
            reference.step()
        for layer, expected in zip(layers, copies, strict=True):
            for found, weight in zip(layer.parameters(), expected.parameters(), strict=True):
                torch.testing.assert_close(found, weight, atol=1e-6, rtol=1e-5)

    def test_with_thincs_layers(self):
        """A component like `ner` has layers of both kinds."""
        model = chain(Linear(nO=4, nI=3), PyTorchWrapper_v2(torch.nn.Linear(4, 2)))
        model.initialize()
        model.set_ref("first", model.layers[0])
        optimizer = make_adamw(1.0, eps=1e9, L2=0.0, beta1=0.0, beta2=0.0, grad_clip=0.5,
                               clip_together=True)  # fmt: skip
        optimizer.watch([model])
        output, backprop = model.begin_update(numpy.ones((5, 3), dtype="float32"))
        backprop(100 * output + 1)
        shim = model.layers[1].shims[0]
        gradients = [weight.grad.clone().numpy() for weight in shim._model.parameters()]
        first = model.get_ref("first")
        gradients += [first.get_grad(name).copy() for name in first.param_names]
        norm = numpy.sqrt(sum((gradient**2).sum() for gradient in gradients))
        seen = []
        call = type(optimizer)._clip_factor

        def noted(key):
            seen.append(call(optimizer, key))
            return seen[-1]

        optimizer._clip_factor = noted
        model.finish_update(optimizer)
        assert norm > 1 and len(seen) == len(gradients)
        assert seen == pytest.approx([0.5 / norm] * len(seen), rel=1e-4)

    def test_small_gradients_stay(self):
        together = make_adamw(0.01, grad_clip=1e6, clip_together=True)
        together.watch([PyTorchWrapper_v2(torch.nn.Linear(2, 2))])
        together._gradients = lambda: iter([torch.ones(3)])
        assert_close(run(together, STEPS), run(make_adamw(0.01, grad_clip=0.0), STEPS))

    def test_what_is_not_watched_cannot_be_clipped(self):
        with pytest.raises(ValueError, match="call optimizer.watch"):
            run(make_adamw(0.01, clip_together=True), STEPS)

    def test_scaled_gradients_are_refused(self):
        scaled = PyTorchWrapper_v2(
            torch.nn.Linear(2, 2), mixed_precision=True, grad_scaler=PyTorchGradScaler(True)
        )
        make_adamw(0.01).watch([scaled])
        with pytest.raises(ValueError, match="mixed_precision = false"):
            make_adamw(0.01, clip_together=True).watch([scaled])
