"""Entities and relations as views on what a Doc stores."""

import json
import pickle
from typing import Any, Callable, Iterator

import numpy
import pytest
import srsly
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from spacy_docre import Entity, Relation, Triple
from spacy_docre.annotations import (
    has_partial_relations,
    mark_partial,
    possible_relations,
    sentence_boundaries,
    set_entities,
)

WORDS = "Marie Curie was born in Warsaw . Curie , or Madame Curie , left for Paris .".split()
TRIPLES = [
    Triple(0, 1, "P19", score=0.75, name="place of birth", evidence=((0, 7),)),
    Triple(0, 2, "P937", score=0.875, name="", evidence=((7, 17), (0, 7))),
    Triple(1, 2, "P190", score=0.5),
]


def make_doc() -> Doc:
    return Doc(Vocab(), words=WORDS, sent_starts=[i in (0, 7) for i in range(len(WORDS))])


@pytest.fixture
def doc() -> Doc:
    doc = make_doc()
    doc._.entities = [
        [
            Span(doc, 7, 8, label="PER", span_id="Q7186"),
            Span(doc, 0, 2, label="PER", span_id="Q7186"),
            Span(doc, 10, 12, label="MISC", span_id="Q7186"),
        ],
        [Span(doc, 5, 6, label="LOC")],
        [Span(doc, 15, 16, label="LOC", span_id="Q90")],
    ]
    doc._.relations = TRIPLES
    return doc


def contents(doc: Doc) -> Any:
    """All that the views show of a Doc."""
    entities = [
        (
            entity.index,
            entity.text,
            entity.label_,
            [
                (mention.start, mention.end, mention.label_, mention.id_)
                for mention in entity.mentions
            ],
        )
        for entity in doc._.entities
    ]
    relations = [
        (
            relation.head.text,
            relation.tail.text,
            relation.label_,
            relation.name,
            relation.score,
            [sentence.text for sentence in relation.evidence],
        )
        for relation in doc._.relations
    ]
    return entities, relations


class TestEntity:
    def test_mentions_are_spans_with_label_and_id(self, doc):
        first, second, third = doc._.entities
        assert [mention.text for mention in first.mentions] == [
            "Curie",
            "Marie Curie",
            "Madame Curie",
        ]
        assert all(isinstance(mention, Span) for mention in first.mentions)
        assert all(mention.doc is doc for mention in first.mentions)
        assert [mention.label_ for mention in first.mentions] == ["PER", "PER", "MISC"]
        assert {mention.id_ for mention in first.mentions} == {"Q7186"}
        assert [mention.id_ for mention in second.mentions] == [""]
        assert [mention.id_ for mention in third.mentions] == ["Q90"]

    def test_text_is_that_of_the_longest_mention(self, doc):
        assert [entity.text for entity in doc._.entities] == ["Madame Curie", "Warsaw", "Paris"]

    def test_text_at_a_tie_is_that_of_most_mentions_then_the_first(self):
        doc = Doc(Vocab(), words=["Bonn", "Lyon", "Oslo", "Bonn"])
        doc._.entities = [[doc[1:2], doc[0:1], doc[2:3]]]
        assert doc._.entities[0].text == "Lyon"
        doc._.entities = [[doc[1:2], doc[0:1], doc[2:3], doc[3:4]]]
        assert doc._.entities[0].text == "Bonn"

    def test_text_is_on_one_line(self):
        words = ["\n", "Marie", "\r\n", "Curie", "  ", "\xa0"]
        doc = Doc(Vocab(), words=words, spaces=[False, True, False, True, False, False])
        doc._.entities = [[doc[:]]]
        assert doc._.entities[0].text == "Marie Curie"
        assert doc._.entities[0].mentions[0].text == doc.text

    def test_label_is_that_of_most_mentions(self, doc):
        assert [entity.label_ for entity in doc._.entities] == ["PER", "LOC", "LOC"]

    def test_label_at_a_tie_is_that_of_the_first_mention(self, doc):
        doc._.entities = [[Span(doc, 5, 6, label="ORG"), Span(doc, 15, 16, label="LOC")]]
        assert doc._.entities[0].label_ == "ORG"

    def test_index_is_that_among_the_entities(self, doc):
        assert [entity.index for entity in doc._.entities] == [0, 1, 2]
        for entity in doc._.entities:
            assert doc._.entities[entity.index] == entity

    def test_entities_are_equal_by_document_and_index(self, doc):
        one, two, *_ = doc._.entities
        assert one == doc._.entities[0]
        assert one != two
        assert one != "Madame Curie"
        assert len({*doc._.entities, *doc._.entities}) == 3
        other = make_doc()
        other._.entities = [[other[7:8]]]
        assert one != other._.entities[0]

    def test_repr_says_what_it_is(self, doc):
        assert repr(doc._.entities[1]) == "Entity('Warsaw', 'LOC')"


