"""Where entities come from."""

import re
from typing import List, Sequence, Tuple

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre.entity_sources import (
    EntityDoc,
    MissingEntities,
    find_entities,
    give_entities,
    make_coref_cluster_entities,
    make_default_entities,
    make_doc_ents_entities,
    make_span_group_entities,
    reference_entities,
)

VOCAB = Vocab()
WORDS = "Ada Lane met ADA LANE and Bruno in New Haven , New York .".split()
EVERY_GETTER = {
    "span_group": make_span_group_entities,
    "doc_ents": make_doc_ents_entities,
    "coref": make_coref_cluster_entities,
    "default": make_default_entities,
}
every_getter = pytest.mark.parametrize("make_getter", EVERY_GETTER.values(), ids=EVERY_GETTER)


def make_doc(words: Sequence[str] = WORDS) -> Doc:
    return Doc(VOCAB, words=list(words))


def boundaries(entities: Sequence[Sequence[Span]]) -> List[List[Tuple[int, int]]]:
    return [[(span.start, span.end) for span in mentions] for mentions in entities]


class TestSpanGroup:
    def test_spans_that_share_an_id_are_one_entity(self):
        doc = make_doc()
        doc.spans["entities"] = [
            Span(doc, 6, 7, span_id="b"),
            Span(doc, 0, 2, span_id="a"),
            Span(doc, 3, 5, span_id="a"),
            Span(doc, 8, 10, span_id="c"),
        ]
        found = make_span_group_entities()(doc)
        assert boundaries(found) == [[(6, 7)], [(0, 2), (3, 5)], [(8, 10)]]

    def test_entities_come_in_the_order_of_first_appearance(self):
        doc = make_doc()
        spans = [(9, 10), (0, 1), (5, 6), (1, 2), (9, 11)]
        ids = ["z", "m", "a", "m", "z"]
        doc.spans["entities"] = [
            Span(doc, start, end, span_id=id_) for (start, end), id_ in zip(spans, ids, strict=True)
        ]
        found = make_span_group_entities()(doc)
        assert [mentions[0].id_ for mentions in found] == ["z", "m", "a"]
        assert boundaries(found) == [[(9, 10), (9, 11)], [(0, 1), (1, 2)], [(5, 6)]]

    def test_spans_without_an_id_are_entities_of_their_own(self):
        doc = make_doc()
        doc.spans["entities"] = [
            doc[0:2],
            Span(doc, 6, 7, span_id="x"),
            doc[0:2],
            Span(doc, 3, 5, span_id="x"),
        ]
        found = make_span_group_entities()(doc)
        # The one that is there twice is one.
        assert boundaries(found) == [[(0, 2)], [(6, 7), (3, 5)]]

    def test_overlapping_mentions(self):
        doc = make_doc()
        doc.spans["entities"] = [
            Span(doc, 8, 13, span_id="both"),
            Span(doc, 8, 10, span_id="haven"),
            Span(doc, 9, 10, span_id="haven"),
            Span(doc, 8, 10, span_id="haven"),
        ]
        found = make_span_group_entities()(doc)
        assert boundaries(found) == [[(8, 13)], [(8, 10), (9, 10)]]

    def test_one_mention_in_two_entities(self):
        doc = make_doc()
        doc.spans["entities"] = [Span(doc, 0, 2, span_id="a"), Span(doc, 0, 2, span_id="b")]
        with pytest.warns(UserWarning, match=r"1 mentions in .*'Ada Lane' to 'a' and 'b'\. They"):
            assert boundaries(make_span_group_entities()(doc)) == [[(0, 2)], [(0, 2)]]

    def test_labels_and_ids_are_kept(self):
        doc = make_doc()
        doc.spans["entities"] = [Span(doc, 0, 2, label="PER", span_id="Q1")]
        ((mention,),) = make_span_group_entities()(doc)
        assert (mention.label_, mention.id_) == ("PER", "Q1")

    def test_another_key(self):
        doc = make_doc()
        doc.spans["entities"] = [doc[0:2]]
        doc.spans["mine"] = [doc[6:7], doc[8:10]]
        assert boundaries(make_span_group_entities("mine")(doc)) == [[(6, 7)], [(8, 10)]]

    def test_an_empty_group_means_no_entities(self):
        doc = make_doc()
        doc.spans["entities"] = []
        assert make_span_group_entities()(doc) == []

    def test_a_missing_group_is_named_with_those_that_are_there(self):
        doc = make_doc()
        doc.spans["sc"] = []
        doc.spans["coref_1"] = []
        message = r"no span group doc.spans\['mine'\] \(it has: coref_1, sc\).*'entities' setting"
        with pytest.raises(MissingEntities, match=message):
            make_span_group_entities("mine")(doc)

    def test_a_missing_group_where_there_is_none(self):
        with pytest.raises(MissingEntities, match=r"\(it has: none\)"):
            make_span_group_entities()(make_doc())


