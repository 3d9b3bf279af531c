"""The component: training, prediction, labels, scoring, serialisation."""

import pickle
import shutil
import subprocess
import sys
import warnings
from copy import deepcopy
from itertools import permutations
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy
import pytest
import spacy
import srsly
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import SGD, Adam

from spacy_docre import Triple
from spacy_docre.annotations import has_relations
from spacy_docre.pipeline import batching

EXTRACTOR = "doc_relation_extractor"
LABELS = ("based in", "born in", "works for")


def docs_of(examples: Sequence[Example]) -> List[Doc]:
    return [example.predicted for example in examples]


def triples_of(docs: Sequence[Doc]) -> List[List[Triple]]:
    return [[relation.triple for relation in doc._.relations] for doc in docs]


def scores_of(doc: Doc) -> Dict[Tuple[int, int, str], float]:
    """The score of every relation of a Doc."""
    return {
        (relation.head.index, relation.tail.index, relation.label_): relation.score
        for relation in doc._.relations
    }


def weights_of(nlp: Language, name: str) -> Dict[str, torch.Tensor]:
    """A copy of the weights of the transformer, or of the relation extractor's own."""
    model = nlp.get_pipe(name).model
    module = model.transformer if name == "transformer" else network_of(nlp)
    return {key: weight.clone() for key, weight in module.state_dict().items()}


def network_of(nlp: Language) -> torch.nn.Module:
    return nlp.get_pipe(EXTRACTOR).model.get_ref("pair_scorer").shims[0]._model


def equal(ours: Dict[str, torch.Tensor], theirs: Dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, theirs[key]) for key, weight in ours.items())


@pytest.fixture
def loaded(trained_folder: Path) -> Language:
    """The trained pipeline, to do with as one likes."""
    return spacy.load(trained_folder)


@pytest.fixture
def all_scores(loaded: Language) -> Language:
    """The trained pipeline, which annotates every relation of every pair."""
    loaded.get_pipe(EXTRACTOR).cfg["threshold"] = 0.0
    return loaded


@pytest.fixture
def two_threads():
    """Lets torch start the threads that a forked process does not have."""
    torch.set_num_threads(2)
    torch.randn(1000, 1000) @ torch.randn(1000, 1000)
    yield
    torch.set_num_threads(1)


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
        assert extractor.cfg == {"labels": list(LABELS), **settings}
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


class TestPipe:
    def test_batches_do_not_matter(self, all_scores, make_examples, make_example):
        """Nor does what else is in them."""
        examples = [*make_examples(4), make_example([]), make_example(["Oslo"]), *make_examples(9)]
        expected = [scores_of(all_scores(doc)) for doc in docs_of(examples)]
        assert sum(len(scores) for scores in expected) > 500
        for batch_size in (1, 3, 15):
            examples = [
                *make_examples(4),
                make_example([]),
                make_example(["Oslo"]),
                *make_examples(9),
            ]
            for doc, scores in zip(
                all_scores.pipe(docs_of(examples), batch_size=batch_size), expected
            ):
                assert scores_of(doc) == pytest.approx(scores, abs=1e-5)

    def test_two_processes(self, trained, make_examples, two_threads):
        expected = triples_of(trained.pipe(docs_of(make_examples(6))))
        docs = list(trained.pipe(docs_of(make_examples(6)), n_process=2, batch_size=2))
        for ours, theirs in zip(triples_of(docs), expected):
            assert [(triple.head, triple.tail, triple.label) for triple in ours] == [
                (triple.head, triple.tail, triple.label) for triple in theirs
            ]
            assert [triple.score for triple in ours] == pytest.approx(
                [triple.score for triple in theirs], abs=1e-5
            )

    def test_processes_that_are_spawned(self, loaded, make_examples):
        """They are sent the components pickled."""
        expected = triples_of(loaded.pipe(docs_of(make_examples(3))))
        components = pickle.loads(pickle.dumps([pipe for _, pipe in loaded.pipeline]))
        docs = docs_of(make_examples(3))
        for component in components:
            docs = list(component.pipe(docs))
        assert triples_of(docs) == expected

    @pytest.mark.parametrize("most", [1, 90, 400])
    def test_number_of_pairs_at_once(self, most, all_scores, make_examples, monkeypatch):
        expected = [scores_of(doc) for doc in all_scores.pipe(docs_of(make_examples(5)))]
        monkeypatch.setattr(batching, "MAX_PAIRS", most)
        batches = []
        model = all_scores.get_pipe(EXTRACTOR).model
        forward = model._func

        def spy(model, documents, is_train):
            counts = [len(document.entities) for document in documents]
            batches.append([count * (count - 1) for count in counts])
            return forward(model, documents, is_train)

        monkeypatch.setattr(model, "_func", spy)
        docs = list(all_scores.pipe(docs_of(make_examples(5))))
        assert sum(map(len, batches)) == 5
        assert all(len(pairs) == 1 or sum(pairs) <= most for pairs in batches)
        for pairs, following in zip(batches, batches[1:]):
            assert sum(pairs) + following[0] > most
        for doc, scores in zip(docs, expected):
            assert scores_of(doc) == pytest.approx(scores, abs=1e-5)

    def test_order_of_entities(self, all_scores, make_examples):
        (example,) = make_examples(1)
        expected = scores_of(all_scores(example.predicted))
        (example,) = make_examples(1)
        doc = example.predicted
        groups: Dict[str, List[Span]] = {}
        for span in doc.spans["entities"]:
            groups.setdefault(span.id_, []).append(span)
        order = [3, 0, 4, 2, 1, *range(5, len(groups))]
        doc.spans["entities"] = [span for place in order for span in list(groups.values())[place]]
        found = scores_of(all_scores(doc))
        assert len(found) == len(expected)
        for (head, tail, label), score in found.items():
            assert score == pytest.approx(expected[order[head], order[tail], label], abs=1e-5)


