"""Two classifiers as one: what each learns from, and what they decide together."""

import pytest
import torch

from spacy_docre.losses import make_two_stage_loss
from spacy_docre.models.calibration import Calibration
from spacy_docre.models.systems.two_stage import TwoStage
from tests.models.builders import named_documents, random_document
from tests.models.systems.overfitting import assert_learnt, logits_of, overfit
from tests.models.systems.test_docred_baseline import make, naive_scores

DOCUMENTS = named_documents()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_agrees_with_a_naive_loop(name):
    """A relation is as probable as the less probable of "related" and of what relates."""
    network = make(TwoStage).eval()
    (found,) = network([DOCUMENTS[name]])
    for row, (first, *second) in zip(
        found.logits.double(), naive_scores(network, DOCUMENTS[name]), strict=True
    ):
        related = 1 / (1 + first.exp())
        expected = [min(related, 1 / (1 + (-score).exp())) for score in second]
        assert torch.allclose((row[1:] - row[0]).sigmoid(), torch.stack(expected), atol=1e-6)


def test_the_second_is_asked_about_pairs_that_the_first_lets_through():
    scores = 3 * torch.randn(500, 5, generator=torch.Generator().manual_seed(0))
    logits = make(TwoStage).eval().compose(scores)
    chosen = logits[:, 1:] > logits[:, :1]
    related = -scores[:, 0] > 0
    assert torch.equal(chosen[related], scores[related, 1:] > 0) and chosen[related].any()
    assert not chosen[~related].any() and (scores[~related, 1:] > 0).any()


def test_the_second_learns_from_related_pairs_alone():
    network, document = make(TwoStage), random_document(4)
    labels = torch.zeros(12, 3, dtype=torch.bool)
    loss = make_two_stage_loss(negatives=None)

    def gradient() -> torch.Tensor:
        (found,) = torch.autograd.grad(
            loss(network([document])[0].logits, labels), network.classifier.weight
        )
        return found

    assert torch.allclose(gradient()[1:], torch.zeros(3, 36), atol=1e-7)
    assert gradient()[0].abs().max() > 1e-3
    labels[5, 1] = True
    assert gradient()[1:].abs().amin(0).max() > 1e-3


def test_overfits_ten_documents(make_pipeline, make_examples, train_step, tmp_path):
    """A calibration is one of both classifiers, and another relation changes none that is known."""
    examples = make_examples(10)
    nlp = overfit(
        make_pipeline,
        examples,
        train_step,
        model={
            "@architectures": "spacy_docre.TwoStage.v1",
            **{"width": 32, "distance_width": 8},
            "tok2vec": {"@architectures": "spacy_docre.TransformerListener.v1"},
        },
        loss={"@misc": "spacy_docre.TwoStageLoss.v1", "negatives": 3.0},
    )
    extractor = nlp.get_pipe("doc_relation_extractor")
    docs = [example.predicted for example in examples]
    before = logits_of(nlp, docs)
    extractor.calibrate(Calibration(0.5, -0.25), num_words=1)
    nlp.get_pipe_config(extractor.name)["threshold"] = extractor.cfg["threshold"]
    for old, new in zip(before, logits_of(nlp, docs), strict=True):
        assert torch.allclose(new[:, 1:] - new[:, :1], 0.5 * (old[:, 1:] - old[:, :1]) - 0.25)
    assert_learnt(nlp, examples, tmp_path)
    extractor.add_label("new")
    assert all(logits.shape[1] == 5 for logits in logits_of(nlp, docs))
