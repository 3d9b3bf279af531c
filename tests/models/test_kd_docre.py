"""The whole network between the encoder and the logits, equations 2 to 8."""

from typing import List

import pytest
import torch

from spacy_docre.models.architectures import (
    make_axial_attention,
    make_linear_classifier,
    make_unet_pair_encoder,
)
from spacy_docre.models.classifier import grow_classifier
from spacy_docre.models.encoded_document import EncodedDocument
from spacy_docre.models.kd_docre import (
    GroupedBilinear,
    KDDocRE,
    LinearClassifier,
    LocalizedContextPooling,
    LogSumExpPooling,
)
from spacy_docre.models.slots import Evidence
from tests.models import equations
from tests.models.builders import (
    double_mention_document,
    gradient,
    named_documents,
    padded,
    random_document,
    unseen_entity_document,
    with_entities_in_order,
    with_gradients,
    without_overlap,
)

PARTS = {
    "entity_pooling": LogSumExpPooling,
    "context_pooling": LocalizedContextPooling,
    "pair_features": GroupedBilinear,
    "classifier": LinearClassifier,
}
AXIAL = {"depth": 2, "heads": 2, "order": "sequential", "transform": False}
RELEASED = {"depth": 2, "heads": 4, "order": "parallel", "transform": True}
FORMS = {"axial attention": AXIAL, "axial attention as released": RELEASED}
PAIR_ENCODERS = {
    "none": None,
    "axial attention": make_axial_attention(**AXIAL),
    "axial attention as released": make_axial_attention(**RELEASED),
    "axial attention as printed": make_axial_attention(form="printed", depth=2),
    "u-net": make_unet_pair_encoder(channels=2),
}
DOCUMENTS = {**named_documents(), "no shared window": without_overlap()}
SIZES = [5, 2, 9, 3, 4, 8, 6, 7]
every_pair_encoder = pytest.mark.parametrize("pair_encoder", PAIR_ENCODERS)


def make(pair_encoder: str = "axial attention", **settings) -> KDDocRE:
    torch.manual_seed(0)
    values = {
        "hidden_width": 6,
        "num_relations": 3,
        "width": 8,
        "block_size": 4,
        "pair_width": 8,
        "dropout": 0.0,
        "precision": "float32",
        **settings,
    }
    network = KDDocRE(pair_encoder=PAIR_ENCODERS[pair_encoder], **{**PARTS, **values})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    return network


def naive_logits(network: KDDocRE, document: EncodedDocument, pair_encoder: str) -> torch.Tensor:
    """Equations 2 to 8, pair by pair, with W [h; c] as one matrix."""
    weights = dict(network.named_parameters())
    entities = equations.entity_embeddings(document)
    contexts = equations.pair_contexts(document, diagonal=True)
    ordered = equations.ordered_pairs(document.num_entities)
    own = [(entity, entity) for entity in range(document.num_entities)]
    table = {}
    for head, tail in [*ordered, *own]:
        context = contexts[min(head, tail), max(head, tail)]
        z_s = embedding(weights, "head", entities[head], context)
        z_o = embedding(weights, "tail", entities[tail], context)
        table[head, tail] = equations.grouped_bilinear(
            z_s, z_o, weights["bilinear.weight"], weights["bilinear.bias"]
        )
    inner = equations.subset(weights, "pair_encoder")
    if pair_encoder == "axial attention as printed":
        table = equations.printed_axial_attention(table, document.num_entities, inner)
    # The other forms know no pair of an entity with itself.
    table = {pair: table[pair] for pair in ordered}
    if pair_encoder == "u-net":
        table = equations.unet(table, document.num_entities, inner)
    elif pair_encoder in FORMS:
        table = equations.axial_attention(
            table,
            inner,
            heads=FORMS[pair_encoder]["heads"],
            order=FORMS[pair_encoder]["order"],
            transform=FORMS[pair_encoder]["transform"],
        )
    weight, bias = weights["classifier.weight"].double(), weights["classifier.bias"].double()
    return torch.stack([weight @ value + bias for value in table.values()])


