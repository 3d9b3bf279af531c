"""Positions of word pieces, through windows that overlap."""

import time
from typing import Dict, List, Tuple

import numpy
import pytest
import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData

from spacy_docre.entity_sources import EntityDoc
from spacy_docre.models.encoded_document import EncodedDocument
from spacy_docre.models.pieces import encode_document

WORDS = (
    "Ada Lane was born in Oslo . Later she worked for Acme Works , Ada Lane said . The end"
).split()
FAMILIES = ["bert", "roberta", "xlm-roberta", "deberta-v2"]


def encode(nlp, doc: Doc) -> Tuple[EncodedDocument, TransformerData]:
    (data,) = nlp.get_pipe("transformer").predict([doc]).doc_data
    group = doc.spans["entities"]
    ids = list(dict.fromkeys(span.id_ for span in group))
    entities = [[span for span in group if span.id_ == id_] for id_ in ids]
    document = EntityDoc(doc, entities)
    encoded = encode_document(document, data, device=torch.device("cpu"), is_train=False)
    return encoded, data


def tokens_and_ranks(data: TransformerData) -> Dict[int, Tuple[int, int]]:
    """For each piece of the flattened windows its token, and its rank among the pieces that
    the token has in the window. A piece in two tokens belongs to the first."""
    length = data.wordpieces.input_ids.shape[1]
    found: Dict[int, Tuple[int, int]] = {}
    for token in range(len(data.align.lengths)):
        ranks: Dict[int, int] = {}
        for piece in data.align[token].dataXd.flatten():
            window = piece // length
            rank = ranks[window] = ranks.get(window, -1) + 1
            found.setdefault(int(piece), (token, rank))
    return found


def naive_positions(data: TransformerData) -> List[int]:
    found = tokens_and_ranks(data)
    numbers = {index: number for number, index in enumerate(sorted(set(found.values())))}
    return [
        numbers[found[piece]] if piece in found else -1
        for piece in range(data.wordpieces.input_ids.size)
    ]


def mention_positions(encoded: EncodedDocument) -> List[List[int]]:
    """The positions of each mention."""
    positions = encoded.piece_positions[encoded.mention_pieces]
    return [
        sorted(set(positions[encoded.piece_mentions == mention].tolist()))
        for mention in range(len(encoded.mention_entities))
    ]


def position_texts(encoded: EncodedDocument, data: TransformerData) -> List[str]:
    """The text of each position, as the first window that holds it has it."""
    strings = [string for window in data.wordpieces.strings for string in window]
    texts = [""] * encoded.num_positions
    for string, position in reversed(
        list(zip(strings, encoded.piece_positions.tolist(), strict=True))
    ):
        if position >= 0:
            texts[position] = string
    return texts


class TestPositions:
    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("window, stride", [(16, 12), (16, 5), (7, 7), (200, 100)])
    def test_agree_with_a_naive_count(self, family, window, stride, make_pipeline, make_examples):
        settings = {"family": family, "window": window, "stride": stride}
        examples = make_examples(3)
        nlp = make_pipeline(transformer=settings, examples=examples)
        for example in examples:
            encoded, data = encode(nlp, example.predicted)
            expected = naive_positions(data)
            assert encoded.piece_positions.tolist() == expected
            assert encoded.num_positions == max(expected) + 1

    def test_windows_of_sentences(self, make_pipeline, make_examples):
        """They are of different lengths and do not overlap."""
        getter = {"@span_getters": "spacy-transformers.sent_spans.v1"}
        examples = make_examples(2)
        nlp = make_pipeline(transformer={"get_spans": getter}, examples=examples)
        for example in examples:
            encoded, data = encode(nlp, example.predicted)
            assert len(encoded.hidden) == encoded.num_sentences > 3
            assert encoded.piece_positions.tolist() == naive_positions(data)

    def test_one_window_and_overlapping_windows_have_the_same_positions(
        self, make_pipeline, make_examples, make_doc
    ):
        """BERT's tokenizer cuts a token alike wherever a window begins."""
        entities = [[(0, 2), (14, 16)], [(5, 6)], [(11, 13)]]
        doc = make_doc(WORDS, entities, sentences=[0, 7, 18])
        found = []
        for window, stride in [(100, 80), (8, 6), (8, 2)]:
            settings = {"window": window, "stride": stride}
            nlp = make_pipeline(transformer=settings, examples=make_examples(1))
            encoded, data = encode(nlp, doc)
            positions = (
                position_texts(encoded, data),
                mention_positions(encoded),
                encoded.position_sentences.tolist(),
            )
            found.append((len(encoded.hidden), positions))
        (one, whole), (some, overlapping), (many, more_overlapping) = found
        assert one == 1 < some < many
        assert whole == overlapping == more_overlapping

    def test_pieces_that_differ_at_the_start_of_a_window(
        self, make_pipeline, make_examples, make_doc
    ):
        """RoBERTa writes a word at the start of a text otherwise than after a space."""
        settings = {"family": "roberta", "window": 8, "stride": 1}
        nlp = make_pipeline(transformer=settings, examples=make_examples(1))
        encoded, data = encode(nlp, make_doc(WORDS, [[(0, 2)], [(5, 6)]]))
        length = data.wordpieces.input_ids.shape[1]
        uneven = []
        for token in range(len(data.align.lengths)):
            windows = data.align[token].dataXd.flatten() // length
            if len(set(numpy.unique(windows, return_counts=True)[1])) > 1:
                uneven.append(token)
        assert uneven
        assert encoded.piece_positions.tolist() == naive_positions(data)
        pieces = sorted(set(tokens_and_ranks(data).values()))
        for token in uneven:
            ranks = [rank for owner, rank in pieces if owner == token]
            assert ranks == list(range(len(ranks)))

    def test_long_document(self, make_pipeline, make_examples, make_doc):
        doc = make_doc(WORDS * 250, [[(0, 2), (4994, 4996)], [(2505, 2506)]])
        assert len(doc) == 5000
        nlp = make_pipeline(examples=make_examples(1))
        encoded, data = encode(nlp, doc)
        assert len(encoded.hidden) == 417
        assert encoded.piece_positions.tolist() == naive_positions(data)
        (first, last), (middle,) = mention_positions(encoded)[:2], mention_positions(encoded)[2:]
        assert max(first) < min(middle) and max(middle) < min(last)

    def test_positions_of_a_long_document_take_no_time(
        self, make_pipeline, make_examples, make_doc
    ):
        doc = make_doc(WORDS * 250, [[(0, 2)], [(2505, 2506)]])
        nlp = make_pipeline(examples=make_examples(1))
        (data,) = nlp.get_pipe("transformer").predict([doc]).doc_data
        document = EntityDoc(doc, [[doc[0:2]], [doc[2505:2506]]])
        start = time.perf_counter()
        encode_document(document, data, device=torch.device("cpu"), is_train=False)
        assert time.perf_counter() - start < 0.5


