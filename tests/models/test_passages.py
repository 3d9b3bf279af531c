"""Long documents, passage by passage."""

from collections import defaultdict
from typing import Dict, List, Set, Tuple

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_docre.alignment import GoldAlignment
from spacy_docre.entity_sources import gold_entities
from spacy_docre.models.encoded_document import EncodedDocument, merge_windows
from spacy_docre.models.passages import Passages, PassageScores, cut_out, merge
from spacy_docre.pairs import ScoredPairs
from spacy_docre.pipeline.teacher_pipeline import TeacherPipeline
from tests.models.builders import SPECIAL, encoded_document, named_documents, random_document
from tests.models.test_kd_docre import every_pair_encoder, make
from tests.pipeline.helpers import EXTRACTOR, scores_of

SENTENCES = {"@span_getters": "spacy-transformers.sent_spans.v1"}
SHORT = {"@misc": "spacy_docre.Passages.v1", "length": 4, "stride": 4, "whole": 12}


class TestPlaces:
    @given(
        st.lists(st.integers(1, 30), min_size=1, max_size=20),
        st.integers(1, 12),
        st.integers(0, 12),
    )
    @settings(deadline=None)
    def test_every_position_and_all_that_are_near(
        self, sentences: List[int], stride: int, more: int
    ) -> None:
        policy = Passages(length=stride + more, stride=stride, whole=stride + more)
        numbers = numpy.repeat(numpy.arange(len(sentences)), sentences)
        places = list(policy._places(numbers))
        assert places[0][0] == 0 and places[-1][1] == len(numbers)
        starts = set(numpy.cumsum([0, *sentences]).tolist())
        for (start, end), (next_start, next_end) in zip(places, places[1:], strict=False):
            assert start < next_start <= end < next_end
            assert end - start <= policy.length
            # Within a sentence only where that is long.
            for place in {start, end} - starts:
                sentence = numbers[place]
                assert sentences[sentence] > stride
        for first in range(len(numbers)):
            for second in range(first, min(len(numbers), first + more - stride + 1)):
                assert any(start <= first and second < end for start, end in places)

    @pytest.mark.parametrize("wrong", [{"stride": 0}, {"length": 100}, {"whole": 200}])
    def test_out_of_range(self, wrong: Dict[str, int]) -> None:
        with pytest.raises(ValueError, match="1 <= stride <= length <= whole"):
            Passages(**wrong)


class TestCutOut:
    @pytest.mark.parametrize("name", ["one window", "overlapping windows", "many windows"])
    @every_pair_encoder
    def test_the_whole_is_itself(self, name: str, pair_encoder: str) -> None:
        document = named_documents()[name]
        passage = cut_out(document, 0, document.num_positions)
        assert passage.entities.tolist() == list(range(document.num_entities))
        network = make(pair_encoder).eval()
        (whole,), (part,) = network([document]), network([passage.document])
        assert torch.allclose(whole.logits, part.logits, atol=1e-6)
        assert torch.equal(whole.evidence.sentences, part.evidence.sentences)

    def test_against_a_document_of_the_part_alone(self) -> None:
        """Windows that hold nothing else: the part is the document that these windows make."""
        windows = [[SPECIAL, 0, 1, 2, SPECIAL], [SPECIAL, 3, 4, 5, 6], [7, 8, 9, 10, SPECIAL]]
        entities = [[[0, 1], [4]], [[2], [7]], [[5, 6]], [[3], [9, 10]], [[8]]]
        document = encoded_document(windows, entities, sentence_starts=(0, 3, 5, 7))
        passage = cut_out(document, 3, 7)
        alone = encoded_document(
            [[SPECIAL, 0, 1, 2, 3]], [[[1]], [[2, 3]], [[0]]], sentence_starts=(0, 2)
        )._replace(hidden=document.hidden[1:2], attention=document.attention[1:2])
        assert passage.entities.tolist() == [0, 2, 3] and passage.first_sentence == 1
        for ours, theirs in zip(passage.document, alone, strict=True):
            assert torch.equal(torch.as_tensor(ours), torch.as_tensor(theirs))

    @pytest.mark.parametrize("seed", range(5))
    def test_naive_positions_and_mentions(self, seed: int) -> None:
        document = random_document(6, windows=6, seed=seed, sentence_starts=(0, 5, 11, 16))
        for start, end in ((0, 7), (3, 12), (9, document.num_positions)):
            part = cut_out(document, start, end).document
            assert torch.allclose(merge_windows(part), merge_windows(document)[start:end])
            ours, theirs = _mention_positions(part, 0), _mention_positions(document, start)
            expected: List[Set[Tuple[int, ...]]] = []
            for mentions in theirs:
                inside = {tuple(p for p in mention if 0 <= p < end - start) for mention in mentions}
                if inside - {()}:
                    expected.append(inside - {()})
            assert ours == expected

    def test_special_tokens_stay_with_their_window(self) -> None:
        windows = [[6, 0, 1, 2, 7], [8, 3, 4, 5, 9]]
        document = encoded_document(windows, [[[1]], [[4]], [[5]]], sentence_starts=(0, 3))
        sentences = torch.tensor([0, 0, 0, 1, 1, 1, -1, -1, -1, -1])
        part = cut_out(document._replace(position_sentences=sentences), 3, 6)
        assert part.document.piece_positions.tolist() == [3, 0, 1, 2, 4]
        assert part.document.position_sentences.tolist() == [0, 0, 0, -1, -1]
        assert part.entities.tolist() == [1, 2]


