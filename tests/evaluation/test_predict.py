"""The answers of pipelines to gold documents."""

from itertools import count
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import ignore_error

from spacy_docre.evaluation.answers import Answers, above
from spacy_docre.evaluation.predict import LOWEST, predict_answers
from spacy_docre.models.attention import attention_of, release_attention
from tests.conftest import CITIES, FIRMS, PEOPLE

EXTRACTOR = "doc_relation_extractor"
NUMBERS = count()
MINE = {"@misc": "spacy_docre.span_group_entities.v1", "key": "mine"}
# A pipeline that marks mentions, and looks for entities in the group "mine".
MARKING: Dict[str, Any] = {
    "entities": MINE,
    "transformer": {
        "family": "roberta",
        "mention_markers": {"@misc": "spacy_docre.MentionMarkers.v1", "entities": MINE},
    },
    "model": {"mention_pooling": "first"},
}


@pytest.fixture
def docs(make_examples: Callable) -> Dict[str, Doc]:
    """A part of what the trained pipeline knows by heart."""
    examples = make_examples(10)[:4]
    return {f"Document {number}": example.reference for number, example in enumerate(examples)}


def load_unsure(folder: Path) -> Language:
    """The trained pipeline with the same decisions at P > 0.5, of which it is less sure, so that
    there are less probable triples, too."""
    nlp = spacy.load(folder)
    network = nlp.get_pipe(EXTRACTOR).model.get_ref("pair_scorer").shims[0]._model
    with torch.no_grad():
        network.classifier.weight *= 0.1
        network.classifier.bias *= 0.1
    return nlp


@pytest.fixture
def nlp(trained_folder: Path) -> Language:
    return load_unsure(trained_folder)


def add(nlp: Language, function: Callable[[Doc], Any], **position: Any) -> None:
    """Adds a component that calls a function."""

    def component(doc: Doc) -> Doc:
        function(doc)
        return doc

    name = f"test_predict_{next(NUMBERS)}"
    Language.component(name, func=component)
    nlp.add_pipe(name, **position)


def add_ruler(nlp: Language) -> None:
    patterns = [{"label": "THING", "pattern": name} for name in (*PEOPLE, *CITIES, *FIRMS)]
    nlp.add_pipe("entity_ruler", first=True).add_patterns(patterns)


def ask(nlp: Language, docs: Dict[str, Doc], **settings: Any) -> Dict[str, List[Answers]]:
    """Answers and candidates, by document."""
    found = {}
    for answers, candidates in predict_answers(nlp, docs, **settings):
        assert answers.items() <= candidates.items()
        (title,) = {triple.document for triple in candidates}
        found[title] = [answers, candidates]
    return found


def test_candidates_are_what_a_lower_threshold_gives(nlp: Language, docs: Dict[str, Doc]) -> None:
    found = ask(nlp, docs)
    nlp.get_pipe(EXTRACTOR).cfg["threshold"] = LOWEST
    lower = ask(nlp, docs)
    assert list(found) == list(docs) == list(lower)
    assert any(len(candidates) > len(answers) for answers, candidates in found.values())
    for title, (answers, candidates) in found.items():
        assert candidates == lower[title][0] == lower[title][1]
        assert answers == above(candidates, 0.5)


def test_low_threshold(nlp: Language, docs: Dict[str, Doc]) -> None:
    nlp.get_pipe(EXTRACTOR).cfg["threshold"] = 0.0
    found = ask(nlp, docs)
    assert found and list(found) == list(docs)
    for title, (answers, candidates) in found.items():
        number = len(docs[title]._.entities)
        assert len(answers) == number * (number - 1) * 3 > 0
        assert answers == candidates


def test_best_relation_alone(nlp: Language, docs: Dict[str, Doc]) -> None:
    nlp.get_pipe(EXTRACTOR).cfg.update(threshold=0.0, top_k=1)
    for answers, _ in ask(nlp, docs).values():
        assert len({triple.pair for triple in answers}) == len(answers) > 0


@pytest.mark.filterwarnings("ignore:.*finds no relations")
@pytest.mark.parametrize("with_gold_entities", [True, False])
def test_pipeline_stays_as_it_is(
    make_pipeline: Callable, make_examples: Callable, docs: Dict, with_gold_entities: bool
) -> None:
    """Before, while and after it is asked, and also where nobody waits for all answers."""
    nlp = make_pipeline(examples=make_examples(10), threshold=0.4, **MARKING)
    ruler = nlp.add_pipe("span_ruler", first=True, config={"spans_key": "mine"})
    ruler.add_patterns([{"label": "THING", "pattern": city} for city in CITIES])
    nlp.add_pipe("entity_ruler", first=True)
    nlp.disable_pipe("entity_ruler")

    def state() -> List[Any]:
        extractor, transformer = nlp.get_pipe(EXTRACTOR), nlp.get_pipe("transformer")
        return [
            nlp.config.to_str(),
            nlp.meta,
            list(nlp.pipeline),
            list(nlp.disabled),
            nlp.default_error_handler,
            {name: dict(vars(pipe)) for name, pipe in nlp.pipeline if hasattr(pipe, "__dict__")},
            (extractor.entity_policy.getter, extractor.predict, extractor.set_annotations),
            dict(extractor.cfg),
            dict(vars(transformer.model.mention_markers)),
        ]

    before = state()
    answers = predict_answers(nlp, docs, with_gold_entities=with_gold_entities, batch_size=2)
    next(answers)
    assert state() == before
    answers.close()
    list(predict_answers(nlp, docs, with_gold_entities=with_gold_entities))
    assert state() == before


