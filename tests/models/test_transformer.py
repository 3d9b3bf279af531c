"""The encoder: its hidden states and attention, alone, as a copy, and beside the stock one."""

from typing import Callable

import numpy
import pytest
import spacy
import torch
from spacy.language import Language
from thinc.api import SGD

from spacy_docre.models.attention import attention_of
from tests.models.encoders import (
    FAMILIES,
    LAYERS,
    STOCK,
    assert_same_gradients,
    docs_of,
    encoder_gradients,
    gradients,
    network_of,
    plain_encoder,
    relations_of,
    run_plain,
)


class TestOutput:
    @pytest.mark.parametrize("family", [*FAMILIES, "distilbert"])
    def test_attention_and_hidden_states_are_those_of_the_plain_model(
        self, family, make_pipeline, make_examples, encoder
    ):
        examples = make_examples(3)
        nlp = make_pipeline(transformer={"family": family}, examples=examples)
        batch = nlp.get_pipe("transformer").predict(docs_of(examples))
        with torch.no_grad():
            expected = run_plain(plain_encoder(encoder(family)), batch)
        assert len(expected.attentions) == LAYERS
        real = torch.as_tensor(batch.wordpieces.attention_mask).bool()
        assert not real.all()
        torch.testing.assert_close(
            batch.model_output["last_attention"].transpose(1, 2)[real],
            expected.attentions[-1].transpose(1, 2)[real],
            atol=1e-5,
            rtol=0,
        )
        torch.testing.assert_close(
            batch.model_output["last_hidden_state"][real],
            expected.last_hidden_state[real],
            atol=1e-5,
            rtol=0,
        )

    def test_attention_of_a_doc_is_split_off_the_batch(self, make_pipeline, make_examples):
        examples = make_examples(3)
        nlp = make_pipeline(examples=examples)
        transformer = nlp.get_pipe("transformer")
        batch = transformer.predict(docs_of(examples))
        rows = numpy.cumsum([0, *[len(spans) for spans in batch.spans]])
        for data, start, end in zip(batch.doc_data, rows[:-1], rows[1:], strict=True):
            assert end - start > 1
            numpy.testing.assert_array_equal(
                attention_of(data), batch.model_output["last_attention"][start:end].numpy()
            )

    def test_no_attention_but_the_last_is_handed_over(self, make_pipeline, make_examples):
        examples = make_examples(1)
        nlp = make_pipeline(examples=examples)
        output = nlp.get_pipe("transformer").predict(docs_of(examples)).model_output
        windows = {"piece_characters", "text_checksum", "lost_pieces"}
        assert set(output) == {"last_hidden_state", "pooler_output", "last_attention", *windows}

    def test_bfloat16_comes_out_as_float32_and_close(self, make_pipeline, make_examples):
        examples = make_examples(2)
        outputs = [
            make_pipeline(transformer={"precision": precision}, examples=examples)
            .get_pipe("transformer")
            .predict(docs_of(examples))
            .model_output
            for precision in ("float32", "bfloat16")
        ]
        for name in ("last_hidden_state", "pooler_output", "last_attention"):
            assert outputs[1][name].dtype == torch.float32
            assert not torch.equal(outputs[0][name], outputs[1][name])
            assert (outputs[0][name] - outputs[1][name]).abs().mean() < 0.05


class TestReplaceListeners:
    @pytest.fixture
    def trained(self, make_pipeline, make_examples):
        examples = make_examples(3)
        nlp = make_pipeline(
            ("transformer", "ner", "doc_relation_extractor"), examples=examples, threshold=0.01
        )
        nlp.update(examples, sgd=SGD(0.01))
        return nlp

    @pytest.mark.parametrize("name", ["doc_relation_extractor", "ner"])
    def test_predictions_stay(self, name, trained, make_examples, tmp_path):
        before = self._annotated(trained, make_examples)
        assert any(relations for relations, _ in before)
        trained.replace_listeners("transformer", name, ["model.tok2vec"])
        assert self._annotated(trained, make_examples) == before
        trained.to_disk(tmp_path)
        assert self._annotated(spacy.load(tmp_path), make_examples) == before

    @pytest.mark.parametrize(
        "name, other", [("doc_relation_extractor", "ner"), ("ner", "doc_relation_extractor")]
    )
    def test_training_goes_on(self, name, other, trained, make_examples, train_step, tmp_path):
        examples = make_examples(3)
        trained.to_disk(tmp_path)
        alone = spacy.load(tmp_path, exclude=[other])
        alone.update(examples, sgd=False)
        replaced = spacy.load(tmp_path)
        replaced.replace_listeners("transformer", name, ["model.tok2vec"])
        replaced.update(examples, sgd=False)
        assert_same_gradients(
            gradients(self._own_encoder(replaced, name)), encoder_gradients(alone)
        )
        optimizer = SGD(0.05)
        losses = [train_step(replaced, examples, optimizer)[name] for _ in range(6)]
        assert losses[-1] < losses[0]

    def test_documents_without_tokens(self, trained, make_doc):
        """They reach the transformer without its component, which would see to them."""
        for name in ("doc_relation_extractor", "ner"):
            trained.replace_listeners("transformer", name, ["model.tok2vec"])
        docs = list(trained.pipe([make_doc([]), make_doc([])]))
        assert relations_of(docs) == [[], []]

    def test_copy_has_moments_of_its_own(self, trained):
        """Optimizers know a parameter by the id of its shim."""
        model = trained.get_pipe("transformer").model
        assert model.copy().layers[0].shims[0].id != model.layers[0].shims[0].id

    def _own_encoder(self, nlp: Language, name: str) -> torch.nn.Module:
        (own,) = [
            shim._model
            for node in nlp.get_pipe(name).model.walk()
            for shim in node.shims
            if shim._model is not None and hasattr(shim._model, "encoder")
        ]
        return own

    def _annotated(self, nlp: Language, make_examples: Callable) -> list:
        docs = list(nlp.pipe(docs_of(make_examples(3, seed=5, vocab=nlp.vocab))))
        entities = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]
        return list(zip(relations_of(docs), entities, strict=True))


class TestStockTransformer:
    def test_with_output_attentions_it_gives_the_same_predictions(
        self, make_pipeline, make_examples, tmp_path
    ):
        examples = make_examples(3)
        ours = make_pipeline(examples=examples, threshold=0.01)
        stock = make_pipeline(
            transformer={
                "architecture": STOCK,
                "transformer_config": {"output_attentions": True},
            },
            examples=examples,
            threshold=0.01,
        )
        for nlp in (ours, stock):
            network_of(nlp).load_state_dict(network_of(ours).state_dict())
        before = relations_of(ours.pipe(docs_of(examples)))
        assert any(before)
        assert relations_of(stock.pipe(docs_of(make_examples(3)))) == before
        stock.replace_listeners("transformer", "doc_relation_extractor", ["model.tok2vec"])
        stock.to_disk(tmp_path)
        assert relations_of(spacy.load(tmp_path).pipe(docs_of(make_examples(3)))) == before
