"""Matrix products of prediction in int8, on processors that have it in hardware."""

from typing import Callable

import pytest
import spacy
import torch
from thinc.api import SGD
from torch import Tensor, nn

from spacy_docre.models import precision as precisions
from spacy_docre.models.bilinear_kernel import grouped_bilinear
from spacy_docre.models.int8 import Int8Products
from spacy_docre.models.precision import autocast, has_native_bfloat16, has_native_int8
from tests.models.encoders import docs_of
from tests.pipeline.helpers import EXTRACTOR, scores_of

CPU = torch.device("cpu")

native = pytest.mark.skipif(
    not has_native_int8(CPU), reason="This processor has no int8 products (AVX512-VNNI)."
)


def rounded(row: Tensor) -> Tensor:
    """A row of numbers, each the nearest multiple of 1/127 of the largest."""
    unit = max(abs(value) for value in row.tolist()) / 127
    return torch.tensor([round(value / unit) * unit for value in row.tolist()]).double()


def naive_product(rows: Tensor, columns: Tensor) -> Tensor:
    """The products of rounded rows, shape (m, k), and rounded columns, shape (k, n)."""
    left, right = [rounded(row) for row in rows], [rounded(column) for column in columns.T]
    return torch.stack([torch.stack([(a * b).sum() for b in right]) for a in left])


def random_numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@native
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 5), (2, 64, 96), (9, 300, 2)])
def test_a_linear_map_is_that_of_rounded_numbers(shape: "tuple[int, int, int]") -> None:
    rows, width_in, width_out = shape
    inputs, layer = random_numbers(2, rows, width_in), nn.Linear(width_in, width_out)
    with torch.no_grad(), Int8Products():
        found = layer(inputs)
    expected = naive_product(inputs.flatten(0, 1), layer.weight.detach().T) + layer.bias
    assert found.shape == (2, rows, width_out) and found.dtype == torch.float32
    assert torch.allclose(found.flatten(0, 1).double(), expected, atol=1e-5)


@native
def test_sums_are_not_cut_to_16_bits() -> None:
    layer = nn.Linear(512, 3, bias=False)
    nn.init.ones_(layer.weight)
    with torch.no_grad(), Int8Products():
        assert torch.allclose(layer(torch.ones(4, 512)), torch.full((4, 3), 512.0))


@native
def test_the_bilinear_product_is_that_of_rounded_numbers() -> None:
    heads, tails = random_numbers(5, 6).tanh(), random_numbers(5, 6, seed=1).tanh()
    weight = random_numbers(2, 9, 4, seed=2)
    with torch.no_grad(), Int8Products():
        found = grouped_bilinear(heads, tails, weight)
    outer = torch.stack(
        [
            torch.stack([a * b for j in (0, 3) for a in head[j : j + 3] for b in tail[j : j + 3]])
            for head, tail in zip(heads, tails, strict=True)
        ]
    )  # (pairs, blocks * block size ** 2)
    assert torch.allclose(found.double(), naive_product(outer, weight.flatten(0, 1)), atol=1e-5)


@native
def test_many_chunks_of_the_bilinear_product_are_close_to_float32() -> None:
    heads, tails = random_numbers(600, 288).tanh(), random_numbers(600, 288, seed=1).tanh()
    weight = random_numbers(18, 256, 4, seed=2)
    expected = grouped_bilinear(heads, tails, weight)
    with torch.no_grad(), Int8Products():
        found = grouped_bilinear(heads, tails, weight)
    assert 0 < (found - expected).abs().mean() < 0.02 * expected.abs().mean()


@native
def test_a_row_does_not_depend_on_the_others() -> None:
    """To the last digit."""
    layer, inputs = nn.Linear(40, 30), random_numbers(50, 40) * random_numbers(50, 1, seed=3).exp()
    heads, tails, weight = inputs[:, :8], inputs[:, 8:16], random_numbers(2, 16, 5)
    with torch.no_grad(), Int8Products():
        whole, pairs = layer(inputs), grouped_bilinear(heads, tails, weight)
        for row in range(0, 50, 7):
            some = slice(row, row + 1 + row % 3)
            assert torch.equal(layer(inputs[some]), whole[some])
            assert torch.equal(grouped_bilinear(heads[some], tails[some], weight), pairs[some])


