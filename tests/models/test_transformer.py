"""The encoder: its attention and hidden states, their gradients, and its weights on disk."""

import itertools
import logging
import pickle
from copy import deepcopy
from typing import Callable, Dict, List, Sequence

import numpy
import pytest
import spacy
import srsly
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.data_classes import FullTransformerBatch
from thinc.api import SGD
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from spacy_docre.entity_sources import EntityDoc
from spacy_docre.models import extractor as extractor_module
from spacy_docre.models.attention import attention_of
from spacy_docre.models.pieces import encode_document

FAMILIES = ["bert", "roberta", "xlm-roberta", "electra", "mpnet", "deberta-v2"]
WITH_SDPA = ["bert", "roberta", "xlm-roberta"]
LAYERS = 3
STOCK = "spacy-transformers.TransformerModel.v3"
OURS = "spacy_docre.TransformerModel.v1"


def plain_encoder(folder: str) -> torch.nn.Module:
    """The same transformer without any of our code, in eager attention."""
    return AutoModel.from_pretrained(folder, attn_implementation="eager").eval()


def run_plain(encoder: torch.nn.Module, batch: FullTransformerBatch):
    wordpieces = batch.wordpieces
    inputs = {
        "input_ids": torch.as_tensor(wordpieces.input_ids),
        "attention_mask": torch.as_tensor(wordpieces.attention_mask),
    }
    if wordpieces.token_type_ids is not None:
        inputs["token_type_ids"] = torch.as_tensor(wordpieces.token_type_ids)
    return encoder(**inputs, output_attentions=True, return_dict=True)


def docs_of(examples: Sequence[Example]) -> List[Doc]:
    return [example.predicted for example in examples]


def relations_of(docs: Sequence[Doc]) -> List[list]:
    """The relations in a form that can be compared; scores to four digits."""
    return [
        sorted(
            (relation.head.index, relation.tail.index, relation.label_, round(relation.score, 4))
            for relation in doc._.relations
        )
        for doc in docs
    ]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """What spaCy and transformers log; transformers says everything as if for the first time."""
    transformers_logging.warning_once.cache_clear()
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("spacy"), "propagate", True)
    caplog.set_level(logging.INFO)
    return caplog


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
            atol=2e-6,
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
        for data, start, end in zip(batch.doc_data, rows, rows[1:]):
            assert end - start > 1
            numpy.testing.assert_array_equal(
                attention_of(data), batch.model_output["last_attention"][start:end].numpy()
            )

    def test_only_the_last_attention_is_handed_over(self, make_pipeline, make_examples):
        examples = make_examples(1)
        nlp = make_pipeline(examples=examples)
        output = nlp.get_pipe("transformer").predict(docs_of(examples)).model_output
        assert set(output) == {"last_hidden_state", "pooler_output", "last_attention"}

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