def test_marked_mentions_are_those_of_gold(
    make_pipeline: Callable, make_examples: Callable, docs: Dict[str, Doc]
) -> None:
    """Wherever the pipeline would look for entities, extractor and markers get gold's."""
    nlp = make_pipeline(examples=make_examples(10), **MARKING)
    pieces, entities = [], []
    add(nlp, lambda doc: pieces.append(sum(doc._.trf_data.wordpieces.strings, [])))
    add(nlp, lambda doc: entities.append([entity.text for entity in doc._.entities]))
    list(predict_answers(nlp, docs))
    for doc, found, texts in zip(docs.values(), pieces, entities, strict=True):
        mentions = sum(len(entity.mentions) for entity in doc._.entities)
        assert found.count("*") >= 2 * mentions
        assert texts == [entity.text for entity in doc._.entities]
    assert len(pieces) == len(entities) == len(docs)


def test_last_of_several_extractors_answers(
    trained_folder: Path, nlp: Language, docs: Dict[str, Doc]
) -> None:
    expected = ask(nlp, docs)
    other = load_unsure(trained_folder)
    for pipeline in (nlp, other):
        pipeline.replace_listeners("transformer", EXTRACTOR, ["model.tok2vec"])
    nlp.add_pipe(EXTRACTOR, name="second", source=other)
    nlp.get_pipe(EXTRACTOR).cfg["threshold"] = 0.6
    nlp.get_pipe("second").cfg["threshold"] = 1.0
    seen = []
    add(nlp, lambda doc: seen.append(len(doc._.relations)), after=EXTRACTOR)
    for title, (answers, candidates) in ask(nlp, docs).items():
        assert answers == {}
        assert candidates.keys() == expected[title][1].keys()
    # The first one has worked with its own threshold.
    assert seen == [len(above(answers, 0.6)) for answers, _ in expected.values()]


def test_components_after_the_extractor_have_the_last_word(
    nlp: Language, docs: Dict[str, Doc]
) -> None:
    def keep_births(doc: Doc) -> None:
        doc._.relations = [r for r in doc._.relations if r.label_ == "born in"]

    expected = ask(nlp, docs)
    add(nlp, keep_births, last=True)
    num_taken = 0
    for title, (answers, candidates) in ask(nlp, docs).items():
        all_answers, all_candidates = expected[title]
        assert answers == {t: a for t, a in all_answers.items() if t.label == "born in"}
        less_probable = all_candidates.keys() - all_answers.keys()
        assert candidates.keys() == answers.keys() | less_probable
        num_taken += len(all_answers) - len(answers)
    assert num_taken


@pytest.mark.filterwarnings("ignore:.W036")
def test_entities_are_found(nlp: Language, docs: Dict[str, Doc]) -> None:
    add_ruler(nlp)
    expected = ask(nlp, docs)
    found = ask(nlp, docs, with_gold_entities=False)
    for title, (answers, _) in found.items():
        assert answers.keys() == expected[title][0].keys()
    nlp.get_pipe("entity_ruler").clear()
    assert list(predict_answers(nlp, docs, with_gold_entities=False)) == [({}, {})] * len(docs)
    assert list(ask(nlp, docs)) == list(docs)


def test_attention_is_released(nlp: Language, docs: Dict[str, Doc]) -> None:
    """Also where nothing finds entities."""
    had, kept = [], []
    add(nlp, lambda doc: had.append(attention_of(doc._.trf_data) is not None), before=EXTRACTOR)
    add(nlp, lambda doc: kept.append(attention_of(doc._.trf_data) is not None), last=True)
    ask(nlp, docs)
    with pytest.warns(UserWarning, match="finds no relations"):
        list(predict_answers(nlp, docs, with_gold_entities=False))
    assert had == [True] * 2 * len(docs)
    assert kept == [False] * 2 * len(docs)


@pytest.mark.parametrize("position_of_error", ["before the extractor", "in it", "after it"])
def test_document_that_fails_leaves_the_others_alone(
    nlp: Language, docs: Dict[str, Doc], position_of_error: str
) -> None:
    second = docs["Document 1"].text

    def fail(doc: Doc) -> None:
        if doc.text == second:
            if position_of_error != "in it":
                raise ValueError("a failure")
            release_attention(doc)

    expected = ask(nlp, docs)
    position = {"last": True} if position_of_error == "after it" else {"before": EXTRACTOR}
    add(nlp, fail, **position)
    with pytest.raises(ValueError, match="a failure|has lost its attention"):
        ask(nlp, docs)
    nlp.set_error_handler(ignore_error)
    found = ask(nlp, docs)
    assert list(found) == [title for title in docs if title != "Document 1"]
    for title, answers in found.items():
        assert [part.keys() for part in answers] == [part.keys() for part in expected[title]]


def test_changed_tokens(nlp: Language, docs: Dict[str, Doc]) -> None:
    def merge_first_two(doc: Doc) -> None:
        with doc.retokenize() as retokenizer:
            retokenizer.merge(Span(doc, 0, 2))

    add(nlp, merge_first_two, first=True)
    with pytest.raises(ValueError, match="changes the tokens of 'Document 0'.*--find-entities"):
        ask(nlp, docs)
    add_ruler(nlp)
    found = ask(nlp, docs, with_gold_entities=False)
    assert list(found) == list(docs)


def test_gold_documents_stay_as_they_are(nlp: Language, docs: Dict[str, Doc]) -> None:
    """The entities that the pipeline is given are on copies."""
    before = [doc.to_bytes() for doc in docs.values()]
    list(predict_answers(nlp, docs))
    assert [doc.to_bytes() for doc in docs.values()] == before