def ent(doc: Doc, start: int, end: int, label: str = "PER", id_: str = "", kb_id: str = "") -> Span:
    return Span(doc, start, end, label=label, span_id=id_, kb_id=kb_id)


class TestDocEnts:
    def test_spans_that_share_an_entity_id_are_one_entity(self):
        doc = make_doc()
        doc.ents = [ent(doc, 0, 2, id_="a"), ent(doc, 3, 5, id_="b"), ent(doc, 6, 7, id_="a")]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 2), (6, 7)], [(3, 5)]]

    def test_spans_that_share_a_knowledge_base_id_are_one_entity(self):
        doc = make_doc()
        doc.ents = [
            ent(doc, 0, 2, kb_id="Q1"),
            ent(doc, 3, 5, kb_id="Q2"),
            ent(doc, 6, 7, kb_id="Q1"),
        ]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 2), (6, 7)], [(3, 5)]]

    def test_the_entity_id_comes_before_the_knowledge_base_id(self):
        doc = make_doc()
        doc.ents = [
            ent(doc, 0, 2, id_="a", kb_id="Q1"),
            ent(doc, 3, 5, id_="a", kb_id="Q2"),
            ent(doc, 6, 7, id_="b", kb_id="Q1"),
        ]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 2), (3, 5)], [(6, 7)]]

    def test_unlinked_spans_are_not_one_entity(self):
        """spaCy's entity linker marks a mention that is not in its knowledge base "NIL"."""
        doc = make_doc()
        doc.ents = [
            ent(doc, 0, 2, kb_id="NIL"),
            ent(doc, 3, 5, kb_id="NIL"),
            ent(doc, 6, 7, kb_id="NIL"),
        ]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 2), (3, 5)], [(6, 7)]]

    def test_spans_without_an_id_are_grouped_by_text_whatever_the_case(self):
        doc = make_doc()
        doc.ents = [ent(doc, 0, 2), ent(doc, 3, 5), ent(doc, 6, 7)]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 2), (3, 5)], [(6, 7)]]

    def test_case_is_folded_and_not_just_lowered(self):
        doc = make_doc(["Die", "Straße", "und", "die", "STRASSE"])
        doc.ents = [ent(doc, 1, 2), ent(doc, 4, 5)]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(1, 2), (4, 5)]]

    def test_the_same_text_with_another_label_is_another_entity(self):
        doc = make_doc()
        doc.ents = [ent(doc, 0, 2, "PER"), ent(doc, 3, 5, "ORG")]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 2)], [(3, 5)]]

    def test_a_text_that_is_another_ones_id(self):
        doc = make_doc(["Q1", "met", "Ada"])
        doc.ents = [ent(doc, 0, 1), ent(doc, 2, 3, id_="Q1")]
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 1)], [(2, 3)]]

    def test_no_entities_is_no_error(self):
        doc = make_doc()
        doc.ents = []
        assert make_doc_ents_entities()(doc) == []

    def test_nothing_has_set_them(self):
        with pytest.raises(MissingEntities, match="doc.ents.*'ner' or 'entity_ruler'"):
            make_doc_ents_entities()(make_doc())

    def test_entity_ruler(self):
        nlp = spacy.blank("en")
        ruler = nlp.add_pipe("entity_ruler")
        ruler.add_patterns(
            [
                {"label": "PER", "pattern": "Ada Lane", "id": "ada"},
                {"label": "PER", "pattern": "Lady Lane", "id": "ada"},
                {"label": "PER", "pattern": "Bruno"},
            ]
        )
        doc = nlp("Ada Lane and Bruno saw that Lady Lane was there.")
        assert boundaries(make_doc_ents_entities()(doc)) == [[(0, 2), (6, 8)], [(3, 4)]]
        assert make_doc_ents_entities()(nlp("Nobody is here.")) == []


