"""Cuts and joins of annotated documents."""

from random import Random
from typing import Any, Callable, Dict, List, Sequence, Set, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.annotations import (
    has_partial_relations,
    has_relations,
    mark_partial,
    possible_relations,
)
from spacy_docre.data.gold_annotations import set_gold_annotations
from spacy_docre.data.shapes import choose_cuts, choose_joins, cut, join
from spacy_docre.mentions import linked_ids

VOCAB = Vocab()
SENTENCES = [
    *("Ada Lane was born in Oslo .", "She left ."),
    *("Bo met Ada in Lyon .", "Bo is from Oslo ."),
]
WORDS = " ".join(SENTENCES).split()
# Where sentences begin and end.
BOUNDS = [0, 7, 10, 16, 21]
ADA, OSLO, BO, LYON = range(4)
ENTITIES = [
    [(0, 2, "PER"), (7, 8, "PER"), (12, 13, "PER")],
    [(5, 6, "LOC"), (19, 20, "LOC")],
    [(10, 11, "PER"), (16, 17, "PER")],
    [(14, 15, "LOC")],
]
RELATIONS = [
    Triple(ADA, OSLO, "born in", evidence=((0, 7),)),
    Triple(BO, OSLO, "born in", name="place of birth", evidence=((16, 21),)),
    Triple(ADA, BO, "knows", evidence=((10, 16),)),
    Triple(BO, ADA, "knows", evidence=((10, 16), (7, 10))),
    Triple(ADA, LYON, "was in"),
]


def make_doc(relations: Any = RELATIONS, title: str = "Ada") -> Doc:
    starts = [index in BOUNDS for index in range(len(WORDS))]
    doc = Doc(VOCAB, words=WORDS, sent_starts=starts)
    set_gold_annotations(doc, ENTITIES, relations)
    doc.user_data["title"] = title
    return doc


Named = Tuple[str, str, str]


def named(doc: Doc, triples: Sequence[Triple]) -> Set[Named]:
    """Triples by the first mentions of head and tail."""
    names = [entity.mentions[0].text for entity in doc._.entities]
    return {(names[triple.head], names[triple.tail], triple.label) for triple in triples}


def told(doc: Doc) -> Set[Named]:
    return named(doc, [relation.triple for relation in doc._.relations])


def mentions(doc: Doc) -> List[List[str]]:
    return [[mention.text for mention in entity.mentions] for entity in doc._.entities]


def evidence(doc: Doc) -> Dict[Named, List[str]]:
    return {
        (relation.head.text, relation.tail.text, relation.label_): [
            span.text for span in relation.evidence
        ]
        for relation in doc._.relations
    }


def check_whole(doc: Doc) -> None:
    """What every document has that is read from a file."""
    assert [(span.start, span.end, span.label_, span.id_) for span in doc.spans["entities"]] == [
        (mention.start, mention.end, mention.label_, str(entity.index))
        for entity in doc._.entities
        for mention in entity.mentions
    ]
    assert {(span.start, span.end) for span in doc.ents} == {
        (span.start, span.end) for span in doc.spans["entities"]
    }
    assert doc.has_annotation("SENT_START") and doc[0].is_sent_start
    sentences = {(sentence.start, sentence.end) for sentence in doc.sents}
    for relation in doc._.relations:
        assert set(relation.triple.evidence) <= sentences