class TestEntities:
    @pytest.mark.parametrize("number", [0, 1, 2, 300])
    def test_number_of_entities(self, number, all_scores, make_doc):
        doc = make_doc(["Oslo"] * 600, [[(2 * place, 2 * place + 1)] for place in range(number)])
        if number == 300:
            all_scores.get_pipe(EXTRACTOR).cfg["threshold"] = 0.999
        doc = all_scores(doc)
        assert len(doc._.entities) == number
        if number < 300:
            assert len(doc._.relations) == number * (number - 1) * len(LABELS)

    def test_empty_documents(self, trained, make_doc):
        docs = list(trained.pipe([make_doc([]), make_doc([])]))
        assert triples_of(docs) == [[], []]

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

    def test_spans_that_no_getter_finds(self, trained, make_example):
        doc = Doc(trained.vocab, words=["Oslo", "is", "cold"])
        with pytest.warns(UserWarning) as record:
            doc = trained(doc)
        (message,) = [
            str(warning.message)
            for warning in record
            if "finds no relations" in str(warning.message)
        ]
        assert message.startswith(
            "'doc_relation_extractor' finds no relations. The document has no entities: "
        )
        assert "doc.spans['entities']" in message and "'ner'" in message
        assert doc._.entities == [] and doc._.relations == []

    def test_entities_of_another_group(self, make_pipeline, make_examples):
        examples = make_examples(2)
        for example in examples:
            example.predicted.spans["things"] = list(example.predicted.spans["entities"])
            del example.predicted.spans["entities"]
        getter = {"@misc": "spacy_docre.span_group_entities.v1", "key": "things"}
        nlp = make_pipeline(examples=examples, entities=getter)
        doc = nlp(examples[0].predicted)
        assert len(doc._.entities) == len(examples[0].reference._.entities)


