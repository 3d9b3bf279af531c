"""Trainings that start from the weights of another."""

from pathlib import Path
from typing import Any, Callable

import pytest
import spacy
from spacy.language import Language

from spacy_docre.models.weights import get_weights
from spacy_docre.training.start import make_weights_loader

EXTRACTOR = "doc_relation_extractor"
SHIPPED = Path(__file__).parents[2] / "assets" / "en_docre_wiki_sm"


def test_weights_are_those_it_starts_from(
    make_pipeline: Callable, make_examples: Callable, trained: Language, trained_folder: Path
) -> None:
    settings = {"hidden_dropout_prob": 0.4, "attn_implementation": "eager"}
    nlp = make_pipeline(
        examples=make_examples(10), transformer={"transformer_config": settings}, threshold=0.2
    )
    make_weights_loader(trained_folder)(nlp)
    for name, component in nlp.pipeline:
        expected = get_weights(trained.get_pipe(name).model)  # type: ignore[attr-defined]
        found = get_weights(component.model)  # type: ignore[attr-defined]
        assert found.keys() == expected.keys()
        for key, weight in found.items():
            assert weight.equal(expected[key]), key
    # All else is as in the new config.
    transformer = nlp.get_pipe("transformer").model.transformer
    assert transformer.config._attn_implementation == "eager"
    assert transformer.encoder.layer[0].output.dropout.p == 0.4
    assert nlp.get_pipe("doc_relation_extractor").cfg["threshold"] == 0.2


def test_labels_of_both(
    make_pipeline: Callable, make_examples: Callable, trained: Language, trained_folder: Path
) -> None:
    """A stage whose documents lack some of the relations, and have others: what is known of a
    relation stays with it, whatever its place."""
    examples = make_examples(10)
    known = trained.get_pipe(EXTRACTOR).labels  # type: ignore[attr-defined]
    assert len(known) > 1
    nlp = make_pipeline(examples=examples)
    extractor = nlp.get_pipe(EXTRACTOR)
    # As many, in another order.
    extractor.cfg["labels"] = ["new", *known[:0:-1]]
    make_weights_loader(trained_folder)(nlp)
    assert extractor.labels == (*known, "new")
    for example in examples[:3]:
        expected, found = (
            {
                (relation.head.index, relation.tail.index, relation.label_): relation.score
                for relation in each(example.predicted.copy())._.relations
                if relation.label_ != "new"
            }
            for each in (trained, nlp)
        )
        assert expected and found == pytest.approx(expected, abs=1e-5)


def test_names_of_both(
    make_pipeline: Callable, make_examples: Callable, trained_folder: Path, tmp_path: Path
) -> None:
    """The documents of the new training may have no readable names."""
    other = spacy.load(trained_folder)
    known: Any = other.get_pipe(EXTRACTOR)
    first, second, *_ = known.labels
    known.label_names.update({first: "old", second: "old"})
    other.to_disk(tmp_path / "other")
    nlp = make_pipeline(examples=make_examples(10))
    extractor = nlp.get_pipe(EXTRACTOR)
    extractor.label_names[second] = "new"
    make_weights_loader(tmp_path / "other")(nlp)
    assert extractor.label_names == {first: "old", second: "new"}


def test_other_sizes(
    make_pipeline: Callable, make_examples: Callable, trained_folder: Path
) -> None:
    nlp = make_pipeline(
        examples=make_examples(10),
        transformer={"transformer_config": {"num_hidden_layers": 2}},
    )
    with pytest.raises(ValueError, match="component 'transformer' of .* do not fit.*is missing"):
        make_weights_loader(trained_folder)(nlp)
    nlp = make_pipeline(examples=make_examples(10), model={"pair_width": 16})
    with pytest.raises(ValueError, match="'doc_relation_extractor'.*is 16 in the model, and 32 in"):
        make_weights_loader(trained_folder)(nlp)


def test_components_of_any_kind() -> None:
    """The shipped pipeline has a senter, which keeps no labels, and ner."""
    nlp, shipped = spacy.load(SHIPPED), spacy.load(SHIPPED)
    for name in ("senter", "ner"):
        for node in nlp.get_pipe(name).model.walk():  # type: ignore[attr-defined]
            for key in node.param_names:
                if node.has_param(key):
                    node.set_param(key, node.get_param(key) + 1)
    make_weights_loader(SHIPPED)(nlp)
    for name in ("senter", "ner"):
        expected = get_weights(shipped.get_pipe(name).model)  # type: ignore[attr-defined]
        assert expected
        for key, weight in get_weights(nlp.get_pipe(name).model).items():  # type: ignore[attr-defined]
            assert weight.equal(expected[key]), key


def test_nothing_to_start_from(trained: Language, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing, to start from, cannot be loaded"):
        make_weights_loader(tmp_path / "missing")(trained)
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ValueError, match="no component to start from"):
        make_weights_loader(tmp_path / "blank")(trained)
