"""What training documents state."""

from pathlib import Path
from typing import Callable

import pytest

from spacy_docre.data.corpus_files import write_docs
from spacy_docre.evaluation.training_data import read_training_data


def test_only_facts_that_are_asked_for_are_kept(tmp_path: Path, make_examples: Callable) -> None:
    docs = [example.reference for example in make_examples(5)]
    write_docs({tmp_path / "train.spacy": docs})
    relation = docs[0]._.relations[0]
    fact = (relation.head.text, relation.tail.text, relation.label_)
    training = read_training_data(tmp_path / "train.spacy", {fact, ("Ada", "Oslo", "P0")})
    assert training.facts == {fact}
    assert sum(training.labels.values()) == sum(len(doc._.relations) for doc in docs)


def test_documents_without_annotated_relations(tmp_path: Path, make_examples: Callable) -> None:
    (doc,) = (example.reference for example in make_examples(1))
    del doc.user_data["docre_relations"]
    write_docs({tmp_path / "none.spacy": [doc]})
    with pytest.raises(ValueError, match="none.spacy holds no relations"):
        read_training_data(tmp_path / "none.spacy", set())