class TestInitialize:
    def test_labels_are_collected_and_sorted(self, make_pipeline, make_examples):
        extractor = make_pipeline(examples=make_examples(3)).get_pipe(EXTRACTOR)
        assert extractor.labels == LABELS
        assert extractor.label_data == list(LABELS)
        assert extractor.model.get_dim("nO") == 3

    def test_labels_can_be_given(self, make_pipeline, make_examples):
        nlp = make_pipeline(examples=())
        labels = ["works for", "knows", "born in", "based in"]
        nlp.config["initialize"]["components"][EXTRACTOR] = {"labels": labels}
        nlp.initialize(lambda: make_examples(2))
        assert nlp.get_pipe(EXTRACTOR).label_data == labels

    def test_label_data_gives_the_same_labels(self, make_pipeline, make_examples):
        label_data = make_pipeline(examples=make_examples(3)).get_pipe(EXTRACTOR).label_data
        nlp = make_pipeline()
        nlp.config["initialize"]["components"][EXTRACTOR] = {"labels": label_data}
        nlp.initialize(lambda: make_examples(1))
        assert nlp.get_pipe(EXTRACTOR).label_data == label_data

    def test_unknown_label_in_the_data(self, make_pipeline, make_examples):
        nlp = make_pipeline()
        nlp.config["initialize"]["components"][EXTRACTOR] = {"labels": ["born in"]}
        with pytest.raises(ValueError, match="not among the labels .*: based in, works for"):
            nlp.initialize(lambda: make_examples(3))

    def test_no_relation_in_the_data(self, make_pipeline, make_example):
        nlp = make_pipeline()
        with pytest.raises(ValueError, match="training data holds no relations"):
            nlp.initialize(lambda: [make_example(["Oslo", "Lyon"], [[(0, 1)], [(1, 2)]])])

    def test_no_entities_in_the_data(self, make_pipeline, trained):
        nlp = make_pipeline()
        doc = Doc(nlp.vocab, words=["Oslo"])
        with pytest.raises(ValueError, match="holds no relations.*set doc._.entities"):
            nlp.initialize(lambda: [Example(doc, doc.copy())])

    def test_some_documents_without_annotation(self, make_pipeline, make_examples):
        nlp = make_pipeline()
        doc = Doc(nlp.vocab, words=["Oslo"])
        nlp.initialize(lambda: [Example(doc, doc.copy()), *make_examples(2)])
        assert nlp.get_pipe(EXTRACTOR).labels == LABELS

    def test_known_labels_are_enough(self, make_pipeline):
        """As they are for spaCy's own components: the examples need not hold anything."""
        nlp = make_pipeline()
        nlp.get_pipe(EXTRACTOR).add_label("born in")
        nlp.initialize()
        assert nlp.get_pipe(EXTRACTOR).labels == ("born in",)
        nlp = make_pipeline()
        nlp.config["initialize"]["components"][EXTRACTOR] = {"labels": ["born in"]}
        nlp.initialize()
        assert network_of(nlp).classifier.out_features == 2

    def test_names_in_the_config_come_before_those_of_the_data(self, make_pipeline, make_examples):
        examples = make_examples(3)
        names = {"born in": "born where", "works for": "employer"}
        for example in examples:
            example.reference._.relations = [
                Triple(
                    relation.head.index,
                    relation.tail.index,
                    relation.label_,
                    name=names.get(relation.label_, ""),
                )
                for relation in example.reference._.relations
            ]
        nlp = make_pipeline(
            examples=examples, label_names={"born in": "place of birth"}, threshold=0.0
        )
        assert nlp.get_pipe(EXTRACTOR).label_names == {
            "born in": "place of birth",
            "works for": "employer",
        }
        found = {
            (relation.label_, relation.name) for relation in nlp(examples[0].predicted)._.relations
        }
        assert found == {
            ("born in", "place of birth"),
            ("works for", "employer"),
            ("based in", "based in"),
        }


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
        with pytest.raises(ValueError, match="cannot be cut to 1"):
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
    def test_threshold(self, all_scores, make_examples):
        everything = scores_of(all_scores(make_examples(1)[0].predicted))
        for threshold in (0.001, 0.5, 0.99):
            all_scores.get_pipe(EXTRACTOR).cfg["threshold"] = threshold
            found = scores_of(all_scores(make_examples(1)[0].predicted))
            expected = {key for key, score in everything.items() if score > threshold}
            assert set(found) == expected
            assert expected

    def test_top_k(self, all_scores, make_examples):
        extractor = all_scores.get_pipe(EXTRACTOR)
        doc = all_scores.get_pipe("transformer")(make_examples(1)[0].predicted)
        (prediction,) = extractor.predict([doc])
        number = len(prediction.document.entities)
        for top_k in (1, 2, 3, 97):
            extractor.cfg["top_k"] = top_k
            extractor.set_annotations([doc], [prediction])
            expected = {
                (head, tail, LABELS[label])
                for (head, tail), logits in zip(permutations(range(number), 2), prediction.logits)
                for label in (-logits[1:]).argsort()[:top_k]
            }
            assert set(scores_of(doc)) == expected

    @pytest.mark.parametrize(
        "settings, message",
        [
            ({"threshold": 1.5}, "threshold = 1.5 is no probability"),
            ({"threshold": -0.1}, "threshold = -0.1 is no probability"),
            ({"top_k": 0}, "top_k = 0 annotates nothing"),
        ],
    )
    def test_out_of_range(self, settings, message, make_pipeline):
        with pytest.raises(ValueError, match=message):
            make_pipeline(**settings)

    @pytest.mark.parametrize("bias", [500, -500])
    def test_score_of_a_large_margin(self, bias, all_scores, make_examples):
        """It is still a probability between 0 and 1, and no number overflows."""
        with torch.no_grad():
            network_of(all_scores).classifier.bias[0] = bias
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = scores_of(all_scores(make_examples(1)[0].predicted)).values()
        assert scores
        assert all(0 < score < 1e-6 if bias > 0 else 1 - 1e-6 < score < 1 for score in scores)

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
        for half, full in zip(sizes["float16"], sizes["float32"]):
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


