"""The component as a whole: what it learns and annotates, labels, settings."""

from copy import deepcopy
from typing import Dict, List

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from thinc.api import Adam

from spacy_docre import Triple
from spacy_docre.data.corpus_files import drop_hidden_states
from tests.pipeline.helpers import (
    EXTRACTOR,
    LABELS,
    network_of,
    scores_of,
    triples_of,
    weights_of,
)


class TestOverfitting:
    def test_ten_documents_are_learnt(self, trained, make_examples):
        scores = trained.evaluate(make_examples(10))
        assert scores["rel_f"] >= 0.95
        assert set(scores["rel_per_type"]) == set(LABELS)

    def test_other_documents_are_not(self, trained, make_examples):
        """Else the score would mean nothing."""
        assert trained.evaluate(make_examples(10, seed=77))["rel_f"] < 0.9

    def test_annotation(self, trained, make_examples):
        (example,) = make_examples(1)
        doc = trained(example.predicted)
        assert [entity.text for entity in doc._.entities] == [
            entity.text for entity in example.reference._.entities
        ]
        gold = {
            (relation.head.text, relation.label_, relation.tail.text)
            for relation in example.reference._.relations
        }
        found = {
            (relation.head.text, relation.label_, relation.tail.text)
            for relation in doc._.relations
        }
        assert found == gold
        scores = [relation.score for relation in doc._.relations]
        assert scores == sorted(scores, reverse=True)
        assert all(0.5 < score < 1 for score in scores)


class TestEntities:
    @pytest.mark.parametrize("number", [0, 1, 2, 300])
    def test_number_of_entities(self, number, all_scores, make_doc):
        doc = make_doc(["Oslo"] * 600, [[(2 * index, 2 * index + 1)] for index in range(number)])
        if number == 300:
            all_scores.get_pipe(EXTRACTOR).cfg["threshold"] = 0.999
        doc = all_scores(doc)
        assert len(doc._.entities) == number
        if number < 300:
            assert len(doc._.relations) == number * (number - 1) * len(LABELS)

    def test_empty_documents(self, trained, make_doc):
        docs = list(trained.pipe([make_doc([]), make_doc([])]))
        assert [doc._.relations for doc in docs] == [[], []]

    def test_long_document(self, all_scores, make_doc):
        words = (
            "Ada Lane was born in Oslo . Later she worked for Acme Works , she said again .".split()
        )
        words = (words * 300)[:5000]
        doc = all_scores(make_doc(words, [[(0, 2), (4500, 4502)], [(2500, 2501)], [(4998, 5000)]]))
        scores = scores_of(doc)
        assert len(scores) == 3 * 2 * 3
        assert all(0 < score < 1 for score in scores.values())

    def test_overlapping_mentions_and_a_mention_in_two_entities(self, all_scores, make_doc):
        words = "Ada Lane of New Haven was born in Oslo .".split()
        entities = [[(0, 2), (0, 5)], [(3, 5), (8, 9)], [(8, 9)], [(8, 9)]]
        doc = all_scores(make_doc(words, entities))
        scores = scores_of(doc)
        assert len(scores) == 4 * 3 * 3
        # The last two entities are the same.
        for label in LABELS:
            assert scores[0, 2, label] == pytest.approx(scores[0, 3, label], abs=1e-6)
            assert scores[2, 0, label] == pytest.approx(scores[3, 0, label], abs=1e-6)

    def test_document_without_word_pieces(self, all_scores, make_example):
        spaces = make_example(["\n", " ", "\n"], [[(0, 1)], [(2, 3)]], [(0, 1, "born in")])
        scores = scores_of(all_scores(spaces.predicted))
        assert len(scores) == 2 * 3
        assert all(0 < score < 1 for score in scores.values())
        losses = all_scores.update([spaces], sgd=Adam(0.001))
        assert numpy.isfinite(losses[EXTRACTOR])
        assert all(weight.isfinite().all() for weight in weights_of(all_scores, EXTRACTOR).values())

    def test_order_of_entities(self, all_scores, make_examples):
        (example,) = make_examples(1)
        expected = scores_of(all_scores(example.predicted))
        (example,) = make_examples(1)
        doc = example.predicted
        groups: Dict[str, List[Span]] = {}
        for span in doc.spans["entities"]:
            groups.setdefault(span.id_, []).append(span)
        order = [3, 0, 4, 2, 1, *range(5, len(groups))]
        doc.spans["entities"] = [span for index in order for span in list(groups.values())[index]]
        found = scores_of(all_scores(doc))
        assert len(found) == len(expected)
        for (head, tail, label), score in found.items():
            assert score == pytest.approx(expected[order[head], order[tail], label], abs=1e-5)


