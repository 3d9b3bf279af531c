"""What every network of another system does."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Type

import pytest
import spacy
import torch
from thinc.api import Adam
from torch import Tensor

from spacy_docre.models import pair_blocks
from spacy_docre.models.classifier import grow_classifier
from spacy_docre.models.encoded_document import EncodedDocument
from spacy_docre.models.listener import AttentionListener
from spacy_docre.models.network import Network
from tests.models import equations
from tests.models.builders import (
    gradient,
    named_documents,
    padded,
    random_document,
    with_entities_in_order,
    with_gradients,
    without_overlap,
)
from tests.models.encoders import gradients, network_of

DOCUMENTS = {
    **named_documents(),
    "no shared window": without_overlap(),
    "many sentences": random_document(9, windows=6, sentence_starts=range(0, 24, 3), seed=5),
    "an empty sentence": random_document(4, sentence_starts=(0, 2, 8), seed=6)._replace(
        num_sentences=5
    ),
}
every_document = pytest.mark.parametrize("name", DOCUMENTS)
SIZES = [5, 2, 9, 3, 4, 8, 6, 7]

# In a process of its own, since the peak is that of a whole process.
PEAK = """
import resource, torch
from tests.models.builders import encoded_document
from {module} import {name}

torch.set_num_threads(1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
network = {name}().make(**dict({name}.settings, {widths}), num_relations=96).eval()
document = encoded_document(
    [range(start, start + 100) for start in range(0, {entities}, 100)],
    [[[index]] for index in range({entities})],
    sentence_starts=range(0, {entities}, 50),
)
with torch.no_grad():
    network([document._replace(num_entities=2, mention_entities=document.mention_entities % 2)])
    before = peak()
    network([document])
print(peak() - before)
"""


class BehavesAsANetwork:
    """Tests that a network passes.

    network (Type[Network]): Its class.
    settings (Dict[str, Any]): Its settings, small, without dropout and in float32.
    architecture (str): The name of its factory, which has the same settings.
    naive (Callable): Its equations as loops: logits of a document and weights.
    """

    network: Type[Network]
    settings: Dict[str, Any]
    architecture: str
    naive: Callable[..., Tensor]

    def make(self, **settings: Any) -> Any:
        """A network with random weights."""
        torch.manual_seed(0)
        values = {"hidden_width": 6, "num_relations": 3, "dropout": 0.0, "precision": "float32"}
        network = self.network(**{**values, **self.settings, **settings})
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return network

    def logits(self, document: EncodedDocument, **settings: Any) -> Tensor:
        return self.make(**settings)([document])[0].logits

    def expected(self, network: torch.nn.Module, document: EncodedDocument) -> Tensor:
        return type(self).naive(document, dict(network.named_parameters()))

    @every_document
    def test_logits_agree_with_naive_loops(self, name: str) -> None:
        network = self.make()
        (scores,) = network([DOCUMENTS[name]])
        expected = self.expected(network, DOCUMENTS[name])
        assert torch.allclose(scores.logits.double(), expected, atol=1e-5)

    @pytest.mark.parametrize("number", [1, 7, 40])
    def test_few_pairs_at_a_time(self, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = self.make()([DOCUMENTS["many sentences"]])[0]
        monkeypatch.setattr(pair_blocks, "PAIRS_AT_ONCE", number)
        blocks = self.make()([DOCUMENTS["many sentences"]])[0]
        assert torch.allclose(whole.logits, blocks.logits, atol=1e-5)
        for one, other in zip(whole.evidence, blocks.evidence, strict=True):
            assert torch.allclose(one, other, atol=1e-6)

    def test_memory_of_a_document_with_many_entities(self) -> None:
        """A number for each chain of all pairs would be 100 MB, and there are several steps."""
        entities, name = 300, type(self).__name__
        widths = ", ".join(f"{setting}=32" for setting in self.settings if "width" in setting)
        code = PEAK.format(
            module=type(self).__module__, name=name, widths=widths, entities=entities
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.returncode == 0, found.stderr
        # Two features of each pair, and its logits.
        result = entities * (entities - 1) * (2 * 32 + 97) * 4 / 2**20  # MB
        assert float(found.stdout) < 2 * result

    def test_heads_and_tails_matter(self) -> None:
        logits = self.logits(random_document(4))
        pairs = equations.ordered_pairs(4)
        other = [pairs.index((tail, head)) for head, tail in pairs]
        assert (logits - logits[other]).abs().min(1).values.min() > 1e-4

    @pytest.mark.parametrize("name", ["many sentences", "shared mention", "unseen entity"])
    def test_gradient_agrees_with_naive_loops(self, name: str) -> None:
        network = self.make()
        ours, theirs = with_gradients(DOCUMENTS[name]), with_gradients(DOCUMENTS[name])
        logits = network([ours])[0].logits
        direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(4))
        (logits * direction).sum().backward()
        found = gradients(network)
        network.zero_grad()
        (self.expected(network, theirs) * direction).sum().backward()
        assert torch.allclose(gradient(ours.hidden), gradient(theirs.hidden), rtol=1e-4, atol=1e-4)
        for weight, expected in gradients(network).items():
            assert torch.allclose(found[weight], expected, rtol=1e-4, atol=1e-4), weight
            # In the others there may be nothing to choose from.
            assert name != "many sentences" or expected.abs().max() > 1e-3, weight

    def test_gradcheck(self) -> None:
        network = self.make().double()
        document = random_document(4, dtype=torch.float64, seed=3)
        parameters = list(network.parameters())

        def function(hidden: Tensor, *parameters: Tensor) -> Tensor:
            return network([document._replace(hidden=hidden)])[0].logits

        inputs = (document.hidden.requires_grad_(), *parameters)
        assert torch.autograd.gradcheck(function, inputs, fast_mode=True)

    @pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
    @torch.no_grad()
    def test_a_document_alone_is_the_same_in_any_batch(self, precision: str) -> None:
        network = self.make(precision=precision)
        batch = [
            random_document(number, windows=1 + index % 4, seed=index)
            for index, number in enumerate(SIZES)
        ]
        for document, scores in zip(batch, network(batch), strict=True):
            (alone,) = network([document])
            assert torch.equal(alone.logits, scores.logits)
            assert torch.equal(alone.evidence.shares, scores.evidence.shares)

    @every_document
    def test_padding_changes_nothing(self, name: str) -> None:
        before, after = (
            self.logits(document) for document in (DOCUMENTS[name], padded(DOCUMENTS[name], 3))
        )
        assert torch.allclose(before, after, atol=1e-5)

    @pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [1, 2, 0, 4, 3]], ids=str)
    def test_reordering_the_entities_reorders_the_logits(self, order: List[int]) -> None:
        document = random_document(5, seed=8)
        before, after = (
            self.logits(one) for one in (document, with_entities_in_order(document, order))
        )
        pairs = equations.ordered_pairs(5)
        rows = [pairs.index((order[head], order[tail])) for head, tail in pairs]
        assert torch.allclose(after, before[rows], atol=1e-5)
        assert not torch.allclose(after, before, atol=1e-3)

    def test_bfloat16_is_close_to_float32_and_gives_float32(self) -> None:
        document = DOCUMENTS["many sentences"]
        expected, found = self.logits(document), self.logits(document, precision="bfloat16")
        assert found.dtype == torch.float32
        assert 0 < (found - expected).abs().mean() < 0.02 * expected.abs().max()

    def test_dropout_is_of_training(self) -> None:
        document, network = random_document(5), self.make(dropout=0.5)
        one, other = (network([document])[0].logits for _ in range(2))
        assert not torch.equal(one, other)
        network.eval()
        assert torch.equal(network([document])[0].logits, self.logits(document))

    def test_growing_keeps_what_it_knows(self) -> None:
        network, document = self.make(), random_document(4)
        before = network([document])[0].logits
        network.classifier = grow_classifier(network.classifier, 7)
        assert torch.equal(before, network([document])[0].logits[:, :4])

    def test_a_first_weight_is_as_wide_as_the_encoder(self) -> None:
        weights = self.make(hidden_width=11).state_dict()
        assert weights[self.network.first_weight].shape[-1] == 11

    def config(self, **settings: Any) -> Dict[str, Any]:
        """The config of the model."""
        values = {name: 32 if "width" in name else value for name, value in self.settings.items()}
        return {
            "@architectures": self.architecture,
            "dropout": 0.0,
            "tok2vec": {"@architectures": "spacy_docre.TransformerListener.v1"},
            **values,
            **settings,
        }

    def test_ten_documents_are_learnt_and_the_same_after_loading(
        self, make_pipeline: Any, make_examples: Any, train_step: Any, tmp_path: Path
    ) -> None:
        examples = make_examples(10)
        nlp = make_pipeline(examples=examples, model=self.config(), learn_rate_factor=10.0)
        assert type(network_of(nlp)) is self.network
        optimizer = Adam(0.0005)
        for _ in range(50):
            for batch in (examples[:5], examples[5:]):
                train_step(nlp, batch, optimizer)
        assert nlp.evaluate(examples)["rel_f"] > 0.95
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
        for example in examples:
            one, other = (pipe(example.predicted.copy()) for pipe in (nlp, loaded))
            assert one._.relations
            assert [r.triple for r in one._.relations] == [r.triple for r in other._.relations]
            for mine, theirs in zip(one._.relations, other._.relations, strict=True):
                assert mine.score == pytest.approx(theirs.score, abs=1e-6)

    def test_settings_out_of_range(self) -> None:
        make = spacy.registry.architectures.get(self.architecture)
        for name, value in {
            "dropout": 1.0,
            "max_pairs": 0,
            **dict.fromkeys(self.settings, 0),
        }.items():
            with pytest.raises(ValueError, match=f"{name} = {value} should be"):
                make(AttentionListener("*"), **{name: value})
