"""Markers around mentions, and what else the released models read."""

from pathlib import Path
from typing import Callable, Dict, Tuple

import numpy
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from spacy_transformers.data_classes import WordpieceBatch
from thinc.api import Adam
from thinc.types import Ragged
from transformers import AutoTokenizer

from spacy_docre.entity_sources import EntityDoc, make_span_group_entities
from spacy_docre.models.markers import make_mention_markers, mark_mentions
from spacy_docre.models.pieces import encode_document
from spacy_docre.models.windows import Windows, fit, to_wordpieces

WORDS = "Ada Lane was born in New Haven . Acme Works was based in Oslo .".split()
# One mention within another, and one of a single token.
ENTITIES = [[(0, 2)], [(5, 7), (6, 7)], [(13, 14)]]
MARKERS = {"@misc": "spacy_docre.MentionMarkers.v1"}
FAMILIES = ["bert", "roberta", "xlm-roberta", "deberta-v2"]


def marked_pieces(tokenizer, windows, markers=None) -> Tuple[Windows, WordpieceBatch, Ragged]:
    pieces = mark_mentions(tokenizer, windows, markers or make_mention_markers())
    found = fit(tokenizer, windows, pieces, tokenizer.model_max_length)
    return found, *to_wordpieces(tokenizer, found)


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_of_tokens(family: str, encoder: Callable, make_doc: Callable) -> None:
    tokenizer = AutoTokenizer.from_pretrained(encoder(family))
    doc = make_doc(WORDS, ENTITIES)
    windows = [[doc[0:7], doc[5:15]]]
    fitting, wordpieces, align = marked_pieces(tokenizer, windows)
    assert fitting.spans == windows
    ids = numpy.asarray(wordpieces.input_ids).reshape(-1)
    marker = tokenizer("*", add_special_tokens=False)["input_ids"]
    ends = numpy.r_[0, numpy.cumsum(align.lengths)]
    for token in doc:
        pieces = tokenizer(token.text, add_special_tokens=False)["input_ids"]
        expected = marker * (token.i in (0, 5, 6, 13)) + pieces + marker * (token.i in (1, 6, 13))
        times = 2 if token.i in (5, 6) else 1
        found = ids[numpy.asarray(align.dataXd).reshape(-1)[ends[token.i] : ends[token.i + 1]]]
        assert found.tolist() == expected * times
    lengths = numpy.asarray(wordpieces.attention_mask).sum(1).astype(int)
    for row, length in zip(wordpieces.input_ids, lengths, strict=True):
        special = tokenizer("")["input_ids"]
        assert [row[0], row[length - 1]] == [special[0], special[-1]]
        assert set(row[length:].tolist()) <= {tokenizer.pad_token_id}


def test_document_without_entities(encoder: Callable) -> None:
    # It knows any character.
    tokenizer = AutoTokenizer.from_pretrained(encoder("roberta"))
    doc = Doc(Vocab(), words=WORDS)
    _, wordpieces, _ = marked_pieces(tokenizer, [[doc[:]]])
    assert "*" in tokenizer.tokenize("*") and "*" not in wordpieces.strings[0]


def test_entities_of_another_getter(encoder: Callable, make_doc: Callable) -> None:
    doc = make_doc(WORDS, ENTITIES)
    doc.spans["other"] = [doc[2:3]]
    tokenizer = AutoTokenizer.from_pretrained(encoder("roberta"))
    markers = make_mention_markers("#", make_span_group_entities("other"))
    _, wordpieces, _ = marked_pieces(tokenizer, [[doc[:]]], markers)
    assert wordpieces.strings[0].count("#") == 2


def test_empty_marker() -> None:
    with pytest.raises(ValueError, match="marker of mentions is empty"):
        make_mention_markers("")


@pytest.fixture(scope="module")
def marked(make_pipeline: Callable, make_examples: Callable) -> Language:
    """An untrained pipeline that reads what the released models do."""
    return make_pipeline(
        examples=make_examples(3),
        transformer={"family": "roberta", "mention_markers": MARKERS, "window": 9, "stride": 6},
        model={"mention_pooling": "first", "special_tokens": True, "smoothing": 1e-5},
    )