class TestCut:
    def test_a_sentence(self) -> None:
        passage = cut(make_doc(), 2, 3)
        check_whole(passage)
        assert passage.text.strip() == SENTENCES[2] and len(list(passage.sents)) == 1
        assert passage.user_data["title"] == "Ada, sentence 3"
        # The mentions that are there, and no others.
        assert mentions(passage) == [["Ada"], ["Bo"], ["Lyon"]]
        assert told(passage) == {("Ada", "Bo", "knows")}
        assert evidence(passage) == {("Ada", "Bo", "knows"): [SENTENCES[2]]}
        # One whose evidence is elsewhere in part, and one without evidence.
        possible = possible_relations(passage)
        assert possible is not None and has_partial_relations(passage)
        assert named(passage, possible) == {("Bo", "Ada", "knows"), ("Ada", "Lyon", "was in")}

    def test_sentences(self) -> None:
        passage = cut(make_doc(), 1, 4)
        check_whole(passage)
        assert passage.text.strip() == " ".join(SENTENCES[1:])
        assert [sentence.text for sentence in passage.sents] == SENTENCES[1:]
        assert passage.user_data["title"] == "Ada, sentences 2 to 4"
        assert told(passage) == {
            ("Bo", "Oslo", "born in"),
            ("She", "Bo", "knows"),
            ("Bo", "She", "knows"),
        }
        assert evidence(passage)["Bo", "She", "knows"] == [SENTENCES[2], SENTENCES[1]]
        (name,) = {relation.name for relation in passage._.relations} - {"knows"}
        assert name == "place of birth"

    def test_all_that_holds_is_told(self) -> None:
        for first, relations in ((3, [("Bo", "Oslo", "born in")]), (1, [])):
            passage = cut(make_doc(), first, first + 1)
            assert has_relations(passage) and not has_partial_relations(passage)
            assert told(passage) == set(relations)

    def test_of_a_partial_document(self) -> None:
        doc = make_doc()
        mark_partial(doc)
        passage = cut(doc, 3, 4)
        assert has_partial_relations(passage) and possible_relations(passage) is None
        mark_partial(doc, [Triple(OSLO, BO, "has"), Triple(OSLO, LYON, "twin of")])
        passage = cut(doc, 3, 4)
        assert possible_relations(passage) == [Triple(0, 1, "has")]
        assert mentions(passage) == [["Oslo"], ["Bo"]]

    def test_of_a_document_that_nobody_has_annotated(self) -> None:
        passage = cut(make_doc(None), 0, 1)
        assert mentions(passage) == [["Ada Lane"], ["Oslo"]] and not has_relations(passage)
        assert not has_partial_relations(passage)

    def test_mentions_across_the_end_are_outside(self) -> None:
        doc = make_doc([])
        doc._.entities = [[Span(doc, 5, 8)], [Span(doc, 0, 2)]]
        assert mentions(cut(doc, 0, 1)) == [["Ada Lane"]]

    def test_the_document_stays(self) -> None:
        doc = make_doc()
        before = doc.to_bytes()
        cut(doc, 0, 2)
        assert doc.to_bytes() == before


class TestChooseCuts:
    @staticmethod
    def lengths(number: int, doc: Doc, seed: int = 0) -> List[int]:
        return [len(list(passage.sents)) for passage in choose_cuts(doc, number, Random(seed))]

    def test_so_many_of_each_kind(self) -> None:
        for seed in range(10):
            one, several = self.lengths(1, make_doc(), seed)
            assert one == 1 and several in (2, 3)

    def test_each_passage_once_and_never_the_whole(self) -> None:
        """Sentence 2 mentions Ada alone."""
        cuts = choose_cuts(make_doc(), 100, Random(0))
        titles = [passage.user_data["title"].removeprefix("Ada, sentence") for passage in cuts]
        assert sorted(titles[:3]) == [" 1", " 3", " 4"]
        several = ["1 to 2", "1 to 3", "2 to 3", "2 to 4", "3 to 4"]
        assert sorted(titles[3:]) == [f"s {where}" for where in several]

    def test_all_have_two_entities(self) -> None:
        assert all(len(c._.entities) > 1 for c in choose_cuts(make_doc(), 100, Random(0)))

    @pytest.mark.parametrize("words", [[], ["Ada", "in", "Oslo"]])
    def test_no_passage(self, words: List[str]) -> None:
        doc = Doc(VOCAB, words=words)
        set_gold_annotations(doc, [[(0, 1, "A")], [(2, 3, "B")]] if words else [], [])
        assert choose_cuts(doc, 3, Random(0)) == []


