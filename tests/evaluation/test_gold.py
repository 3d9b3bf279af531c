"""Gold documents as metrics see them."""

from pathlib import Path
from typing import Callable

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.annotations import mark_partial
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.data.gold_annotations import entity_names, set_gold_annotations, set_mention_names
from spacy_docre.evaluation.gold import GoldDocument, facts_of, read_gold
from spacy_docre.evaluation.metrics import ScoredTriple

WORDS = "Ada Lane was born . She left . Lane went to New Haven ( US ) .".split()
STARTS = [0, 5, 8]
ADA, HAVEN, SHE = [(0, 2, "PER"), (8, 9, "PER")], [(11, 13, "LOC")], [(5, 6, "PER")]
BORN, LEFT = ScoredTriple("A", 0, 1, "P19"), ScoredTriple("A", 2, 1, "P1")


@pytest.fixture
def doc() -> Doc:
    doc = Doc(Vocab(), words=WORDS, sent_starts=[index in STARTS for index in range(len(WORDS))])
    evidence = ((0, 5), (8, 17))
    relations = [Triple(0, 1, "P19", evidence=evidence), Triple(2, 1, "P1")]
    set_gold_annotations(doc, [ADA, HAVEN, SHE], relations)
    return doc


def test_triples_and_evidence(doc: Doc) -> None:
    gold = GoldDocument.from_doc(doc, "A")
    assert gold.triples == {BORN: {0, 2}, LEFT: frozenset()}
    assert gold.num_words == len(WORDS)


def test_evidence_need_not_begin_with_its_sentence(doc: Doc) -> None:
    doc._.relations = [Triple(0, 1, "P19", evidence=((6, 7),))]
    assert GoldDocument.from_doc(doc, "A").triples == {BORN: {1}}


@pytest.mark.parametrize(
    "head, tail, distance",
    [(0, 1, 0), (1, 0, 0), (2, 1, 1), (0, 2, 1), (-1, 1, None), (0, -2, None), (0, 3, None)],
)
def test_distance(doc: Doc, head: int, tail: int, distance: int) -> None:
    assert (
        GoldDocument.from_doc(doc, "A").distance(ScoredTriple("A", head, tail, "P19")) == distance
    )


def test_without_sentences(doc: Doc) -> None:
    bare = Doc(doc.vocab, words=WORDS)
    set_gold_annotations(bare, [ADA, HAVEN, SHE], [relation.triple for relation in doc._.relations])
    gold = GoldDocument.from_doc(bare, "A")
    assert gold.triples == {BORN: frozenset(), LEFT: frozenset()}
    assert gold.distance(BORN) is None


@pytest.mark.parametrize(
    "fact, known",
    [
        (("Ada Lane", "New Haven", "P19"), True),
        (("Lane", "New Haven", "P19"), True),
        (("Lane", "New Haven", "P20"), False),
        (("New Haven", "Lane", "P19"), False),
        (("She", "New Haven", "P19"), False),
        (("Lane", "Haven", "P19"), False),
    ],
)
def test_known_by_any_names(doc: Doc, fact: tuple, known: bool) -> None:
    assert GoldDocument.from_doc(doc, "A").known({fact}) == ({BORN} if known else set())


def test_facts(doc: Doc) -> None:
    assert set(facts_of(doc)) == {
        ("Ada Lane", "New Haven", "P19"),
        ("Lane", "New Haven", "P19"),
        ("She", "New Haven", "P1"),
    }


def test_names_of_the_file_are_kept(doc: Doc) -> None:
    set_mention_names(
        doc, [(0, 0, 2, "Ada Lane"), (1, 11, 13, "New Haven, US"), (1, 11, 13, "New Haven")]
    )
    doc = Doc(Vocab()).from_bytes(doc.to_bytes())
    assert [entity_names(entity) for entity in doc._.entities] == [
        {"Ada Lane", "Lane"},
        {"New Haven, US", "New Haven"},
        {"She"},
    ]
    assert GoldDocument.from_doc(doc, "A").known({("Lane", "New Haven, US", "P19")}) == {BORN}


def test_documents_of_one_title(tmp_path: Path, make_examples: Callable) -> None:
    docs = [example.reference for example in make_examples(2)]
    for doc in docs:
        doc.user_data["title"] = "A"
    write_docs({tmp_path / "gold.spacy": docs})
    with pytest.raises(ValueError, match="two documents with the title 'A'.*user_data"):
        read_gold(tmp_path / "gold.spacy", Vocab())


def test_documents_without_annotated_relations(tmp_path: Path, make_examples: Callable) -> None:
    docs = [example.reference for example in make_examples(3)]
    del docs[1].user_data["docre_relations"]
    write_docs({tmp_path / "some.spacy": docs, tmp_path / "none.spacy": docs[1:2]})
    documents = read_gold(tmp_path / "some.spacy", Vocab())
    assert list(documents.docs) == ["Document 1", "Document 3"]
    assert documents.not_annotated == ["Document 2"]
    with pytest.raises(ValueError, match="none.spacy has no document with annotated relations"):
        read_gold(tmp_path / "none.spacy", Vocab())


def test_documents_with_partial_relations(tmp_path: Path, make_examples: Callable) -> None:
    docs = [example.reference for example in make_examples(3)]
    mark_partial(docs[1])
    write_docs({tmp_path / "some.spacy": docs, tmp_path / "none.spacy": docs[1:2]})
    documents = read_gold(tmp_path / "some.spacy", Vocab())
    assert list(documents.docs) == ["Document 1", "Document 3"]
    assert documents.partial == ["Document 2"] and not documents.not_annotated
    with pytest.raises(ValueError, match="annotated relations, but 1 with partial ones"):
        read_gold(tmp_path / "none.spacy", Vocab())
