"""DocuNet, and the U-Net over the pairs after it."""

import pytest
import torch

from spacy_docre.models.encoded_document import EncodedDocument
from spacy_docre.models.systems import docunet
from spacy_docre.models.systems.docunet import DocuNet, UNetPairEncoder, make_docunet
from spacy_docre.pairs import Pairs
from tests.models import equations
from tests.models.builders import (
    gradient,
    named_documents,
    padded,
    random_document,
    with_gradients,
    without_overlap,
)
from tests.models.systems.overfitting import assert_learnt, overfit

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


DOCUMENTS = {**named_documents(), "no shared window": without_overlap()}


def make_network(**settings) -> DocuNet:
    torch.manual_seed(0)
    sizes = {"width": 8, "block_size": 4, "pair_width": 8, "channels": 3, "unet_channels": 2}
    network = DocuNet(
        hidden_width=6,
        num_relations=3,
        unet_width=5,
        **{**sizes, "dropout": 0.0, "precision": "float32", **settings},
    )
    for name, parameter in network.named_parameters():
        shift = 0.5 if "unet" in name and "bias" in name else 0.0
        torch.nn.init.normal_(parameter, mean=shift, std=0.25)
    return network


def naive_logits(network: DocuNet, document: EncodedDocument) -> torch.Tensor:
    """Pair by pair: channels of contexts, U-Net, head and tail, bilinear product."""
    weights = {name: weight.double() for name, weight in network.named_parameters()}
    n = document.num_entities
    contexts = equations.pair_contexts(document, diagonal=True)
    image = {}
    for head in range(n):
        for tail in range(n):
            context = contexts[min(head, tail), max(head, tail)]
            image[head, tail] = (
                weights["to_channels.weight"] @ context + weights["to_channels.bias"]
            )
    regions = equations.segmented(image, n, equations.subset(weights, "unet"))
    entities = equations.entity_embeddings(document)

    def embed(role: str, entity: int, region: torch.Tensor) -> torch.Tensor:
        own = weights[f"{role}_entity.weight"] @ entities[entity] + weights[f"{role}_entity.bias"]
        return torch.tanh(own + weights[f"{role}_context.weight"] @ region)

    return torch.stack(
        [
            weights["classifier.weight"]
            @ equations.grouped_bilinear(
                embed("head", head, regions[head, tail]),
                embed("tail", tail, regions[head, tail]),
                weights["bilinear.weight"],
                weights["bilinear.bias"],
            )
            + weights["classifier.bias"]
            for head, tail in equations.ordered_pairs(n)
        ]
    )


class TestDocuNet:
    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_agrees_with_a_naive_loop(self, name):
        network = make_network()
        (scores,) = network([DOCUMENTS[name]])
        expected = naive_logits(network, DOCUMENTS[name])
        assert torch.allclose(scores.logits.double(), expected, atol=1e-5)

    def test_gradient_agrees_with_that_of_the_naive_loop(self):
        network = make_network()
        ours, theirs = with_gradients(random_document(4)), with_gradients(random_document(4))
        logits = network([ours])[0].logits
        direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(4))
        (logits * direction).sum().backward()
        found = {name: gradient(weight).clone() for name, weight in network.named_parameters()}
        network.zero_grad()
        (naive_logits(network, theirs) * direction).sum().backward()
        for one, other in ((ours.hidden, theirs.hidden), (ours.attention, theirs.attention)):
            assert torch.allclose(gradient(one), gradient(other), rtol=1e-3, atol=1e-4)
        assert gradient(ours.attention).abs().max() > 1e-5
        for name, weight in network.named_parameters():
            assert torch.allclose(found[name], gradient(weight), rtol=1e-3, atol=1e-4), name

    def test_a_pair_reads_the_contexts_of_others(self):
        network = make_network()
        image = torch.zeros(4, 4, 3)
        changed = image.clone()
        changed[0, 1] = 1.0
        difference = network.unet.segment(changed) - network.unet.segment(image)
        assert difference[2, 2].abs().max() > 1e-4

    def test_evidence_is_that_of_the_contexts(self):
        document = random_document(5)
        (scores,) = make_network()([document])
        expected = torch.stack(list(equations.pair_evidence(document).values()))
        shares = torch.zeros(10, 2).scatter(
            1, scores.evidence.sentences.long(), scores.evidence.shares
        )
        assert torch.allclose(shares.double(), expected, atol=1e-5)

    def test_a_document_is_the_same_in_any_batch_and_with_padding(self):
        network = make_network().train()
        documents = [random_document(number, seed=number) for number in (5, 2, 4)]
        for document, together in zip(documents, network(documents), strict=True):
            assert torch.equal(network([document])[0].logits, together.logits)
            alone = network([padded(document, 3)])[0].logits
            assert torch.allclose(alone, together.logits, atol=1e-5)

    def test_few_pairs_at_a_time_give_the_same(self, monkeypatch):
        network, document = make_network(), random_document(6)
        expected = network([document])[0].logits
        monkeypatch.setattr(docunet, "PAIRS_AT_ONCE", 7)
        assert torch.allclose(network([document])[0].logits, expected, atol=1e-6)

    def test_overfits_ten_documents(self, make_pipeline, make_examples, train_step, tmp_path):
        examples = make_examples(10)
        model = {
            "@architectures": "spacy_docre.DocuNet.v1",
            **{"width": 32, "block_size": 4, "pair_width": 32, "precision": "float32"},
            **{"channels": 3, "unet_channels": 16, "unet_width": 32},
            **{"mention_pooling": "mean", "special_tokens": False},
            "tok2vec": {"@architectures": "spacy_docre.TransformerListener.v1"},
        }
        nlp = overfit(
            make_pipeline,
            examples,
            train_step,
            model=model,
            loss={"@misc": "spacy_docre.BalancedSoftmaxLoss.v1"},
        )
        assert_learnt(nlp, examples, tmp_path)

    @pytest.mark.parametrize("name", ["channels", "unet_channels", "unet_width", "max_pairs"])
    def test_sizes_out_of_range(self, name):
        with pytest.raises(ValueError, match=f"{name} = 0"):
            make_docunet(tok2vec=None, **{name: 0})
