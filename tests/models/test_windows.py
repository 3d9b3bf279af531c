"""Windows that the encoder has room for: no word piece is lost, whatever the text is made of."""

import warnings
from itertools import pairwise
from typing import Callable, Dict, List, Tuple

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from spacy_transformers.span_getters import configure_strided_spans
from thinc.api import Adam
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
    RobertaConfig,
    RobertaModel,
)

from spacy_docre.entity_sources import EntityDoc
from spacy_docre.models.attention import attention_of
from spacy_docre.models.pieces import encode_document
from spacy_docre.models.windows import (
    cut_windows,
    fill_parts,
    fit,
    split_tokens,
    to_wordpieces,
    tokenize,
    window_limit,
)
from tests.conftest import SIZES

FAMILIES = ["bert", "roberta", "xlm-roberta", "deberta-v2"]
MARKERS = {"@misc": "spacy_docre.MentionMarkers.v1"}
FACTS = "Ada Lane was born in Oslo . Later she worked for Acme Works .".split()
NOISE = [
    ["https://example.org/" + "q7x-" * 12 + str(number) for number in range(20)],
    ["aGVsbG8gd29ybGQ" * 6] * 9,
    list("玛丽居里是物理学家" * 25),
    ["มารีกูว์รีเป็นนักฟิสิกส์"] * 30,
]


class TestParts:
    @given(st.lists(st.integers(0, 7), min_size=1, max_size=30), st.integers(7, 40))
    def test_no_token_more_fits(self, sizes: List[int], room: int) -> None:
        parts = fill_parts(sizes, room)
        assert all(sum(sizes[start:end]) <= room for start, end in parts)
        assert {index for part in parts for index in range(*part)} == set(range(len(sizes)))
        for start, end in parts:
            before = start > 0 and sum(sizes[start - 1 : end]) <= room
            after = end < len(sizes) and sum(sizes[start : end + 1]) <= room
            assert not after and not (before and end == len(sizes))

    @given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(40, 80))
    def test_all_tokens_are_there_in_order(self, sizes: List[int], room: int) -> None:
        parts = split_tokens(sizes, room)
        assert all(sum(sizes[start:end]) <= room for start, end in parts)
        assert (parts[0][0], parts[-1][1]) == (0, len(sizes))
        for (_, end), (following, _) in pairwise(parts):
            assert following <= end

    def test_addresses_are_apart(self) -> None:
        """A single one is not."""
        assert split_tokens([1] * 30 + [40, 1] * 5 + [1] * 60, 100)[-1] == (39, 100)
        assert split_tokens([1] * 30 + [20] + [1] * 60, 100)[-1] == (10, 91)


class TestLimit:
    def test_huge_model_max_length(self, encoder: Callable) -> None:
        tokenizer = AutoTokenizer.from_pretrained(encoder("bert"), model_max_length=int(1e30))
        assert window_limit(tokenizer, AutoModel.from_pretrained(encoder("bert"))) == 130

    def test_positions_behind_the_padding(self, encoder: Callable) -> None:
        tokenizer = AutoTokenizer.from_pretrained(encoder("roberta"), model_max_length=int(1e30))
        transformer = RobertaModel(RobertaConfig(**SIZES, pad_token_id=1)).eval()
        limit = window_limit(tokenizer, transformer)
        assert limit == 128
        transformer(torch.full((1, limit), 5))
        with pytest.raises(IndexError):
            transformer(torch.full((1, limit + 1), 5))

    def test_model_max_length(self, encoder: Callable) -> None:
        tokenizer = AutoTokenizer.from_pretrained(encoder("bert"))
        tokenizer.model_max_length = 40
        assert window_limit(tokenizer, BertModel(BertConfig(**SIZES))) == 40

    def test_room_for_nothing(self, encoder: Callable) -> None:
        tokenizer = AutoTokenizer.from_pretrained(encoder("bert"))
        windows = [[Doc(Vocab(), words=["Oslo"])[:]]]
        with pytest.raises(ValueError, match="2 word pieces at a time, and 2 are special"):
            fit(tokenizer, windows, tokenize(tokenizer, windows), 2)


TOKENS = st.lists(
    st.sampled_from(["Oslo", "a", "don't", "(", "x9-" * 5, "\n", " ", "w" * 30, "Ж", "玛丽", "."]),
    min_size=1,
    max_size=50,
)


