"""Equations 2 to 4: the attention of entities and pairs, and the context of a pair."""

import pytest
import torch

from spacy_docre.models import pair_blocks
from spacy_docre.models.encoded_document import entity_attention, merge_windows
from spacy_docre.models.kd_docre import LocalizedContextPooling, pair_attention
from spacy_docre.pairs import Pairs
from tests.models import equations
from tests.models.builders import (
    encoded_document,
    gradient,
    named_documents,
    padded,
    random_document,
    unseen_entity_document,
    with_gradients,
    without_overlap,
)

DOCUMENTS = {**named_documents(), "no shared window": without_overlap()}


def pool(document):
    return LocalizedContextPooling()(merge_windows(document), document)


@pytest.fixture(params=DOCUMENTS)
def document(request):
    return DOCUMENTS[request.param]


def test_entity_attention(document):
    found = entity_attention(document)
    assert found.shape == (document.num_positions, document.num_entities, 2)
    for entity, rows in enumerate(equations.entity_attention(document)):
        for head, row in enumerate(rows):
            assert torch.allclose(found[:, entity, head].double(), row, atol=1e-5)


def test_entity_attention_is_at_most_one_a_mention(document):
    """A mention's is a distribution over all pieces, and special tokens are left out."""
    total = entity_attention(document).sum(0)
    seen = document.mention_entities[document.piece_mentions.unique()]
    mentions = seen.bincount(minlength=document.num_entities).unsqueeze(1)
    assert (total <= mentions + 1e-5).all()
    assert total[mentions[:, 0] == 0].tolist() == [[0.0, 0.0]] * int((mentions == 0).sum())
    assert (total[mentions[:, 0] > 0] > 0).all()


def test_pair_attention(document):
    found = pair_attention(entity_attention(document), 0, document.num_entities)
    found = found / found.sum(1, keepdim=True).clamp_min(1e-10)
    expected = torch.stack(list(equations.pair_attention(document).values()))
    assert torch.allclose(found.double(), expected, atol=1e-5)


def test_contexts(document):
    expected = torch.stack(list(equations.pair_contexts(document).values()))
    assert torch.allclose(pool(document)[0].double(), expected, atol=1e-5)


def test_smoothing(document):
    """As ATLOP: means over mentions and heads, and a little added to their sum."""
    smoothing = 0.01
    hidden = equations.merged_hidden(document)
    mentions = document.mention_entities.bincount(minlength=document.num_entities)
    attention = [
        [row / max(int(number), 1) for row in rows]
        for rows, number in zip(equations.entity_attention(document), mentions, strict=True)
    ]
    expected = []
    for s, o in [*equations.unordered_pairs(document.num_entities)]:
        shared = sum(one * two for one, two in zip(attention[s], attention[o], strict=True)) / 2
        expected.append(hidden.T @ (shared / (shared.sum() + smoothing)))
    contexts, _ = LocalizedContextPooling(smoothing)(merge_windows(document), document)
    assert torch.allclose(contexts.double(), torch.stack(expected), atol=1e-5)
    square, _ = LocalizedContextPooling(smoothing)(merge_windows(document), document, diagonal=True)
    s, o = Pairs.unordered_between(document.num_entities, 0, document.num_entities, diagonal=True)
    assert torch.allclose(square[s != o], contexts, atol=1e-6)
    own = square[s == o]
    for entity, rows in enumerate(attention):
        shared = sum(row * row for row in rows) / 2
        expected_own = hidden.T @ (shared / (shared.sum() + smoothing))
        assert torch.allclose(own[entity].double(), expected_own, atol=1e-5)


def test_context_of_the_printed_q(document):
    """Eq. 3 to the letter is not divided by its sum; the shares of sentences are."""
    hidden, attention = equations.merged_hidden(document), equations.entity_attention(document)
    expected = []
    for s, o in equations.unordered_pairs(document.num_entities):
        q = sum(one * two for one, two in zip(attention[s], attention[o], strict=True))
        expected.append(sum(weight * row for weight, row in zip(q, hidden, strict=True)))
    printed = LocalizedContextPooling(normalised=False)(merge_windows(document), document)
    assert torch.allclose(printed[0].double(), torch.stack(expected), atol=1e-5)
    assert torch.equal(printed[1], pool(document)[1])


