"""Texts as they come: their white space and case change, gold stays."""

import random
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam

from spacy_docre import Triple
from spacy_docre.alignment import GoldAlignment
from spacy_docre.annotations import has_entities, has_relations
from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.data.gold_annotations import make_example, set_gold_annotations
from spacy_docre.distillation.objective import make_mse_distillation
from spacy_docre.distillation.store import LogitsStore
from spacy_docre.entity_sources import gold_entities
from spacy_docre.training.augmentation import (
    RUNS,
    make_in_turn,
    make_letter_case,
    make_white_space,
)
from spacy_docre.training.corpus import Augmenter, make_corpus

NLP = spacy.blank("en")
WORDS = "Marie Curie , née Maria , was born in Warsaw . She left Großgörschen for Paris .".split()
ENTITIES = [[(0, 2, "PER"), (4, 5, "PER")], [(9, 10, "LOC")], [(13, 14, "LOC")], [(15, 16, "LOC")]]
BORN = Triple(0, 1, "P19", evidence=((0, 11),))


def make_reference(words: List[str] = WORDS, spaces: Any = None) -> Doc:
    starts = [index in (0, 11) for index in range(len(words))]
    doc = Doc(NLP.vocab, words=words, spaces=spaces, sent_starts=starts)
    set_gold_annotations(doc, ENTITIES, [BORN])
    return doc


def augment(augmenter: Augmenter, reference: Doc, seed: int = 0) -> Example:
    random.seed(seed)
    before = reference.to_bytes()
    (example,) = augmenter(NLP, make_example(reference))
    assert reference.to_bytes() == before
    return example


def squeezed(text: str) -> str:
    return "".join(text.split()).lower()


def squeezed_all(spans: Iterable[Span]) -> List[str]:
    assert not any(span[0].is_space or span[-1].is_space for span in spans)
    return [squeezed(span.text) for span in spans]


def check_gold(example: Example) -> None:
    """Both documents have the same words, and gold is what it was."""
    predicted, reference, clean = example.predicted, example.reference, make_reference()
    assert predicted.text == reference.text and squeezed(predicted.text) == squeezed(clean.text)
    # Names, for ner, and as mentions.
    assert squeezed_all(reference.ents) == squeezed_all(clean.ents)
    assert len(example.get_aligned_spans_y2x(reference.ents)) == len(clean.ents)
    for doc in (predicted, reference):
        found = gold_entities(doc)
        assert [squeezed_all(mentions) for mentions in found] == [
            squeezed_all(mentions) for mentions in gold_entities(clean)
        ]
        assert [span.label_ for span in doc.spans["entities"]] == [
            span.label_ for span in clean.spans["entities"]
        ]
        assert [squeezed(span.text) for span in doc.sents] == [
            squeezed(span.text) for span in clean.sents
        ]
    alignment = GoldAlignment(example, gold_entities(predicted))
    assert alignment.to_predicted == {index: index for index in range(len(clean._.entities))}
    assert all(map(alignment.is_exact, alignment.to_predicted))
    # Relations and evidence.
    (relation,) = reference._.relations
    assert (relation.head.index, relation.tail.index, relation.label_) == (0, 1, "P19")
    assert list(relation.evidence) == [next(iter(reference.sents))]
    assert not has_relations(predicted) and not has_entities(predicted)


white_space = st.lists(st.booleans(), min_size=len(WORDS), max_size=len(WORDS))


