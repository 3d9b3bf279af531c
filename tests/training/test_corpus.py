import random
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.corpus import walk_corpus
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Adam, Config

from spacy_docre import Triple
from spacy_docre.annotations import mark_partial
from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.data.gold_annotations import make_example
from spacy_docre.training.corpus import make_corpus, make_joined_corpora


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("en")


def make_reference(nlp: Language, index: int = 0) -> Doc:
    """Ann, who is He, lives in Oslo. The words are not spaCy's."""
    doc = Doc(
        nlp.vocab,
        words=["Ann", "lives", "in", "Oslo", ".", "He", "is", "No.", "-", str(index)],
        spaces=[True, True, True, False, True, True, True, False, False, False],
        sent_starts=[1, -1, -1, -1, -1, 1, -1, -1, -1, -1],
    )
    doc.ents = [Span(doc, 3, 4, label="LOC")]
    # Other ids and another order than those of the entities.
    doc.spans["entities"] = [Span(doc, 3, 4, label="LOC", span_id="x")]
    doc._.entities = [
        [Span(doc, 5, 6, label="PER", span_id="a"), Span(doc, 0, 1, label="PER", span_id="a")],
        [Span(doc, 3, 4, label="LOC", span_id="b")],
    ]
    doc._.relations = [Triple(0, 1, "P551")]
    return doc


def write(path: Path, docs: List[Doc], store_user_data: bool = True) -> Path:
    DocBin(store_user_data=store_user_data, docs=docs).to_disk(path)
    return path


def group(doc: Doc) -> List[Any]:
    return [(span.text, span.label_, span.id_) for span in doc.spans["entities"]]