def gold_of(nlp: Language, example: Example) -> List[Tuple[int, int, str]]:
    """What the loss takes for gold: its gradient asks for more of these, and less of others."""
    extractor = nlp.get_pipe(EXTRACTOR)
    predictions = extractor.predict([nlp.get_pipe("transformer")(example.predicted)])
    _, (gradient,) = extractor.get_loss([example], predictions)
    pairs = list(permutations(range(len(predictions[0].document.entities)), 2))
    assert gradient.shape == (len(pairs), 1 + len(extractor.labels))
    return [
        (*pairs[row], extractor.labels[column])
        for row, column in zip(*(gradient[:, 1:] < 0).nonzero())
    ]


class TestGoldLabels:
    WORDS = "Ada Lane was born in New Haven and worked for Acme Works .".split()

    def test_relations_of_the_reference(self, trained, make_examples):
        for example in make_examples(3):
            expected = {
                (relation.head.index, relation.tail.index, relation.label_)
                for relation in example.reference._.relations
            }
            assert set(gold_of(trained, example)) == expected

    def test_entities_in_another_order_and_tokenisation(self, trained, make_example, make_doc):
        relations = [(0, 1, "born in"), (0, 2, "works for")]
        example = make_example(self.WORDS, [[(0, 2)], [(5, 7)], [(10, 12)]], relations)
        words = ["Ada", "La", "ne", *self.WORDS[2:]]
        spaces = [True, False, *[True] * (len(words) - 2)]
        doc = Doc(example.reference.vocab, words=words, spaces=spaces)
        assert doc.text == example.reference.text
        doc.spans["entities"] = [
            Span(doc, 11, 13, span_id="firm"),
            Span(doc, 6, 8, span_id="city"),
            Span(doc, 8, 9, span_id="no entity"),
            Span(doc, 0, 3, span_id="person"),
        ]
        found = gold_of(trained, Example(doc, example.reference))
        assert set(found) == {(3, 1, "born in"), (3, 0, "works for")}

    def test_relation_of_an_entity_that_nothing_found(self, trained, make_example):
        relations = [(0, 1, "born in"), (0, 2, "works for")]
        example = make_example(self.WORDS, [[(0, 2)], [(5, 7)], [(10, 12)]], relations)
        example.predicted.spans["entities"] = list(example.predicted.spans["entities"])[:2]
        assert gold_of(trained, example) == [(0, 1, "born in")]

    def test_diagonal_takes_no_part(self, trained, make_example):
        entities = [[(0, 2)], [(5, 7)], [(10, 12)]]
        relations = [(0, 1, "born in"), (1, 1, "born in"), (2, 2, "based in")]
        assert gold_of(trained, make_example(self.WORDS, entities, relations)) == [
            (0, 1, "born in")
        ]