class TestPieces:
    @pytest.mark.parametrize("family", FAMILIES)
    @settings(max_examples=25, deadline=None)
    @given(words=TOKENS, glued=st.booleans(), limit=st.integers(45, 90), cut=st.integers(1, 50))
    def test_every_piece_of_every_token_is_there(
        self, family: str, encoder: Callable, words: List[str], glued: bool, limit: int, cut: int
    ) -> None:
        tokenizer = _tokenizer(encoder(family))
        doc = Doc(Vocab(), words=words, spaces=[not glued] * len(words))
        # Two windows that overlap, or one.
        windows = [[doc[: cut + 2], doc[cut:]] if cut < len(doc) else [doc[:]]]
        pieces = tokenize(tokenizer, windows)
        found = fit(tokenizer, windows, pieces, limit)
        assert found.pieces.input_ids.shape[1] <= limit
        assert not found.lost.any()
        wordpieces, align = to_wordpieces(tokenizer, found)
        assert [len(row) for row in wordpieces.strings] == [wordpieces.input_ids.shape[1]] * len(
            wordpieces.strings
        )
        assert len(align.lengths) == len(doc)
        # The pieces with the characters they stand for, as often as a token lies in a window.
        expected, real = (
            {
                (int(id_), int(start), int(end))
                for ids, places in zip(part.input_ids, part.characters, strict=True)
                for id_, (start, end) in zip(ids, places, strict=True)
                if start < end
            }
            for part in (pieces, found.pieces)
        )
        assert real == expected
        special = tokenizer("")["input_ids"]
        for row, mask in zip(found.pieces.input_ids, found.pieces.attention_mask, strict=True):
            kept = row[mask > 0]
            assert [kept[0], kept[-1]] == [special[0], special[-1]]

    def test_a_tokenizer_that_tells_no_characters(self, encoder: Callable) -> None:
        tokenizer = BertTokenizer(f"{encoder('bert')}/pieces.txt")
        fast = AutoTokenizer.from_pretrained(encoder("bert"))
        doc = Doc(Vocab(), words=FACTS * 6)
        windows = [[doc[:50], doc[40:]]]
        found, other = (
            to_wordpieces(tool, fit(tool, windows, tokenize(tool, windows), 60))
            for tool in (tokenizer, fast)
        )
        assert len(found[0].strings) > 2
        assert found[0].strings == other[0].strings
        assert found[1].dataXd.tolist() == other[1].dataXd.tolist()

    def test_a_window_that_fits_stays_as_it_is(self, encoder: Callable) -> None:
        tokenizer = _tokenizer(encoder("roberta"))
        doc = Doc(Vocab(), words=FACTS)
        pieces = tokenize(tokenizer, [[doc[:]]])
        limit = int(pieces.attention_mask.sum())
        assert fit(tokenizer, [[doc[:]]], pieces, limit).pieces is pieces
        assert len(fit(tokenizer, [[doc[:]]], pieces, limit - 1).spans[0]) == 2


def _tokenizer(folder: str, _made: Dict[str, object] = {}) -> AutoTokenizer:
    return _made.setdefault(folder, AutoTokenizer.from_pretrained(folder))


def facts_after(make_doc: Callable, noise: List[str], vocab: Vocab) -> Doc:
    start = len(noise)
    mentions = [[(0, 2)], [(5, 6)], [(11, 13)]]
    entities = [[(start + a, start + b) for a, b in entity] for entity in mentions]
    return make_doc([*noise, *FACTS], entities, sentences=[0, start], vocab=vocab)


class TestPipeline:
    @pytest.fixture(scope="class", params=["plain", "marked"])
    def nlp(self, request, make_pipeline: Callable, make_examples: Callable) -> Language:
        """Windows of a hundred words, for an encoder of 128 pieces."""
        markers = MARKERS if request.param == "marked" else None
        transformer = {"family": "roberta", "window": 100, "stride": 75, "mention_markers": markers}
        return make_pipeline(transformer=transformer, examples=make_examples(3), threshold=0.0)

    @pytest.mark.parametrize("noise", NOISE, ids=["URLs", "base64", "Chinese", "Thai"])
    def test_what_comes_before_takes_nothing_away(
        self, nlp: Language, noise: List[str], make_doc: Callable
    ) -> None:
        alone, after = (nlp(facts_after(make_doc, before, nlp.vocab)) for before in ([], noise))
        found, expected = scores(after), scores(alone)
        assert found.keys() == expected.keys()
        if noise is NOISE[0]:
            # These have windows of their own.
            assert found == pytest.approx(expected, abs=1e-3)

    def test_batches_change_nothing(self, nlp: Language, make_doc: Callable) -> None:
        docs = [facts_after(make_doc, noise, nlp.vocab) for noise in (NOISE[2], [], *NOISE)]
        assert len(docs) > 3
        for doc, other in zip(nlp.pipe([doc.copy() for doc in docs]), docs, strict=True):
            expected = scores(nlp(other.copy()))
            assert expected
            assert scores(doc) == pytest.approx(expected, abs=1e-4)

    def test_it_is_learnt(self, nlp: Language, make_example: Callable) -> None:
        start = len(NOISE[0])
        example = make_example(
            [*NOISE[0], *FACTS],
            [[(start, start + 2)], [(start + 5, start + 6)]],
            [(0, 1, "born in")],
            vocab=nlp.vocab,
        )
        optimizer = Adam(0.001)
        losses = [nlp.update([example], sgd=optimizer)["doc_relation_extractor"] for _ in range(8)]
        assert losses[-1] < losses[0] / 2

    def test_token_longer_than_a_window(self, nlp: Language, make_doc: Callable) -> None:
        doc = facts_after(make_doc, ["longest" * 200], nlp.vocab)
        doc.spans["entities"] = [*doc.spans["entities"], doc[0:1]]
        with pytest.warns(UserWarning, match="^1 tokens .*'longestlong.* So 1 of 4 entities lose"):
            found = nlp(doc)
        attention = attention_of(nlp.get_pipe("transformer")(found.copy())._.trf_data)
        assert attention is not None and attention.shape[-1] <= 128
        assert scores(found)
        with pytest.warns(UserWarning, match="^1 tokens .* So 0 of 3 entities lose"):
            nlp(facts_after(make_doc, ["longest" * 200, "\n", " "], nlp.vocab))

    def test_no_warning_otherwise(self, nlp: Language, make_doc: Callable) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            for noise in NOISE:
                nlp(facts_after(make_doc, noise, nlp.vocab))