class TestIdOfAnEntity:
    def test_nothing_has_linked_it(self, doc):
        assert [entity.id for entity in doc._.entities] == ["", "", ""]

    def test_a_linker_that_comes_later(self, doc):
        doc.ents = [
            Span(doc, 0, 2, label="PER", kb_id="Q7186"),
            Span(doc, 5, 6, label="LOC", kb_id="NIL"),
            Span(doc, 7, 8, label="PER", kb_id="Q37463"),
            Span(doc, 10, 12, label="PER", kb_id="Q7186"),
            Span(doc, 14, 16, label="LOC", kb_id="Q90"),
        ]
        assert [entity.id for entity in doc._.entities] == ["Q7186", "", ""]

    def test_a_ruler(self, doc):
        doc.ents = [Span(doc, 15, 16, label="LOC", span_id="paris")]
        assert [entity.id for entity in doc._.entities] == ["", "", "paris"]

    def test_a_linker_that_knows_no_id_does_not_hide_a_ruler(self, doc):
        doc.ents = [Span(doc, 15, 16, label="LOC", span_id="Q90", kb_id="NIL")]
        assert [entity.id for entity in doc._.entities] == ["", "", "Q90"]

    @pytest.mark.parametrize(
        "ids, id_",
        [(["Q1", "Q2", "Q2"], "Q2"), (["Q2", "Q1", ""], "Q2"), (["NIL", "NIL", "Q1"], "Q1")],
    )
    def test_mentions_that_are_linked_differently(self, doc, ids, id_):
        """Most of them say it, the first at a tie. NIL is no id."""
        mentions = [Span(doc, n, n + 1, kb_id=ids[n]) for n in range(3)]
        doc._.entities = [[doc[5:6]], mentions]
        assert [entity.id for entity in doc._.entities] == ["", id_]

    def test_an_id_that_only_tells_the_entities_of_a_document_apart(self, doc):
        doc.spans["entities"] = [Span(doc, 15, 16, label="LOC", span_id="2")]
        doc.ents = list(doc.spans["entities"])
        assert doc._.entities[2].id == ""

    def test_ids_of_the_mentions_themselves_are_kept(self, doc):
        doc._.entities = [[Span(doc, 0, 2, kb_id="Q7186"), doc[7:8]], [Span(doc, 5, 6)]]
        stored = DocBin(docs=[doc], store_user_data=True).to_bytes()
        (loaded,) = DocBin().from_bytes(stored).get_docs(Vocab())
        for copied in (doc, loaded, pickle.loads(pickle.dumps(doc))):
            assert [entity.id for entity in copied._.entities] == ["Q7186", ""]

    def test_a_document_that_was_stored_without_them(self, doc):
        doc.user_data["docre_entities"] = [[[0, 2, "PER", "a"]]]
        (entity,) = doc._.entities
        assert entity.id == "" and entity.mentions[0].id_ == "a"


