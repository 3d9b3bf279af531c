"""One pipeline used by many threads gives each text the answer that one thread gives it."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
from flask.testing import FlaskClient
from spacy.language import Language
from spacy.tokens import Doc

from spacy_docre.display.server import make_app
from tests.pinned import ASSETS, load_in_float32

THREADS = 8
MARKERS = {"@misc": "spacy_docre.MentionMarkers.v1"}
# A real one, in all layers: a thread that runs in training mode gives wrong scores.
DROPOUT = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}

Found = List[Tuple[Any, ...]]


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(answer: Callable[[Any], Any], inputs: List[Any]) -> List[Any]:
    with ThreadPoolExecutor(THREADS) as executor:
        return list(executor.map(answer, inputs))


def relations_of(doc: Doc) -> Found:
    return [
        (relation.head.text, relation.tail.text, relation.label_, relation.triple.evidence)
        for relation in doc._.relations
    ]


def scores_of(doc: Doc) -> List[float]:
    return [relation.score for relation in doc._.relations]


def assert_same_answers(found: List[Doc], expected: List[Doc]) -> None:
    assert all(doc._.relations for doc in expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert relations_of(ours) == relations_of(theirs)
        assert scores_of(ours) == pytest.approx(scores_of(theirs), abs=1e-6)


@pytest.fixture
def make_noisy_pipeline(make_pipeline: Callable, make_examples: Callable) -> Callable:
    """Makes an untrained pipeline with dropout, which annotates every pair with every relation."""

    def make(precision: str = "float32", **transformer: Any) -> Language:
        return make_pipeline(
            examples=make_examples(3),
            transformer={"transformer_config": DROPOUT, "precision": precision, **transformer},
            model={"dropout": 0.5, "precision": precision},
            threshold=0.0,
        )

    return make


@pytest.fixture
def docs(make_examples: Callable, make_doc: Callable) -> List[Doc]:
    """Documents of one window and of several."""
    short = make_doc("Ada Lane was born in Oslo .".split(), [[(0, 2)], [(5, 6)]])
    examples = make_examples(25, seed=1)
    return [doc for example in examples for doc in (example.predicted, short.copy())]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
@pytest.mark.parametrize(
    "transformer",
    [
        {},
        {"mention_markers": MARKERS, "family": "roberta"},
        # Its attention is that of the whole model: it is not laid out as BERT is.
        {"family": "distilbert", "transformer_config": {"dropout": 0.3}},
    ],
    ids=["bert", "markers", "distilbert"],
)
def test_threads_give_the_answers_of_one(
    precision: str, transformer: Dict[str, Any], make_noisy_pipeline: Callable, docs: List[Doc]
) -> None:
    nlp = make_noisy_pipeline(precision, **transformer)
    expected = [nlp(doc.copy()) for doc in docs]
    found = in_threads(nlp, [doc.copy() for doc in docs])
    assert_same_answers(found, expected)


def test_a_copy_runs_beside_its_original(make_noisy_pipeline: Callable, docs: List[Doc]) -> None:
    """The listener of another component had stood where the copy stands."""
    nlp = make_noisy_pipeline()
    expected = [nlp(doc.copy()) for doc in docs]
    nlp.replace_listeners("transformer", "doc_relation_extractor", ["model.tok2vec"])
    found = in_threads(nlp, [doc.copy() for doc in docs])
    assert_same_answers(found, expected)


def test_pipelines_that_share_a_tokenizer(make_noisy_pipeline: Callable, docs: List[Doc]) -> None:
    """As a sourced transformer shares it with the pipeline that it comes from. One pads, and the
    other does not: the tokenizer knows of one way at a time."""
    plain, marked = make_noisy_pipeline(), make_noisy_pipeline(mention_markers=MARKERS)
    objects = marked.get_pipe("transformer").model.layers[0].shims[0]._hfmodel
    objects.tokenizer = plain.get_pipe("transformer").model.tokenizer

    def annotate(doc: Doc) -> List[Doc]:
        return [nlp(doc.copy()) for nlp in (plain, marked)]

    expected = [doc for original in docs for doc in annotate(original)]
    found = [doc for both in in_threads(annotate, docs) for doc in both]
    assert_same_answers(found, expected)


def test_threads_that_pipe(make_noisy_pipeline: Callable, docs: List[Doc]) -> None:
    nlp = make_noisy_pipeline()
    batches = [docs[start : start + 10] for start in range(0, len(docs), 5)]

    def annotate(batch: List[Doc]) -> List[Doc]:
        return list(nlp.pipe([doc.copy() for doc in batch]))

    expected = [doc for batch in batches for doc in annotate(batch)]
    found = [doc for batch in in_threads(annotate, batches) for doc in batch]
    assert_same_answers(found, expected)


def test_shipped_pipeline() -> None:
    """All of its components: it finds sentences, mentions and entities itself."""
    nlp = load_in_float32()
    texts = [file.read_text(encoding="utf8") for file in sorted((ASSETS / "samples").iterdir())]
    # Nothing has used the pipeline yet: threads race for what is made at first use.
    found = in_threads(nlp, texts * 4)
    expected = [nlp(text) for text in texts]
    assert_same_answers(found, expected * 4)


def test_server(make_noisy_pipeline: Callable, make_examples: Callable) -> None:
    nlp = make_noisy_pipeline()
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in ("Ada Lane", "Oslo")])
    app = make_app(nlp, title="", max_length=1000)
    texts = [f"{'Well . ' * number}Ada Lane was born in Oslo ." for number in range(40)]

    def ask(text: str) -> str:
        client: FlaskClient = app.test_client()
        return client.post("/", data={"text": text}).text

    expected = [ask(text) for text in texts]
    assert all("born in" in page for page in expected)
    assert in_threads(ask, texts) == expected
