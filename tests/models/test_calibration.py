"""Calibrated logits: what is changed, stored, and learnt."""

import math

import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_docre.models.calibration import Calibration
from spacy_docre.training.start import make_weights_loader
from tests.models.systems.overfitting import logits_of
from tests.pipeline.helpers import EXTRACTOR

NUMBERS = st.floats(-3, 3).map(lambda number: round(number, 3))
CALIBRATIONS = st.builds(Calibration, NUMBERS.map(math.exp), NUMBERS, NUMBERS)


@given(CALIBRATIONS, CALIBRATIONS, st.integers(0, 1000), st.floats(0.01, 0.99))
def test_the_formula(first: Calibration, second: Calibration, words: int, score: float) -> None:
    margin = math.log(score / (1 - score))
    for each in (first, second):
        length = math.log(min(max(words, 1), 256))
        margin = each.scale * margin + each.shift + each.slope * length
    logits = torch.tensor([[0.5, 0.5 + math.log(score / (1 - score))]], dtype=torch.float64)
    found = second.after(first).logits(logits, words)
    assert found[0, 0] == 0.5 and found[0, 1] - 0.5 == pytest.approx(margin, abs=1e-6)
    middle = first.score(score, words)
    again, joined = second.score(middle, words), second.after(first).score(score, words)
    # A probability nearer to 0 or 1 does not hold the digits of its margin.
    for found_score, before in ((joined, 0.5), (again, middle)):
        if all(1e-9 < each < 1 - 1e-9 for each in (found_score, before)):
            found_margin = math.log(found_score / (1 - found_score))
            assert found_margin == pytest.approx(margin, abs=1e-4)


def test_none_changes_nothing() -> None:
    logits = torch.randn(3, 4)
    assert Calibration().logits(logits, 9) is logits


def test_by_the_words_of_each_document(make_pipeline, make_examples, tmp_path) -> None:
    """In a batch, too, and after it is stored. White space is no word."""
    nlp = make_pipeline(examples=make_examples(4))
    docs = [example.predicted for example in make_examples(4)]
    docs += [nlp.make_doc("\n\n"), docs[0]]
    before = logits_of(nlp, docs)
    extractor = nlp.get_pipe(EXTRACTOR)
    extractor.calibrate(Calibration(0.5, 1.0, -0.25), num_words=20)
    margin = math.log(1 / 0.5 - 1) * 0.5 + 1.0 - 0.25 * math.log(20)
    assert extractor.cfg["threshold"] == pytest.approx(1 / (1 + math.exp(-margin)))
    nlp.get_pipe_config(EXTRACTOR)["threshold"] = extractor.cfg["threshold"]
    nlp.to_disk(tmp_path / "model")
    for each in (nlp, spacy.load(tmp_path / "model")):
        for doc, old, new in zip(docs, before, logits_of(each, docs), strict=True):
            words = sum(not token.is_space for token in doc)
            expected = 0.5 * (old[:, 1:] - old[:, :1]) + 1.0 - 0.25 * math.log(max(words, 1))
            assert torch.allclose(new[:, 1:] - new[:, :1], expected, atol=1e-5)


def test_a_pipeline_that_a_program_calibrates(make_pipeline, make_examples, tmp_path) -> None:
    """Its threshold is stored with its scores. A warning tells that the config has another one."""
    nlp = make_pipeline(examples=make_examples(4))
    extractor = nlp.get_pipe(EXTRACTOR)
    extractor.calibrate(Calibration(0.5, 1.0), num_words=1)
    nlp.to_disk(tmp_path / "model")
    with pytest.warns(UserWarning, match="threshold"):
        loaded = spacy.load(tmp_path / "model").get_pipe(EXTRACTOR)
    assert loaded.cfg["threshold"] == pytest.approx(Calibration(0.5, 1.0).score(0.5, 1))
    assert loaded.cfg["threshold"] == pytest.approx(extractor.cfg["threshold"])


def test_pipelines_that_have_none(make_pipeline, make_examples, tmp_path) -> None:
    """Those that were stored before there were calibrations give what they gave."""
    nlp = make_pipeline(examples=make_examples(4))
    docs = [example.predicted for example in make_examples(4)]
    before = logits_of(nlp, docs)
    del nlp.get_pipe(EXTRACTOR).model.get_ref("pair_scorer").attrs["calibration"]
    nlp.to_disk(tmp_path / "model")
    for old, new in zip(before, logits_of(spacy.load(tmp_path / "model"), docs), strict=True):
        assert torch.equal(old, new)


def test_what_is_learnt_is_the_network(make_pipeline, make_examples, train_step) -> None:
    """The same step is made with a calibration and without."""
    losses = []
    for calibration in (Calibration(), Calibration(2.0, -1.0, 0.5)):
        examples = make_examples(4)
        nlp = make_pipeline(examples=examples)
        nlp.get_pipe(EXTRACTOR).calibrate(calibration, num_words=1)
        losses.append([nlp.update(examples, sgd=False)[EXTRACTOR] for _ in range(2)])
    assert losses[0] == losses[1]


BROKEN = [
    *([math.nan] * 3, [1.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [1.0, math.inf, 0.0]),
    *(["a", "b", "c"], 5, None, "abc", {"scale": 1.0}),
]


@pytest.mark.parametrize("values", BROKEN, ids=repr)
def test_what_is_no_calibration(values, make_pipeline, make_examples, tmp_path) -> None:
    """It is found when a pipeline is loaded, as damaged weights are."""
    with pytest.raises(ValueError, match="calibration|Calibration"):
        Calibration.stored(values)
    nlp = make_pipeline(examples=make_examples(2))
    nlp.get_pipe(EXTRACTOR).model.get_ref("pair_scorer").attrs["calibration"] = values
    nlp.to_disk(tmp_path / "model")
    with pytest.raises(ValueError, match="calibration|Calibration"):
        spacy.load(tmp_path / "model")


def test_a_start_from_calibrated_weights(make_pipeline, make_examples, tmp_path) -> None:
    """The scores stay, as the threshold of the config was chosen for them."""
    examples = make_examples(4)
    nlp = make_pipeline(examples=examples)
    nlp.get_pipe(EXTRACTOR).calibrate(Calibration(2.0, -1.0, 0.5), num_words=1)
    nlp.to_disk(tmp_path / "model")
    other = make_pipeline(examples=examples)
    make_weights_loader(tmp_path / "model")(other)
    docs = [example.predicted for example in examples]
    for old, new in zip(logits_of(nlp, docs), logits_of(other, docs), strict=True):
        assert torch.allclose(old, new)
