"""Equation 6: the grouped bilinear product, and the memory it needs."""

from typing import List

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from spacy_docre.models import bilinear_kernel
from spacy_docre.models.kd_docre import GroupedBilinear
from tests.models import equations


def make(width: int, output_width: int, block_size: int, seed: int = 0) -> GroupedBilinear:
    torch.manual_seed(seed)
    module = GroupedBilinear(width, output_width, block_size)
    torch.nn.init.normal_(module.bias)
    return module


def plain(module: GroupedBilinear, heads: torch.Tensor, tails: torch.Tensor) -> torch.Tensor:
    """The same with one einsum, all outer products at once."""
    size = module.block_size
    blocks = module.weight.unflatten(1, (size, size))
    head, tail = heads.unflatten(1, (-1, size)), tails.unflatten(1, (-1, size))
    return torch.einsum("pja,pjb,jabi->pi", head, tail, blocks) + module.bias


def inputs(pairs: int, width: int, seed: int = 1) -> List[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(pairs, width, generator=generator).requires_grad_() for _ in range(2)]


SHAPES = [(1, 4, 3, 2), (5, 6, 4, 3), (3, 4, 2, 4), (7, 3, 5, 1)]


@pytest.mark.parametrize("pairs, width, output_width, block_size", SHAPES)
def test_agrees_with_a_naive_loop(pairs, width, output_width, block_size):
    module = make(width, output_width, block_size)
    heads, tails = inputs(pairs, width)
    output = module(heads, tails)
    assert output.shape == (pairs, output_width)
    assert output.dtype == torch.float32
    for pair in range(pairs):
        expected = equations.grouped_bilinear(
            heads[pair].double(), tails[pair].double(), module.weight, module.bias
        )
        assert torch.allclose(output[pair].double(), expected, atol=1e-5)


def test_head_and_tail_are_not_exchangeable():
    module = make(4, 3, 2)
    heads, tails = inputs(5, 4)
    assert not torch.allclose(module(heads, tails), module(tails, heads), atol=1e-3)


def gradients(function, module, heads, tails) -> List[torch.Tensor]:
    output = function(heads, tails)
    direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    variables = (heads, tails, module.weight, module.bias)
    return list(torch.autograd.grad((output * direction).sum(), variables))


@pytest.mark.parametrize("pairs, width, output_width, block_size", SHAPES)
def test_gradients_agree_with_plain_autograd(pairs, width, output_width, block_size):
    module = make(width, output_width, block_size)
    heads, tails = inputs(pairs, width)
    found = gradients(module, module, heads, tails)
    expected = gradients(lambda *tensors: plain(module, *tensors), module, heads, tails)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 7, 40, 10_000])
@pytest.mark.parametrize("columns", [1, 9, 20])
def testchunks_give_the_same_result(chunk, columns, monkeypatch):
    module = make(12, 4, 3)
    heads, tails = inputs(7, 12)
    whole, expected = module(heads, tails), gradients(module, module, heads, tails)
    monkeypatch.setattr(bilinear_kernel, "_CHUNK", chunk)
    monkeypatch.setattr(bilinear_kernel, "_COLUMNS", columns)
    assert torch.allclose(module(heads, tails), whole, atol=1e-5)
    for ours, theirs in zip(gradients(module, module, heads, tails), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_default_chunks_divide_a_large_table():
    """The numbers in the module are chosen such that there is more than one chunk here, of
    the pairs and of the blocks."""
    module = make(64, 8, 16)
    heads, tails = inputs(600, 64)
    assert torch.allclose(module(heads, tails), plain(module, heads, tails), atol=1e-4)
    large = make(288, 4, 16)
    heads, tails = inputs(600, 288)
    assert len(list(bilinear_kernel.chunks(heads, large.weight))) > 2
    assert torch.allclose(large(heads, tails), plain(large, heads, tails), atol=1e-4)


def test_no_pairs():
    heads, tails = inputs(0, 4)
    output = make(4, 3, 2)(heads, tails)
    assert output.shape == (0, 3)
    output.sum().backward()
    assert heads.grad is not None and heads.grad.shape == (0, 4)


@pytest.mark.parametrize("width, block_size", [(10, 4), (6, 8)])
def test_block_size_must_divide_the_width(width, block_size):
    with pytest.raises(ValueError, match=f"block_size = {block_size} does not divide.*{width}"):
        GroupedBilinear(width, 3, block_size)


def test_bfloat16_is_close_and_gives_float32():
    module = make(32, 8, 8)
    heads, tails = inputs(50, 32)
    exact, expected = module(heads, tails), gradients(module, module, heads, tails)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = module(heads, tails)
        found = gradients(module, module, heads, tails)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.02 * exact.abs().max()
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()


class LargestTensor(TorchDispatchMode):
    """Notes the number of values of the largest tensor that any operation returns, in the
    forward and in the backward pass. Views are no new memory, and count all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: List[int] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for item in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(item, torch.Tensor):
                self.numbers.append(item.numel())
        return result


PAIRS, WIDTH, BLOCK, CHUNK = 300, 64, 16, 2**13
OUTER = PAIRS * WIDTH * BLOCK


def largest_tensor(function) -> int:
    heads, tails = inputs(PAIRS, WIDTH)
    with LargestTensor() as seen:
        function(heads, tails).square().sum().backward()
    assert heads.grad is not None
    return max(seen.numbers)


def test_the_outer_product_of_all_pairs_is_never_held(monkeypatch):
    monkeypatch.setattr(bilinear_kernel, "_CHUNK", CHUNK)
    monkeypatch.setattr(bilinear_kernel, "_COLUMNS", 512)
    module = make(WIDTH, 2, BLOCK)
    needed = max(PAIRS * WIDTH, module.weight.numel(), CHUNK)
    assert largest_tensor(module) <= needed < OUTER / 10


def test_the_plain_product_holds_it():
    """What the test before measures is there to be seen."""
    module = make(WIDTH, 2, BLOCK)
    assert largest_tensor(lambda heads, tails: plain(module, heads, tails)) >= OUTER


def test_only_the_inputs_are_saved_for_the_backward_pass():
    module = make(WIDTH, 2, BLOCK)
    saved = []

    def pack(tensor):
        saved.append(tensor.numel())
        return tensor

    heads, tails = inputs(PAIRS, WIDTH)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(heads, tails)
    assert sum(saved) <= heads.numel() + tails.numel() + module.weight.numel()