class TestJoin:
    def test_two_documents(self, make_examples: Callable) -> None:
        docs = [make_doc(title="one"), make_doc(RELATIONS[:2], "two")]
        joined = join(docs)
        check_whole(joined)
        assert joined.text.strip() == " ".join(doc.text.strip() for doc in docs)
        assert joined.user_data["title"] == "one + two"
        assert [sentence.text for sentence in joined.sents] == 2 * SENTENCES
        # The same names are different entities.
        assert mentions(joined) == 2 * mentions(docs[0])
        triples = [relation.triple for relation in joined._.relations]
        pairs = [(triple.head // 4, triple.tail // 4) for triple in triples]
        assert sorted(pairs) == 5 * [(0, 0)] + 2 * [(1, 1)]
        assert joined._.relations[-1].triple.evidence == ((37, 42),)
        assert not has_partial_relations(joined)

    @pytest.mark.parametrize(
        "kinds, expected",
        [
            (["complete", "complete"], []),
            (["complete", "partial"], None),
            (["listed", "partial"], None),
            (["complete", "unknown"], None),
            (["complete", "listed"], [Triple(5, 4, "has")]),
            (["listed", "listed"], [Triple(1, 0, "has"), Triple(5, 4, "has")]),
        ],
    )
    def test_partial_parts(self, kinds: List[str], expected: Any) -> None:
        docs = []
        for kind in kinds:
            docs.append(make_doc(None if kind == "unknown" else RELATIONS))
            if kind in ("partial", "listed"):
                listed = [Triple(OSLO, ADA, "has")]
                mark_partial(docs[-1], listed if kind == "listed" else None)
        joined = join(docs)
        assert has_relations(joined) and has_partial_relations(joined) == (expected != [])
        assert expected == [] or possible_relations(joined) == expected

    def test_nobody_has_annotated_any(self) -> None:
        joined = join([make_doc(None), make_doc(None)])
        assert len(joined._.entities) == 8 and not has_relations(joined)

    def test_each_begins_with_a_sentence(self) -> None:
        """As a 'senter' may not have said."""
        docs = [make_doc(), make_doc()]
        docs[1][0].is_sent_start = False
        assert [sentence.text for sentence in join(docs).sents] == 2 * SENTENCES
        bare = Doc(VOCAB, words=["Oslo", "is", "big"])
        bare._.entities = [[bare[0:1]]]
        sentences = [sentence.text for sentence in join([make_doc(), bare, make_doc()]).sents]
        assert sentences == [*SENTENCES, "Oslo is big", *SENTENCES]


@given(number=st.integers(0, 30), joins=st.integers(0, 3), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=40)
def test_each_document_is_in_so_many_joins(number: int, joins: int, seed: int) -> None:
    docs = []
    for index in range(number):
        docs.append(Doc(VOCAB, words=[str(index)]))
        docs[-1].user_data["title"] = str(index)
    parts = [
        joined.user_data["title"].split(" + ") for joined in choose_joins(docs, joins, Random(seed))
    ]
    assert all(2 <= len(titles) <= 3 and len(set(titles)) == len(titles) for titles in parts)
    times = joins if number > 1 else 0
    assert sorted(title for titles in parts for title in titles) == sorted(
        times * [doc.text.strip() for doc in docs]
    )


class TestIds:
    """The id of an entity holds for one document. A linked id holds everywhere."""

    LINKED: List[List[Any]] = [
        [(*mention, "Q1") if mention[0] == 12 else mention for mention in mentions]
        for mentions in ENTITIES
    ]

    @pytest.fixture
    def linked(self) -> Doc:
        doc = Doc(VOCAB, words=WORDS, sent_starts=[index in BOUNDS for index in range(len(WORDS))])
        set_gold_annotations(doc, self.LINKED, RELATIONS)
        # As an entity ruler gives an id.
        lyon = Span(doc, 14, 15, label="LOC", span_id="city-7")
        doc.set_ents([lyon], default="unmodified")
        return doc

    def linked_in(self, doc: Doc) -> Dict[str, Set[str]]:
        links = linked_ids(doc)
        found: Dict[str, Set[str]] = {}
        for span in doc.ents:
            found.setdefault(span.text, set()).add(links[span.start, span.end])
        return {text: ids - {""} for text, ids in found.items() if ids != {""}}

    @pytest.mark.parametrize("first, end", [(0, 1), (1, 3), (2, 3), (2, 4), (3, 4)])
    def test_of_a_cut(self, linked: Doc, first: int, end: int) -> None:
        expected = {"Ada": {"Q1"}, "Lyon": {"city-7"}} if first <= 2 < end else {}
        assert self.linked_in(cut(linked, first, end)) == expected

    def test_of_a_join(self, linked: Doc) -> None:
        joined = join([cut(make_doc(), 2, 3), linked, make_doc()])
        assert self.linked_in(joined) == {"Ada": {"Q1"}, "Lyon": {"city-7"}}

    def test_an_id_of_one_document_is_a_link_of_another(self, linked: Doc) -> None:
        other = make_doc()
        (key,) = other.spans
        other.spans[key] = [
            Span(other, span.start, span.end, label=span.label_, span_id="city-7")
            for span in other.spans[key]
        ]
        assert "city-7" not in linked_ids(other).values()
        for docs in ([linked, other], [other, linked]):
            assert self.linked_in(join(docs)) == {"Ada": {"Q1"}, "Lyon": {"city-7"}}

    def test_mentions_have_the_ids_of_their_entities(self, linked: Doc) -> None:
        for doc in (cut(linked, 1, 4), join([linked, make_doc()])):
            ids = {(span.start, span.end): span.ent_id_ for span in doc.ents}
            for index, entity in enumerate(doc._.entities):
                for mention in entity.mentions:
                    assert ids[mention.start, mention.end] in (str(index), "city-7")