class TestAddLabel:
    def test_before_initialisation(self, make_pipeline, make_examples):
        nlp = make_pipeline()
        extractor = nlp.get_pipe(EXTRACTOR)
        assert extractor.add_label("knows") == 1
        assert extractor.add_label("knows") == 0
        nlp.initialize(lambda: make_examples(3))
        assert extractor.labels == ("knows", *LABELS)
        assert network_of(nlp).classifier.out_features == 5
        nlp.update(make_examples(3))

    def test_fewer_outputs_are_refused_and_change_nothing(self, all_scores, make_examples):
        extractor = all_scores.get_pipe(EXTRACTOR)
        doc = make_examples(1)[0].predicted
        expected = scores_of(all_scores(doc.copy()))
        with pytest.raises(ValueError, match="cannot be reduced to 1"):
            extractor.set_output(1)
        assert extractor.model.get_dim("nO") == len(LABELS)
        assert scores_of(all_scores(doc.copy())) == expected

    def test_after_training_old_scores_stay(self, all_scores, make_examples, tmp_path):
        expected = scores_of(all_scores(make_examples(1)[0].predicted))
        assert all_scores.get_pipe(EXTRACTOR).add_label("knows") == 1
        all_scores.to_disk(tmp_path)
        for nlp in (all_scores, spacy.load(tmp_path)):
            scores = scores_of(nlp(make_examples(1)[0].predicted))
            assert {label for _, _, label in scores} == {*LABELS, "knows"}
            for key, score in expected.items():
                assert scores[key] == pytest.approx(score, abs=1e-6)

    def test_new_label_can_be_learnt(self, loaded, make_examples, train_step):
        examples = make_examples(2)
        for example in examples:
            known = [relation.triple for relation in example.reference._.relations]
            example.reference._.relations = [*known, Triple(0, 1, "knows")]
        loaded.get_pipe(EXTRACTOR).add_label("knows")
        optimizer = loaded.resume_training()
        optimizer.learn_rate = 0.001
        losses = [train_step(loaded, examples, optimizer)[EXTRACTOR] for _ in range(15)]
        assert losses[-1] < losses[0] / 2

    @pytest.mark.parametrize("label", ["", 3, None])
    def test_what_is_no_label(self, label, make_pipeline):
        with pytest.raises(ValueError, match="is not a string with at least one character"):
            make_pipeline().get_pipe(EXTRACTOR).add_label(label)


class TestSettings:
    def test_listener_that_gives_token_vectors(self, make_pipeline, make_examples):
        """The one that other components have."""
        model = deepcopy(make_pipeline().get_pipe_config(EXTRACTOR)["model"])
        model["tok2vec"] = {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "pooling": {"@layers": "reduce_mean.v1"},
        }
        nlp = make_pipeline(examples=make_examples(2), model=model)
        with pytest.raises(ValueError, match="token vectors.*spacy_docre.TransformerListener.v1"):
            nlp.update(make_examples(2))

    def test_untrained(self, make_pipeline, make_examples):
        nlp = make_pipeline()
        nlp.get_pipe("transformer").initialize(lambda: make_examples(1))
        with pytest.raises(ValueError, match="has not been trained"):
            nlp(make_examples(1)[0].predicted)
        with pytest.raises(ValueError, match="has not been trained"):
            nlp.update(make_examples(1))

    @pytest.mark.parametrize(
        "setting, problem",
        [
            ({"stored_precision": "int8"}, "stored_precision"),
            ({"learn_rate_factor": -1.0}, "learn_rate_factor = -1.0"),
        ],
    )
    def test_settings_of_the_transformer_that_cannot_be(self, setting, problem, make_pipeline):
        with pytest.raises(ValueError, match=problem):
            make_pipeline(transformer=setting)


