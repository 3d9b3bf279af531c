"""What initialisation finds in the training data."""

import pytest
from spacy.tokens import Doc
from spacy.training import Example

from spacy_docre import Triple
from tests.pipeline.helpers import (
    EXTRACTOR,
    LABELS,
    network_of,
)


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


def test_labels_as_one_string(make_pipeline, make_examples):
    nlp = make_pipeline()
    with pytest.raises(ValueError, match="should be a list of relations"):
        nlp.get_pipe(EXTRACTOR).initialize(lambda: make_examples(2), nlp=nlp, labels="born in")


def test_nothing_to_initialize_with_says_so(make_pipeline):
    with pytest.raises(ValueError, match="The training data holds no relations"):
        make_pipeline().initialize()
