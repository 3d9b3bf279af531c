"""Coreference clusters whose spans are wider than the names in them."""

import warnings
from typing import List, Sequence, Tuple

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre.coreference import coref_clusters
from spacy_docre.entity_sources import make_coref_cluster_entities
from spacy_docre.pipeline.entity_clusterer import EntityClusterer
from spacy_docre.pipeline.names import make_name_rules

PREFIX = "coref_clusters"
ENGLISH = spacy.blank("en").vocab


def make_doc(text: str, names: Sequence[str], vocab: Vocab = ENGLISH) -> Doc:
    """A document whose names are in doc.ents."""
    doc = Doc(vocab, words=text.split())
    doc.ents = [span(doc, name, "PER") for name in names]
    return doc


def span(doc: Doc, text: str, label: str = "") -> Span:
    words = text.split()
    tokens = [token.text for token in doc]
    start = next(i for i in range(len(tokens)) if tokens[i : i + len(words)] == words)
    return Span(doc, start, start + len(words), label=label)


def cluster(doc: Doc, *clusters: Sequence[str]) -> List[List[str]]:
    for number, texts in enumerate(clusters, start=1):
        doc.spans[f"{PREFIX}_{number}"] = [span(doc, text) for text in texts]
    return [[found.text for found in spans] for spans in coref_clusters(doc, PREFIX).values()]


@pytest.mark.parametrize(
    "text, name",
    [
        ("the physicist Albert Einstein", "Albert Einstein"),
        ("President Obama", "Obama"),
        ("former mayor Rosa Lind 's", "Rosa Lind"),
        ("the late Ida Brandt ,", "Ida Brandt"),
        ("Oslo", "Oslo"),
    ],
)
def test_the_name_is_the_head(text: str, name: str) -> None:
    doc = make_doc(f"Today {text} came and he spoke", [name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cluster(doc, [text, "he"]) == [[name, "he"]]
    assert coref_clusters(doc, PREFIX)[f"{PREFIX}_1"][0].label_ == "PER"


@pytest.mark.parametrize(
    "text, names",
    [
        ("the wife of Albert Einstein", ["Albert Einstein"]),
        ("Einstein 's wife", ["Einstein"]),
        ("Lind and Brandt", ["Lind", "Brandt"]),
        ("he and Brandt", ["Brandt"]),
        ("Acme director Ida Brandt", ["Acme", "Ida Brandt"]),
    ],
)
def test_a_head_that_is_not_known_is_told(text: str, names: List[str]) -> None:
    doc = make_doc(f"Today {text} came and he spoke", names)
    with pytest.warns(UserWarning, match="1 spans .* may not be their heads, e.g. .* Add a parser"):
        assert cluster(doc, [text, "spoke"]) == [[text, "spoke"]]


def test_a_language_without_function_words() -> None:
    doc = make_doc("the physicist Bohr came", ["Bohr"], spacy.blank("xx").vocab)
    with pytest.warns(UserWarning, match="may not be their heads"):
        assert cluster(doc, ["the physicist Bohr"]) == [["the physicist Bohr"]]


@pytest.mark.parametrize(
    "text, names, heads, found",
    [
        ("the wife of Einstein", ["Einstein"], [1, 1, 1, 2], "the wife of Einstein"),
        ("Einstein 's wife", ["Einstein"], [2, 0, 2], "Einstein 's wife"),
        ("Ida Brandt , the mayor", ["Ida Brandt"], [1, 1, 1, 4, 1], "Ida Brandt"),
        ("Acme director Ida Brandt", ["Acme", "Ida Brandt"], [3, 3, 3, 3], "Ida Brandt"),
    ],
)
def test_the_root_of_a_parse(text: str, names: List[str], heads: List[int], found: str) -> None:
    words = text.split()
    doc = Doc(Vocab(), words=words, heads=heads, deps=["dep"] * len(words))
    doc.ents = [span(doc, name, "PER") for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cluster(doc, [text]) == [[found]]


def test_names_that_are_joined_are_no_head() -> None:
    words = "Lind and Brandt left".split()
    deps = ["nsubj", "cc", "conj", "ROOT"]
    doc = Doc(Vocab(), words=words, heads=[3, 0, 0, 3], deps=deps)
    doc.ents = [span(doc, name, "PER") for name in ("Lind", "Brandt")]
    assert cluster(doc, ["Lind and Brandt"], ["Brandt"]) == [["Lind and Brandt"], ["Brandt"]]


def test_the_shortest_span_has_the_name() -> None:
    doc = make_doc("old director Rosa Lind came", ["Rosa Lind"])
    assert cluster(doc, ["old director Rosa Lind"], ["director Rosa Lind"]) == [
        ["old director Rosa Lind"],
        ["Rosa Lind"],
    ]


def bounds(entities: List[List[Span]]) -> List[List[Tuple[int, int]]]:
    return [[(mention.start, mention.end) for mention in mentions] for mentions in entities]


def test_entities_of_clusters() -> None:
    doc = make_doc("the mayor Rosa Lind came . Lind spoke", ["Rosa Lind"])
    cluster(doc, ["the mayor Rosa Lind", "Rosa Lind", "spoke"])
    # The name once, though two spans of the cluster are it.
    assert bounds(make_coref_cluster_entities(PREFIX)(doc)) == [[(2, 4), (7, 8)]]


def test_the_clusterer_knows_the_name() -> None:
    doc = make_doc("the chemist Ida Brandt met Rosa , who praised her", ["Ida Brandt", "Rosa"])
    doc.ents = [*doc.ents, span(doc, "her", "PER")]
    cluster(doc, ["the chemist Ida Brandt", "her"])
    clusterer = EntityClusterer("entity_clusterer", make_name_rules())
    ids = [mention.id_ for mention in clusterer(doc).spans["entities"]]
    assert ids[0] == ids[2] != ids[1]
