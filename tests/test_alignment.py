"""How the entities of two lists, or of two documents of the same text, are matched."""

from typing import List, Sequence, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_docre.alignment import align_mentions, match_entities

VOCAB = Vocab()
WORDS = "Ada Lane met ADA LANE and Bruno in New Haven , New York .".split()


def make_doc(words: Sequence[str] = WORDS) -> Doc:
    return Doc(VOCAB, words=list(words))


def boundaries(entities: Sequence[Sequence[Span]]) -> List[List[Tuple[int, int]]]:
    return [[(span.start, span.end) for span in mentions] for mentions in entities]


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


class TestAlignMentions:
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
        found = align_mentions(Example(coarse, fine), entities)
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
        assert boundaries(align_mentions(Example(doc.copy(), doc), entities)) == boundaries(
            entities
        )

    @given(cuts, cuts, st.data())
    @few_examples
    def test_a_mention_grows_to_the_next_token_boundaries_and_no_further(
        self, places, other_places, data
    ):
        doc, other = cut(places), cut(other_places)
        start = data.draw(st.integers(0, len(doc) - 1))
        end = data.draw(st.integers(start + 1, len(doc)))
        mention = doc[start:end]
        ((found,),) = align_mentions(Example(other, doc), [[mention]])
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
        found = align_mentions(Example(other, doc), entities)
        assert [span.text for (span,) in found] == [token.text for token in doc]

    def test_another_text_is_an_error(self):
        doc = make_doc()
        other = make_doc(["Ada", "Lane"])
        with pytest.raises(ValueError, match="'Ada Lane met.*'Ada Lane'.*different texts"):
            align_mentions(Example(other, doc), [[doc[12:14]]])
