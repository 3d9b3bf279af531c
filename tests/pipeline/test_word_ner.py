"""The component `word_ner`: mentions do not depend on white space."""

from typing import Callable, List, Tuple

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam

from tests.test_raw_text import KINDS

Found = List[Tuple[str, str]]


@pytest.fixture(scope="module")
def texts() -> List[str]:
    return [f"Ada Lane met Bo Falk in {place} Haven , and went home ." for place in ("New", "Old")]


@pytest.fixture(scope="module", params=["listener", "own network"])
def nlp(
    request: pytest.FixtureRequest, texts: List[str], make_pipeline: Callable, train_step: Callable
) -> Language:
    """A pipeline whose recogniser has learnt two texts by heart."""
    docs = []
    for text in texts:
        doc = spacy.blank("en").make_doc(text)
        doc.ents = [Span(doc, 0, 2, "PER"), Span(doc, 3, 5, "PER"), Span(doc, 6, 8, "LOC")]
        docs.append(doc)
    if request.param == "listener":
        nlp = make_pipeline(("transformer", "ner"))
        config = nlp.config
        config["components"]["ner"].update(factory="word_ner", incorrect_spans_key="wrong")
        config["components"]["ner"]["model"]["tok2vec"]["grad_factor"] = 1.0
        nlp = spacy.util.load_model_from_config(config)
    else:
        nlp = spacy.blank("en")
        nlp.add_pipe("word_ner", name="ner", config={"incorrect_spans_key": "wrong"})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.005)
    for _ in range(60):
        train_step(nlp, examples, optimizer)
    return nlp


def found(doc: Doc) -> Found:
    return [(" ".join(span.text.casefold().split()), span.label_) for span in doc.ents]


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if "upper" not in kind and kind != "all of them"]
)
def test_white_space(nlp: Language, texts: List[str], kind: str) -> None:
    for text in texts:
        expected = found(nlp(text))
        assert len(expected) >= 2
        doc = nlp(KINDS[kind](text).replace("Ada ", "Ada \n "))
        assert found(doc) == expected
        assert not any(span.text != span.text.strip() for span in doc.ents)
        assert all(token.ent_iob for token in doc)
    assert [found(doc) for doc in nlp.pipe([*texts, "", " \n"])][2:] == [[], []]


def test_mentions_that_are_set_already(nlp: Language, texts: List[str]) -> None:
    doc = nlp.make_doc(texts[0].replace(" ", "  "))
    doc.set_ents([Span(doc, 0, 5, "TEAM", kb_id="Q1")], blocked=[doc[6:7]], default="missing")
    for _, component in nlp.pipeline:
        doc = component(doc)
    assert (doc.ents[0].text, doc.ents[0].label_, doc.ents[0].kb_id_) == (
        "Ada  Lane  met",
        "TEAM",
        "Q1",
    )
    assert all(span.start > 6 for span in doc.ents[1:])


def test_it_loads_what_ner_has_learnt(nlp: Language, texts: List[str], tmp_path) -> None:
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["ner"]["factory"] = "ner"
    config.to_disk(tmp_path / "config.cfg")
    assert found(spacy.load(tmp_path)(texts[0])) == found(nlp(texts[0]))


def test_words_without_pieces(nlp: Language, texts: List[str]) -> None:
    """A tokenizer leaves out control characters, which are words to spaCy."""
    assert found(nlp(f"{texts[0]}  \x00"))[:2] == found(nlp(texts[0]))[:2]


@pytest.mark.parametrize("space", ["\u00a0", "\n", "  "])
@pytest.mark.parametrize("place", ["before", "after", "alone"])
def test_gold_mentions_with_white_space(
    nlp: Language, train_step: Callable, space: str, place: str
) -> None:
    """What is learnt is the mention without, and the gold document stays as it is."""
    words = ["Ada", "Lane", space, "Falk", "home", "."]
    begin, end = {"before": (2, 4), "after": (0, 3), "alone": (2, 3)}[place]
    gold = Doc(nlp.vocab, words=words, spaces=[True, False, False, True, False, False])
    gold.ents = [Span(gold, begin, end, "PER")]
    gold.set_ents([], missing=[gold[5:]], default="unmodified")
    before = gold.to_bytes()
    learner = learner_of(nlp)
    example = Example(
        Doc(nlp.vocab, words=words, spaces=[True, False, False, True, False, False]), gold
    )
    optimizer = Adam(0.005)
    for _ in range(60):
        train_step(learner, [example], optimizer)
    assert gold.to_bytes() == before
    expected = {"before": ["Falk"], "after": ["Ada Lane"], "alone": []}[place]
    assert [span.text for span in learner(example.predicted.copy()).ents] == expected


def learner_of(nlp: Language) -> Language:
    """A pipeline that knows what another one does, and can learn by itself."""
    learner = spacy.util.load_model_from_config(nlp.config, vocab=nlp.vocab)
    return learner.from_bytes(nlp.to_bytes())


# Of a mention in such documents that begins with white space, spaCy's ner has no sequence of moves:
# E024.
LONG = ["and"] * 200 + ["\n", "Falk"] + ["and"] * 150
LONG_SPACES = [True] * 200 + [False, True] + [True] * 150


@pytest.mark.parametrize("mention", [(200, 202), (200, 201)])
def test_long_documents_with_white_space_in_gold_mentions(
    nlp: Language, train_step: Callable, mention: Tuple[int, int]
) -> None:
    gold = Doc(nlp.vocab, words=LONG, spaces=LONG_SPACES)
    gold.ents = [Span(gold, *mention, "PER")]
    learner = learner_of(nlp)
    losses = train_step(learner, [Example(learner.make_doc(gold.text), gold)], Adam(0.005))
    assert losses["ner"] > 0


def test_gold_tokens_that_begin_with_white_space(nlp: Language, train_step: Callable) -> None:
    """The white space may be a token of its own in the prediction alone."""
    words = [*LONG[:200], "\nFalk", *LONG[202:]]
    gold = Doc(nlp.vocab, words=words)
    gold.ents = [Span(gold, 200, 201, "PER")]
    learner = learner_of(nlp)
    example = Example(learner.make_doc(gold.text), gold)
    assert any(token.is_space for token in example.predicted)
    assert train_step(learner, [example], Adam(0.005))["ner"] > 0


def test_what_is_no_mention_with_white_space(
    nlp: Language, texts: List[str], train_step: Callable
) -> None:
    """The mention that a pipeline finds is unlearnt, although the gold span has a space more."""
    learner = learner_of(nlp)
    text = texts[0].replace("Ada", "\n Ada")
    assert ("ada lane", "PER") in found(learner(text))
    gold = learner.make_doc(text)
    begin = next(token.i for token in gold if token.text == "Ada")
    gold.set_ents([Span(gold, begin + 3, begin + 5, "PER")], default="missing")
    gold.spans["wrong"] = [Span(gold, begin - 1, begin + 2, "PER")]
    optimizer = Adam(0.005)
    for _ in range(30):
        train_step(learner, [Example(learner.make_doc(text), gold)], optimizer)
    assert ("ada lane", "PER") not in found(learner(text))