@pytest.mark.parametrize("name", ["dve.spacy", "dve", "empty"])
def test_paths_without_documents(nlp: Language, name: str, tmp_path: Path) -> None:
    """A mistyped path would train, or evaluate, on nothing. A corpus that nobody reads may be
    missing."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    corpus = make_corpus(tmp_path / name)
    with pytest.raises(ValueError, match=rf"no documents at .*{name}.* \[paths\]"):
        list(corpus(nlp))


def test_predicted_has_the_gold_entities(nlp: Language, tmp_path: Path) -> None:
    path = write(tmp_path / "train.spacy", [make_reference(nlp)])
    (example,) = make_corpus(path)(nlp)
    predicted, reference = example.predicted, example.reference
    assert [token.text_with_ws for token in predicted] == [
        token.text_with_ws for token in reference
    ]
    assert [token.is_sent_start for token in predicted] == [
        token.is_sent_start for token in reference
    ]
    assert group(predicted) == [("He", "PER", "0"), ("Ann", "PER", "0"), ("Oslo", "LOC", "1")]
    assert reference._.relations[0].triple == Triple(0, 1, "P551")


def test_predicted_has_nothing_else(nlp: Language) -> None:
    predicted = make_example(make_reference(nlp)).predicted
    assert not predicted.has_annotation("ENT_IOB")
    assert predicted.ents == ()
    assert list(predicted.spans) == ["entities"]
    assert predicted._.entities == predicted._.relations == []


def test_entities_of_a_span_group(nlp: Language, tmp_path: Path) -> None:
    doc = make_reference(nlp)
    doc.spans["entities"] = [
        Span(doc, 3, 4, label="LOC", span_id="x"),
        Span(doc, 0, 1, label="PER", span_id="y"),
        Span(doc, 5, 6, label="PER"),
        Span(doc, 3, 5, label="LOC", span_id="x"),
    ]
    path = write(tmp_path / "train.spacy", [doc], store_user_data=False)
    (example,) = make_corpus(path)(nlp)
    assert group(example.predicted) == [
        ("Oslo", "LOC", "0"),
        ("Oslo.", "LOC", "0"),
        ("Ann", "PER", "1"),
        ("He", "PER", "2"),
    ]


def test_entities_of_doc_ents(nlp: Language) -> None:
    doc = Doc(nlp.vocab, words=["Oslo", "is", "oslo"])
    doc.ents = [Span(doc, 0, 1, label="LOC"), Span(doc, 2, 3, label="LOC")]
    example = make_example(doc)
    assert group(example.predicted) == [("Oslo", "LOC", "0"), ("oslo", "LOC", "0")]
    assert not example.predicted.has_annotation("ENT_IOB")


def test_no_sentences(nlp: Language) -> None:
    predicted = make_example(Doc(nlp.vocab, words=["a", "b"])).predicted
    assert not predicted.has_annotation("SENT_START")


def test_every_document_gives_an_example(nlp: Language, tmp_path: Path) -> None:
    empty_group = Doc(nlp.vocab, words=["a"])
    empty_group.spans["entities"] = []
    no_entities = Doc(nlp.vocab, words=["b"])
    no_entities._.entities = []
    docs = [Doc(nlp.vocab), empty_group, no_entities, Doc(nlp.vocab, words=["c"])]
    path = write(tmp_path / "dev.spacy", docs)
    examples = list(make_corpus(path)(nlp))
    assert [example.predicted.text.strip() for example in examples] == ["", "a", "b", "c"]
    assert [group(example.predicted) for example in examples] == [[], [], [], []]
    assert all("entities" in example.predicted.spans for example in examples)


def numbers(examples: Any) -> List[int]:
    return [int(example.reference[-1].text) for example in examples]


@pytest.fixture
def folder(nlp: Language, tmp_path: Path) -> Path:
    """Documents 0 to 9 in two files, and a file of another kind."""
    write(tmp_path / "a.spacy", [make_reference(nlp, index) for index in range(4)])
    write(tmp_path / "b.spacy", [make_reference(nlp, index) for index in range(4, 10)])
    (tmp_path / "c.txt").write_text("text")
    return tmp_path


@pytest.mark.parametrize("limit, expected", [(0, 10), (3, 3), (6, 6), (20, 10)])
def test_folder_and_limit(nlp: Language, folder: Path, limit: int, expected: int) -> None:
    corpus = make_corpus(folder, limit=limit)
    assert numbers(corpus(nlp)) == list(range(expected))
    # It can be read again.
    assert numbers(corpus(nlp)) == list(range(expected))


def test_shuffle(nlp: Language, folder: Path) -> None:
    corpus = make_corpus(str(folder), limit=8, shuffle=True)
    random.seed(0)
    first, second = numbers(corpus(nlp)), numbers(corpus(nlp))
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second
    random.seed(0)
    assert numbers(corpus(nlp)) == first


def test_files_are_shuffled_one_by_one(nlp: Language, folder: Path) -> None:
    corpus = make_corpus(folder, shuffle=True)
    files = [
        numbers([make_example(doc) for doc in read_spacy_docs(f, nlp.vocab)])
        for f in walk_corpus(folder, ".spacy")
    ]
    orders = set()
    for _ in range(20):
        found = numbers(corpus(nlp))
        first = next(file for file in files if found[0] in file)
        assert sorted(found[: len(first)]) == first and sorted(found) == list(range(10))
        orders.add((tuple(first), tuple(found)))
    assert len({first for first, _ in orders}) == len(files) > 1
    assert len(orders) > 10


def test_no_path(nlp: Language, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        make_corpus(None)


def test_registered(nlp: Language, folder: Path) -> None:
    config = {"corpus": {"@readers": "spacy_docre.Corpus.v1", "path": str(folder), "limit": 2}}
    assert numbers(registry.resolve(config)["corpus"](nlp)) == [0, 1]


def test_spacy_trains_and_evaluates_on_the_examples(nlp: Language) -> None:
    nlp.add_pipe("ner")
    examples: List[Example] = [
        make_example(make_reference(nlp)),
        make_example(Doc(nlp.vocab)),
        make_example(Doc(nlp.vocab, words=["a"])),
    ]
    nlp.initialize(lambda: examples)
    assert nlp.update(examples)["ner"] > 0
    assert nlp.evaluate(examples)["ents_f"] is not None


class TestJoinedCorpora:
    def test_one_after_the_other(self, nlp: Language, tmp_path: Path) -> None:
        paths = [
            write(tmp_path / f"{name}.spacy", [make_reference(nlp, index) for index in indices])
            for name, indices in (("a", (1, 2, 3)), ("b", (4,)), ("c", (5, 6)))
        ]
        sections = {
            f"part {number}": {
                "@readers": "spacy_docre.Corpus.v1",
                "path": str(path),
                "limit": 2,
            }
            for number, path in enumerate(paths)
        }
        # As from a file: the sections are arguments without names.
        config = Config({"corpus": {"@readers": "spacy_docre.JoinedCorpora.v1", "*": sections}})
        config = Config().from_str(config.to_str())
        assert "[corpus.*.part 0]" in config.to_str()
        corpus = registry.resolve(config)["corpus"]
        # It can be read again.
        assert numbers(corpus(nlp)) == numbers(corpus(nlp)) == [1, 2, 4, 5, 6]

    def test_corpora_of_other_readers(self, nlp: Language, tmp_path: Path) -> None:
        path = write(tmp_path / "a.spacy", [make_reference(nlp, 1)])
        stock = registry.readers.get("spacy.Corpus.v1")(path, gold_preproc=False)
        corpus = make_joined_corpora(make_corpus(path), make_joined_corpora(stock))
        assert numbers(corpus(nlp)) == [1, 1]

    def test_no_corpus(self) -> None:
        with pytest.raises(ValueError, match=r"no corpora to join.*\[corpora.train"):
            make_joined_corpora()


def test_augmenter(nlp: Language, folder: Path) -> None:
    def twice(nlp: Language, example: Example) -> Iterator[Example]:
        yield example
        yield make_example(example.reference)

    assert numbers(make_corpus(folder, limit=2, augmenter=twice)(nlp)) == [0, 0, 1, 1]


@pytest.fixture
def joined(tmp_path: Path, corpus: Path, stored: Path, make_examples: Callable) -> Config:
    """The config of complete documents, partial ones with a teacher, and unlabelled ones, with
    changed white space."""
    complete, unlabelled = tmp_path / "complete.spacy", tmp_path / "unlabelled.spacy"
    partial = tmp_path / "partial.spacy"
    taught = list(read_spacy_docs(corpus, Vocab()))
    for doc in taught:
        mark_partial(doc)
    others = [example.reference for example in make_examples(2, seed=6)]
    for doc in others:
        doc._.entities = doc._.entities
    write(complete, [example.reference for example in make_examples(2, seed=5)])
    write(partial, taught)
    write(unlabelled, others)
    white_space = {"@augmenters": "spacy_docre.white_space.v1", "level": 1.0}
    sections = {
        "complete": {"path": str(complete), "augmenter": white_space},
        "partial": {
            "path": str(partial),
            "teacher_logits": str(stored),
            "augmenter": white_space,
        },
        "unlabelled": {"path": str(unlabelled)},
    }
    for section in sections.values():
        section["@readers"] = "spacy_docre.Corpus.v1"
    return Config({"corpus": {"@readers": "spacy_docre.JoinedCorpora.v1", "*": sections}})


def test_all_kinds_of_documents_train_together(
    joined: Config, make_pipeline: Callable, train_step: Callable
) -> None:
    random.seed(0)
    examples = list(registry.resolve(joined)["corpus"](spacy.blank("en")))
    assert len(examples) == 10
    nlp = make_pipeline(
        examples=examples,
        distillation={"@misc": "spacy_docre.KLDistillation.v1"},
        partial={"@misc": "spacy_docre.TeacherDecides.v1"},
    )
    optimizer = Adam(0.001)
    losses = [train_step(nlp, examples, optimizer)["doc_relation_extractor"] for _ in range(8)]
    assert 0 < losses[-1] < losses[0]
    # Without a teacher of the partial ones it is an error that says so.
    del joined["corpus"]["*"]["partial"]["teacher_logits"]
    examples = list(registry.resolve(joined)["corpus"](spacy.blank("en")))
    with pytest.raises(ValueError, match="'Document 0' are partial.*document has none"):
        make_pipeline(examples=examples, partial={"@misc": "spacy_docre.TeacherDecides.v1"})