class TestAttentionKernel:
    @pytest.mark.parametrize("is_train", [False, True])
    @pytest.mark.parametrize("family", WITH_SDPA)
    def test_all_layers_but_the_last_run_sdpa(
        self, family, is_train, make_pipeline, make_examples, monkeypatch
    ):
        examples = make_examples(1)
        model = (
            make_pipeline(transformer={"family": family}, examples=examples)
            .get_pipe("transformer")
            .model
        )
        calls = []
        sdpa = torch.nn.functional.scaled_dot_product_attention

        def counted(*args, **kwargs):
            calls.append(1)
            return sdpa(*args, **kwargs)

        monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
        model(docs_of(examples), is_train=is_train)
        assert len(calls) == LAYERS - 1

    @pytest.mark.parametrize("family", [*FAMILIES, "distilbert"])
    def test_no_warning_of_a_fallback_reaches_the_log(
        self, family, make_pipeline, make_examples, log
    ):
        examples = make_examples(1)
        nlp = make_pipeline(transformer={"family": family}, examples=examples)
        list(nlp.pipe(docs_of(examples)))
        nlp.update(examples, sgd=False)
        assert "output_attentions" not in log.text
        assert "alling back" not in log.text

    def test_transformers_does_warn_otherwise(self, make_pipeline, make_examples, encoder, log):
        examples = make_examples(1)
        batch = make_pipeline(examples=examples).get_pipe("transformer").predict(docs_of(examples))
        transformers_logging.warning_once.cache_clear()
        run_plain(AutoModel.from_pretrained(encoder("bert"), attn_implementation="sdpa"), batch)
        assert "output_attentions" in log.text

    @pytest.mark.parametrize("family", FAMILIES)
    def test_log_says_which_models_have_no_sdpa(self, family, make_pipeline, make_examples, log):
        make_pipeline(transformer={"family": family}, examples=make_examples(1))
        assert ("runs eager attention in all its layers" in log.text) is (family not in WITH_SDPA)
        assert "cannot be asked" not in log.text

    def test_log_warns_of_a_model_not_laid_out_like_bert(self, make_pipeline, make_examples, log):
        make_pipeline(transformer={"family": "distilbert"}, examples=make_examples(1))
        (warning,) = {
            record.getMessage()
            for record in log.records
            if record.name == "spacy" and record.levelno == logging.WARNING
        }
        assert warning.startswith("DistilBertModel cannot be asked for the attention of its last")


def gradients(module: torch.nn.Module) -> Dict[str, torch.Tensor]:
    """The gradients of a module's parameters; zeros where there is none."""
    return {
        name: torch.zeros_like(parameter)
        if parameter.grad is None
        else parameter.grad.detach().clone()
        for name, parameter in module.named_parameters()
    }


def encoder_gradients(nlp: Language) -> Dict[str, torch.Tensor]:
    return gradients(nlp.get_pipe("transformer").model.transformer)


