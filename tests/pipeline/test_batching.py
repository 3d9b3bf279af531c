"""Documents are scored one by one: none has anything to do with the others in its batch."""

import pytest
import spacy

from spacy_docre.annotate.engine import annotate_batches
from spacy_docre.annotate.inputs import Failure, InputDocument
from tests.pipeline.helpers import EXTRACTOR, docs_of, scores_of


@pytest.fixture
def load(trained_folder):
    """Loads the trained pipeline with other settings of its models."""

    def load(threshold=0.0, **settings):
        config = {f"components.{EXTRACTOR}.model.{key}": value for key, value in settings.items()}
        if "precision" in settings:
            config["components.transformer.model.precision"] = settings["precision"]
        nlp = spacy.load(trained_folder, config=config)
        nlp.get_pipe(EXTRACTOR).cfg["threshold"] = threshold
        return nlp

    return load


@pytest.fixture
def mixed(make_examples, make_example):
    """Makes documents of many lengths, among them empty ones."""

    def make():
        return docs_of([*make_examples(4), make_example([]), make_example(["Oslo"])]) + docs_of(
            make_examples(5, seed=1)
        )

    return make


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
def test_batches_do_not_matter(precision, load, mixed):
    """To the last digit: in bfloat16 the smallest difference grows to hundredths."""
    nlp = load(precision=precision)
    expected = [scores_of(nlp(doc)) for doc in mixed()]
    assert sum(len(scores) for scores in expected) > 400
    for batch_size in (3, 11):
        docs = list(nlp.pipe(mixed(), batch_size=batch_size))
        assert [scores_of(doc) for doc in docs] == expected


def test_scores_of_two_documents_are_never_held_at_once(load, mixed, monkeypatch):
    nlp = load()
    extractor = nlp.get_pipe(EXTRACTOR)
    steps = []
    for name in ("predict", "set_annotations"):
        method = getattr(extractor, name)

        def spy(docs, *arguments, name=name, method=method):
            steps.append((name, len(docs)))
            return method(docs, *arguments)

        monkeypatch.setattr(extractor, name, spy)
    docs = list(nlp.pipe(mixed(), batch_size=5))
    assert steps == [("predict", 1), ("set_annotations", 1)] * len(docs)


class TestTooManyPairs:
    """The example documents have at most seven entities: 42 pairs."""

    def count(self, doc) -> int:
        number = len({span.id_ for span in doc.spans["entities"]})
        return number * (number - 1)

    def test_the_document_is_named(self, load, make_examples):
        (doc,) = docs_of(make_examples(1))
        most = self.count(doc) - 1
        number = len({span.id_ for span in doc.spans["entities"]})
        with pytest.raises(ValueError) as error:
            load(max_pairs=most)(doc)
        for part in (repr(doc[:8].text), f"{number} entities", f"{most + 1} pairs", str(most)):
            assert part in str(error.value)
        assert "max_pairs" in str(error.value) and "Cut it into parts" in str(error.value)

    def test_as_many_as_there_may_be(self, load, make_examples):
        (doc,) = docs_of(make_examples(1))
        assert load(max_pairs=self.count(doc))(doc)._.relations

    def test_the_others_go_on(self, load, make_examples, make_doc):
        """In one batch, with spaCy's own means to go on after an error."""
        nlp = load(max_pairs=50)
        failed = []
        nlp.set_error_handler(lambda name, proc, docs, error: failed.append((docs, str(error))))
        expected = [scores_of(nlp(doc)) for doc in docs_of(make_examples(6))]
        words = [f"Name{index}" for index in range(9)]
        large = make_doc(words, [[(index, index + 1)] for index in range(9)], vocab=nlp.vocab)
        docs = docs_of(make_examples(6))
        found = list(nlp.pipe([*docs[:3], large, *docs[3:]], batch_size=16))
        assert [scores_of(doc) for doc in found] == expected
        ((docs, message),) = failed
        assert docs == [large] and "9 entities" in message and "72 pairs" in message

    def test_annotate_reports_it(self, load, make_examples, make_doc):
        nlp = load(max_pairs=50)
        words = [f"Name{index}" for index in range(9)]
        large = make_doc(words, [[(index, index + 1)] for index in range(9)], vocab=nlp.vocab)
        docs = docs_of(make_examples(4))
        inputs = [InputDocument(str(i), doc) for i, doc in enumerate([*docs[:2], large, *docs[2:]])]
        results = list(annotate_batches(nlp, [inputs]))
        assert [isinstance(result, Failure) for result in results] == [i == 2 for i in range(5)]
        assert results[2].id == "2" and "72 pairs" in results[2].problem

    def test_in_training(self, load, make_examples):
        nlp = load(max_pairs=5)
        with pytest.raises(ValueError, match="max_pairs = 5.*in training"):
            nlp.update(make_examples(1))

    def test_out_of_range(self, make_pipeline):
        with pytest.raises(ValueError, match="max_pairs = 0"):
            make_pipeline(model={"max_pairs": 0})


def test_a_pipeline_stored_without_the_setting(load, make_examples, tmp_path):
    """As earlier versions have stored it."""
    nlp = load()
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"][EXTRACTOR]["model"].pop("max_pairs", None)
    config.to_disk(tmp_path / "config.cfg")
    again = spacy.load(tmp_path)
    for ours, theirs in zip(docs_of(make_examples(2)), docs_of(make_examples(2)), strict=True):
        assert scores_of(again(ours)) == scores_of(nlp(theirs))


def test_the_same_doc_twice_in_a_batch(loaded, make_examples):
    doc = make_examples(1)[0].predicted
    with pytest.raises(ValueError, match=r"twice in a batch. Give doc.copy\(\)"):
        list(loaded.pipe([doc, doc]))