def _mention_positions(document: EncodedDocument, start: int) -> List[Set[Tuple[int, ...]]]:
    """The positions of the mentions of each entity, counted from a start."""
    found: Dict[int, Set[int]] = defaultdict(set)
    for piece, mention in zip(
        document.mention_pieces.tolist(), document.piece_mentions.tolist(), strict=True
    ):
        found[mention].add(int(document.piece_positions[piece]) - start)
    entities: List[Set[Tuple[int, ...]]] = [set() for _ in range(document.num_entities)]
    for mention, positions in found.items():
        entities[int(document.mention_entities[mention])].add(tuple(sorted(positions)))
    return entities


@pytest.mark.parametrize("seed", range(5))
def test_merge_against_a_naive_loop(seed: int) -> None:
    random = numpy.random.default_rng(seed)
    passages, expected = [], {}
    for number in range(4):
        entities = numpy.sort(random.choice(8, size=random.integers(2, 6), replace=False))
        pairs = ScoredPairs.all_of(len(entities))
        pairs = ScoredPairs(entities[pairs.heads], entities[pairs.tails], pairs.unordered)
        kept = 1 + number % 3
        scores = PassageScores(
            pairs,
            random.normal(size=(len(pairs.heads), 5)),
            random.integers(0, 9, size=(1 + pairs.unordered.max(), kept)),
            random.random(size=(1 + pairs.unordered.max(), kept)),
        )
        passages.append(scores)
        for row, pair in enumerate(zip(pairs.heads, pairs.tails, strict=True)):
            margins = scores.logits[row, 1:] - scores.logits[row, 0]
            best, sure, sentence = expected.get(pair, (margins, -numpy.inf, None))
            if margins.max() > sure:
                sure, sentence = margins.max(), scores.sentences[pairs.unordered[row], 0]
            expected[pair] = numpy.maximum(best, margins), sure, sentence
    merged = merge(passages, 8, 5)
    assert merged.sentences.shape[1] == 3
    found = list(zip(merged.pairs.heads, merged.pairs.tails, strict=True))
    assert len(found) == len(set(found)) and set(found) == expected.keys()
    for row, pair in enumerate(found):
        best, _, sentence = expected[pair]
        assert merged.logits[row, 1:] - merged.logits[row, 0] == pytest.approx(best)
        assert merged.sentences[merged.pairs.unordered[row], 0] == sentence