class TestScore:
    def test_entities_of_the_reference_where_nothing_sets_any(self, trained, make_examples):
        expected = trained.evaluate(make_examples(10))
        bare = [
            Example(
                Doc(trained.vocab, words=[token.text for token in example.reference]),
                example.reference,
            )
            for example in make_examples(10)
        ]
        with pytest.warns(UserWarning, match="finds no relations. The document has no entities"):
            scores = trained.evaluate(bare, batch_size=3)
        for name in ("rel_p", "rel_r", "rel_f", "rel_ign_f", "rel_per_type"):
            assert scores[name] == expected[name]
        assert scores["rel_f"] >= 0.95

    def test_reference_that_has_no_entities(self, trained, make_examples):
        """It says so: its doc._.entities is set, and empty."""
        examples = make_examples(2)
        reference = Doc(trained.vocab, words=["Snow", "fell", "."])
        reference._.entities = []
        bare = Doc(trained.vocab, words=["Snow", "fell", "."])
        with pytest.warns(UserWarning, match="finds no relations"):
            scores = trained.evaluate([*examples, Example(bare, reference)])
        assert scores["rel_f"] == trained.evaluate(make_examples(2))["rel_f"]
        losses = trained.update([Example(bare.copy(), reference)], sgd=False)
        assert losses[EXTRACTOR] == 0

    def test_entities_that_something_sets_are_kept(self, trained, make_examples):
        examples = make_examples(3)
        for example in examples:
            example.predicted.spans["entities"] = []
        scores = trained.evaluate(examples)
        assert scores["rel_r"] == 0

    def test_per_component(self, trained, make_examples):
        scores = trained.evaluate(make_examples(2), per_component=True)
        assert scores[EXTRACTOR]["rel_f"] > 0.9

    def test_no_examples(self, trained):
        assert trained.evaluate([])["rel_f"] is None


class TestEvidence:
    def test_sentences_most_first(self, all_scores, make_examples):
        several = 0
        for example in make_examples(6):
            doc = all_scores(example.predicted)
            (prediction,) = all_scores.get_pipe(EXTRACTOR).predict(
                [all_scores.get_pipe("transformer")(doc.copy())]
            )
            evidence = prediction.evidence
            # Entities that share no window share no attention.
            assert set(evidence.sum(axis=1).round(4)) <= {0, 1}
            sentences = list(doc.sents)
            shares = {}
            number = len(doc._.entities)
            pairs = [(head, tail) for head in range(number) for tail in range(head + 1, number)]
            for (head, tail), share in zip(pairs, evidence):
                shares[head, tail] = shares[tail, head] = share
            for relation in doc._.relations:
                places = [sentences.index(sentence) for sentence in relation.evidence]
                of_pair = shares[relation.head.index, relation.tail.index]
                assert places == sorted(places, key=lambda place: -of_pair[place])
                enough = min(0.3, of_pair.max())
                assert set(places) == set(numpy.flatnonzero((of_pair >= enough) & (of_pair > 0)))
                several += len(places) > 1
        assert several

    def test_no_sentence_boundaries(self, trained, make_examples, make_doc):
        (example,) = make_examples(1)
        doc = Doc(trained.vocab, words=[token.text for token in example.predicted])
        doc.spans["entities"] = [
            Span(doc, span.start, span.end, span_id=span.id_)
            for span in example.predicted.spans["entities"]
        ]
        doc = trained(doc)
        assert doc._.relations
        assert all(relation.evidence == () for relation in doc._.relations)


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
        for doc, states in zip(docs, hidden):
            assert "last_attention" not in doc._.trf_data.model_output
            assert (doc._.trf_data.model_output["last_hidden_state"] == states).all()


