"""DocuNet's U-Net over the pairs."""

import pytest
import torch

from spacy_docre.models.systems.docunet import UNetPairEncoder
from spacy_docre.pairs import Pairs
from tests.models import equations

WIDTH = 3


def make(seed: int = 0) -> UNetPairEncoder:
    torch.manual_seed(seed)
    module = UNetPairEncoder(WIDTH, channels=2)
    for name, parameter in module.named_parameters():
        # Biases above zero, so that few rectifiers are shut.
        torch.nn.init.normal_(parameter, mean=0.5 if "bias" in name else 0.0, std=0.3)
    return module


def random_table(num_entities, seed: int = 1) -> torch.Tensor:
    number = sum(n * (n - 1) for n in num_entities)
    return torch.randn(number, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_entities", [[2], [3], [5], [7], [4, 2, 3]], ids=str)
def test_agrees_with_a_naive_loop(num_entities):
    module = make()
    table = random_table(num_entities)
    found = module(table, Pairs.of(num_entities))
    start = 0
    for n in num_entities:
        pairs = equations.ordered_pairs(n)
        rows = {pair: table[start + index].double() for index, pair in enumerate(pairs)}
        expected = equations.unet(rows, n, dict(module.named_parameters()))
        for index, pair in enumerate(pairs):
            assert torch.allclose(found[start + index].double(), expected[pair], atol=1e-5)
        start += len(pairs)


def test_a_table_of_any_size_has_the_shape_it_came_with():
    module = make()
    for n in range(2, 10):
        assert module(random_table([n]), Pairs.of([n])).shape == (n * (n - 1), WIDTH)


def test_gradient():
    module = make().double()
    table = random_table([3, 2]).double().requires_grad_()
    parameters = list(module.parameters())

    def function(table, *parameters):
        return module(table, Pairs.of([3, 2]))

    assert torch.autograd.gradcheck(function, (table, *parameters), fast_mode=True)


def test_a_document_is_the_same_in_any_batch():
    module = make()
    sizes = [5, 2, 4, 3]
    table = random_table(sizes)
    together = module(table, Pairs.of(sizes)).split([n * (n - 1) for n in sizes])
    for n, alone, expected in zip(
        sizes, table.split([n * (n - 1) for n in sizes]), together, strict=True
    ):
        assert torch.allclose(module(alone, Pairs.of([n])), expected, atol=1e-6)
