"""Training steps."""

import pytest
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config_from_str
from thinc.api import SGD, Adam

from spacy_docre import Triple
from tests.pipeline.helpers import (
    EXTRACTOR,
    equal,
    weights_of,
)


class TestUpdate:
    def test_losses_are_added_up(self, make_pipeline, make_examples):
        nlp = make_pipeline(examples=make_examples(2))
        losses = nlp.update(make_examples(2), sgd=False)
        once = losses[EXTRACTOR]
        assert once > 0
        nlp.update(make_examples(2), sgd=False, losses=losses)
        assert losses[EXTRACTOR] == pytest.approx(2 * once)

    def test_nothing_to_learn_from(self, make_pipeline, make_examples, make_example):
        nlp = make_pipeline(examples=make_examples(2))
        before = weights_of(nlp, EXTRACTOR)
        optimizer = SGD(0.1, L2=0)
        for examples in ([], [make_example([])], [make_example(["Oslo"], [[(0, 1)]])]):
            losses = nlp.update(examples, sgd=optimizer)
            assert losses.get(EXTRACTOR, 0.0) == 0.0
        assert equal(weights_of(nlp, EXTRACTOR), before)

    def test_without_optimizer_the_weights_stay(self, make_pipeline, make_examples):
        nlp = make_pipeline(examples=make_examples(2))
        before = weights_of(nlp, EXTRACTOR)
        examples = make_examples(2)
        for sgd in (None, SGD(0.1)):
            nlp.get_pipe("transformer").update(examples, sgd=sgd)
            nlp.get_pipe(EXTRACTOR).update(examples, sgd=sgd)
            assert equal(weights_of(nlp, EXTRACTOR), before) is (sgd is None)

    def test_frozen_transformer(self, make_pipeline, make_examples, train_step):
        examples = make_examples(2)
        nlp = make_pipeline(examples=examples)
        before = weights_of(nlp, "transformer")
        optimizer = Adam(0.01)
        losses = [
            train_step(nlp, examples, optimizer, exclude=["transformer"], annotates=["transformer"])
            for _ in range(10)
        ]
        assert losses[-1][EXTRACTOR] < 0.7 * losses[0][EXTRACTOR]
        assert equal(weights_of(nlp, "transformer"), before)

    def test_frozen_extractor(self, make_pipeline, make_examples, train_step):
        nlp = make_pipeline(("transformer", EXTRACTOR, "ner"), examples=make_examples(2))
        examples = make_examples(2, vocab=nlp.vocab)
        before = weights_of(nlp, EXTRACTOR), weights_of(nlp, "transformer")
        optimizer = Adam(0.01)
        losses = [train_step(nlp, examples, optimizer, exclude=[EXTRACTOR]) for _ in range(5)]
        assert losses[-1]["ner"] < losses[0]["ner"]
        assert EXTRACTOR not in losses[0]
        assert equal(weights_of(nlp, EXTRACTOR), before[0])
        assert not equal(weights_of(nlp, "transformer"), before[1])
        losses = [train_step(nlp, examples, optimizer)[EXTRACTOR] for _ in range(5)]
        assert losses[-1] < losses[0]

    def test_extractor_annotates_while_it_learns(self, loaded, make_examples, train_step):
        seen = []

        @Language.component("witness")
        def witness(doc: Doc) -> Doc:
            seen.append((len(doc._.entities), len(doc._.relations)))
            return doc

        loaded.add_pipe("witness")
        examples = make_examples(2)
        for _ in range(2):
            losses = train_step(
                loaded, examples, Adam(1e-5), annotates=["transformer", EXTRACTOR, "witness"]
            )
            assert 0 < losses[EXTRACTOR] < 1
        gold = [
            (len(example.reference._.entities), len(example.reference._.relations))
            for example in examples
        ]
        assert seen == gold * 2

    @pytest.mark.parametrize("order", [(EXTRACTOR, "ner"), ("ner", EXTRACTOR)])
    def test_beside_ner(self, order, make_pipeline, make_examples, train_step):
        nlp = make_pipeline(("transformer", *order), examples=make_examples(3))
        examples = make_examples(3, vocab=nlp.vocab)
        optimizer = Adam(0.003)
        losses = [train_step(nlp, examples, optimizer) for _ in range(15)]
        for name in order:
            assert losses[-1][name] < 0.8 * losses[0][name]

    def test_learn_rate_factor_scales_the_step_of_a_part(
        self, make_pipeline, make_examples, train_step
    ):
        steps = []
        for factor in (1.0, {"pair_encoder": 4.0, "*": 0.5}):
            nlp = make_pipeline(examples=make_examples(2), learn_rate_factor=factor)
            # As a training by config: what is stored has it, too.
            stored = load_config_from_str(nlp.config.to_str())["components"][EXTRACTOR]
            assert stored["learn_rate_factor"] == factor
            before = weights_of(nlp, EXTRACTOR)
            train_step(nlp, make_examples(2), SGD(0.1, L2=0, grad_clip=0))
            after = weights_of(nlp, EXTRACTOR)
            steps.append({name: after[name] - before[name] for name in before})
        once, by_part = steps
        parts = {name: 4.0 if "pair_encoder." in name else 0.5 for name in once}
        assert len({*parts.values()}) == 2
        for name, factor in parts.items():
            torch.testing.assert_close(by_part[name], factor * once[name], rtol=1e-3, atol=1e-6)

    def test_learn_rate_factor_of_no_part(self, make_pipeline, make_examples, train_step):
        nlp = make_pipeline(examples=make_examples(2), learn_rate_factor={"axial": 1.0})
        with pytest.raises(ValueError, match="'axial'.*Its parts are .*pair_encoder"):
            train_step(nlp, make_examples(2), SGD(0.1))
        with pytest.raises(ValueError, match="learn_rate_factor of 'pair_encoder' = -1"):
            make_pipeline(examples=make_examples(2), learn_rate_factor={"pair_encoder": -1.0})

    @pytest.mark.parametrize("scaled", ["transformer", EXTRACTOR])
    def test_learn_rate_factor_scales_the_step_of_its_component_only(
        self, scaled, make_pipeline, make_examples, train_step
    ):
        steps = []
        for factor in (1.0, 4.0):
            setting = {"learn_rate_factor": factor}
            settings = {"transformer": setting} if scaled == "transformer" else setting
            nlp = make_pipeline(examples=make_examples(2), **settings)
            before = {name: weights_of(nlp, name) for name in ("transformer", EXTRACTOR)}
            train_step(nlp, make_examples(2), SGD(0.1, L2=0, grad_clip=0))
            steps.append(
                {
                    name: {
                        key: weight - before[name][key]
                        for key, weight in weights_of(nlp, name).items()
                    }
                    for name in before
                }
            )
        once, four_times = steps
        for name in ("transformer", EXTRACTOR):
            assert any(step.abs().max() > 1e-4 for step in once[name].values())
            for key, step in once[name].items():
                torch.testing.assert_close(
                    four_times[name][key],
                    (4 if name == scaled else 1) * step,
                    rtol=1e-3,
                    atol=1e-6,
                )

    def test_bfloat16(self, make_pipeline, make_examples, train_step):
        examples = make_examples(2)
        losses = {}
        for precision in ("float32", "bfloat16"):
            nlp = make_pipeline(
                transformer={"precision": precision},
                examples=examples,
                model={
                    **make_pipeline().get_pipe_config(EXTRACTOR)["model"],
                    "precision": precision,
                },
            )
            optimizer = Adam(0.001)
            losses[precision] = [train_step(nlp, examples, optimizer)[EXTRACTOR] for _ in range(10)]
        assert losses["bfloat16"] != losses["float32"]
        assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1)
        assert losses["bfloat16"][-1] < 0.9 * losses["bfloat16"][0]

    def test_unknown_label(self, make_pipeline, make_examples):
        nlp = make_pipeline(examples=make_examples(2))
        (example,) = make_examples(1)
        example.reference._.relations = [Triple(0, 1, "knows")]
        with pytest.raises(ValueError, match="relation 'knows' is not among the labels"):
            nlp.update([example])