class TestRelation:
    def test_as_a_dict(self, doc):
        """It is a row of a table, and JSON has it."""
        doc._.entities = [[doc[0:2], doc[7:8]], [Span(doc, 5, 6, label="LOC", kb_id="Q270")]]
        doc._.relations = [
            Triple(0, 1, "P19", 0.75, "place of birth", ((0, 7),)),
            Triple(1, 0, "x"),
        ]
        rows = json.loads(json.dumps(doc._.relations))
        assert rows == doc.to_json(underscore=["relations"])["_"]["relations"]
        assert rows == srsly.json_loads(srsly.json_dumps(doc._.relations))
        assert rows[1] == {
            "head": "Marie Curie",
            "head_label": "",
            "head_id": "",
            "relation": "P19",
            "name": "place of birth",
            "tail": "Warsaw",
            "tail_label": "LOC",
            "tail_id": "Q270",
            "score": 0.75,
            "evidence": [doc[0:7].text],
        }
        assert rows[0]["name"] == "x" and rows[0]["head_id"] == "Q270"
        for relation in doc._.relations:
            assert (
                relation["head"] == relation.head.text and relation["tail_id"] == relation.tail.id
            )
            assert relation["head_label"] == relation.head.label_
        assert json.dumps(doc._.relations[0]) != json.dumps(doc._.relations[1])

    def test_views(self, doc):
        relation = doc._.relations[1]
        assert isinstance(relation, Relation)
        assert relation.head == doc._.entities[0]
        assert relation.tail == doc._.entities[1]
        assert isinstance(relation.head, Entity)
        assert relation.label_ == "P19"
        assert relation.name == "place of birth"
        assert relation.score == 0.75

    def test_best_score_comes_first(self, doc):
        assert [relation.score for relation in doc._.relations] == [0.875, 0.75, 0.5]
        assert [relation.index for relation in doc._.relations] == [0, 1, 2]

    def test_equal_scores_keep_their_order(self, doc):
        doc._.relations = [Triple(0, 1, "b"), Triple(1, 2, "c", score=0.5), Triple(2, 0, "a")]
        assert [relation.label_ for relation in doc._.relations] == ["b", "a", "c"]

    def test_name_is_the_label_where_none_is_known(self, doc):
        assert [relation.name for relation in doc._.relations] == [
            "P937",
            "place of birth",
            "P190",
        ]

    def test_gold_relation_has_score_one(self, doc):
        doc._.relations = [Triple(0, 1, "P19")]
        assert doc._.relations[0].score == 1.0
        assert doc._.relations[0].evidence == ()

    def test_evidence_is_the_sentences_strongest_first(self, doc):
        first, second, third = doc._.relations
        sentences = list(doc.sents)
        assert list(first.evidence) == [sentences[1], sentences[0]]
        assert list(second.evidence) == [sentences[0]]
        assert all(isinstance(sentence, Span) for sentence in first.evidence)
        assert third.evidence == ()

    def test_triple_is_what_was_stored(self, doc):
        assert [relation.triple for relation in doc._.relations] == [
            TRIPLES[1],
            TRIPLES[0],
            TRIPLES[2],
        ]

    def test_relations_are_equal_by_document_and_place(self, doc):
        one, two, *_ = doc._.relations
        assert one == doc._.relations[0]
        assert one != two
        assert one != "P937"
        other = doc.copy()._.relations[0]
        assert dict(other) == dict(one) and other != one
        assert len({*doc._.relations, *doc._.relations}) == 3

    def test_repr_says_what_it_is(self, doc):
        assert (
            repr(doc._.relations[1])
            == "Relation('Madame Curie', 'place of birth', 'Warsaw', score=0.750)"
        )