@given(spaces=white_space, seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_white_space_keeps_gold(spaces: List[bool], seed: int) -> None:
    example = augment(make_white_space(1.0), make_reference(spaces=spaces), seed)
    check_gold(example)
    # Its tokens of white space are those that the tokenizer makes.
    ours, theirs = (
        [(token.text, token.idx, token.whitespace_) for token in doc if token.is_space]
        for doc in (example.predicted, NLP.make_doc(example.predicted.text))
    )
    assert ours == theirs


def test_every_run_is_found_within_names_too() -> None:
    seen: Counter = Counter()
    for seed in range(200):
        text = augment(make_white_space(1.0), make_reference(), seed).predicted.text
        between = text[len("Marie") : text.index("Curie")]
        seen[between] += 1
    assert {*RUNS, " "} == seen.keys()
    # A space stays in half of them.
    assert 70 < seen[" "] < 130


def test_shares_of_changed_spaces_vary() -> None:
    shares = []
    for seed in range(100):
        predicted = augment(make_white_space(1.0), make_reference(), seed).predicted
        shares.append(sum(token.is_space for token in predicted) / (len(WORDS) - 1))
    assert min(shares) < 0.1 and max(shares) > 0.9


@pytest.mark.parametrize("seed", range(10))
def test_letter_case(seed: int) -> None:
    reference = make_reference()
    example = augment(make_letter_case(1.0), reference, seed)
    text = example.predicted.text
    assert text == example.reference.text
    assert text in (reference.text.lower(), reference.text.upper())
    # "ß" is two letters in capitals.
    assert len(text) == len(reference.text) + text.isupper()
    for doc in (example.predicted, example.reference):
        assert [(span.start, span.end, span.id_) for span in doc.spans["entities"]] == [
            (span.start, span.end, span.id_) for span in reference.spans["entities"]
        ]
    assert [r.triple for r in example.reference._.relations] == [BORN]


def test_both_cases_are_made() -> None:
    made = {augment(make_letter_case(1.0), make_reference(), seed).text for seed in range(20)}
    assert len(made) == 2


def test_in_turn() -> None:
    augmenter = make_in_turn(make_letter_case(1.0), make_white_space(1.0))
    texts = [augment(augmenter, make_reference(), seed).predicted.text for seed in range(20)]
    assert len({text.split()[0] for text in texts} & {"marie", "MARIE"}) == 2
    assert len(set(texts)) > 15


def test_an_augmenter_of_spacys_own_in_turn() -> None:
    def twice(nlp: Language, example: Example) -> Iterator[Example]:
        yield from (example, example)

    examples = make_in_turn(twice, make_white_space(1.0), twice)(
        NLP, make_example(make_reference())
    )
    assert len(list(examples)) == 4
    (same,) = make_in_turn()(NLP, make_example(make_reference()))
    assert same.text == make_reference().text


@pytest.mark.parametrize("make", [make_white_space, make_letter_case])
def test_level(make: Callable[[float], Augmenter]) -> None:
    reference = make_reference()
    example = make_example(reference)
    assert list(make(0.0)(NLP, example)) == [example]
    random.seed(0)
    made = [next(make(0.3)(NLP, example)) for _ in range(200)]
    assert 30 < sum(other is not example for other in made) < 90
    for level in (-0.1, 1.1):
        with pytest.raises(ValueError, match="level = .* is not a share"):
            make(level)


def test_documents_of_different_words() -> None:
    other = Doc(NLP.vocab, words=["Marie", "Curie", ",", "née"])
    for predicted in (other, NLP.make_doc(make_reference().text.upper())):
        with pytest.raises(ValueError, match="words of the predicted document .* not those of its"):
            next(make_white_space(1.0)(NLP, Example(predicted, make_reference())))


def test_without_sentences() -> None:
    reference = Doc(NLP.vocab, words=WORDS)
    for make in (make_white_space, make_letter_case):
        assert not augment(make(1.0), reference).predicted.has_annotation("SENT_START")


@pytest.mark.parametrize("words", [[], ["Oslo"]])
def test_small_documents(words: List[str]) -> None:
    doc = Doc(NLP.vocab, words=words)
    augmenter = make_in_turn(make_white_space(1.0), make_letter_case(1.0))
    for seed in range(5):
        predicted = augment(augmenter, doc, seed).predicted
        assert predicted.text.lower().split() == [word.lower() for word in words]
        assert list(predicted.spans["entities"]) == []


def test_registered() -> None:
    both = {
        "@augmenters": "spacy_docre.in_turn.v1",
        "*": {
            "case": {"@augmenters": "spacy_docre.letter_case.v1", "level": 1.0},
            "space": {"@augmenters": "spacy_docre.white_space.v1", "level": 1.0},
        },
    }
    example = augment(registry.resolve({"augmenter": both})["augmenter"], make_reference())
    text = example.predicted.text
    assert text in (text.lower(), text.upper()) and text != make_reference().text
    assert any(token.is_space for token in example.predicted)


def test_ner_and_senter_learn() -> None:
    """From names that lines break, and in capitals."""
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    nlp.add_pipe("senter")
    augmenter = make_in_turn(make_white_space(1.0), make_letter_case(0.5))
    examples = [augment(augmenter, make_reference(), seed) for seed in range(6)]
    spacy.util.fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(90):
        losses = nlp.update(examples, sgd=optimizer)
    assert numpy.isfinite([*losses.values()]).all()
    bare = [
        Doc(
            nlp.vocab,
            words=[token.text for token in example.predicted],
            spaces=[bool(token.whitespace_) for token in example.predicted],
        )
        for example in examples
    ]
    scores = nlp.evaluate(
        [Example(doc, example.reference) for doc, example in zip(bare, examples, strict=True)]
    )
    assert scores["ents_f"] == 1 and scores["sents_f"] == 1


class TestExtractor:
    """The relation extractor learns the relations of such documents, and the teacher's logits of
    the clean ones."""

    @pytest.fixture
    def examples(self, corpus: Path, stored: Path) -> List[Example]:
        random.seed(1)
        augmenter = make_in_turn(make_white_space(1.0), make_letter_case(1.0))
        read = make_corpus(corpus, teacher_logits=stored, augmenter=augmenter)
        examples = list(read(spacy.blank("en")))
        clean = [doc.text for doc in read_spacy_docs(corpus, NLP.vocab)]
        assert not {example.reference.text for example in examples} & {*clean}
        return examples

    def test_logits_of_the_clean_document(
        self, examples: List[Example], corpus: Path, stored: Path
    ) -> None:
        clean = list(make_corpus(corpus, teacher_logits=stored)(spacy.blank("en")))
        answers = [
            make_mse_distillation().ask(
                [GoldAlignment(example, gold_entities(example.predicted)) for example in asked],
                LogitsStore(stored).labels,
            )
            for asked in (examples, clean)
        ]
        for ours, theirs in zip(*answers, strict=True):
            assert ours is not None and theirs is not None and len(ours.values)
            numpy.testing.assert_array_equal(ours.values, theirs.values)
            numpy.testing.assert_array_equal(ours.rows, theirs.rows)

    def test_training(
        self, examples: List[Example], make_pipeline: Callable, train_step: Callable
    ) -> None:
        distillation = {"@misc": "spacy_docre.MSEDistillation.v1"}
        nlp = make_pipeline(examples=examples, distillation=distillation)
        optimizer = Adam(0.001)
        losses = [train_step(nlp, examples, optimizer)["doc_relation_extractor"] for _ in range(8)]
        assert 0 < losses[-1] < losses[0]
