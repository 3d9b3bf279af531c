"""How the entities of two lists, or of two documents of the same text, are matched."""

from itertools import pairwise
from typing import List, Sequence, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_docre.alignment import GoldAlignment, align_mentions, match_entities

VOCAB = Vocab()
WORDS = "Ada Lane met ADA LANE and Bruno in New Haven , New York .".split()


def make_doc(words: Sequence[str] = WORDS) -> Doc:
    return Doc(VOCAB, words=list(words))


def boundaries(entities: Sequence[Sequence[Span]]) -> List[List[Tuple[int, int]]]:
    return [[(span.start, span.end) for span in mentions] for mentions in entities]


mention_spans = st.tuples(st.integers(0, 5), st.integers(1, 2))
entity_lists = st.lists(st.lists(mention_spans, min_size=1, max_size=4), max_size=6)
few_examples = settings(max_examples=60, deadline=None)
LONG = make_doc([f"word{index}" for index in range(8)])


def make_entities(spans: List[List[Tuple[int, int]]]) -> List[List[Span]]:
    return [[LONG[start : start + length] for start, length in mentions] for mentions in spans]


def mention_sets(entities: Sequence[Sequence[Span]]) -> List[frozenset]:
    return [frozenset((span.start, span.end) for span in mentions) for mentions in entities]


class TestMatchEntities:
    @given(entity_lists)
    @few_examples
    def test_a_list_matches_itself_in_order(self, spans):
        """Even where an entity is there twice, and mentions are shared."""
        entities = make_entities(spans)
        expected = {index: index for index in range(len(spans))}
        assert match_entities(entities, make_entities(spans)) == expected

    @given(entity_lists, entity_lists)
    @few_examples
    def test_matches_are_one_to_one_and_share_a_mention(self, spans, other_spans):
        entities, others = make_entities(spans), make_entities(other_spans)
        matches = match_entities(entities, others)
        assert len(set(matches.values())) == len(matches)
        ours, theirs = mention_sets(entities), mention_sets(others)
        for index, other in matches.items():
            assert ours[index] & theirs[other]

    @given(entity_lists, entity_lists)
    @few_examples
    def test_no_two_entities_that_share_a_mention_are_both_left_over(self, spans, other_spans):
        entities, others = make_entities(spans), make_entities(other_spans)
        matches = match_entities(entities, others)
        ours, theirs = mention_sets(entities), mention_sets(others)
        for index in set(range(len(ours))) - set(matches):
            for other in set(range(len(theirs))) - set(matches.values()):
                assert not ours[index] & theirs[other]

    @given(st.data(), entity_lists)
    @few_examples
    def test_entities_in_another_order_match_the_same_sets_of_mentions(self, data, spans):
        order = data.draw(st.permutations(range(len(spans))))
        entities = make_entities(spans)
        others = [data.draw(st.permutations(mentions)) for mentions in (entities[k] for k in order)]
        matches = match_entities(entities, others)
        ours, theirs = mention_sets(entities), mention_sets(others)
        assert sorted(matches) == list(range(len(spans)))
        for index, other in matches.items():
            assert ours[index] == theirs[other]

    @given(st.data(), entity_lists, entity_lists)
    @few_examples
    def test_the_order_of_the_lists_does_not_matter_where_no_two_candidates_tie(
        self, data, spans, other_spans
    ):
        ours, theirs = (
            mention_sets(make_entities(spans)),
            mention_sets(make_entities(other_spans)),
        )
        shares = [[len(x & y) / len(x | y) for y in theirs] for x in ours]
        for line in [*shares, *zip(*shares, strict=True)]:
            candidates = [share for share in line if share > 0]
            assume(len(set(candidates)) == len(candidates))
        order = data.draw(st.permutations(range(len(spans))))
        other_order = data.draw(st.permutations(range(len(other_spans))))
        matches = match_entities(
            make_entities([spans[k] for k in order]),
            make_entities([other_spans[k] for k in other_order]),
        )
        found = {order[index]: other_order[other] for index, other in matches.items()}
        assert found == match_entities(make_entities(spans), make_entities(other_spans))

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
        position + 1 < len(pieces) and pieces[position + 1] == " "
        for position, piece in enumerate(pieces)
        if piece != " "
    ]
    return Doc(VOCAB, words=words, spaces=spaces)