class TestCorefClusters:
    def test_clusters_come_in_the_order_of_their_numbers(self):
        doc = make_doc()
        doc.spans["coref_clusters_10"] = [doc[6:7]]
        doc.spans["coref_clusters_2"] = [doc[0:2], doc[3:5]]
        doc.spans["coref_clusters_1"] = [doc[8:10]]
        doc.spans["other"] = [doc[11:13]]
        found = make_coref_cluster_entities()(doc)
        assert boundaries(found) == [[(8, 10)], [(0, 2), (3, 5)], [(6, 7)]]

    def test_ids_do_not_matter(self):
        doc = make_doc()
        doc.spans["coref_clusters_1"] = [Span(doc, 0, 2, span_id="a"), Span(doc, 3, 5, span_id="b")]
        assert boundaries(make_coref_cluster_entities()(doc)) == [[(0, 2), (3, 5)]]

    def test_another_prefix(self):
        doc = make_doc()
        doc.spans["coref_clusters_1"] = [doc[0:2]]
        doc.spans["chain9"] = [doc[6:7]]
        doc.spans["chain11"] = [doc[3:5]]
        assert boundaries(make_coref_cluster_entities("chain")(doc)) == [[(6, 7)], [(3, 5)]]

    def test_empty_clusters_are_left_out(self):
        doc = make_doc()
        doc.spans["coref_clusters_1"] = []
        doc.spans["coref_clusters_2"] = [doc[0:2]]
        assert boundaries(make_coref_cluster_entities()(doc)) == [[(0, 2)]]

    def test_a_key_without_a_number(self):
        doc = make_doc()
        doc.spans["coref_clusters_1"] = [doc[0:2]]
        doc.spans["coref_clusters_extra"] = [doc[6:7]]
        assert sorted(boundaries(make_coref_cluster_entities()(doc))) == [[(0, 2)], [(6, 7)]]

    def test_no_cluster(self):
        doc = make_doc()
        doc.spans["sc"] = []
        message = r"begins with 'coref_clusters' \(it has: sc\).*coreference component"
        with pytest.raises(MissingEntities, match=message):
            make_coref_cluster_entities()(doc)


class TestDefault:
    def test_the_span_group_comes_before_doc_ents(self):
        doc = make_doc()
        doc.ents = [ent(doc, 0, 2)]
        assert boundaries(make_default_entities()(doc)) == [[(0, 2)]]
        doc.spans["entities"] = [doc[6:7], doc[8:10]]
        assert boundaries(make_default_entities()(doc)) == [[(6, 7)], [(8, 10)]]

    def test_an_empty_span_group_is_a_choice_too(self):
        doc = make_doc()
        doc.ents = [ent(doc, 0, 2)]
        doc.spans["entities"] = []
        assert make_default_entities()(doc) == []

    def test_another_key(self):
        doc = make_doc()
        doc.ents = [ent(doc, 0, 2)]
        doc.spans["entities"] = [doc[6:7]]
        with pytest.warns(UserWarning, match=r"no span group doc.spans\['mine'\].*Correct the"):
            assert boundaries(make_default_entities("mine")(doc)) == [[(0, 2)]]
        doc.spans["mine"] = [doc[8:10]]
        assert boundaries(make_default_entities("mine")(doc)) == [[(8, 10)]]

    def test_no_entities_is_no_error(self):
        doc = make_doc()
        doc.ents = []
        assert make_default_entities()(doc) == []

    def test_the_message_names_both_sources_and_the_groups_found(self):
        doc = make_doc()
        doc.spans["sc"] = []
        with pytest.raises(MissingEntities) as caught:
            make_default_entities("mine")(doc)
        message = str(caught.value)
        for part in ("doc.ents", "doc.spans['mine']", "it has: sc", "'ner'", "'entities'"):
            assert part in message
        assert not re.search(r"\s{2,}", message)


@pytest.mark.parametrize("ids", [["", ""], ["a", "a"]])
def test_a_span_that_is_there_twice_counts_once(ids: List[str]) -> None:
    """Whatever the path."""
    doc = make_doc()
    spans = [
        Span(doc, 0, 2, label="PER", span_id=ids[0]),
        Span(doc, 0, 2, label="ORG", span_id=ids[1]),
    ]
    doc.spans["entities"] = doc.spans["coref_clusters_1"] = spans
    give_entities(given := make_doc(), [spans, []])
    doc._.entities = [spans]
    for found in (
        make_span_group_entities()(doc),
        make_default_entities()(doc),
        make_coref_cluster_entities()(doc),
        EntityDoc(doc, [spans, []]).entities,
        EntityDoc(given, find_entities(given, make_default_entities())).entities,
        [entity.mentions for entity in doc._.entities],
        reference_entities(doc, make_default_entities()),
    ):
        assert boundaries(found) == [[(0, 2)]]
        assert found[0][0].label_ == "PER"


@every_getter
def test_a_document_without_tokens_has_no_entities(make_getter):
    assert make_getter()(make_doc([])) == []


@every_getter
def test_missing_entities_are_value_errors(make_getter):
    with pytest.raises(ValueError):
        make_getter()(make_doc())


@pytest.mark.parametrize(
    "name", ["entities", "span_group_entities", "doc_ents_entities", "coref_cluster_entities"]
)
def test_getters_are_registered(name):
    make_getter = spacy.registry.misc.get(f"spacy_docre.{name}.v1")
    doc = make_doc()
    doc.spans["entities"] = [doc[0:2]]
    doc.spans["coref_clusters_1"] = [doc[0:2]]
    doc.ents = [ent(doc, 0, 2)]
    assert boundaries(make_getter()(doc)) == [[(0, 2)]]
