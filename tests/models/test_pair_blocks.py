"""Few pairs at a time: what comes of them is the same, and so is the memory for many."""

import subprocess
import sys

import pytest
import torch

from spacy_docre.models import pair_blocks
from spacy_docre.models.kd_docre import LocalizedContextPooling
from tests.models.builders import gradient, random_document, with_gradients
from tests.models.test_kd_docre import PAIR_ENCODERS, every_pair_encoder, make, naive_logits


@pytest.fixture(params=[1, 7, 40])
def few(request, monkeypatch) -> int:
    """Blocks so small that there are several in a small document."""
    monkeypatch.setattr(pair_blocks, "PAIRS_AT_ONCE", request.param)
    return request.param


@every_pair_encoder
def test_blocks_agree_with_naive_loops(few, pair_encoder):
    document = random_document(6, seed=3)
    network = make(pair_encoder)
    (found,) = network([document])
    expected = naive_logits(network, document, pair_encoder)
    assert torch.allclose(found.logits.double(), expected, atol=1e-5)


@pytest.mark.parametrize("context", [LocalizedContextPooling, None])
@every_pair_encoder
def test_blocks_change_neither_evidence_nor_gradients(context, pair_encoder, monkeypatch):
    results = []
    for most in (pair_blocks.PAIRS_AT_ONCE, 7):
        monkeypatch.setattr(pair_blocks, "PAIRS_AT_ONCE", most)
        document = with_gradients(random_document(6, seed=3))
        network = make(pair_encoder, context_pooling=context)
        (scores,) = network([document])
        direction = torch.randn(scores.logits.shape, generator=torch.Generator().manual_seed(4))
        (scores.logits * direction).sum().backward()
        weights = [gradient(weight) for weight in network.parameters()]
        results.append([scores.logits, *scores.evidence, gradient(document.hidden), *weights])
    for whole, blocks in zip(*results, strict=True):
        assert torch.allclose(whole.double(), blocks.double(), rtol=1e-4, atol=1e-4)


def test_attention_that_is_held_at_once_depends_on_the_length(monkeypatch):
    monkeypatch.setattr(pair_blocks, "PAIRS_AT_ONCE", 100)
    assert list(pair_blocks.steps(20)) == [(0, 5), (5, 10), (10, 15), (15, 20)]
    monkeypatch.setattr(pair_blocks, "VALUES_AT_ONCE", 1000)
    assert list(pair_blocks.steps(20, positions=10)) == list(pair_blocks.steps(20))
    assert list(pair_blocks.steps(20, positions=25))[0] == (0, 2)
    assert len(list(pair_blocks.steps(20, positions=10_000))) == 20


def test_a_layer_that_knows_no_blocks():
    """A context pooling of someone else's gives all pairs at once."""

    class Whole(torch.nn.Module):
        def __init__(self, smoothing: float) -> None:
            super().__init__()
            self.inner = LocalizedContextPooling(smoothing)

        def forward(self, *arguments):
            return self.inner(*arguments)

    document = random_document(6)
    for name in PAIR_ENCODERS:
        (ours,), (theirs,) = (
            make(name, context_pooling=pooling)([document])
            for pooling in (LocalizedContextPooling, Whole)
        )
        assert torch.allclose(ours.logits, theirs.logits, atol=1e-6)


# In a process of its own, since the peak is that of a whole process.
PEAK = """
import resource, sys, torch
from tests.models.builders import encoded_document
from tests.models.test_kd_docre import make

torch.set_num_threads(1)
names = int(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
network = make(hidden_width=64, width=64, pair_width=128, num_relations=96, block_size=2).eval()
windows = [range(start, start + 100) for start in range(0, names, 100)]
document = encoded_document(
    windows, [[[index]] for index in range(names)], width=64, sentence_starts=range(0, names, 2)
)
with torch.no_grad():
    network([document._replace(num_entities=2, mention_entities=document.mention_entities % 2)])
    before = peak()
    network([document])
print(peak() - before)
"""


def test_memory_of_a_document_with_many_names():
    """g and r of 128 values and 97 logits, in float32, are 1.4 kB a pair. What is computed on the
    way, for all pairs at once, would be 5 kB more."""
    names = 400
    found = subprocess.run([sys.executable, "-c", PEAK, str(names)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    result = names * (names - 1) * (2 * 128 + 97) * 4 / 2**20  # MB
    assert float(found.stdout) < 2 * result