class TestUnannotatedRelations:
    """A reference whose relations nobody has set says nothing of them."""

    @pytest.fixture
    def unannotated(self, make_examples) -> List[Example]:
        examples = make_examples(2, seed=1)
        for example in examples:
            example.reference._.entities = example.reference._.entities
            assert not has_relations(example.reference)
        return examples

    def test_they_teach_nothing(self, loaded, unannotated, train_step):
        before = weights_of(loaded, EXTRACTOR)
        assert train_step(loaded, unannotated, SGD(1.0))[EXTRACTOR] == 0
        assert equal(before, weights_of(loaded, EXTRACTOR))

    def test_the_rest_of_the_batch_learns_as_without_them(self, loaded, unannotated, make_examples):
        extractor = loaded.get_pipe(EXTRACTOR)
        annotated = make_examples(2)
        for examples in (annotated, [*annotated, *unannotated]):
            loaded.get_pipe("transformer").set_annotations(
                docs_of(examples), loaded.get_pipe("transformer").predict(docs_of(examples))
            )
        alone = extractor.get_loss(annotated, extractor.predict(docs_of(annotated)))
        mixed = extractor.get_loss(
            [*annotated, *unannotated], extractor.predict(docs_of([*annotated, *unannotated]))
        )
        assert mixed[0] == pytest.approx(alone[0], rel=1e-5)
        for ours, theirs in zip(mixed[1], alone[1]):
            assert ours == pytest.approx(theirs, abs=1e-6)
        assert not any(gradient.any() for gradient in mixed[1][2:])

    def test_they_are_not_scored(self, loaded, unannotated, make_examples):
        assert loaded.evaluate(unannotated)["rel_f"] is None
        scores = loaded.evaluate([*make_examples(3), *unannotated])
        assert scores["rel_p"] == pytest.approx(loaded.evaluate(make_examples(3))["rel_p"])

    def test_they_need_no_entities(self, loaded, make_examples, train_step):
        doc = Doc(loaded.vocab, words=["Oslo", "."])
        bare = Example(doc, doc.copy())
        before = weights_of(loaded, EXTRACTOR)
        assert train_step(loaded, [bare], SGD(1.0))[EXTRACTOR] == 0
        assert equal(before, weights_of(loaded, EXTRACTOR))
        assert train_step(loaded, [bare, *make_examples(2)], SGD(0.001))[EXTRACTOR] > 0
        with pytest.warns(UserWarning, match="finds no relations"):
            assert loaded.evaluate([bare])["rel_f"] is None


class TestSettingsThatDoNotFitTheWeights:
    @pytest.mark.parametrize(
        "change, problem",
        [
            ({"labels": ["a"]}, "has 1 labels, and the weights of .* are of 3"),
            ({"labels": [*"abcde"]}, "has 5 labels, and the weights of .* are of 3"),
            ({"threshold": 7.0}, "threshold = 7.0 is no probability"),
            ({"top_k": 0}, "top_k = 0 annotates nothing"),
            ({"threshold": None}, "threshold = None is no number"),
            ({"threshold": "0.5"}, "threshold = '0.5' is no number"),
            ({"top_k": "3"}, "top_k = '3' is no number"),
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

    def test_in_bytes(self, loaded):
        extractor = loaded.get_pipe(EXTRACTOR)
        extractor.cfg["labels"] = ["a"]
        with pytest.raises(ValueError, match="has 1 labels"):
            extractor.from_bytes(extractor.to_bytes())


def test_the_same_doc_twice_in_a_batch(loaded, make_examples):
    doc = make_examples(1)[0].predicted
    with pytest.raises(ValueError, match=r"twice in a batch. Give doc.copy\(\)"):
        list(loaded.pipe([doc, doc]))


def test_labels_as_one_string(make_pipeline, make_examples):
    nlp = make_pipeline()
    with pytest.raises(ValueError, match="should be a list of relations"):
        nlp.get_pipe(EXTRACTOR).initialize(lambda: make_examples(2), nlp=nlp, labels="born in")


def test_nothing_to_initialize_with_says_so(make_pipeline):
    with pytest.raises(ValueError, match="The training data holds no relations"):
        make_pipeline().initialize()


def test_installed_package_leaves_threads_of_forks_alone():
    """As long as a pipeline has no relation extractor."""
    code = (
        "import os, torch, spacy; torch.set_num_threads(2); spacy.blank('en');"
        "child = os.fork();"
        "os._exit(torch.get_num_threads()) if child == 0 else None;"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
