"""Which entities the component works with."""

from typing import List

import pytest
from spacy.tokens import Doc
from spacy.training import Example

from spacy_docre.entity_sources import MissingEntities, give_entities, make_default_entities
from spacy_docre.pipeline.entity_policy import EntityPolicy
from tests.pipeline.helpers import (
    EXTRACTOR,
)


class TestEntitiesOfADoc:
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


class TestEntitiesOfTheReference:
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


class TestOrder:
    """Given to the Doc, found in it, of the reference."""

    @pytest.fixture
    def example(self, make_example) -> Example:
        return make_example(["Ada", "met", "Bo", "."], [[(0, 1)], [(2, 3)]], [(0, 1, "born in")])

    policy = EntityPolicy(make_default_entities())

    def names(self, example: Example) -> List[List[str]]:
        document = self.policy.choose(example.predicted, example)
        assert document.missing is None
        assert document.doc is example.predicted
        return [[span.text for span in mentions] for mentions in document.entities]

    def test_of_the_reference(self, example):
        del example.predicted.spans["entities"]
        assert self.policy.choose(example.predicted).missing is not None
        assert self.names(example) == [["Ada"], ["Bo"]]

    def test_found(self, example):
        doc = example.predicted
        doc.spans["entities"] = [doc[2:3]]
        assert self.policy.choose(doc).missing is None
        assert self.names(example) == [["Bo"]]

    def test_given(self, example):
        doc = example.predicted
        give_entities(doc, [[doc[0:1], doc[3:4]]])
        assert self.names(example) == [["Ada", "."]]

    def test_found_or_given_none(self, example):
        """That is not the same as nothing having looked for any."""
        doc = example.predicted
        doc.spans["entities"] = []
        assert self.names(example) == []
        doc.spans["entities"] = [doc[2:3]]
        give_entities(doc, [])
        assert self.names(example) == [] and self.policy.choose(doc).missing is None

    def test_relations_without_entities(self, trained):
        doc = Doc(trained.vocab, words=["Oslo", "."])
        reference = Doc(trained.vocab, words=["Oslo", "."])
        assert self.names(Example(doc, reference)) == []
        reference._.relations = []
        with pytest.raises(MissingEntities, match="no entities"):
            trained.get_pipe(EXTRACTOR).update([Example(doc, reference)])