def test_mention_is_its_marker_and_special_tokens_are_positions(
    marked: Language, make_doc: Callable
) -> None:
    doc = marked.get_pipe("transformer")(make_doc(WORDS, ENTITIES, sentences=[0, 8]))
    document = EntityDoc(doc, make_span_group_entities()(doc))
    data = doc._.trf_data
    encoded = encode_document(
        document,
        data,
        device=torch.device("cpu"),
        is_train=False,
        mention_pooling="first",
        special_tokens=True,
    )
    strings = [piece for row in data.wordpieces.strings for piece in row]
    assert {strings[piece] for piece in encoded.mention_pieces.tolist()} == {"*"}
    # The inner mention begins with a marker of its own.
    assert len(encoded.piece_mentions.unique()) == 4
    special = [index for index, piece in enumerate(strings) if piece in ("<s>", "</s>")]
    positions = encoded.piece_positions[special]
    assert len(positions.unique()) == len(special) == 2 * len(data.wordpieces.strings)
    assert encoded.position_sentences[positions].tolist() == [-1] * len(special)
    assert encoded.position_sentences.max() == 1
    padding = [index for index, piece in enumerate(strings) if piece == "<pad>"]
    assert (encoded.piece_positions[padding] == -1).all()


def test_batch_independence_and_evidence(marked: Language, make_examples: Callable) -> None:
    marked.get_pipe("doc_relation_extractor").cfg["threshold"] = 0.0
    docs = [example.predicted for example in make_examples(3, seed=5)]
    alone = [marked(doc.copy()) for doc in docs]
    together = list(marked.pipe([doc.copy() for doc in docs]))
    for one, other in zip(alone, together, strict=True):
        scores = [
            {(r.triple.head, r.triple.tail, r.label_): r.score for r in doc._.relations}
            for doc in (one, other)
        ]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
        assert any(relation.evidence for relation in one._.relations)


def test_ten_documents_are_learnt(
    make_pipeline: Callable, make_examples: Callable, train_step: Callable, tmp_path: Path
) -> None:
    """With markers, and as the released models pool; stored, loaded, and on an encoder of its
    own the pipeline predicts the same."""
    examples = make_examples(10)
    nlp = make_pipeline(
        examples=examples,
        learn_rate_factor=10.0,
        transformer={"mention_markers": MARKERS},
        model={
            "mention_pooling": "first",
            "special_tokens": True,
            "pair_encoder": {
                "@layers": "spacy_docre.PaddedAxialAttention.v1",
                "size": 9,
                "depth": 1,
            },
        },
    )
    optimizer = Adam(0.0005)
    for _ in range(120):
        for batch in (examples[:5], examples[5:]):
            train_step(nlp, batch, optimizer)
    assert nlp.evaluate(make_examples(10))["rel_f"] >= 0.95
    docs = [example.predicted for example in make_examples(4, seed=3)]
    expected = [[r.triple for r in nlp(doc.copy())._.relations] for doc in docs]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert [[r.triple for r in loaded(doc.copy())._.relations] for doc in docs] == expected
    loaded.replace_listeners("transformer", "doc_relation_extractor", ["model.tok2vec"])
    found = [[r.triple for r in loaded(doc.copy())._.relations] for doc in docs]
    assert [[(t.head, t.tail, t.label) for t in triples] for triples in found] == [
        [(t.head, t.tail, t.label) for t in triples] for triples in expected
    ]


@pytest.mark.parametrize(
    "setting, problem",
    [
        ({"mention_pooling": "last"}, "mention_pooling.*'last' is not"),
        ({"smoothing": -1.0}, "smoothing = -1.0 should be 0 or more"),
    ],
)
def test_settings_out_of_range(make_pipeline: Callable, setting: Dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make_pipeline(model=setting)
