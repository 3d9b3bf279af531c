"""Equations 1 (merging of windows) and 2 (entities from mentions)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_docre.models.encoded_document import merge_windows, segment_logsumexp
from spacy_docre.models.kd_docre import LogSumExpPooling
from tests.models import equations
from tests.models.builders import (
    double_mention_document,
    encoded_document,
    gradient,
    named_documents,
    overlapping_windows,
    padded,
    random_document,
    unseen_entity_document,
    with_gradients,
)

DOCUMENTS = named_documents()


def embed(document):
    return LogSumExpPooling()(merge_windows(document), document)


@pytest.fixture(params=DOCUMENTS)
def document(request):
    return DOCUMENTS[request.param]


def test_documents_have_the_trouble_they_are_named_for():
    several = DOCUMENTS["overlapping windows"]
    kept = several.piece_positions[several.piece_positions >= 0]
    assert kept.bincount().max() == 2
    assert (several.piece_positions == -1).any()
    unseen = DOCUMENTS["unseen entity"]
    seen = unseen.mention_entities[unseen.piece_mentions].unique().tolist()
    assert seen == [0, 2, 3] and unseen.num_entities == 4


def test_windows_are_averaged(document):
    expected = equations.merged_hidden(document)
    assert torch.allclose(merge_windows(document).double(), expected, atol=1e-6)


def test_entities_are_logsumexp_over_the_means_of_mentions(document):
    expected = equations.entity_embeddings(document)
    assert torch.allclose(embed(document).double(), expected, atol=1e-5)


def test_a_piece_in_two_windows_counts_once_in_a_mention():
    """Position 3 is in two windows, position 2 in one: the mention is their mean."""
    windows = [[-1, 0, 1, 2, 3, -1], [-1, 3, 4, 5, 6, -1]]
    document = encoded_document(windows, [[[2, 3]], [[6]]])
    hidden = document.hidden
    three = (hidden[0, 4] + hidden[1, 1]) / 2
    expected = (hidden[0, 3] + three) / 2
    assert torch.allclose(embed(document)[0], expected, atol=1e-6)


def test_a_mention_can_belong_to_two_entities():
    """Entities 0 and 1 share a mention; each embedding is as if the other were not there."""
    document = double_mention_document()
    (_, shared, *_) = embed(document)
    hidden = document.hidden
    position_three = (hidden[0, 4] + hidden[1, 0]) / 2
    assert torch.allclose(shared, (hidden[0, 3] + position_three) / 2, atol=1e-6)


def test_an_entity_without_a_piece_is_zeros_and_the_others_are_not_touched():
    document = unseen_entity_document()
    embeddings = embed(document)
    assert embeddings[1].tolist() == [0.0] * document.hidden.shape[2]
    assert torch.isfinite(embeddings).all()
    expected = equations.entity_embeddings(document)
    assert torch.allclose(embeddings.double(), expected, atol=1e-5)


def test_gradient_is_finite_where_an_entity_has_no_piece():
    document = with_gradients(unseen_entity_document())
    embed(document).square().sum().backward()
    assert torch.isfinite(gradient(document.hidden)).all()
    assert gradient(document.hidden).abs().sum() > 0


def test_no_entity_has_a_piece():
    document = encoded_document([[-1, 0, 1, -1]], [[[7]], [[8], [9]]])
    assert embed(document).tolist() == [[0.0] * 6] * 2


def test_special_tokens_and_padding_change_nothing(document):
    assert torch.allclose(embed(padded(document, 5)), embed(document), atol=1e-6)
    rubbish = document.hidden.clone()
    rubbish.view(-1, rubbish.shape[2])[document.piece_positions == -1] = 1e6
    assert torch.equal(embed(document._replace(hidden=rubbish)), embed(document))


@pytest.mark.parametrize("seed", range(3))
def test_gradient_to_the_hidden_states(seed):
    document = random_document(3, windows=2, seed=seed, width=3, dtype=torch.float64)

    def function(hidden):
        return embed(document._replace(hidden=hidden))

    assert torch.autograd.gradcheck(function, document.hidden.clone().requires_grad_())


def test_large_values_stay_finite():
    document = random_document(4)
    document = with_gradients(document._replace(hidden=document.hidden * 1e4))
    embeddings = embed(document)
    embeddings.sum().backward()
    assert torch.isfinite(embeddings).all()
    assert torch.isfinite(gradient(document.hidden)).all()


@given(
    segments=st.lists(st.integers(0, 4), max_size=12),
    scale=st.sampled_from([1.0, 100.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_segment_logsumexp_agrees_with_one_logsumexp_a_segment(segments, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = scale * torch.randn(len(segments), 3, generator=generator)
    found = segment_logsumexp(rows, torch.tensor(segments, dtype=torch.long), 5)
    assert found.shape == (5, 3)
    for segment in range(5):
        mine = rows[[index for index, other in enumerate(segments) if other == segment]]
        expected = mine.logsumexp(0) if len(mine) else torch.zeros(3)
        assert torch.allclose(found[segment], expected, rtol=1e-5, atol=1e-5)


def test_gradient_of_segment_logsumexp():
    rows = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    segments = torch.tensor([0, 2, 2, 0, 4, 2])
    assert torch.autograd.gradcheck(lambda rows: segment_logsumexp(rows, segments, 5), rows)


def test_windows_overlap_by_two_positions():
    assert overlapping_windows(2) == [[-1, 0, 1, 2, 3, 4, 5, -1], [-1, 4, 5, 6, 7, -1, -1, -1]]