def embedding(weights, role: str, entity: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """tanh(W [h; c] + b)."""
    whole = torch.cat([weights[f"{role}_entity.weight"], weights[f"{role}_context.weight"]], 1)
    return torch.tanh(
        whole.double() @ torch.cat([entity, context]) + weights[f"{role}_entity.bias"].double()
    )


def mixed_batch() -> List[EncodedDocument]:
    """Documents with 2 to 9 entities, of one to four windows."""
    return [
        random_document(number, windows=1 + index % 4, seed=index)
        for index, number in enumerate(SIZES)
    ]


def logits_of(network: KDDocRE, *documents: EncodedDocument) -> List[torch.Tensor]:
    return [scores.logits for scores in network(list(documents))]


def dense(evidence: Evidence, num_sentences: int) -> torch.Tensor:
    """The share on every sentence, where no more sentences are kept than there are."""
    shares = torch.zeros(len(evidence.shares), num_sentences)
    return shares.scatter(1, evidence.sentences.long(), evidence.shares)


class TestEquations:
    @every_pair_encoder
    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_logits_agree_with_naive_loops(self, name, pair_encoder):
        """The pair (s, o) has s for its head: heads and tails have weights of their own."""
        network = make(pair_encoder)
        (found,) = logits_of(network, DOCUMENTS[name])
        expected = naive_logits(network, DOCUMENTS[name], pair_encoder)
        assert torch.allclose(found.double(), expected, atol=1e-5)

    def test_heads_and_tails_matter(self):
        """If they did not, the test above could not tell them apart."""
        document = random_document(4)
        (logits,) = logits_of(make(), document)
        pairs = equations.ordered_pairs(4)
        other = [pairs.index((tail, head)) for head, tail in pairs]
        assert (logits - logits[other]).abs().min(1).values.min() > 1e-4

    @every_pair_encoder
    @pytest.mark.parametrize("make_document", [double_mention_document, unseen_entity_document])
    def test_gradient_to_hidden_states_attention_and_weights(self, make_document, pair_encoder):
        network = make(pair_encoder)
        ours, theirs = with_gradients(make_document()), with_gradients(make_document())
        logits = network([ours])[0].logits
        direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(4))
        (logits * direction).sum().backward()
        found = {name: gradient(weight).clone() for name, weight in network.named_parameters()}
        network.zero_grad()
        (naive_logits(network, theirs, pair_encoder) * direction).sum().backward()
        assert torch.allclose(gradient(ours.hidden), gradient(theirs.hidden), rtol=1e-4, atol=1e-4)
        assert torch.allclose(
            gradient(ours.attention), gradient(theirs.attention), rtol=1e-4, atol=1e-4
        )
        assert gradient(ours.attention).abs().max() > 1e-3
        for name, weight in network.named_parameters():
            assert torch.allclose(found[name], gradient(weight), rtol=1e-4, atol=1e-4), name

    def test_evidence_comes_document_by_document(self):
        documents = [random_document(3), random_document(5, seed=1)]
        evidence = [scores.evidence for scores in make()(documents)]
        assert [tuple(kept.shares.shape) for kept in evidence] == [(3, 2), (10, 2)]
        for document, kept in zip(documents, evidence, strict=True):
            expected = torch.stack(list(equations.pair_evidence(document).values()))
            assert torch.allclose(dense(kept, 2).double(), expected, atol=1e-5)

    def test_the_best_three_sentences_are_kept_most_first(self):
        document = random_document(5, windows=6, sentence_starts=range(0, 20, 3))
        (scores,) = make()([document])
        expected = torch.stack(list(equations.pair_evidence(document).values()))
        assert expected.shape == (10, 7)
        best = expected.topk(3, dim=1)
        assert torch.equal(scores.evidence.sentences.long(), best.indices)
        assert torch.allclose(scores.evidence.shares.double(), best.values, atol=1e-5)

    def test_all_sentences_are_kept_where_they_are_asked_for(self):
        document = random_document(5, windows=6, sentence_starts=range(0, 20, 3))
        (scores,) = make()([document._replace(all_sentences=True)])
        expected = torch.stack(list(equations.pair_evidence(document).values()))
        assert scores.evidence.shares.shape == (10, 7)
        assert torch.allclose(dense(scores.evidence, 7).double(), expected, atol=1e-5)


