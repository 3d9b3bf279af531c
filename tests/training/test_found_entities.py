"""Documents with the entities that a pipeline finds in their texts."""

from pathlib import Path
from typing import Callable, List

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam

from spacy_docre.alignment import GoldAlignment
from spacy_docre.data.gold_annotations import make_example
from spacy_docre.entity_sources import gold_entities

# "Ember Lab" and some others stay unknown, and "Later" is no name.
RULES = {"PER": ["Ada Lane", "Bruno", "Clara Weiss", "Later"], "LOC": ["Oslo", "Turin", "Graz"]}


@pytest.fixture(scope="module")
def folder(make_pipeline: Callable, make_examples: Callable, tmp_path_factory) -> Path:
    """A pipeline that finds some names, and cuts others short."""
    nlp: Language = make_pipeline(examples=make_examples(4))
    nlp.add_pipe("sentencizer", first=True)
    ruler = nlp.add_pipe("entity_ruler", after="sentencizer")
    ruler.add_patterns(
        [{"label": label, "pattern": name} for label, names in RULES.items() for name in names]
    )
    nlp.add_pipe("entity_clusterer", after="entity_ruler")
    path: Path = tmp_path_factory.mktemp("pipeline") / "finder"
    nlp.to_disk(path)
    return path


@pytest.fixture
def references(make_examples: Callable) -> List[Doc]:
    return [example.reference for example in make_examples(6, seed=3)]


def found(doc: Doc) -> List[List[str]]:
    return [[span.text for span in mentions] for mentions in gold_entities(doc)]


def test_entities_words_and_sentences_are_those_of_the_pipeline(
    folder: Path, references: List[Doc]
) -> None:
    augment = registry.augmenters.get("spacy_docre.found_entities.v1")(folder)
    student, finder = spacy.blank("en"), spacy.load(folder)
    for reference in references:
        before = reference.to_bytes()
        (example,) = augment(student, make_example(reference))
        expected = finder(reference.text)
        assert example.reference is reference
        assert reference.to_bytes() == before
        assert found(example.predicted) == [
            [span.text for span in entity.mentions] for entity in expected._.entities
        ]
        assert [token.text for token in example.predicted] == [token.text for token in expected]
        assert [sent.text for sent in example.predicted.sents] == [
            sent.text for sent in expected.sents
        ]
        assert example.predicted.vocab is student.vocab
        # `ner` of the student would leave names alone that are set.
        assert not example.predicted.has_annotation("ENT_IOB")
        assert not example.predicted.user_data.get("docre_relations")


def test_relations_hold_between_the_entities_that_were_found(
    folder: Path, references: List[Doc], make_pipeline: Callable, train_step: Callable
) -> None:
    """Those of names that were not are left out, and false names have none."""
    augment = registry.augmenters.get("spacy_docre.found_entities.v1")(folder)
    student = make_pipeline(examples=[make_example(doc) for doc in references])
    examples = [changed for doc in references for changed in augment(student, make_example(doc))]
    alignments = [GoldAlignment(example, gold_entities(example.predicted)) for example in examples]
    lost = [
        gold
        for alignment in alignments
        for gold in range(len(alignment.gold))
        if gold not in alignment.to_predicted
    ]
    assert lost
    assert any(len(alignment.to_gold) < len(alignment.predicted) for alignment in alignments)
    optimizer = Adam(0.001)
    losses = [train_step(student, examples, optimizer)["doc_relation_extractor"] for _ in range(40)]
    assert losses[-1] < losses[0] / 2


def test_ner_learns_mentions_that_the_pipeline_parts(
    make_pipeline: Callable, make_examples: Callable, tmp_path: Path
) -> None:
    """Wherever its sentences begin: spaCy's `ner` ends with E024 where one begins in a mention."""
    finder: Language = make_pipeline(examples=make_examples(4))
    # Each capital begins a sentence.
    patterns = [[{"TEXT": {"REGEX": "^[A-Z]"}}]]
    ruler = finder.add_pipe("attribute_ruler", first=True)
    ruler.add(patterns, {"SENT_START": 1})
    finder.add_pipe("entity_ruler", first=True).add_patterns([{"label": "X", "pattern": "Nobody"}])
    finder.to_disk(tmp_path / "finder")
    augment = registry.augmenters.get("spacy_docre.found_entities.v1")(tmp_path / "finder")
    student = spacy.blank("en")
    student.add_pipe("ner")
    references = [example.reference for example in make_examples(6, seed=3)]
    student.initialize(lambda: [make_example(doc) for doc in references])
    examples = [changed for doc in references for changed in augment(student, make_example(doc))]
    starts = [token for example in examples for token in example.predicted if token.is_sent_start]
    assert len(starts) > 3 * len(examples)
    for example in examples:
        mentions = example.get_aligned_spans_y2x(example.reference.ents)
        assert any(len(mention) > 1 for mention in mentions)
    for _ in range(30):
        losses = student.update(examples)
    for example in examples:
        predicted = student(example.predicted.copy())
        assert [ent.text for ent in predicted.ents] == [
            ent.text for ent in example.reference.ents
        ], losses


def test_a_share_of_the_documents(folder: Path, references: List[Doc]) -> None:
    make = registry.augmenters.get("spacy_docre.found_entities.v1")
    for path, level, expected in (
        (folder, 0.0, {"gold"}),
        (folder, 0.5, {"gold", "found"}),
        (folder, 1.0, {"found"}),
        (None, 1.0, {"gold"}),
    ):
        augment = make(path, level)
        kinds = {
            "gold" if found(example.predicted) == found(doc) else "found"
            for doc in references * 5
            for example in augment(spacy.blank("en"), make_example(doc))
        }
        assert kinds == expected


@pytest.mark.parametrize("level", [-0.1, 1.5])
def test_no_share(folder: Path, level: float) -> None:
    with pytest.raises(ValueError, match="not a share"):
        registry.augmenters.get("spacy_docre.found_entities.v1")(folder, level)


def test_pipelines_that_find_nothing(
    make_pipeline: Callable, make_examples: Callable, references: List[Doc], tmp_path: Path
) -> None:
    make = registry.augmenters.get("spacy_docre.found_entities.v1")
    example: Example = make_example(references[0])
    with pytest.raises(ValueError, match="not-there cannot find entities"):
        list(make(tmp_path / "not-there")(spacy.blank("en"), example))
    make_pipeline(examples=make_examples(4)).to_disk(tmp_path / "bare")
    with pytest.warns(UserWarning, match="bare finds no entities. .*Add a component"):
        list(make(tmp_path / "bare")(spacy.blank("en"), example))
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ValueError, match="blank cannot find entities.*no relation extractor"):
        list(make(tmp_path / "blank")(spacy.blank("en"), example))