def test_a_smoothing_of_no_sum_is_refused():
    with pytest.raises(ValueError, match="smoothing = 0.1 needs normalised = true"):
        LocalizedContextPooling(0.1, normalised=False)


def test_evidence_is_the_share_of_attention_on_each_sentence(document):
    evidence = pool(document)[1]
    expected = torch.stack(list(equations.pair_evidence(document).values()))
    assert torch.allclose(evidence.double(), expected, atol=1e-5)


def test_gradient_of_evidence_agrees_with_that_through_the_equations(document):
    """It goes to the attention alone."""
    ours, theirs = with_gradients(document), with_gradients(document)
    evidence = pool(ours)[1]
    direction = torch.randn(evidence.shape, generator=torch.Generator().manual_seed(3))
    # Where no attention is shared there is no share to learn, either.
    direction = direction * (evidence.detach().sum(1, keepdim=True) > 0)
    (evidence * direction).sum().backward()
    expected = torch.stack(list(equations.pair_evidence(theirs).values()))
    (expected * direction).sum().backward()
    assert torch.allclose(gradient(ours.attention), gradient(theirs.attention), atol=1e-4)
    assert ours.hidden.grad is None


def test_evidence_of_a_pair_that_shares_attention_sums_to_one():
    evidence = pool(random_document(5))[1]
    assert evidence.shape == (10, 2)
    assert torch.allclose(evidence.sum(1), torch.ones(10), atol=1e-5)


@pytest.mark.parametrize("make", [unseen_entity_document, without_overlap])
def test_a_pair_that_shares_no_attention_has_a_context_of_zeros(make):
    """Because a window holds both entities nowhere, or one of them is not seen at all."""
    document = with_gradients(make())
    contexts, evidence = pool(document)
    assert contexts[0].tolist() == [0.0] * 6
    assert evidence[0].tolist() == [0.0] * document.num_sentences
    contexts.square().sum().backward()
    for tensor in (contexts, evidence, gradient(document.hidden), gradient(document.attention)):
        assert torch.isfinite(tensor).all()


def test_special_tokens_and_padding_change_nothing(document):
    for before, after in zip(pool(document), pool(padded(document, 3)), strict=True):
        assert torch.allclose(before, after, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 5, 8, 13])
def test_few_entities_at_a_time_give_the_same_result(rows, monkeypatch):
    document = with_gradients(random_document(6, seed=4))
    whole = pool(document)
    whole[0].square().sum().backward()
    monkeypatch.setattr(pair_blocks, "PAIRS_AT_ONCE", rows)
    again = with_gradients(document)
    chunked = pool(again)
    chunked[0].square().sum().backward()
    for before, after in zip(whole, chunked, strict=True):
        assert torch.allclose(before, after, atol=1e-6)
    assert torch.allclose(gradient(document.hidden), gradient(again.hidden), atol=1e-5)
    assert torch.allclose(gradient(document.attention), gradient(again.attention), atol=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_gradient_to_hidden_states_and_attention(seed):
    document = random_document(3, windows=2, seed=seed, width=2, dtype=torch.float64)

    def function(hidden, attention):
        return pool(document._replace(hidden=hidden, attention=attention))[0]

    assert torch.autograd.gradcheck(
        function,
        (document.hidden.clone().requires_grad_(), document.attention.clone().requires_grad_()),
    )


def test_gradient_agrees_with_that_through_the_equations(document):
    generator = torch.Generator().manual_seed(3)
    ours, theirs = with_gradients(document), with_gradients(document)
    contexts = pool(ours)[0]
    direction = torch.randn(contexts.shape, generator=generator)
    (contexts * direction).sum().backward()
    expected = torch.stack(list(equations.pair_contexts(theirs).values()))
    (expected * direction).sum().backward()
    assert torch.allclose(gradient(ours.hidden), gradient(theirs.hidden), atol=1e-4)
    assert torch.allclose(gradient(ours.attention), gradient(theirs.attention), atol=1e-4)


def test_attention_gets_a_gradient_only_in_the_rows_of_mentions():
    document = with_gradients(encoded_document([[-1, 0, 1, 2, 3, -1]], [[[0]], [[2]]]))
    contexts, _ = pool(document)
    contexts.square().sum().backward()
    rows = gradient(document.attention).abs().sum((0, 1, 3))
    assert (rows > 0).tolist() == [False, True, False, True, False, False]