def assert_same_gradients(ours: Dict[str, torch.Tensor], theirs: Dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert any(gradient.abs().max() > 1e-4 for gradient in theirs.values())
    for name, expected in theirs.items():
        torch.testing.assert_close(
            ours[name],
            expected,
            rtol=2e-3,
            atol=2e-6,
            msg=lambda text, name=name: f"{name}: {text}",
        )


def plain_backward(
    nlp: Language, encoder: torch.nn.Module, network: torch.nn.Module, examples: List[Example]
) -> float:
    """The gradients of the relation loss in one autograd graph, from windows to loss."""
    batch = nlp.get_pipe("transformer").predict(docs_of(examples))
    output = run_plain(encoder, batch)
    labels = nlp.get_pipe("doc_relation_extractor").labels
    encoded, gold = [], []
    start = 0
    for example, spans, data in zip(examples, batch.spans, batch.doc_data):
        windows = slice(start, start + len(spans))
        start = windows.stop
        entities = [list(entity.mentions) for entity in example.reference._.entities]
        if len(entities) < 2:
            continue
        document = encode_document(
            EntityDoc(example.predicted, entities),
            data,
            device=torch.device("cpu"),
            is_train=False,
        )
        encoded.append(
            document._replace(
                hidden=output.last_hidden_state[windows],
                attention=output.attentions[-1][windows],
            )
        )
        triples = {
            (relation.head.index, relation.tail.index, relation.label_)
            for relation in example.reference._.relations
        }
        for head, tail in itertools.permutations(range(len(entities)), 2):
            gold.append([(head, tail, label) in triples for label in labels])
    loss = nlp.get_pipe("doc_relation_extractor").loss(network(encoded).logits, torch.tensor(gold))
    loss.backward()
    return loss.item()


def network_of(nlp: Language) -> torch.nn.Module:
    return nlp.get_pipe("doc_relation_extractor").model.get_ref("pair_scorer").shims[0]._model


@pytest.fixture
def odd_examples(make_example, make_examples) -> List[Example]:
    """Documents, and among them empty ones and ones with too few entities for a pair."""
    first, second = make_examples(2, seed=3)
    return [
        make_example([]),
        make_example("It was a long winter".split()),
        first,
        make_example([]),
        make_example("Ada Lane worked".split(), [[(0, 2)]]),
        second,
        make_example([]),
    ]


class TestGradients:
    @pytest.mark.parametrize("family", [*FAMILIES, "distilbert"])
    def test_update_gives_the_gradient_of_one_graph(
        self, family, make_pipeline, make_examples, encoder
    ):
        examples = make_examples(3)
        nlp = make_pipeline(transformer={"family": family}, examples=examples)
        plain, network = plain_encoder(encoder(family)), deepcopy(network_of(nlp))
        loss = plain_backward(nlp, plain, network, examples)
        losses = nlp.update(examples, sgd=False)
        assert losses["doc_relation_extractor"] == pytest.approx(loss, rel=1e-5)
        assert_same_gradients(encoder_gradients(nlp), gradients(plain))
        assert_same_gradients(gradients(network_of(nlp)), gradients(network))

    def test_attention_carries_a_good_part_of_the_gradient(
        self, make_pipeline, make_examples, monkeypatch
    ):
        """Else the comparisons here could not tell whether it is there."""
        examples = make_examples(3)
        nlp = make_pipeline(examples=examples)
        nlp.update(examples, sgd=False)
        with_attention = encoder_gradients(nlp)
        constant = make_pipeline(examples=examples)
        monkeypatch.setattr(extractor_module, "leave_attention_gradient", lambda *_: None)
        constant.update(examples, sgd=False)
        name = "encoder.layer.2.attention.self.query.weight"
        difference = with_attention[name] - encoder_gradients(constant)[name]
        # 0.1 to 0.3, as the tokenizer comes out, whose training is no two times the same.
        assert difference.norm() > 0.02 * with_attention[name].norm()

    def test_empty_documents_and_documents_without_pairs(
        self, make_pipeline, odd_examples, encoder
    ):
        nlp = make_pipeline(examples=odd_examples)
        plain, network = plain_encoder(encoder("bert")), deepcopy(network_of(nlp))
        plain_backward(nlp, plain, network, odd_examples)
        nlp.update(odd_examples, sgd=False)
        assert_same_gradients(encoder_gradients(nlp), gradients(plain))
        assert_same_gradients(gradients(network_of(nlp)), gradients(network))

    def test_gradients_accumulate(self, make_pipeline, make_examples, encoder):
        examples = make_examples(4)
        nlp = make_pipeline(examples=examples)
        plain, network = plain_encoder(encoder("bert")), deepcopy(network_of(nlp))
        for half in (examples[:1], examples[1:]):
            plain_backward(nlp, plain, network, half)
            nlp.update(half, sgd=False)
        assert_same_gradients(encoder_gradients(nlp), gradients(plain))
        assert_same_gradients(gradients(network_of(nlp)), gradients(network))

    @pytest.mark.parametrize("odd", [False, True])
    @pytest.mark.parametrize(
        "order", [("doc_relation_extractor", "ner"), ("ner", "doc_relation_extractor")]
    )
    def test_gradient_with_a_second_listener_is_the_sum_of_both(
        self, order, odd, make_pipeline, make_examples, odd_examples, tmp_path
    ):
        examples = odd_examples if odd else make_examples(3)
        make_pipeline(("transformer", *order), examples=make_examples(3)).to_disk(tmp_path)
        found = []
        for excluded in ([], ["ner"], ["doc_relation_extractor"]):
            nlp = spacy.load(tmp_path, exclude=excluded)
            # Twice, so that what the first step left behind would show.
            for batch in (examples, examples[::-1]):
                nlp.update(batch, sgd=False)
            found.append(encoder_gradients(nlp))
        both, relations, entities = found
        assert_same_gradients(both, {name: relations[name] + entities[name] for name in both})
        for alone in (relations, entities):
            name = "encoder.layer.0.output.dense.weight"
            assert alone[name].norm() > 0.05 * both[name].norm()

    @pytest.mark.parametrize(
        "order", [("doc_relation_extractor", "ner"), ("ner", "doc_relation_extractor")]
    )
    def test_a_batch_without_pairs_holds_back_no_gradient_of_ner(
        self, order, make_pipeline, make_examples, make_example, tmp_path
    ):
        """The last listener starts the backward pass, whatever it has to add."""
        make_pipeline(("transformer", *order), examples=make_examples(3)).to_disk(tmp_path)
        batch = [make_example(["Ada", "Lane", "worked"], [[(0, 2)]]), make_example(["Oslo"])]
        found = []
        for excluded in ([], ["doc_relation_extractor"]):
            nlp = spacy.load(tmp_path, exclude=excluded)
            nlp.update(batch, sgd=False)
            found.append(encoder_gradients(nlp))
        assert_same_gradients(*found)

    def test_attention_gradients_of_two_relation_extractors_add_up(
        self, make_pipeline, make_examples
    ):
        examples = make_examples(2)
        nlp = make_pipeline(examples=examples)
        nlp.update(examples, sgd=False)
        both = make_pipeline()
        settings = {"model": both.get_pipe_config("doc_relation_extractor")["model"]}
        both.add_pipe("doc_relation_extractor", name="second", config=settings)
        both.initialize(lambda: examples)
        for name in ("doc_relation_extractor", "second"):
            both.get_pipe(name).model.get_ref("pair_scorer").shims[0]._model = deepcopy(
                network_of(nlp)
            )
        both.update(examples, sgd=False)
        assert_same_gradients(
            encoder_gradients(both),
            {name: 2 * gradient for name, gradient in encoder_gradients(nlp).items()},
        )


class TestFrozenEmbeddings:
    @pytest.mark.parametrize("frozen", [True, False])
    @pytest.mark.parametrize("again", [False, True])
    def test_training_leaves_them_as_they_are(
        self, frozen, again, make_pipeline, make_examples, train_step, tmp_path
    ):
        """Also when it goes on from what was saved."""
        examples = make_examples(2)
        nlp = make_pipeline(transformer={"frozen_embeddings": frozen}, examples=examples)
        if again:
            nlp.to_disk(tmp_path)
            nlp = spacy.load(tmp_path)
        before = {key: weight.clone() for key, weight in self._weights(nlp).items()}
        train_step(nlp, examples, SGD(0.1))
        after = self._weights(nlp)
        changed = {key for key, weight in before.items() if not torch.equal(weight, after[key])}
        assert ("embeddings.word_embeddings.weight" in changed) is not frozen
        assert "embeddings.position_embeddings.weight" in changed

    def _weights(self, nlp: Language) -> Dict[str, torch.Tensor]:
        return nlp.get_pipe("transformer").model.transformer.state_dict()


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
        return list(zip(relations_of(docs), entities))


class UnpickledError(Exception):
    """Something was unpickled."""


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets every way to unpickle raise."""

    def refuse(*args, **kwargs):
        raise UnpickledError

    for owner, name in [
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
        (srsly, "pickle_loads"),
        (torch, "load"),
    ]:
        monkeypatch.setattr(owner, name, refuse)


class TestSerialization:
    @pytest.mark.parametrize("family", [*FAMILIES, "distilbert"])
    def test_disk_and_bytes_keep_the_outputs(self, family, make_pipeline, make_examples, tmp_path):
        examples = make_examples(2)
        nlp = make_pipeline(transformer={"family": family}, examples=examples)
        nlp.update(examples, sgd=SGD(0.01))
        nlp.to_disk(tmp_path)
        copies = [
            spacy.load(tmp_path),
            spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes()),
        ]
        docs = docs_of(examples)
        expected = nlp.get_pipe("transformer").predict(docs)
        for copied in copies:
            found = copied.get_pipe("transformer").predict(docs)
            assert found.wordpieces.strings == expected.wordpieces.strings
            for name in ("last_hidden_state", "last_attention"):
                assert torch.equal(found.model_output[name], expected.model_output[name])

    def test_config_is_kept_to_the_last_digit(self, make_pipeline, make_examples, tmp_path):
        nlp = make_pipeline(examples=make_examples(2))
        nlp.to_disk(tmp_path)
        for pipeline in (nlp, spacy.load(tmp_path)):
            config = pipeline.get_pipe("transformer").model.transformer.config
            assert config.layer_norm_eps == 1e-12

    def test_what_is_loaded_can_be_saved_again(self, make_pipeline, make_examples, tmp_path):
        nlp = make_pipeline(transformer={"family": "xlm-roberta"}, examples=make_examples(2))
        nlp.to_disk(tmp_path / "first")
        spacy.load(tmp_path / "first").to_disk(tmp_path / "second")
        first, second = [
            spacy.load(tmp_path / name).get_pipe("transformer").predict(docs_of(make_examples(1)))
            for name in ("first", "second")
        ]
        assert torch.equal(
            first.model_output["last_hidden_state"], second.model_output["last_hidden_state"]
        )

    def test_loading_unpickles_nothing(self, make_pipeline, make_examples, tmp_path, no_pickle):
        pipes = ("transformer", "ner", "doc_relation_extractor")
        examples = make_examples(2)
        nlp = make_pipeline(pipes, examples=examples)
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
        assert relations_of(loaded.pipe(docs_of(examples))) == relations_of(
            nlp.pipe(docs_of(make_examples(2)))
        )
        spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())

    def test_loading_the_stock_model_does_unpickle(
        self, make_pipeline, make_examples, tmp_path, no_pickle
    ):
        nlp = make_pipeline(
            ("transformer", "ner"), transformer={"architecture": STOCK}, examples=make_examples(2)
        )
        nlp.to_disk(tmp_path)
        with pytest.raises(UnpickledError):
            spacy.load(tmp_path)

    def test_untrained_pipeline_can_be_saved(self, make_pipeline, make_examples, tmp_path):
        make_pipeline().to_disk(tmp_path)
        nlp = spacy.load(tmp_path)
        assert nlp.get_pipe("doc_relation_extractor").labels == ()
        nlp.initialize(lambda: make_examples(2))
        assert len(nlp.get_pipe("doc_relation_extractor").labels) == 3

    @pytest.mark.parametrize("component", ["transformer", "doc_relation_extractor"])
    @pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
    def test_a_weight_file_cut_off_is_named(
        self, component, kept, make_pipeline, make_examples, tmp_path
    ):
        make_pipeline(examples=make_examples(2)).to_disk(tmp_path)
        weights = tmp_path / component / "model"
        content = weights.read_bytes()
        weights.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(ValueError, match=f"(?s)model.*{component}.* cut off or damaged"):
            spacy.load(tmp_path)

    @pytest.mark.parametrize("component", ["transformer", "doc_relation_extractor"])
    def test_damaged_weights_are_reported(self, component, make_pipeline, make_examples, tmp_path):
        make_pipeline(examples=make_examples(2)).to_disk(tmp_path)
        weights = tmp_path / component / "model"
        assert b'"dtype"' in weights.read_bytes()
        weights.write_bytes(weights.read_bytes().replace(b'"dtype"', b"\xff" * 7))
        with pytest.raises(ValueError, match="weights of the .* cut off or damaged"):
            spacy.load(tmp_path)

    @pytest.mark.parametrize("component", ["transformer", "doc_relation_extractor"])
    def test_a_missing_weight_file_is_named(
        self, component, make_pipeline, make_examples, tmp_path
    ):
        make_pipeline(examples=make_examples(2)).to_disk(tmp_path)
        weights = tmp_path / component / "model"
        weights.unlink()
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            spacy.load(tmp_path)
        assert str(weights) in str(error.value)

    def test_weights_of_another_config_are_not_called_damaged(
        self, make_pipeline, make_examples, tmp_path
    ):
        make_pipeline(examples=make_examples(2)).to_disk(tmp_path)
        with pytest.raises(
            ValueError, match="do not fit the model that its config describes"
        ) as error:
            spacy.load(tmp_path, config={"components.doc_relation_extractor.model.width": 64})
        assert "damaged" not in str(error.value)


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