class TestSetting:
    def test_a_new_doc_has_none(self):
        doc = make_doc()
        assert doc._.entities == []
        assert doc._.relations == []

    def test_relations_can_be_set_from_relations(self, doc):
        before = contents(doc)
        doc._.relations = doc._.relations[1:]
        assert contents(doc)[1] == before[1][1:]

    def test_entities_can_be_set_from_entities(self, doc):
        before = contents(doc)[0]
        set_entities(doc, (entity for entity in doc._.entities))
        assert contents(doc)[0] == before

    def test_new_entities_drop_the_relations_between_the_old_ones(self, doc):
        doc._.entities = [[doc[5:6]], [doc[15:16]]]
        assert doc._.relations == []

    def test_overlapping_mentions_and_a_mention_of_two_entities(self, doc):
        doc._.entities = [[doc[0:2], doc[1:2]], [doc[0:2]]]
        assert [[span.text for span in entity.mentions] for entity in doc._.entities] == [
            ["Marie Curie", "Curie"],
            ["Marie Curie"],
        ]

    def test_an_entity_without_a_mention_is_an_error(self, doc):
        before = contents(doc)
        with pytest.raises(ValueError, match="Entity 1 has no mention"):
            doc._.entities = [[doc[0:2]], []]
        assert contents(doc) == before

    @pytest.mark.parametrize(
        "triple, role", [((3, 0), "head"), ((0, 3), "tail"), ((-1, 0), "head"), ((0, -1), "tail")]
    )
    def test_a_place_that_is_no_entity_is_an_error(self, doc, triple, role):
        before = contents(doc)
        with pytest.raises(ValueError, match=f"The {role} of .* which has 3 entities"):
            doc._.relations = [Triple(*triple, "P19")]
        assert contents(doc) == before

    def test_relations_before_entities_are_an_error(self):
        with pytest.raises(ValueError, match="Set doc._.entities first"):
            make_doc()._.relations = [Triple(0, 1, "P19")]


def through_bytes(doc: Doc) -> Doc:
    return Doc(Vocab()).from_bytes(doc.to_bytes())


def through_doc_bin(doc: Doc) -> Doc:
    bytes_data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (restored,) = DocBin().from_bytes(bytes_data).get_docs(Vocab())
    return restored


def through_pickle(doc: Doc) -> Doc:
    return pickle.loads(pickle.dumps(doc))


def through_copy(doc: Doc) -> Doc:
    return doc.copy()


every_way = pytest.mark.parametrize(
    "restore", [through_bytes, through_doc_bin, through_pickle, through_copy]
)


class TestStorage:
    @every_way
    def test_entities_and_relations_survive(self, doc: Doc, restore: Callable[[Doc], Doc]):
        restored = restore(doc)
        assert contents(restored) == contents(doc)
        assert all(entity.doc is restored for entity in restored._.entities)
        assert all(relation.head.doc is restored for relation in restored._.relations)

    @every_way
    def test_a_restored_doc_is_one_of_its_own(self, doc, restore):
        before = contents(doc)
        restored = restore(doc)
        restored._.relations = restored._.relations[:1]
        assert len(restored._.relations) == 1
        assert contents(doc) == before
        restored._.entities = [[restored[0:1]]]
        assert contents(doc) == before

    @every_way
    def test_a_doc_with_nothing_survives(self, restore):
        assert contents(restore(make_doc())) == ([], [])

    def test_it_survives_twice(self, doc):
        assert contents(through_bytes(through_doc_bin(doc))) == contents(doc)

    def test_only_plain_values_are_stored(self, doc):
        assert plain_types(doc) <= {list, int, float, str}

    def test_numpy_values_are_stored_as_plain_ones(self, doc):
        numbers = numpy.arange(20)
        set_entities(
            doc,
            [[Span(doc, numbers[0], numbers[2], label="PER")], [Span(doc, numbers[5], numbers[6])]],
        )
        doc._.relations = [
            Triple(
                numbers[0],
                numbers[1],
                numpy.array(["P19"])[0],
                score=numpy.float32(0.5),
                name=numpy.array(["place of birth"])[0],
                evidence=((numbers[0], numbers[7]),),
            )
        ]
        assert plain_types(doc) <= {list, int, float, str}
        (relation,) = through_bytes(doc)._.relations
        assert (relation.head.text, relation.label_, relation.score) == ("Marie Curie", "P19", 0.5)
        assert relation.name == "place of birth"


