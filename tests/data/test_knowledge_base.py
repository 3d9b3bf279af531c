from typing import Callable, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.annotations import has_entities, has_relations
from spacy_docre.data.knowledge_base import KnowledgeBase

WORDS = "Ada Lane was born in New Haven . Lane works for Acme .".split()
ENTITIES = [[(0, 2), (8, 9)], [(5, 7)], [(11, 12)]]


@pytest.fixture
def doc(make_doc: Callable) -> Doc:
    return make_doc(WORDS, ENTITIES)


def triples(doc: Doc) -> List[Tuple[int, int, str]]:
    return [(r.triple.head, r.triple.tail, r.label_) for r in doc._.relations]


@pytest.mark.parametrize("head", ["Ada Lane", "ADA LANE", "AdaLane", "Lane"])
def test_any_name(doc: Doc, head: str) -> None:
    knowledge = KnowledgeBase()
    knowledge.add_by_name(head, "born in", "New\tHaven")
    knowledge.align(doc, {"born in": "place of birth"})
    assert triples(doc) == [(0, 1, "born in")]
    assert doc._.relations[0].name == "place of birth"
    assert [entity.text for entity in doc._.entities] == ["Ada Lane", "New Haven", "Acme"]


def test_a_fact_has_a_direction(doc: Doc) -> None:
    knowledge = KnowledgeBase()
    knowledge.add_by_name("New Haven", "born in", "Ada Lane")
    knowledge.align(doc)
    assert triples(doc) == [(1, 0, "born in")]


def test_no_fact(doc: Doc) -> None:
    """Nothing is known, which is not the same as not annotated."""
    KnowledgeBase().align(doc)
    assert doc._.relations == [] and "docre_relations" in doc.user_data


def test_entities_that_nobody_has_set() -> None:
    doc = Doc(Vocab(), words=WORDS)
    KnowledgeBase().align(doc)
    assert not has_entities(doc) and not has_relations(doc)


def test_earlier_relations_are_replaced(doc: Doc) -> None:
    doc._.entities = [[doc[0:1]]]
    doc._.relations = []
    knowledge = KnowledgeBase()
    knowledge.add_by_name("Ada", "is", "Ada")
    knowledge.align(doc)
    assert triples(doc) == []


def test_ids_of_a_linker(make_doc: Callable) -> None:
    doc = make_doc(WORDS, ENTITIES)
    doc.ents = [
        Span(doc, 8, 9, label="PER", kb_id="Q1"),
        Span(doc, 11, 12, label="ORG", kb_id="Q2"),
    ]
    knowledge = KnowledgeBase()
    knowledge.add_by_id("Q1", "works for", "Q2")
    # What is an id is no name, and the other way round.
    knowledge.add_by_id("Lane", "born in", "New Haven")
    knowledge.add_by_name("Q1", "born in", "Q2")
    knowledge.align(doc)
    assert triples(doc) == [(0, 2, "works for")]


def test_ids_of_a_span_group_are_its_own(make_doc: Callable) -> None:
    """`id_` tells the entities of one document apart; the next has the same ids."""
    gold, doc = (
        make_doc(WORDS, ENTITIES),
        make_doc(["Bruno", "likes", "Oslo"], [[(0, 1)], [(2, 3)]]),
    )
    for each in (gold, doc):
        each.ents = [span for span in each.spans["entities"] if span.start != 8]
    gold._.entities = [[span] for span in gold.ents]
    gold._.relations = [Triple(0, 1, "born in")]
    knowledge = KnowledgeBase()
    knowledge.add_document(gold)
    knowledge.align(doc)
    assert triples(doc) == []


def test_ids_of_a_linker_that_a_span_group_has_too(make_doc: Callable) -> None:
    doc = make_doc(["Ada", "likes", "Oslo"])
    spans_of_ids = [(0, 1, "Q1"), (2, 3, "Q2")]
    doc.spans["entities"] = [Span(doc, start, end, span_id=id_) for start, end, id_ in spans_of_ids]
    doc.ents = [Span(doc, start, end, label="X", kb_id=id_) for start, end, id_ in spans_of_ids]
    knowledge = KnowledgeBase()
    knowledge.add_by_id("Q1", "likes", "Q2")
    knowledge.align(doc)
    assert triples(doc) == [(0, 1, "likes")]


def test_facts_of_an_annotated_document(make_doc: Callable, doc: Doc) -> None:
    doc._.entities = [
        [Span(doc, start, end, kb_id=f"Q{index}") for start, end in mentions]
        for index, mentions in enumerate(ENTITIES)
    ]
    doc._.relations = [Triple(0, 2, "works for")]
    knowledge = KnowledgeBase()
    knowledge.add_document(doc)
    assert len(knowledge) == 2
    other = make_doc(["Acme", "paid", "Lane"], [[(0, 1)], [(2, 3)]])
    knowledge.align(other)
    assert triples(other) == [(1, 0, "works for")]


@given(st.data())
def test_alignment_is_the_definition(data: st.DataObject) -> None:
    names = st.sampled_from(["a", "b", "c", "A", "d e"])
    entities = data.draw(st.lists(st.lists(names, min_size=1, max_size=3), max_size=4))
    facts = data.draw(st.lists(st.tuples(names, st.sampled_from("RS"), names), max_size=8))
    words = [word for mentions in entities for name in mentions for word in name.split()]
    doc = Doc(Vocab(), words=words)
    start, spans = 0, []
    for index, mentions in enumerate(entities):
        for name in mentions:
            end = start + len(name.split())
            spans.append(Span(doc, start, end, span_id=str(index)))
            start = end
    doc.spans["entities"] = spans
    knowledge = KnowledgeBase()
    for fact in facts:
        knowledge.add_by_name(*fact)
    knowledge.align(doc)
    expected = {
        (head, tail, relation)
        for head, ours in enumerate(entities)
        for tail, theirs in enumerate(entities)
        for first, relation, second in facts
        if head != tail
        and first.lower() in [name.lower() for name in ours]
        and second.lower() in [name.lower() for name in theirs]
    }
    assert triples(doc) == sorted(expected)