class TestDocumentsAreIndependent:
    @every_pair_encoder
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_a_document_alone_is_the_same_in_any_batch(self, precision, pair_encoder):
        """To the last digit: in bfloat16 the smallest difference grows to hundredths."""
        network = make(pair_encoder, precision=precision)
        batch = mixed_batch()
        backwards = network(batch[::-1])[::-1]
        for document, first, second in zip(batch, network(batch), backwards, strict=True):
            (alone,) = network([document])
            for found in (first, second):
                assert torch.equal(alone.logits, found.logits)
                assert torch.equal(alone.evidence.sentences, found.evidence.sentences)
                assert torch.equal(alone.evidence.shares, found.evidence.shares)

    @every_pair_encoder
    def test_the_gradient_of_a_document_is_the_same_in_any_batch(self, pair_encoder):
        network = make(pair_encoder)
        alone = with_gradients(random_document(4, seed=7))
        batched = with_gradients(random_document(4, seed=7))
        network([alone])[0].logits.sum().backward()
        logits_of(network, random_document(6), batched)[1].sum().backward()
        assert torch.allclose(
            gradient(alone.hidden), gradient(batched.hidden), rtol=1e-4, atol=1e-5
        )
        assert torch.allclose(
            gradient(alone.attention), gradient(batched.attention), rtol=1e-4, atol=1e-5
        )

    @every_pair_encoder
    @pytest.mark.parametrize("number", [1, 7])
    def test_padding_changes_nothing(self, number, pair_encoder):
        network = make(pair_encoder)
        for document in DOCUMENTS.values():
            (before,), (after,) = (
                logits_of(network, document),
                logits_of(network, padded(document, number)),
            )
            assert torch.allclose(before, after, atol=1e-5)


def permuted(document: EncodedDocument, order: List[int], rows: torch.Tensor) -> torch.Tensor:
    """Rows of pairs, brought in the order the pairs have when the entities are reordered."""
    pairs = equations.ordered_pairs(document.num_entities)
    return rows[[pairs.index((order[head], order[tail])) for head, tail in pairs]]


@pytest.mark.parametrize("pair_encoder", [name for name in PAIR_ENCODERS if name != "u-net"])
@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [1, 2, 0, 4, 3]], ids=str)
def test_reordering_the_entities_reorders_the_logits(order, pair_encoder):
    """Not with a U-Net, to which it matters which entities are neighbours in the table."""
    network = make(pair_encoder)
    document = random_document(5, seed=8)
    (before,) = logits_of(network, document)
    (after,) = logits_of(network, with_entities_in_order(document, order))
    assert torch.allclose(after, permuted(document, order, before), atol=1e-5)


class TestNumberOfRelations:
    def test_growing_keeps_what_it_knows(self):
        network = make()
        document = random_document(4)
        (before,) = logits_of(network, document)
        network.classifier = grow_classifier(network.classifier, 7)
        (after,) = logits_of(network, document)
        assert before.shape == (12, 4) and after.shape == (12, 8)
        assert torch.equal(before, after[:, :4])
        assert torch.isfinite(after).all()

    def test_the_same_number_changes_nothing(self):
        network = make()
        document = random_document(4)
        (before,) = logits_of(network, document)
        network.classifier = grow_classifier(network.classifier, 3)
        assert torch.equal(before, logits_of(network, document)[0])

    def test_fewer_are_refused(self):
        with pytest.raises(ValueError, match="knows 3 relations and cannot be reduced to 2"):
            grow_classifier(make().classifier, 2)

    def test_a_layer_of_someone_else_stays_one(self):
        class Halved(LinearClassifier):
            def forward(self, table):
                return super().forward(table) / 2

        network = make(classifier=Halved)
        document = random_document(4)
        (before,) = logits_of(network, document)
        network.classifier = grow_classifier(network.classifier, 5)
        (after,) = logits_of(network, document)
        assert isinstance(network.classifier, Halved)
        assert network.classifier.out_features == 6 and after.shape == (12, 6)
        assert torch.equal(before, after[:, :4])

    def test_new_relations_learn(self):
        network = make()
        network.classifier = grow_classifier(network.classifier, 5)
        network([random_document(3)])[0].logits.sum().backward()
        assert gradient(network.classifier.weight).abs().sum(1).min() > 0


