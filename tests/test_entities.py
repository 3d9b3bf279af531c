"""Where entities come from, and how those of two lists or Docs are matched."""

import re
from typing import List, Sequence, Tuple

import pytest
import spacy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre.entities import (
    MissingEntities,
    make_coref_cluster_entities,
    make_default_entities,
    make_doc_ents_entities,
    make_span_group_entities,
    match_entities,
    project_entities,
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
        places = [(9, 10), (0, 1), (5, 6), (1, 2), (9, 11)]
        ids = ["z", "m", "a", "m", "z"]
        doc.spans["entities"] = [
            Span(doc, start, end, span_id=id_) for (start, end), id_ in zip(places, ids)
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
        assert boundaries(found) == [[(0, 2)], [(6, 7), (3, 5)], [(0, 2)]]

    def test_overlapping_mentions(self):
        doc = make_doc()
        doc.spans["entities"] = [
            Span(doc, 8, 13, span_id="both"),
            Span(doc, 8, 10, span_id="haven"),
            Span(doc, 9, 10, span_id="haven"),
            Span(doc, 8, 10, span_id="haven"),
        ]
        found = make_span_group_entities()(doc)
        assert boundaries(found) == [[(8, 13)], [(8, 10), (9, 10), (8, 10)]]

    def test_one_mention_in_two_entities(self):
        doc = make_doc()
        doc.spans["entities"] = [Span(doc, 0, 2, span_id="a"), Span(doc, 0, 2, span_id="b")]
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
        for part in ("doc.ents", "doc.spans['mine']", "groups it has: sc", "'ner'", "'entities'"):
            assert part in message
        assert not re.search(r"\s{2,}", message)


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


mention_places = st.tuples(st.integers(0, 5), st.integers(1, 2))
entity_lists = st.lists(st.lists(mention_places, min_size=1, max_size=4), max_size=6)
few_examples = settings(max_examples=60, deadline=None)
LONG = make_doc([f"word{place}" for place in range(8)])


def make_entities(places: List[List[Tuple[int, int]]]) -> List[List[Span]]:
    return [[LONG[start : start + length] for start, length in mentions] for mentions in places]


def mention_sets(entities: Sequence[Sequence[Span]]) -> List[frozenset]:
    return [frozenset((span.start, span.end) for span in mentions) for mentions in entities]


class TestMatchEntities:
    @given(entity_lists)
    @few_examples
    def test_a_list_matches_itself_in_place(self, places):
        """Even where an entity is there twice, and mentions are shared."""
        entities = make_entities(places)
        expected = {place: place for place in range(len(places))}
        assert match_entities(entities, make_entities(places)) == expected

    @given(entity_lists, entity_lists)
    @few_examples
    def test_matches_are_one_to_one_and_share_a_mention(self, places, other_places):
        entities, others = make_entities(places), make_entities(other_places)
        matches = match_entities(entities, others)
        assert len(set(matches.values())) == len(matches)
        ours, theirs = mention_sets(entities), mention_sets(others)
        for place, other in matches.items():
            assert ours[place] & theirs[other]

    @given(entity_lists, entity_lists)
    @few_examples
    def test_no_two_entities_that_share_a_mention_are_both_left_over(self, places, other_places):
        entities, others = make_entities(places), make_entities(other_places)
        matches = match_entities(entities, others)
        ours, theirs = mention_sets(entities), mention_sets(others)
        for place in set(range(len(ours))) - set(matches):
            for other in set(range(len(theirs))) - set(matches.values()):
                assert not ours[place] & theirs[other]

    @given(st.data(), entity_lists)
    @few_examples
    def test_entities_in_another_order_match_the_same_sets_of_mentions(self, data, places):
        order = data.draw(st.permutations(range(len(places))))
        entities = make_entities(places)
        others = [data.draw(st.permutations(mentions)) for mentions in (entities[k] for k in order)]
        matches = match_entities(entities, others)
        ours, theirs = mention_sets(entities), mention_sets(others)
        assert sorted(matches) == list(range(len(places)))
        for place, other in matches.items():
            assert ours[place] == theirs[other]

    @given(st.data(), entity_lists, entity_lists)
    @few_examples
    def test_the_order_of_the_lists_does_not_matter_where_no_two_candidates_tie(
        self, data, places, other_places
    ):
        ours, theirs = (
            mention_sets(make_entities(places)),
            mention_sets(make_entities(other_places)),
        )
        shares = [[len(x & y) / len(x | y) for y in theirs] for x in ours]
        for line in [*shares, *zip(*shares)]:
            candidates = [share for share in line if share > 0]
            assume(len(set(candidates)) == len(candidates))
        order = data.draw(st.permutations(range(len(places))))
        other_order = data.draw(st.permutations(range(len(other_places))))
        matches = match_entities(
            make_entities([places[k] for k in order]),
            make_entities([other_places[k] for k in other_order]),
        )
        found = {order[place]: other_order[other] for place, other in matches.items()}
        assert found == match_entities(make_entities(places), make_entities(other_places))

    def test_the_largest_shared_part_is_matched_first(self):
        entities = make_entities([[(0, 1), (1, 1), (2, 1)], [(0, 1), (1, 1)]])
        others = make_entities([[(0, 1), (1, 1)], [(0, 1), (5, 1)]])
        assert match_entities(entities, others) == {0: 1, 1: 0}

    def test_overlap_is_not_enough(self):
        assert match_entities(make_entities([[(0, 1)]]), make_entities([[(0, 2)]])) == {}

    @pytest.mark.parametrize("ours, theirs", [([], []), ([[(0, 1)]], []), ([], [[(0, 1)]])])
    def test_nothing_to_match(self, ours, theirs):
        assert match_entities(make_entities(ours), make_entities(theirs)) == {}


TEXT = "Ada Lane-Falk's brother lived in New Haven."
COARSE = [
    "Ada",
    " ",
    "Lane-Falk's",
    " ",
    "brother",
    " ",
    "lived",
    " ",
    "in",
    " ",
    "New",
    " ",
    "Haven.",
]


def tokenised(pieces: Sequence[str]) -> Doc:
    """A Doc of pieces of a text; a piece " " is the space after the one before."""
    words = [piece for piece in pieces if piece != " "]
    spaces = [
        place + 1 < len(pieces) and pieces[place + 1] == " "
        for place, piece in enumerate(pieces)
        if piece != " "
    ]
    return Doc(VOCAB, words=words, spaces=spaces)


def cut(places: Sequence[int]) -> Doc:
    """TEXT, cut at the spaces and at the places given."""
    space = [place for place, letter in enumerate(TEXT) if letter == " "]
    cuts = sorted({0, len(TEXT), *places, *space, *(place + 1 for place in space)})
    return tokenised([TEXT[start:end] for start, end in zip(cuts, cuts[1:])])


cuts = st.lists(st.integers(1, len(TEXT) - 1), max_size=10)


class TestProjectEntities:
    def test_another_tokenisation(self):
        fine = cut([8, 9, 13, 42])
        assert fine.text == TEXT
        assert [token.text for token in fine][:5] == ["Ada", "Lane", "-", "Falk", "'s"]
        coarse = tokenised(COARSE)
        assert coarse.text == TEXT
        entities = [
            [Span(fine, 0, 4, label="PER", span_id="a"), Span(fine, 3, 4, label="PER")],
            [Span(fine, 8, 10, label="LOC", span_id="b")],
        ]
        found = project_entities(entities, coarse)
        assert [[span.text for span in mentions] for mentions in found] == [
            ["Ada Lane-Falk's", "Lane-Falk's"],
            ["New Haven."],
        ]
        assert [[(span.label_, span.id_) for span in mentions] for mentions in found] == [
            [("PER", "a"), ("PER", "")],
            [("LOC", "b")],
        ]
        assert all(span.doc is coarse for mentions in found for span in mentions)

    def test_order_and_number_are_kept(self):
        doc = cut([])
        entities = [[doc[5:7], doc[0:1]], [doc[0:1]], [doc[0:1], doc[0:1]]]
        assert boundaries(project_entities(entities, doc.copy())) == boundaries(entities)

    @given(cuts, cuts, st.data())
    @few_examples
    def test_a_mention_grows_to_the_next_token_boundaries_and_no_further(
        self, places, other_places, data
    ):
        doc, other = cut(places), cut(other_places)
        start = data.draw(st.integers(0, len(doc) - 1))
        end = data.draw(st.integers(start + 1, len(doc)))
        mention = doc[start:end]
        ((found,),) = project_entities([[mention]], other)
        inside = [
            token.i
            for token in other
            if token.idx < mention.end_char and token.idx + len(token) > mention.start_char
        ]
        assert (found.start, found.end) == (inside[0], inside[-1] + 1)

    @given(cuts)
    @few_examples
    def test_a_finer_tokenisation_keeps_the_text(self, places):
        doc, other = cut([]), cut(places)
        entities = [[token.doc[token.i : token.i + 1]] for token in doc]
        found = project_entities(entities, other)
        assert [span.text for (span,) in found] == [token.text for token in doc]

    def test_another_text_is_an_error(self):
        doc = make_doc()
        with pytest.raises(ValueError, match="'York .' lies outside.*different texts"):
            project_entities([[doc[12:14]]], make_doc(["Ada", "Lane"]))
