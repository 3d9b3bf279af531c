"""DocRED's baseline against a plain loop, and through the whole pipeline."""

from typing import Type

import pytest
import torch

from spacy_docre.models import pair_blocks
from spacy_docre.models.classifier import grow_classifier
from spacy_docre.models.encoded_document import EncodedDocument
from spacy_docre.models.systems.docred_baseline import (
    DocREDBaseline,
    distance_steps,
    make_docred_baseline,
)
from tests.models import equations
from tests.models.builders import (
    encoded_document,
    gradient,
    named_documents,
    padded,
    random_document,
    with_entities_in_order,
    with_gradients,
)
from tests.models.systems.overfitting import assert_learnt, overfit

DOCUMENTS = named_documents()
STEPS = [0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]


def make(network: Type[DocREDBaseline] = DocREDBaseline) -> DocREDBaseline:
    torch.manual_seed(0)
    made = network(hidden_width=6, num_relations=3, width=4, distance_width=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    with torch.no_grad():
        made.distance.weight[9] = 0
    return made


def naive_scores(network: DocREDBaseline, document: EncodedDocument) -> torch.Tensor:
    """Mentions and entities as means, distances, and a matrix for each class."""
    weights = {name: weight.double() for name, weight in network.named_parameters()}
    hidden, windows = equations.merged_hidden(document), equations.window_positions(document)
    entities, first = [], []
    for mentions in equations.entity_mentions(document):
        places = [{windows[window][piece] for window, piece in pieces} for pieces in mentions]
        means = [sum(hidden[place] for place in own) / len(own) for own in places if own]
        mean = sum(means) / len(means) if means else torch.zeros_like(hidden[0])
        entities.append(weights["entity.weight"] @ mean + weights["entity.bias"])
        first.append(min((min(own) for own in places if own), default=0))
    forms = weights["classifier.weight"].unflatten(1, (6, 6))
    rows = []
    for head, tail in equations.ordered_pairs(document.num_entities):
        distance = first[head] - first[tail]
        step = STEPS[abs(distance)] * (1 if distance > 0 else -1)
        s = torch.cat([entities[head], weights["distance.weight"][9 + step]])
        o = torch.cat([entities[tail], weights["distance.weight"][9 - step]])
        rows.append(torch.stack([s @ form @ o for form in forms]) + weights["classifier.bias"])
    return torch.stack(rows)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_agrees_with_a_naive_loop(name):
    network = make()
    (scores,) = network([DOCUMENTS[name]])
    expected = naive_scores(network, DOCUMENTS[name])
    assert torch.allclose(scores.logits.double(), expected, atol=1e-5)
    assert not scores.evidence.shares.any()


def test_gradient_agrees_with_that_of_the_naive_loop():
    network = make()
    ours, theirs = with_gradients(random_document(4)), with_gradients(random_document(4))
    logits = network([ours])[0].logits
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(4))
    (logits * direction).sum().backward()
    found = {name: gradient(weight).clone() for name, weight in network.named_parameters()}
    network.zero_grad()
    (naive_scores(network, theirs) * direction).sum().backward()
    assert torch.allclose(gradient(ours.hidden), gradient(theirs.hidden), atol=1e-5)
    for name, weight in network.named_parameters():
        expected = gradient(weight)
        if name == "distance.weight":
            # No distance is no embedding, and stays so.
            assert not found[name][9].any()
            expected[9] = 0
        assert torch.allclose(found[name], expected, rtol=1e-4, atol=1e-5), name


def test_distances_have_steps_that_double():
    found = distance_steps(torch.tensor([0, 1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 5000]))
    assert found.tolist() == [0, 1, 2, 2, 3, 3, 4, 7, 8, 8, 9, 9]
    assert distance_steps(torch.tensor([-1, -5, -300])).tolist() == [-1, -3, -9]


def test_the_distance_is_that_of_the_first_mentions():
    """And has a direction."""
    network = make()
    near = encoded_document([[0, 1, 2, 3, 4, 5]], [[[1]], [[2], [5]]])
    far = near._replace(mention_entities=torch.tensor([0, 1, 2]), num_entities=3)
    assert not torch.allclose(network([near])[0].logits[0], network([far])[0].logits[1])
    forms = network.classifier.weight.data.unflatten(1, (6, 6))
    forms[:, :4] = forms[:, :, :4] = 0
    (there, back) = network([near])[0].logits
    assert not torch.allclose(there, back)


def test_the_order_of_entities_means_nothing():
    network, document, order = make(), random_document(4), [2, 0, 3, 1]
    before = network([document])[0].logits
    after = network([with_entities_in_order(document, order)])[0].logits
    pairs = equations.ordered_pairs(4)
    for row, (head, tail) in enumerate(pairs):
        assert torch.allclose(
            after[row], before[pairs.index((order[head], order[tail]))], atol=1e-6
        )


def test_a_document_is_the_same_in_any_batch_and_few_pairs_at_a_time(monkeypatch):
    network = make()
    documents = [random_document(number, seed=number) for number in (5, 2, 4)]
    together = [scores.logits for scores in network(documents)]
    monkeypatch.setattr(pair_blocks, "PAIRS_AT_ONCE", 6)
    for document, expected in zip(documents, together, strict=True):
        assert torch.allclose(network([padded(document, 3)])[0].logits, expected, atol=1e-6)


def test_room_for_more_relations():
    network, document = make(), random_document(3)
    before = network([document])[0].logits
    network.classifier = grow_classifier(network.classifier, 5)
    after = network([document])[0].logits
    assert after.shape == (6, 6) and torch.allclose(after[:, :4], before, atol=1e-6)


def test_overfits_ten_documents(make_pipeline, make_examples, train_step, tmp_path):
    examples = make_examples(10)
    nlp = overfit(
        make_pipeline,
        examples,
        train_step,
        model={
            "@architectures": "spacy_docre.DocREDBaseline.v1",
            **{"width": 32, "distance_width": 8},
            "tok2vec": {"@architectures": "spacy_docre.TransformerListener.v1"},
        },
        loss={"@misc": "spacy_docre.BinaryCrossEntropy.v1", "negatives": 3.0},
    )
    assert_learnt(nlp, examples, tmp_path)


@pytest.mark.parametrize("name", ["width", "distance_width", "max_pairs"])
def test_sizes_out_of_range(name):
    with pytest.raises(ValueError, match=f"{name} = 0"):
        make_docred_baseline(tok2vec=None, **{name: 0})
