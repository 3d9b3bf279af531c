"""What training leaves of a transformer's weights, and the weights on disk."""

import pickle
from typing import Any, Callable, Dict

import pytest
import spacy
import srsly
import torch
from spacy.language import Language
from thinc.api import SGD, PyTorchGradScaler, fix_random_seed

from tests.models.encoders import FAMILIES, STOCK, docs_of, relations_of


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


class _ScalerOfProcessors(PyTorchGradScaler):
    """Scales gradients that are not on a GPU, too."""

    def scale(self, tensors: Any, inplace: bool = False) -> Any:
        return [tensor.mul_(self._scale) for tensor in tensors]


def test_gradients_of_several_batches_with_a_scaler(
    make_pipeline: Callable, make_examples: Callable
) -> None:
    """As [training] accumulate_gradient adds them up: the same as without a scaler."""
    examples = make_examples(2)
    found = []
    for scaler in (PyTorchGradScaler(False), _ScalerOfProcessors(True)):
        fix_random_seed(0)
        nlp = make_pipeline(examples=examples)
        model = nlp.get_pipe("transformer").model
        (shim,) = (shim for node in model.walk() for shim in node.shims)
        shim._grad_scaler = scaler
        for _ in range(3):
            nlp.update(examples, sgd=False)
        found.append({name: weight.grad for name, weight in shim._model.named_parameters()})
    plain, scaled = found
    assert sum(gradient is not None for gradient in plain.values()) > 10
    for name, gradient in plain.items():
        if gradient is None:
            assert scaled[name] is None
        else:
            torch.testing.assert_close(scaled[name], gradient, rtol=1e-3, atol=1e-6)


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

    @pytest.mark.parametrize("name", ["../escaped", "{folder}/escaped", "a/../../escaped"])
    def test_names_of_files_are_no_paths(self, name, make_pipeline, make_examples, tmp_path):
        """What is loaded writes nothing outside of its own temporary folder."""
        nlp = make_pipeline(examples=make_examples(2))
        shim = nlp.get_pipe("transformer").model.layers[0].shims[0]
        message = srsly.msgpack_loads(shim.to_bytes())
        message["tokenizer"][name.format(folder=tmp_path)] = b"here"
        data = srsly.msgpack_dumps(message)
        with pytest.MonkeyPatch.context() as context:
            # The temporary folder is in this one.
            context.setattr("tempfile.tempdir", str(tmp_path))
            try:
                shim.from_bytes(data)
            except ValueError:
                # To refuse it is as good.
                pass
        assert not (tmp_path / "escaped").exists()

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