def plain_types(doc: Doc) -> set:
    """The types of all that is stored, but for spaCy's own keys."""

    def walk(value: Any) -> Iterator[type]:
        yield type(value)
        if isinstance(value, (list, tuple)):
            for item in value:
                yield from walk(item)

    return {kind for value in doc.user_data.values() for kind in walk(value)}


@pytest.mark.parametrize(
    "entities, problem",
    [
        (lambda doc: [doc[0:2]], "give each entity as a list of its mentions"),
        (lambda doc: [["a"]], "give each entity as a list of its mentions"),
        (lambda doc: [[Doc(doc.vocab, words=["a"] * 50)[40:45]]], "has the tokens 40 to 45"),
        (lambda doc: [[doc[1:1]]], "with one token or more"),
    ],
)
def test_entities_that_cannot_be_stored(entities, problem) -> None:
    doc = Doc(Vocab(), words=["a", "b", "c"])
    with pytest.raises(ValueError, match=problem):
        doc._.entities = entities(doc)
    assert not doc._.entities


def test_relation_that_cannot_be_stored() -> None:
    doc = Doc(Vocab(), words=["a", "b", "c"])
    doc._.entities = [[doc[0:1]], [doc[1:2]]]
    with pytest.raises(ValueError, match="is not a relation: give a Triple"):
        doc._.relations = [(0, 1, "x")]


class TestSentenceBoundaries:
    def test_no_boundaries_make_one_sentence(self) -> None:
        assert sentence_boundaries(Doc(Vocab(), words=WORDS)) == [(0, 17)]

    def test_boundaries(self) -> None:
        doc = make_doc()
        assert sentence_boundaries(doc) == [(0, 7), (7, 17)]
        assert sentence_boundaries(doc) == [(sent.start, sent.end) for sent in doc.sents]

    def test_an_empty_document_has_none(self) -> None:
        assert sentence_boundaries(Doc(Vocab())) == []


class TestPartialRelations:
    def test_relations_are_complete_until_they_are_said_to_be_partial(self, doc: Doc) -> None:
        assert not has_partial_relations(doc)
        mark_partial(doc)
        assert has_partial_relations(doc) and possible_relations(doc) is None
        assert [relation.triple for relation in doc._.relations] == sorted(
            TRIPLES, key=lambda triple: -triple.score
        )

    @pytest.mark.parametrize("possible", [None, [], [Triple(2, 1, "P36"), Triple(0, 2, "P19")]])
    def test_they_are_stored(self, doc: Doc, possible: Any) -> None:
        mark_partial(doc, possible)
        docs = DocBin(store_user_data=True, docs=[doc]).to_bytes()
        (read,) = DocBin().from_bytes(docs).get_docs(Vocab())
        for kept in (read, doc.copy(), pickle.loads(pickle.dumps(doc))):
            assert has_partial_relations(kept) and possible_relations(kept) == possible

    def test_what_is_set_later_is_complete(self, doc: Doc) -> None:
        mark_partial(doc)
        doc._.relations = doc._.relations
        assert not has_partial_relations(doc)
        mark_partial(doc)
        doc._.entities = doc._.entities
        doc._.relations = []
        assert not has_partial_relations(doc)

    def test_there_are_some(self) -> None:
        doc = make_doc()
        with pytest.raises(ValueError, match="'Marie Curie was.* set doc._.relations first"):
            mark_partial(doc)
        doc._.relations = []
        mark_partial(doc)
        assert has_partial_relations(doc)