@native
def test_rows_that_have_no_scale() -> None:
    """Zeros stay zeros, and what is no number is not hidden."""
    layer, inputs = nn.Linear(8, 3), random_numbers(4, 8)
    inputs[1], inputs[2, 5], inputs[3, 5] = 0.0, float("nan"), float("inf")
    with torch.no_grad(), Int8Products():
        found = layer(inputs)
        empty = layer(inputs[:0])
        no_pairs = grouped_bilinear(inputs[:0], inputs[:0], random_numbers(2, 16, 5))
    assert found[0].isfinite().all() and torch.equal(found[1], layer.bias)
    assert not found[2:].isfinite().any()
    assert empty.shape == (0, 3) and no_pairs.shape == (0, 5)


@native
@pytest.mark.parametrize("change", ["in place", "anew", "data"])
def test_weights_that_have_changed_are_rounded_again(change: str) -> None:
    layer, inputs = nn.Linear(8, 3), random_numbers(4, 8)
    with torch.no_grad(), Int8Products():
        before = layer(inputs)
        if change == "in place":
            layer.weight.mul_(2)
        elif change == "anew":
            layer.weight = nn.Parameter(layer.weight * 2)
        else:
            layer.weight.data = layer.weight.data * 2
        assert torch.allclose(layer(inputs) - layer.bias, 2 * (before - layer.bias), atol=1e-5)


@native
def test_one_row_alone_and_gradients() -> None:
    layer, inputs = nn.Linear(8, 3), random_numbers(8)
    with torch.no_grad(), Int8Products():
        alone, in_batch = layer(inputs), layer(inputs.unsqueeze(0))
        assert torch.equal(alone, in_batch[0])
        with torch.enable_grad():
            layer(inputs).sum().backward()
    assert torch.allclose(layer.weight.grad, inputs.expand(3, 8))


@native
def test_in_inference_mode() -> None:
    """Where torch does not tell whether weights have changed."""
    with torch.inference_mode(), Int8Products():
        layer, inputs = nn.Linear(8, 3, bias=False), random_numbers(4, 8)
        before = layer(inputs)
        layer.weight.mul_(2)
        assert torch.allclose(layer(inputs), 2 * before, atol=1e-5)


@native
def test_a_trained_pipeline_predicts_as_when_it_is_loaded(
    make_pipeline: Callable, make_examples: Callable, train_step: Callable
) -> None:
    """The optimizer writes weights where torch does not see it."""
    examples = make_examples(3)
    settings = {"precision": "auto"}
    nlp = make_pipeline(
        examples=examples, transformer=settings, model={**settings, "dropout": 0.0}, threshold=0.0
    )
    before = [scores_of(doc) for doc in nlp.pipe(docs_of(make_examples(3)))]
    train_step(nlp, examples, SGD(0.1))
    found = [scores_of(doc) for doc in nlp.pipe(docs_of(make_examples(3)))]
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert found == [scores_of(doc) for doc in loaded.pipe(docs_of(make_examples(3)))]
    assert found != before


@native
def test_scores_are_close_to_those_in_float32(
    make_pipeline: Callable, make_examples: Callable
) -> None:
    nlp = make_pipeline(examples=make_examples(4), threshold=0.0)
    transformer = nlp.get_pipe("transformer").model.layers[0].shims[0]
    network = nlp.get_pipe(EXTRACTOR).model.get_ref("pair_scorer").shims[0]._model
    scores = {}
    for precision in ("float32", "auto"):
        transformer.precision = network.precision = precision
        docs = list(nlp.pipe(docs_of(make_examples(4))))
        scores[precision] = torch.tensor([r.score for doc in docs for r in doc._.relations])
    difference = (scores["auto"] - scores["float32"]).abs()
    assert 0 < difference.mean() < 0.01 and difference.max() < 0.1


def test_auto_is_int8_for_predictions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_int8 in (True, False):
        monkeypatch.setattr(precisions, "has_native_int8", lambda device, has=has_int8: has)
        with torch.no_grad():
            assert isinstance(autocast("auto", CPU), Int8Products) is has_int8
            assert not isinstance(autocast("float32", CPU), Int8Products)
            assert not isinstance(autocast("bfloat16", CPU), Int8Products)
        with torch.enable_grad(), autocast("auto", CPU):
            assert torch.is_autocast_enabled("cpu") is has_native_bfloat16(CPU)
