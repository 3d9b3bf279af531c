"""The component on disk and in bytes."""

import pickle
import shutil
import subprocess
import sys

import pytest
import spacy
import srsly
import torch
from spacy.tokens import Doc, DocBin

from tests.pipeline.helpers import (
    EXTRACTOR,
    LABELS,
    docs_of,
    triples_of,
    weights_of,
)


class TestSerialization:
    def test_disk(self, trained, loaded, make_examples):
        expected = triples_of(trained.pipe(docs_of(make_examples(10))))
        assert any(expected)
        assert triples_of(loaded.pipe(docs_of(make_examples(10)))) == expected

    def test_bytes(self, trained, make_examples):
        copied = spacy.util.load_model_from_config(trained.config).from_bytes(trained.to_bytes())
        assert triples_of(copied.pipe(docs_of(make_examples(10)))) == triples_of(
            trained.pipe(docs_of(make_examples(10)))
        )

    def test_settings(self, make_pipeline, make_examples, tmp_path):
        settings = {"threshold": 0.25, "top_k": 2, "label_names": {"born in": "place of birth"}}
        nlp = make_pipeline(examples=make_examples(2), **settings)
        nlp.to_disk(tmp_path)
        extractor = spacy.load(tmp_path).get_pipe(EXTRACTOR)
        assert extractor.cfg == {"labels": list(LABELS), **settings, "configured": settings}
        assert extractor.labels == LABELS

    def test_data_that_is_cut_off(self, trained):
        data = trained.get_pipe(EXTRACTOR).to_bytes()
        with pytest.raises(ValueError, match=f"The data of '{EXTRACTOR}' cannot be read: the"):
            trained.get_pipe(EXTRACTOR).from_bytes(data[:-100])

    def test_without_the_transformer_component(self, loaded, make_examples, tmp_path):
        """The extractor has an encoder of its own, and all it needs is loaded with it."""
        expected = triples_of([loaded(make_examples(1)[0].predicted)])
        loaded.replace_listeners("transformer", EXTRACTOR, ["model.tok2vec"])
        loaded.remove_pipe("transformer")
        loaded.to_disk(tmp_path)
        stored = DocBin(docs=docs_of(make_examples(1)))
        stored.to_disk(tmp_path / "docs.spacy")
        code = (
            "import spacy, sys; from spacy.tokens import DocBin; nlp = spacy.load(sys.argv[1]);"
            "docs = DocBin().from_disk(sys.argv[2]).get_docs(nlp.vocab);"
            "print([[relation.triple for relation in nlp(doc)._.relations] for doc in docs])"
        )
        command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "docs.spacy")]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("Triple(") == len(expected[0]) > 0

    def test_annotated_docs(self, trained, make_examples):
        docs = list(trained.pipe(docs_of(make_examples(2))))
        expected = triples_of(docs)
        assert all(expected)
        assert triples_of(pickle.loads(pickle.dumps(docs))) == expected
        assert (
            triples_of([Doc(trained.vocab).from_bytes(doc.to_bytes()) for doc in docs]) == expected
        )
        stored = DocBin(store_user_data=True, docs=docs).to_bytes()
        assert triples_of(DocBin().from_bytes(stored).get_docs(trained.vocab)) == expected


class TestSettingsThatDoNotFitTheWeights:
    @pytest.mark.parametrize(
        "change, problem",
        [
            ({"labels": ["a"]}, "has 1 labels, and the weights of .* are for 3"),
            ({"labels": [*"abcde"]}, "has 5 labels, and the weights of .* are for 3"),
            ({"threshold": 7.0}, "threshold = 7.0 is not a probability"),
            ({"top_k": 0}, "top_k = 0 annotates nothing"),
            ({"threshold": None}, "threshold = None is not a number"),
            ({"threshold": "0.5"}, "threshold = '0.5' is not a number"),
            ({"top_k": "3"}, "top_k = '3' is not a number"),
        ],
    )
    def test_refused(self, trained_folder, tmp_path, change, problem):
        folder = tmp_path / "changed"
        shutil.copytree(trained_folder, folder)
        settings = folder / EXTRACTOR / "cfg"
        srsly.write_json(settings, {**srsly.read_json(settings), **change})
        with pytest.raises(ValueError, match=problem):
            spacy.load(folder)

    def test_missing(self, trained_folder, tmp_path):
        folder = tmp_path / "changed"
        shutil.copytree(trained_folder, folder)
        (folder / EXTRACTOR / "cfg").unlink()
        with pytest.raises(ValueError, match="settings file .*cfg.* is missing"):
            spacy.load(folder)

    @pytest.mark.parametrize("name, kind", [("cfg", "settings"), ("model", "weight")])
    def test_cut_off(self, trained_folder, tmp_path, name, kind):
        folder = tmp_path / "changed"
        shutil.copytree(trained_folder, folder)
        file = folder / EXTRACTOR / name
        file.write_bytes(file.read_bytes()[:-100])
        message = f"The {kind} file .*{name} of '{EXTRACTOR}' cannot be read: the data is cut off"
        with pytest.raises(ValueError, match=message):
            spacy.load(folder)

    def test_of_another_model(self, trained_folder, tmp_path):
        """That is not to be called damaged."""
        folder = tmp_path / "changed"
        shutil.copytree(trained_folder, folder)
        shutil.copy(folder / "transformer" / "model", folder / EXTRACTOR / "model")
        with pytest.raises(ValueError) as error:
            spacy.load(folder)
        assert "damaged" not in str(error.value)

    def test_in_bytes(self, loaded):
        extractor = loaded.get_pipe(EXTRACTOR)
        extractor.cfg["labels"] = ["a"]
        with pytest.raises(ValueError, match="has 1 labels"):
            extractor.from_bytes(extractor.to_bytes())


class TestStoredPrecision:
    def test_stored_precision(self, make_pipeline, make_examples, tmp_path):
        """Half the size on disk; in memory float32, and the same predictions."""
        examples = make_examples(2)
        settings = make_pipeline().get_pipe_config(EXTRACTOR)["model"]
        loaded, sizes = {}, {}
        for precision in ("float32", "float16"):
            nlp = make_pipeline(
                transformer={"stored_precision": precision},
                examples=examples,
                model={**settings, "stored_precision": precision},
                threshold=0.0,
            )
            nlp.to_disk(tmp_path / precision)
            loaded[precision] = spacy.load(tmp_path / precision)
            sizes[precision] = [
                (tmp_path / precision / name / "model").stat().st_size
                for name in ("transformer", EXTRACTOR)
            ]
        for half, full in zip(sizes["float16"], sizes["float32"], strict=True):
            assert half < 0.75 * full
        for name in ("transformer", EXTRACTOR):
            weights = weights_of(loaded["float16"], name)
            assert {weight.dtype for weight in weights.values()} == {torch.float32}
            for key, weight in weights_of(loaded["float32"], name).items():
                torch.testing.assert_close(weights[key], weight.half().float(), rtol=0, atol=0)
        ours, theirs = (
            {
                (relation.triple.head, relation.triple.tail, relation.label_): relation.score
                for relation in nlp(examples[0].predicted.copy())._.relations
            }
            for nlp in loaded.values()
        )
        assert len(ours) > 0 and ours == pytest.approx(theirs, abs=0.01)