class TestMentions:
    def test_mention_cut_by_a_window(self, make_pipeline, make_examples, make_doc):
        """It has the pieces that each window holds of it."""
        nlp = make_pipeline(transformer={"window": 8, "stride": 6}, examples=make_examples(1))
        doc = make_doc(WORDS, [[(5, 9)], [(0, 2)]])
        encoded, data = encode(nlp, doc)
        length = encoded.hidden.shape[1]
        pieces = encoded.mention_pieces[encoded.piece_mentions == 0].tolist()
        expected = [piece for piece, (token, _) in tokens_and_ranks(data).items() if 5 <= token < 9]
        assert sorted(pieces) == sorted(expected)
        # Tokens 0 to 7, 6 to 13, and so on.
        held = {
            window: {
                tokens_and_ranks(data)[piece][0] for piece in pieces if piece // length == window
            }
            for window in (0, 1)
        }
        assert held == {0: {5, 6, 7}, 1: {6, 7, 8}}
        positions = mention_positions(encoded)[0]
        assert positions == list(range(positions[0], positions[-1] + 1))

    def test_each_mention_belongs_to_its_entity(self, make_pipeline, make_examples, make_doc):
        nlp = make_pipeline(examples=make_examples(1))
        doc = make_doc(WORDS, [[(0, 2), (14, 16), (1, 3)], [(5, 6)], [(0, 2)]])
        encoded, _ = encode(nlp, doc)
        assert encoded.num_entities == 3
        assert encoded.mention_entities.tolist() == [0, 0, 0, 1, 2]
        positions = mention_positions(encoded)
        assert positions[0] == positions[4]
        assert set(positions[0]) & set(positions[2])

    @pytest.mark.parametrize("family", FAMILIES)
    def test_token_without_a_piece(self, family, make_pipeline, make_examples, make_doc):
        nlp = make_pipeline(transformer={"family": family}, examples=make_examples(1))
        words = ["Ada", "Lane", "\n\n", "was", "born", "in", "Oslo", "."]
        doc = make_doc(words, [[(0, 3)], [(2, 3)], [(6, 7)]])
        encoded, data = encode(nlp, doc)
        with_space, space, city = mention_positions(encoded)
        if family == "bert":
            assert data.align.lengths[2] == 0
            assert space == []
        assert set(space) < set(with_space)
        assert city
        assert encoded.piece_positions.tolist() == naive_positions(data)

    def test_document_without_any_piece(self, make_pipeline, make_examples, make_doc):
        nlp = make_pipeline(examples=make_examples(1))
        encoded, data = encode(nlp, make_doc(["\n", " ", "\n"], [[(0, 1)], [(2, 3)]]))
        assert data.align.lengths.sum() == 0
        assert encoded.num_positions == 0
        assert mention_positions(encoded) == [[], []]

    def test_mention_beyond_what_the_encoder_takes(self, make_pipeline, make_examples, make_doc):
        """A window with too many pieces becomes several."""
        doc = make_doc(WORDS * 5, [[(0, 2)], [(97, 99)]])
        found = []
        for size in (100, 16):
            settings = {"window": size, "stride": size}
            nlp = make_pipeline(transformer=settings, examples=make_examples(1))
            encoded, data = encode(nlp, doc)
            assert encoded.piece_positions.tolist() == naive_positions(data)
            found.append((position_texts(encoded, data), mention_positions(encoded)))
        assert found[0] == found[1]
        assert all(found[0][1])


class TestSentences:
    def test_position_sentences(self, make_pipeline, make_examples, make_doc):
        nlp = make_pipeline(examples=make_examples(1))
        encoded, data = encode(nlp, make_doc(WORDS, [[(0, 2)], [(5, 6)]], sentences=[0, 7, 18]))
        assert encoded.num_sentences == 3
        token_sentences = [0] * 7 + [1] * 11 + [2] * 2
        expected = {
            position: token_sentences[tokens_and_ranks(data)[piece][0]]
            for piece, position in enumerate(encoded.piece_positions.tolist())
            if position >= 0
        }
        assert dict(enumerate(encoded.position_sentences.tolist())) == expected


def test_missing_attention_is_reported(make_doc):
    doc = make_doc(WORDS, [[(0, 2)], [(5, 6)]])
    data = TransformerData.zeros(len(doc), 8)
    document = EntityDoc(doc, [[doc[0:2]], [doc[5:6]]])
    with pytest.raises(ValueError, match="spacy_docre.TransformerModel.v1"):
        encode_document(document, data, device=torch.device("cpu"), is_train=False)
