"""What the loss takes for gold."""

from itertools import permutations
from typing import List, Tuple

import pytest
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import SGD

from spacy_docre.annotations import has_relations
from tests.pipeline.helpers import (
    EXTRACTOR,
    docs_of,
    equal,
    weights_of,
)


def gold_of(nlp: Language, example: Example) -> List[Tuple[int, int, str]]:
    """What the loss takes for gold: its gradient asks for more of these, and less of others."""
    extractor = nlp.get_pipe(EXTRACTOR)
    predictions = extractor.predict([nlp.get_pipe("transformer")(example.predicted)])
    _, (gradient,) = extractor.get_loss([example], predictions)
    pairs = list(permutations(range(len(predictions[0].document.entities)), 2))
    assert gradient.shape == (len(pairs), 1 + len(extractor.labels))
    return [
        (*pairs[row], extractor.labels[column])
        for row, column in zip(*(gradient[:, 1:] < 0).nonzero(), strict=True)
    ]


class TestGoldLabels:
    WORDS = "Ada Lane was born in New Haven and worked for Acme Works .".split()

    def test_relations_of_the_reference(self, trained, make_examples):
        for example in make_examples(3):
            expected = {
                (relation.head.index, relation.tail.index, relation.label_)
                for relation in example.reference._.relations
            }
            assert expected and set(gold_of(trained, example)) == expected

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

    def test_other_components_learn_as_without_the_extractor(
        self, make_pipeline, make_examples, train_step
    ):
        """It comes last, so that the transformer learns when it does."""
        trained = []
        for pipes in (["transformer", "ner"], ["transformer", "ner", EXTRACTOR]):
            nlp = make_pipeline(pipes, examples=make_examples(2))
            before = weights_of(nlp, "transformer")
            examples = make_examples(2)
            for example in examples:
                example.reference._.entities = example.reference._.entities
            for _ in range(2):
                train_step(nlp, examples, SGD(0.01))
            assert not equal(before, weights_of(nlp, "transformer"))
            trained.append(weights_of(nlp, "transformer"))
        assert equal(*trained)

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
        for ours, theirs in zip(mixed[1][: len(annotated)], alone[1], strict=True):
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