def test_entities_that_no_window_holds(
    make_pipeline: Callable, make_examples: Callable, make_doc: Callable
) -> None:
    """What windows leave out need not be the end."""

    @spacy.registry.span_getters("test.second_half.v1")
    def make_getter() -> Callable:
        return lambda docs: [[doc[len(doc) // 2 :]] for doc in docs]

    getter = {"@span_getters": "test.second_half.v1"}
    nlp = make_pipeline(transformer={"get_spans": getter}, examples=make_examples(2), threshold=0.0)
    doc = make_doc(FACTS, [[(0, 2)], [(11, 13)], [(8, 9)]])
    with pytest.warns(UserWarning, match="^1 of 3 entities .* have no word pieces"):
        found = nlp(doc)
    # The pieces of the others are where they are.
    data = nlp.get_pipe("transformer")(found)._.trf_data
    document = EntityDoc(doc, [[doc[11:13]], [doc[8:9]]])
    encoded = encode_document(document, data, device=torch.device("cpu"), is_train=False)
    strings = [piece for row in data.wordpieces.strings for piece in row]
    read = "".join(strings[piece] for piece in encoded.mention_pieces)
    assert read.replace("#", "") == "".join(FACTS[11:13] + FACTS[8:9]).lower()


def scores(doc: Doc) -> Dict[Tuple[int, int, str], float]:
    return {(r.head.index, r.tail.index, r.label_): r.score for r in doc._.relations}


def test_shipped_pipeline_reads_on() -> None:
    nlp = spacy.load("assets/en_docre_wiki_sm")
    text = open("assets/samples/biography.txt", encoding="utf8").read()
    numbers = numpy.random.default_rng(0)
    addresses = "\n".join(
        "https://example.com/" + "".join(numbers.choice(list("abcdefgh0123456789/_"), 90))
        for _ in range(20)
    )
    expected = {(r.head.text, r.label_, r.tail.text) for r in nlp(text)._.relations}
    assert len(expected) > 15
    doc = nlp(f"{addresses}\n\n{text}")
    found = {(r.head.text, r.label_, r.tail.text) for r in doc._.relations}
    assert len(found & expected) >= 0.9 * len(expected)


@pytest.mark.parametrize("white_space", ["  ", "\n", "\t\n\n"])
def test_strided_windows_are_of_words(white_space: str) -> None:
    """White space changes neither what a window has nor where it ends, and no token is lost."""
    nlp = spacy.blank("en")
    get_spans = configure_strided_spans(window=4, stride=3)
    texts = ["one two three four five six seven eight", "one two", " \n", ""]
    docs = [nlp.make_doc(white_space.join(["", *text.split(" "), ""])) for text in texts]
    clean = cut_windows(get_spans, [nlp.make_doc(text) for text in texts])
    found = cut_windows(get_spans, docs)
    assert [[span.text.split() for span in spans] for spans in found[:2]] == [
        [span.text.split() for span in spans] for spans in clean[:2]
    ]
    for doc, spans in zip(docs, found, strict=True):
        assert {token.i for span in spans for token in span} == set(range(len(doc)))


def test_other_windows_are_asked_for_as_they_are() -> None:
    doc = spacy.blank("en").make_doc("one  two")
    assert cut_windows(lambda docs: [[doc[:] for doc in docs]], [doc]) == [[doc[:]]]