class TestPrecision:
    @every_pair_encoder
    def test_bfloat16_is_close_to_float32_and_gives_float32(self, pair_encoder):
        exact = make(pair_encoder)
        rounded = make(pair_encoder, precision="bfloat16")
        batch = mixed_batch()
        expected, found = torch.cat(logits_of(exact, *batch)), torch.cat(logits_of(rounded, *batch))
        assert found.dtype == torch.float32
        difference = (found - expected).abs()
        assert 0 < difference.mean() < 0.02 * expected.abs().max()
        assert difference.max() < 0.1 * expected.abs().max()

    @every_pair_encoder
    def test_gradient_in_bfloat16(self, pair_encoder):
        exact = make(pair_encoder)
        rounded = make(pair_encoder, precision="bfloat16")
        ours, theirs = with_gradients(random_document(5)), with_gradients(random_document(5))
        rounded([ours])[0].logits.sum().backward()
        exact([theirs])[0].logits.sum().backward()
        for name in ("hidden", "attention"):
            found, expected = gradient(getattr(ours, name)), gradient(getattr(theirs, name))
            assert found.dtype == torch.float32
            assert (found - expected).abs().max() < 0.1 * expected.abs().max()
        for parameter in rounded.parameters():
            assert gradient(parameter).dtype == torch.float32

    def test_evidence_does_not_depend_on_the_precision(self):
        document = random_document(4)
        (exact,) = make()([document])
        (rounded,) = make(precision="bfloat16")([document])
        assert torch.equal(exact.evidence.shares, rounded.evidence.shares)
        assert rounded.evidence.shares.dtype == torch.float32

    @every_pair_encoder
    def test_logits_are_not_rounded(self, pair_encoder):
        """A logit in bfloat16 has eight digits: its last one moves a score by a hundredth."""
        (logits,) = logits_of(make(pair_encoder, precision="bfloat16"), random_document(6))
        assert not torch.equal(logits, logits.bfloat16().float())


def test_without_context_pooling():
    """z_s = tanh(W_s h_s + b_s), and there is no evidence."""
    network = make("none", context_pooling=None)
    document = random_document(4)
    (scores,) = network([document])
    entities = equations.entity_embeddings(document)
    weights = {name: weight.double() for name, weight in network.named_parameters()}
    assert not any("context" in name for name in weights)

    def embed(role: str, entity: int) -> torch.Tensor:
        weight, bias = weights[f"{role}_entity.weight"], weights[f"{role}_entity.bias"]
        return torch.tanh(weight @ entities[entity] + bias)

    expected = torch.stack(
        [
            weights["classifier.weight"]
            @ equations.grouped_bilinear(
                embed("head", head),
                embed("tail", tail),
                weights["bilinear.weight"],
                weights["bilinear.bias"],
            )
            + weights["classifier.bias"]
            for head, tail in equations.ordered_pairs(4)
        ]
    )
    assert torch.allclose(scores.logits.double(), expected, atol=1e-5)
    assert torch.equal(scores.evidence.shares, torch.zeros(6, document.num_sentences))


class TestDropout:
    def test_none_in_evaluation(self):
        network = make(dropout=0.5).eval()
        documents = mixed_batch()[:2]
        for other in (network, make()):
            for ours, theirs in zip(network(documents), other(documents), strict=True):
                assert torch.equal(ours.logits, theirs.logits)

    def test_some_in_training(self):
        network = make(dropout=0.5).train()
        documents = mixed_batch()[:2]
        for ours, theirs in zip(network(documents), network(documents), strict=True):
            assert not torch.equal(ours.logits, theirs.logits)


@pytest.mark.parametrize("prior", [0.01, 0.2, 0.5])
def test_relations_start_as_rare_as_the_prior(prior: float) -> None:
    """P(r) = sigmoid(r - TH) of the biases alone."""
    threshold, *relations = make_linear_classifier(prior)(8, 3).bias
    assert len(relations) == 3
    for relation in relations:
        assert torch.sigmoid(relation - threshold).item() == pytest.approx(prior)


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1])
def test_a_prior_that_is_no_probability(prior: float) -> None:
    with pytest.raises(ValueError, match=f"prior = {prior}"):
        make_linear_classifier(prior)


def test_relations_start_rare() -> None:
    """By default."""
    network = KDDocRE(
        hidden_width=8,
        num_relations=3,
        width=8,
        block_size=4,
        pair_width=8,
        pair_encoder=None,
        **PARTS,
        dropout=0.0,
        precision="float32",
    )
    threshold, *relations = network.classifier.bias
    for relation in relations:
        assert torch.sigmoid(relation - threshold).item() == pytest.approx(0.01)