def cut(positions: Sequence[int]) -> Doc:
    """TEXT, cut at the spaces and at the positions given."""
    space = [position for position, letter in enumerate(TEXT) if letter == " "]
    cuts = sorted({0, len(TEXT), *positions, *space, *(position + 1 for position in space)})
    return tokenised([TEXT[start:end] for start, end in pairwise(cuts)])


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
        self, positions, other_positions, data
    ):
        doc, other = cut(positions), cut(other_positions)
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
    def test_a_finer_tokenisation_keeps_the_text(self, positions):
        doc, other = cut([]), cut(positions)
        entities = [[token.doc[token.i : token.i + 1]] for token in doc]
        found = align_mentions(Example(other, doc), entities)
        assert [span.text for (span,) in found] == [token.text for token in doc]

    def test_another_text_is_an_error(self):
        doc = make_doc()
        other = make_doc(["Ada", "Lane"])
        with pytest.raises(ValueError, match="'Ada Lane met.*'Ada Lane'.*different texts"):
            align_mentions(Example(other, doc), [[doc[12:14]]])

    def test_the_error_shows_where_texts_part(self):
        words = [f"word{number}" for number in range(50)]
        doc, other = make_doc([*words, ".", "End"]), make_doc([*words, "!", "End"])
        with pytest.raises(ValueError, match=r"gold has '.*word49\.End', .* '.*word49!End'"):
            align_mentions(Example(other, doc), [[doc[0:1]]])


class TestGoldAlignment:
    def example(self, sent_starts) -> Example:
        gold = Doc(VOCAB, words=["Ada", "met", "Bo", "."], sent_starts=sent_starts)
        gold._.entities = [[gold[0:1]], [gold[2:3]]]
        return Example(Doc(VOCAB, words=["\n", "Ada", "met", "Bo", "."]), gold)

    def test_gold_in_either_document(self) -> None:
        example = self.example(None)
        alignment = GoldAlignment(example, [])
        for entities, doc, start in (
            (alignment.gold_in_reference, example.reference, 0),
            (alignment.gold, example.predicted, 1),
        ):
            assert [[span.start for span in mentions] for mentions in entities] == [
                [start],
                [start + 2],
            ]
            assert all(span.doc is doc for mentions in entities for span in mentions)

    def test_gold_sentences(self) -> None:
        example = self.example([True, False, True, False])
        found = GoldAlignment(example, []).gold_sentences
        assert [(span.start, span.end) for (span,) in found] == [(1, 3), (3, 5)]
        assert GoldAlignment(self.example(None), []).gold_sentences == []

    def test_rows_of_gold_pairs(self) -> None:
        """Row by row of the predicted entities; a pair that is not there has none."""
        doc = make_doc()
        ada, bruno, haven, york = [doc[0:2]], [doc[6:7]], [doc[8:10]], [doc[11:13]]
        example = Example(doc, make_doc())
        gold = [[example.reference[s.start : s.end] for s in e] for e in (ada, bruno, haven, york)]
        alignment = GoldAlignment(example, [york, ada, bruno], gold)
        assert alignment.pair_row(0, 1) == 3
        assert alignment.pair_row(1, 0) == 5
        assert alignment.pair_row(3, 0) == 0
        assert alignment.pair_row(0, 0) is None
        assert alignment.pair_row(0, 2) is None and alignment.pair_row(2, 0) is None


class TestSentences:
    """Where the sentences of a reference are among those of the predicted document."""

    GOLD = ["Ada", "met", "Bo", ".", "He", "left", "."]

    def align(self, words, starts, spaces=None) -> GoldAlignment:
        starts_of_gold = [index in (0, 4) for index in range(7)]
        gold = Doc(VOCAB, words=self.GOLD, sent_starts=starts_of_gold)
        sent_starts = [index in starts for index in range(len(words))] if starts else None
        predicted = Doc(VOCAB, words=words, spaces=spaces, sent_starts=sent_starts)
        return GoldAlignment(Example(predicted, gold), [])

    def test_the_same(self) -> None:
        alignment = self.align(self.GOLD, (0, 4))
        assert alignment.sentence_overlap(0, 4).tolist() == [9, 0]
        assert alignment.sentence_overlap(4, 7).tolist() == [0, 7]
        assert alignment.sentence_overlap(3, 5).tolist() == [1, 2]
        assert alignment.sentence_overlap(0, 0).tolist() == [0, 0]
        assert alignment.sentence_parts.tolist() == [[1, 0], [0, 1]]

    def test_one_is_cut_and_the_rest_joined(self) -> None:
        alignment = self.align(self.GOLD, (0, 1))
        assert alignment.sentence_overlap(0, 4).tolist() == [3, 6]
        assert alignment.sentence_parts.tolist() == [[3 / 9, 6 / 9], [0, 1]]

    def test_other_tokens(self) -> None:
        """White space counts for nothing, and a token of two sentences for both, once."""
        words = ["Ada", "met", "Bo", ".He", "\n\n", "le", "ft."]
        alignment = self.align(words, (0, 4))
        assert alignment.sentence_overlap(0, 4).tolist() == [11, 0]
        assert alignment.sentence_overlap(4, 7).tolist() == [3, 5]
        assert alignment.sentence_overlap(3, 5).tolist() == [3, 0]

    def test_none_are_marked(self) -> None:
        alignment = self.align(self.GOLD, ())
        assert alignment.sentence_overlap(4, 7).tolist() == [7]
        with pytest.raises(ValueError, match="'evidence' needs sentence bound.*'Ada met Bo . He"):
            alignment.require_sentences("evidence")
        self.align(self.GOLD, (0, 4)).require_sentences("evidence")
