"""Mentions and the tokens they have: merged, split, copied and joined documents."""

import warnings
from typing import Callable, List

import pytest
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.data.gold_annotations import set_gold_annotations
from spacy_docre.entity_sources import (
    make_default_entities,
    make_doc_ents_entities,
    make_span_group_entities,
)
from spacy_docre.mentions import distinct_mentions, group_spans, without_space

VOCAB = Vocab()


def born(name: str, place: str) -> Doc:
    """An annotated document."""
    words = f"{name} was born in {place} .".split()
    doc = Doc(VOCAB, words=words)
    first, last = len(name.split()), len(words) - 1
    entities = [[(0, first, "PER")], [(last - len(place.split()), last, "LOC")]]
    set_gold_annotations(doc, entities, [Triple(0, 1, "P19")])
    return doc


def stored(doc: Doc) -> Doc:
    (copied,) = DocBin(docs=[doc], store_user_data=True).get_docs(VOCAB)
    return copied


def copied(doc: Doc) -> Doc:
    return doc.copy()


def sent(doc: Doc) -> Doc:
    return Doc(VOCAB).from_bytes(doc.to_bytes())


def texts(entities: List[List[Span]]) -> List[List[str]]:
    return [[mention.text for mention in mentions] for mentions in entities]


class TestMergedDocuments:
    @pytest.mark.filterwarnings("ignore:.*W102")
    @pytest.mark.parametrize("way", [lambda doc: doc, stored, copied, sent])
    def test_an_id_is_of_its_document(self, way: Callable[[Doc], Doc]) -> None:
        docs = [born("Albert Einstein", "Ulm"), born("Marie Curie", "Warsaw")]
        merged = way(Doc.from_docs([way(doc) for doc in docs]))
        with pytest.warns(UserWarning, match="2 ids in doc.spans.*in more than one of them"):
            entities = make_default_entities()(merged)
        expected = [["Albert Einstein"], ["Ulm"], ["Marie Curie"], ["Warsaw"]]
        assert texts(entities) == expected
        assert texts(make_doc_ents_entities()(merged)) == expected
        # What tells of tokens is not copied.
        assert merged._.entities == merged._.relations == []
        merged._.entities = entities
        with pytest.warns(UserWarning, match="more than one"):
            assert texts(make_default_entities()(merged)) == expected
        assert [entity.text for entity in merged._.entities] == [text for (text,) in expected]

    @pytest.mark.filterwarnings("ignore")
    def test_merged_again(self) -> None:
        names = ("Ann", "Bo", "Cy Ray", "Di")
        docs = [born(name, place) for name, place in zip(names, "ABCD", strict=True)]
        first = Doc.from_docs(docs[:2])
        first._.entities = make_default_entities()(first)
        merged = Doc.from_docs([first, *docs[2:], Doc(VOCAB, words=["Nobody"])])
        assert texts(make_default_entities()(merged)) == [
            [text] for pair in zip(names, "ABCD", strict=True) for text in pair
        ]

    @pytest.mark.filterwarnings("ignore:.*W102")
    def test_new_ids_of_the_merged_document(self) -> None:
        merged = Doc.from_docs([born("Ann", "Ulm"), born("Ann", "Bonn")])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            set_gold_annotations(merged, [[(0, 1, "PER"), (6, 7, "PER")]], None)
            assert texts(make_default_entities()(merged)) == [["Ann", "Ann"]]


class TestTokensThatChange:
    def test_stored_entities_are_refused(self) -> None:
        doc = born("Albert Einstein", "Ulm")
        entity, relation = doc._.entities[1], doc._.relations[0]
        with doc.retokenize() as retokenizer:
            retokenizer.merge(doc[0:2])
        for read in (
            lambda: doc._.entities,
            lambda: doc._.relations,
            lambda: entity.mentions,
            lambda: relation.tail,
        ):
            with pytest.raises(ValueError, match="for 7 tokens, and it now has 6.*merge_entities"):
                read()
        # The spans of the group are still known, by their characters.
        entities = make_default_entities()(doc)
        assert texts(entities) == [["Albert Einstein"], ["Ulm"]]
        doc._.entities = entities
        assert [entity.text for entity in doc._.entities] == ["Albert Einstein", "Ulm"]

    def test_a_group_after_merges_and_splits(self) -> None:
        doc = Doc(VOCAB, words="Ada Lane met Bo in New York .".split())
        doc.spans["entities"] = [doc[0:2], Span(doc, 3, 4, label="PER", span_id="x"), doc[5:7]]
        with doc.retokenize() as retokenizer:
            retokenizer.merge(doc[5:8])
            retokenizer.merge(doc[0:2])
            retokenizer.split(doc[3], ["B", "o"], heads=[doc[3], doc[3]])
        found = group_spans(doc, "entities")
        # A mention grows to the token that it is a part of.
        assert [span.text for span in found] == ["Ada Lane", "Bo", "New York ."]
        assert (found[1].label_, found[1].id_) == ("PER", "x")

    @pytest.mark.parametrize("part", [slice(0, 7), slice(0, 2), slice(7, 14)])
    def test_part_of_a_document(self, part: slice) -> None:
        doc = Doc(VOCAB, words=("Ann Lane is from Oslo now . " * 2).split())
        doc._.entities = [[doc[0:2]], [doc[11:12]]]
        doc._.relations = [Triple(0, 1, "P19")]
        cut = doc[part].as_doc(copy_user_data=True)
        with pytest.raises(ValueError, match="Span.as_doc copied"):
            assert cut._.entities
        assert doc[part].as_doc()._.entities == []
        whole = doc[:].as_doc(copy_user_data=True)
        assert [entity.text for entity in whole._.entities] == ["Ann Lane", "Oslo"]

    def test_a_doc_of_an_earlier_version(self) -> None:
        doc = Doc(VOCAB, words=["Ann"])
        doc.user_data["docre_entities"] = [[[0, 1, "PER", "0"]]]
        assert doc._.entities[0].text == "Ann"


class TestDistinctMentions:
    def test_white_space_at_the_ends(self) -> None:
        doc = Doc(VOCAB, words=["\n", "Ann", "\n", "Bo", " "])
        assert without_space(doc, 0, 3) == (1, 2)
        assert without_space(doc, 2, 3) == (2, 3)
        spans = [doc[0:2], doc[1:2], Span(doc, 1, 3, label="PER"), doc[2:3], doc[3:5], doc[1:4]]
        assert distinct_mentions(spans) == [doc[0:2], doc[2:3], doc[3:5], doc[1:4]]

    def test_spans_without_characters_are_told(self) -> None:
        doc = Doc(VOCAB, words=["Ann", "left"])
        doc.spans["entities"] = [Span(doc, 1, 1, span_id="a"), Span(doc, 0, 1, span_id="b")]
        with pytest.warns(UserWarning, match="1 spans of doc.spans.*have no characters"):
            assert texts(make_span_group_entities()(doc)) == [["Ann"]]