class TestScore:
    def test_per_component(self, trained, make_examples):
        scores = trained.evaluate(make_examples(2), per_component=True)
        assert scores[EXTRACTOR]["rel_f"] > 0.9

    def test_no_examples(self, trained):
        assert trained.evaluate([])["rel_f"] is None


class TestAttentionOfADoc:
    def test_an_annotated_doc_cannot_be_annotated_again(self, trained, make_examples):
        (example,) = make_examples(1)
        doc = trained(example.predicted)
        with pytest.raises(ValueError, match="run the whole pipeline on it again"):
            trained.get_pipe(EXTRACTOR)(doc)
        expected = triples_of([doc])
        assert triples_of([trained(doc)]) == expected

    def test_is_kept_where_nothing_sets_entities(self, trained, make_doc):
        """The scorer may yet ask for those of the reference."""
        with pytest.warns(UserWarning, match="finds no relations"):
            bare = trained(Doc(trained.vocab, words=["Oslo", "is", "cold"]))
        assert "last_attention" in bare._.trf_data.model_output
        none_found = trained(make_doc(["Oslo", "is", "cold"]))
        assert "last_attention" not in none_found._.trf_data.model_output

    def test_is_released_after_annotation(self, trained, make_examples):
        docs = [example.predicted for example in make_examples(2)]
        docs = list(trained.get_pipe("transformer").pipe(docs))
        hidden = [doc._.trf_data.model_output["last_hidden_state"].copy() for doc in docs]
        assert all("last_attention" in doc._.trf_data.model_output for doc in docs)
        docs = list(trained.get_pipe(EXTRACTOR).pipe(docs))
        for doc, states in zip(docs, hidden, strict=True):
            assert "last_attention" not in doc._.trf_data.model_output
            assert (doc._.trf_data.model_output["last_hidden_state"] == states).all()

    def test_hidden_states_are_released_where_nothing_reads_them(
        self, make_pipeline, make_examples, make_doc
    ):
        examples = make_examples(2)
        nlp = make_pipeline(
            ("transformer", "ner", EXTRACTOR), examples=examples, keep_encoding=False, threshold=0.0
        )
        (doc, _) = nlp.pipe([example.predicted for example in make_examples(2)])
        assert doc._.entities and len(doc.to_bytes()) < 20_000
        data = doc._.trf_data
        for read in (
            lambda: data.tensors,
            lambda: data.width,
            lambda: data.model_output.last_hidden_state,
            # What listens to the transformer would have read zeros.
            lambda: nlp.get_pipe("ner")(doc),
        ):
            with pytest.raises(ValueError, match="keep_encoding = true"):
                read()
        with pytest.raises(ValueError, match="run the whole pipeline on it again"):
            nlp.get_pipe(EXTRACTOR)(doc)
        expected = triples_of([doc])
        assert triples_of([nlp(doc)]) == expected
        nlp.update(examples)
        drop_hidden_states(doc)
        assert doc._.trf_data is None and triples_of([doc]) == expected
        # Nothing has set entities: `score` may yet ask for those of the reference.
        nlp.remove_pipe("ner")
        with pytest.warns(UserWarning, match="finds no relations"):
            bare = nlp(Doc(nlp.vocab, words=["Oslo", "is", "cold"]))
        assert "last_attention" in bare._.trf_data.model_output


@pytest.mark.parametrize(
    "model",
    [
        {"width": 0},
        {"block_size": 0},
        {"pair_width": -1},
        {"dropout": 1.0},
        {"pair_encoder": {"@layers": "spacy_docre.AxialAttention.v1", "heads": 0}},
        {"pair_encoder": {"@layers": "spacy_docre.AxialAttention.v1", "depth": 0}},
        {"pair_encoder": {"@layers": "spacy_docre.UNetPairEncoder.v1", "channels": 0}},
    ],
)
def test_sizes_out_of_range_are_refused_by_name(model):
    name = list(model.get("pair_encoder", model))[-1]
    with pytest.raises(ValueError, match=name):
        spacy.blank("en").add_pipe(EXTRACTOR, config={"model": model})
