"""Equation 7: axial attention over the pairs."""

import itertools

import pytest
import torch
from spacy.util import registry

from spacy_docre.models.architectures import make_axial_attention
from spacy_docre.models.kd_docre import AxialAttention, PrintedAxialAttention
from spacy_docre.pairs import Pairs
from tests.models import equations

WIDTH = 4
FORMS = [
    {"depth": 1, "heads": 1, "order": "sequential", "transform": False},
    {"depth": 2, "heads": 2, "order": "sequential", "transform": False},
    {"depth": 1, "heads": 2, "order": "parallel", "transform": False},
    {"depth": 2, "heads": 4, "order": "parallel", "transform": True},
    {"depth": 1, "heads": 1, "order": "sequential", "transform": True},
]


def make(form: dict, seed: int = 0) -> AxialAttention:
    torch.manual_seed(seed)
    module = AxialAttention(WIDTH, **form)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module


def random_table(num_entities, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    number = sum(n * (n - 1) for n in num_entities)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, WIDTH, generator=generator).to(dtype)


def naive(module: AxialAttention, table: torch.Tensor, num_entities, form: dict) -> torch.Tensor:
    result, start = [], 0
    for n in num_entities:
        pairs = equations.ordered_pairs(n)
        rows = {pair: table[start + index].double() for index, pair in enumerate(pairs)}
        start += len(pairs)
        found = equations.axial_attention(
            rows,
            dict(module.named_parameters()),
            heads=form["heads"],
            order=form["order"],
            transform=form["transform"],
        )
        result.extend(found[pair] for pair in pairs)
    return torch.stack(result)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("num_entities", [[2], [4], [3, 2, 5]], ids=str)
def test_agrees_with_a_naive_loop(form, num_entities):
    module = make(form)
    table = random_table(num_entities)
    found = module(table, Pairs.of(num_entities))
    expected = naive(module, table, num_entities, form)
    assert torch.allclose(found.double(), expected, atol=1e-5)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_gradient(form):
    module = make(form).double()
    pairs_of_batch = Pairs.of([3, 2])
    table = random_table([3, 2], dtype=torch.float64).requires_grad_()
    parameters = list(module.parameters())

    def function(table, *parameters):
        return module(table, pairs_of_batch)

    assert torch.autograd.gradcheck(function, (table, *parameters))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_document_is_the_same_in_any_batch(form):
    module = make(form)
    sizes = [5, 2, 4, 3]
    table = random_table(sizes)
    together = module(table, Pairs.of(sizes)).split([n * (n - 1) for n in sizes])
    for n, alone, expected in zip(
        sizes, table.split([n * (n - 1) for n in sizes]), together, strict=True
    ):
        assert torch.allclose(module(alone, Pairs.of([n])), expected, atol=1e-6)


def changed_pairs(order: str, source) -> set:
    """The pairs of four entities on whose output the input of one pair has a bearing."""
    module = make({"depth": 1, "heads": 1, "order": order, "transform": False})
    pairs_of_batch = Pairs.of([4])
    pairs = equations.ordered_pairs(4)
    table = random_table([4])
    changed = table.clone()
    changed[pairs.index(source)] += 1
    difference = (module(table, pairs_of_batch) - module(changed, pairs_of_batch)).abs().sum(1)
    return {pair for pair, value in zip(pairs, difference.tolist(), strict=True) if value > 1e-4}


def test_in_parallel_a_pair_reaches_those_with_its_head_or_its_tail():
    head, tail = 1, 2
    expected = {pair for pair in equations.ordered_pairs(4) if pair[0] == head or pair[1] == tail}
    assert changed_pairs("parallel", (head, tail)) == expected


def test_in_sequence_a_pair_reaches_its_column_and_then_their_rows():
    """(1, 2) reaches (p, 2) along the column, and each (p, 2) its row; not row 2, which has
    no pair in that column."""
    expected = {pair for pair in equations.ordered_pairs(4) if pair[0] != 2}
    assert changed_pairs("sequential", (1, 2)) == expected


def make_printed(depth: int) -> PrintedAxialAttention:
    torch.manual_seed(2)
    module = PrintedAxialAttention(WIDTH, depth=depth)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("num_entities", [[1], [2], [4], [3, 2, 5]], ids=str)
def test_the_printed_form_agrees_with_a_naive_loop(depth, num_entities):
    module = make_printed(depth)
    pairs = Pairs.of(num_entities, diagonal=True)
    table = torch.randn(len(pairs.heads), WIDTH, generator=torch.Generator().manual_seed(3))
    expected, start = [], 0
    for n in num_entities:
        square = list(itertools.product(range(n), repeat=2))
        rows = {pair: table[start + row].double() for row, pair in enumerate(square)}
        start += len(square)
        weights = dict(module.named_parameters())
        found = equations.printed_axial_attention(rows, n, weights)
        expected.extend(found[pair] for pair in square)
    assert torch.allclose(module(table, pairs).double(), torch.stack(expected), atol=1e-5)


def test_the_printed_form_has_one_setting():
    for setting in ({"heads": 2}, {"order": "parallel"}, {"transform": True}):
        with pytest.raises(ValueError, match="leave out heads, order and transform"):
            make_axial_attention(form="printed", **setting)
    assert make_axial_attention(form="printed", depth=3)(WIDTH).diagonal


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"heads = 3 does not divide .*4"):
        AxialAttention(4, depth=1, heads=3, order="sequential", transform=False)


def test_unknown_order():
    config = {"pair_encoder": {"@layers": "spacy_docre.AxialAttention.v1", "order": "diagonal"}}
    with pytest.raises(ValueError, match="order.*sequential.*parallel"):
        registry.resolve(config)
