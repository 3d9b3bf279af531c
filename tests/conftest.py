"""Fixtures that the tests share: tiny random transformers, pipelines, and documents.

Nothing here needs a model hub: the transformers are made by the tests themselves.
"""

import gc
import inspect
import os
import random
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import pytest
import sentencepiece
import spacy
import torch
from playwright.sync_api import Browser, Page, sync_playwright
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Adam, Optimizer
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    BertConfig,
    BertTokenizerFast,
    DebertaV2Config,
    DistilBertConfig,
    DistilBertTokenizerFast,
    ElectraConfig,
    ElectraTokenizerFast,
    MPNetConfig,
    MPNetTokenizerFast,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaTokenizerFast,
)

from spacy_docre import Triple
from spacy_docre.data import corpus_files

PEOPLE = ["Ada Lane", "Bruno Falk", "Clara Weiss", "Dario Conti", "Elin Berg", "Farid Amin"]
CITIES = ["Oslo", "Porto", "Turin", "New Haven", "Lyon", "Graz"]
FIRMS = ["Acme Works", "Borealis", "Cobalt Press", "Delta Mills", "Ember Lab"]
FACTS = {
    "born in": "{head} was born in {tail} .",
    "works for": "Later {head} worked for {tail} , as everyone knew .",
    "based in": "In those years {head} had its seat in {tail} .",
}
FILLER = "It was a long winter , and the snow lay deep ."
TEXTS = [" ".join([*PEOPLE, *CITIES, *FIRMS]), FILLER, *FACTS.values()] * 3

LAYERS = 3
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "max_position_embeddings": 130,
    # Large, so that the attention is far from uniform.
    "initializer_range": 0.3,
}
DISTILBERT_SIZES = {
    "dim": 32,
    "n_layers": LAYERS,
    "n_heads": 4,
    "hidden_dim": 64,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "max_position_embeddings": 130,
    "initializer_range": 0.3,
}
DEBERTA_SIZES = {
    "relative_attention": True,
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
VOCAB = Vocab()
SPECIAL_TOKENS = ["cls_token", "pad_token", "sep_token", "unk_token"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="session", autouse=True)
def small_heap() -> None:
    """What is imported lives as long as the tests: to look through it takes a quarter of a second
    each time that garbage is collected."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny matrices gain nothing from threads, and forked processes cannot use them. Threads of
    several processes wait for each other."""
    torch.set_num_threads(1)
    # For the processes that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser; without one the tests that need it are skipped."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, file: Path) -> Iterator[Page]:
    """Opens a page; no script on it fails, and nothing is asked of the network."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: List[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: problems.append(request.url))
    page.goto(file.as_uri())
    yield page
    context.close()
    assert problems == [file.as_uri()]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives the folder of a tiny random transformer of a family, e.g. "bert"."""
    folder = tmp_path_factory.mktemp("encoders")

    def make(family: str) -> str:
        if not (folder / family).exists():
            (folder / family).mkdir()
            _save_encoder(family, folder / family)
        return str(folder / family)

    return make


def _save_encoder(family: str, folder: Path) -> None:
    if family == "bert":
        tokenizer, config = _word_piece(BertTokenizerFast, folder), BertConfig(**SIZES)
    elif family == "electra":
        tokenizer = _word_piece(ElectraTokenizerFast, folder)
        config = ElectraConfig(embedding_size=16, **SIZES)
    elif family == "mpnet":
        tokenizer = _word_piece(MPNetTokenizerFast, folder, ["<s>", "<pad>", "</s>", "<mask>"])
        config = MPNetConfig(**SIZES)
    elif family == "distilbert":
        tokenizer = _word_piece(DistilBertTokenizerFast, folder)
        config = DistilBertConfig(**DISTILBERT_SIZES)
    elif family == "roberta":
        tokenizer, config = _byte_pairs(folder), RobertaConfig(**SIZES)
    elif family == "xlm-roberta":
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS),
            model_prefix=str(folder / "sentencepiece"),
            vocab_size=60,
            minloglevel=2,
        )
        tokenizer = XLMRobertaTokenizerFast(
            vocab_file=str(folder / "sentencepiece.model"), tokenizer_object=_unigram()
        )
        config = XLMRobertaConfig(**SIZES)
    else:
        special = dict(zip(SPECIAL_TOKENS, ROBERTA_SPECIAL[:4], strict=True))
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=_unigram(), **special)
        config = DebertaV2Config(**DEBERTA_SIZES, **SIZES)
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(folder)
    config.vocab_size = len(tokenizer)
    config.pad_token_id = tokenizer.pad_token_id
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)