@pytest.fixture
def by_sentence(make_pipeline, make_examples):
    """A pipeline whose transformer reads sentence by sentence, and that scores everything."""
    nlp = make_pipeline(
        transformer={"get_spans": SENTENCES},
        examples=make_examples(3),
        threshold=0.0,
        model={"passages": SHORT},
    )
    return nlp


def sentences_doc(nlp: spacy.Language, number: int, again: bool) -> Doc:
    """Sentences of four words, each of which is a passage: with the same two entities again and
    again, or with others each time."""
    # Each is a word piece.
    words = ["A", "l", "O", "."] * number
    doc = Doc(nlp.vocab, words=words, sent_starts=[i % 4 == 0 for i in range(len(words))])
    spans = []
    for index in range(number):
        for place, entity in ((0, 0), (2, 1)):
            token = 4 * index + place
            id_ = str(entity if again else 2 * index + entity)
            spans.append(Span(doc, token, token + 1, label="X", span_id=id_))
    doc.spans["entities"] = spans
    return doc


class TestPipeline:
    def test_only_what_a_passage_brings_together(self, by_sentence) -> None:
        doc = by_sentence(sentences_doc(by_sentence, 12, again=False))
        pairs = {(relation.head.index, relation.tail.index) for relation in doc._.relations}
        assert pairs == {(a, a ^ 1) for a in range(24)}
        for relation in doc._.relations:
            (sentence,) = relation.evidence
            assert sentence.start == 4 * (relation.head.index // 2)

    def test_a_short_document_is_scored_whole(self, by_sentence) -> None:
        doc = by_sentence(sentences_doc(by_sentence, 2, again=False))
        assert len({(r.head.index, r.tail.index) for r in doc._.relations}) == 12

    def test_what_is_said_again_and_again_is_kept(self, by_sentence) -> None:
        alone = scores_of(by_sentence(sentences_doc(by_sentence, 1, again=True)))
        often = scores_of(by_sentence(sentences_doc(by_sentence, 40, again=True)))
        assert alone and often == pytest.approx(alone, abs=1e-5)

    def test_pairs_grow_with_the_length(self, by_sentence) -> None:
        extractor = by_sentence.get_pipe(EXTRACTOR)
        for number in (10, 40, 160):
            doc = by_sentence.get_pipe("transformer")(sentences_doc(by_sentence, number, False))
            (scores,) = extractor.predict([doc])
            assert len(scores.logits) == 2 * number

    def test_too_many_pairs(self, make_pipeline, make_examples) -> None:
        model = {"passages": SHORT, "max_pairs": 20}
        nlp = make_pipeline(
            transformer={"get_spans": SENTENCES}, examples=make_examples(3), model=model
        )
        assert nlp(sentences_doc(nlp, 10, again=False))
        with pytest.raises(ValueError, match="22 entities, which are 22 pairs.*max_pairs = 20"):
            nlp(sentences_doc(nlp, 11, again=False))

    def test_no_passage_has_a_pair(self, by_sentence) -> None:
        doc = sentences_doc(by_sentence, 12, again=False)
        doc.spans["entities"] = [span for span in doc.spans["entities"] if span.start % 4]
        doc = by_sentence(doc)
        assert len(doc._.entities) == 12 and doc._.relations == []

    def test_stored_and_loaded(self, by_sentence, tmp_path) -> None:
        by_sentence.to_disk(tmp_path)
        nlp = spacy.load(tmp_path)
        docs = [pipe(sentences_doc(pipe, 12, again=False)) for pipe in (by_sentence, nlp)]
        first, second = map(scores_of, docs)
        assert first and first == pytest.approx(second, abs=1e-6)

    def test_a_teacher_speaks_of_all_pairs(self, by_sentence, tmp_path) -> None:
        """As it is asked about documents that are trained on whole."""
        by_sentence.to_disk(tmp_path)
        doc = sentences_doc(by_sentence, 12, again=False)
        alignment = GoldAlignment(Example(doc, doc), gold_entities(doc))
        (logits,) = TeacherPipeline(tmp_path).logits([alignment])
        assert logits.rows is None and len(logits.values) == 24 * 23