def _word_piece(
    tokenizer_class: type,
    folder: Path,
    special: Sequence[str] = ("[PAD]", "[CLS]", "[SEP]", "[MASK]"),
) -> PreTrainedTokenizerBase:
    starts, others = _parts([text.lower() for text in TEXTS])
    pieces = [*special, "[UNK]", *starts, *(f"##{part}" for part in others)]
    vocab_file = folder / "pieces.txt"
    vocab_file.write_text("\n".join(pieces), encoding="utf8")
    return tokenizer_class(vocab_file=str(vocab_file))


def _parts(texts: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Pairs and single letters, at the start of words and further on.

    They are not learnt: the trainers of `tokenizers` give other pieces in each process.
    """
    words = {word for text in texts for word in text.split()}
    letters = {letter for word in words for letter in word}
    starts = {word[:2] for word in words} | letters
    return sorted(starts), sorted({word[2:4] for word in words if len(word) > 2} | letters)


def _byte_pairs(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(TEXTS, vocab_size=360, special_tokens=ROBERTA_SPECIAL)
    vocab_file, merges_file = tokenizer.save_model(str(folder))
    return RobertaTokenizerFast(vocab_file=vocab_file, merges_file=merges_file)


def _unigram() -> Tokenizer:
    starts, others = _parts(TEXTS)
    # A longer piece is likelier than its letters.
    scores = {part: -8.0 / len(part) for part in others}
    scores.update({f"\u2581{part}": -8.0 / len(part) for part in starts})
    pieces = [*((name, 0.0) for name in ROBERTA_SPECIAL), *scores.items()]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=ROBERTA_SPECIAL.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(ROBERTA_SPECIAL)
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


@pytest.fixture(scope="session")
def transformer_config(encoder: Callable) -> Callable[..., dict]:
    """Gives the config of a transformer component with windows that overlap."""

    def make(
        family: str = "bert",
        architecture: str = "spacy_docre.TransformerModel.v1",
        window: int = 16,
        stride: int = 12,
        **settings,
    ) -> dict:
        return {
            "model": {
                "@architectures": architecture,
                "name": encoder(family),
                "get_spans": {
                    "@span_getters": "spacy-transformers.strided_spans.v1",
                    "window": window,
                    "stride": stride,
                },
                **settings,
            }
        }

    return make


STOCK = "spacy-transformers.TransformerModel.v3"


def as_stock(model: Dict[str, Any]) -> Dict[str, Any]:
    """The config of a transformer's model as one of spacy-transformers, without the settings that
    only ours has."""
    known = inspect.signature(spacy.registry.architectures.get(STOCK)).parameters
    settings = {name: value for name, value in model.items() if name in known}
    return {"@architectures": STOCK, **settings}


EXTRACTOR = {
    "model": {
        "@architectures": "spacy_docre.DocRelationModel.v1",
        "width": 32,
        "block_size": 4,
        "pair_width": 32,
        "dropout": 0.0,
        "tok2vec": {"@architectures": "spacy_docre.TransformerListener.v1"},
        "pair_encoder": {"@layers": "spacy_docre.AxialAttention.v1"},
    }
}


def model_config(changes: Dict[str, object]) -> Dict[str, object]:
    """The config of the extractor's model: that above with changes, or another architecture."""
    return changes if "@architectures" in changes else {**EXTRACTOR["model"], **changes}


NER = {
    # The whole document at each step: a shorter cut is a random one.
    "update_with_oracle_cut_size": 0,
    "model": {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 16,
        "maxout_pieces": 2,
        "use_upper": False,
        "tok2vec": {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "pooling": {"@layers": "reduce_mean.v1"},
            # Brings its gradient, a sum over tokens, to the size of the relation extractor's.
            "grad_factor": 0.003,
        },
    },
}


@pytest.fixture(scope="session")
def make_pipeline(transformer_config: Callable) -> Callable[..., Language]:
    """Makes a pipeline of a transformer and what listens to it, in the order given.

    `transformer` holds arguments of `transformer_config`, `model` settings of the relation
    extractor's model; further settings are its own.
    """

    def make(
        pipes: Sequence[str] = ("transformer", "doc_relation_extractor"),
        *,
        transformer: Dict[str, object] = {},
        examples: Sequence[Example] = (),
        model: Dict[str, object] = {},
        **settings,
    ) -> Language:
        configs = {
            "transformer": transformer_config(**transformer),
            "doc_relation_extractor": {"model": model_config(model), **settings},
            "ner": NER,
        }
        spacy.util.fix_random_seed(0)
        nlp = spacy.blank("en")
        for name in pipes:
            nlp.add_pipe(name, config=configs[name])
        if examples:
            nlp.initialize(lambda: examples)
        return nlp

    return make


@pytest.fixture(scope="session")
def train_step() -> Callable[..., Dict[str, float]]:
    """Takes a training step as `spacy train` does: all gradients first, then the weights."""

    def step(
        nlp: Language,
        examples: Sequence[Example],
        optimizer: Optimizer,
        *,
        exclude: Sequence[str] = (),
        annotates: Sequence[str] = (),
    ) -> Dict[str, float]:
        losses = nlp.update(examples, sgd=False, exclude=exclude, annotates=annotates)
        for name, component in nlp.pipeline:
            if name not in exclude and hasattr(component, "finish_update"):
                component.finish_update(optimizer)
        return losses

    return step


@pytest.fixture(scope="session")
def trained(make_pipeline: Callable, make_examples: Callable, train_step: Callable) -> Language:
    """A pipeline that has learnt ten documents by heart. Tests leave it as it is."""
    examples = make_examples(10)
    nlp = make_pipeline(examples=examples, learn_rate_factor=10.0)
    optimizer = Adam(0.0005)
    for _ in range(100):
        for batch in (examples[:5], examples[5:]):
            train_step(nlp, batch, optimizer)
    return nlp


@pytest.fixture(scope="session")
def trained_folder(trained: Language, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that pipeline is saved: tests load from there what they change."""
    folder = tmp_path_factory.mktemp("trained")
    trained.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def make_doc() -> Callable[..., Doc]:
    """Makes a Doc with the span group "entities", whose spans share an id in an entity."""

    def make(
        words: Sequence[str],
        entities: Sequence[Sequence[Tuple[int, int]]] = (),
        *,
        vocab: Vocab = VOCAB,
        sentences: Sequence[int] = (),
    ) -> Doc:
        starts = [index in sentences for index in range(len(words))] if sentences else None
        doc = Doc(vocab, words=words, sent_starts=starts)
        doc.spans["entities"] = [
            Span(doc, start, end, label="THING", span_id=f"entity {index}")
            for index, mentions in enumerate(entities)
            for start, end in mentions
        ]
        return doc

    return make


@pytest.fixture(scope="session")
def make_example(make_doc: Callable) -> Callable[..., Example]:
    """Makes an Example of words, entities, and relations (head, tail, label)."""

    def make(
        words: Sequence[str],
        entities: Sequence[Sequence[Tuple[int, int]]] = (),
        relations: Sequence[Tuple[int, int, str]] = (),
        *,
        vocab: Vocab = VOCAB,
        sentences: Sequence[int] = (),
    ) -> Example:
        predicted = make_doc(words, entities, vocab=vocab, sentences=sentences)
        reference = make_doc(words, entities, vocab=vocab, sentences=sentences)
        reference._.entities = [
            [span for span in reference.spans["entities"] if span.id_ == f"entity {index}"]
            for index in range(len(entities))
        ]
        reference._.relations = [Triple(*relation) for relation in relations]
        reference.set_ents(spacy.util.filter_spans(reference.spans["entities"]))
        return Example(predicted, reference)

    return make


@pytest.fixture(scope="session")
def make_examples(make_example: Callable) -> Callable[..., List[Example]]:
    """Makes documents of random facts, which only the context tells."""

    def make(number: int, *, seed: int = 0, vocab: Vocab = VOCAB) -> List[Example]:
        choice = random.Random(seed)
        return [_facts(choice, make_example, vocab) for _ in range(number)]

    return make


def _facts(choice: random.Random, make_example: Callable, vocab: Vocab) -> Example:
    people, firms = choice.sample(PEOPLE, 2), choice.sample(FIRMS, 2)
    cities = choice.sample(CITIES, 3)
    names = [*people, *firms, *cities]
    facts = [
        ("born in", people[0], cities[0]),
        ("born in", people[1], cities[1]),
        ("works for", people[0], firms[0]),
        ("works for", people[1], choice.choice(firms)),
        ("based in", firms[0], cities[2]),
        ("based in", firms[1], choice.choice(cities)),
    ]
    facts = choice.sample(facts, 4)
    words: List[str] = []
    sentences: List[int] = []
    mentions: List[List[Tuple[int, int]]] = [[] for _ in names]
    for label, head, tail in facts:
        sentences.append(len(words))
        for word in FACTS[label].split():
            name = {"{head}": head, "{tail}": tail}.get(word, word)
            if name != word:
                mentions[names.index(name)].append((len(words), len(words) + len(name.split())))
            words.extend(name.split())
        if choice.random() < 0.5:
            sentences.append(len(words))
            words.extend(FILLER.split())
    order = [index for index in range(len(names)) if mentions[index]]
    relations = [
        (order.index(names.index(head)), order.index(names.index(tail)), label)
        for label, head, tail in facts
    ]
    return make_example(
        words, [mentions[index] for index in order], relations, vocab=vocab, sentences=sentences
    )


@pytest.fixture(scope="session")
def corpus(make_examples: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six documents, which the trained pipeline has not seen."""
    path: Path = tmp_path_factory.mktemp("corpus") / "distant.spacy"
    docs = [example.reference for example in make_examples(6, seed=7)]
    for number, doc in enumerate(docs):
        doc.user_data["title"] = f"Document {number}"
    corpus_files.write_docs({path: docs})
    return path
