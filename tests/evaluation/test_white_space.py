"""Scores of raw texts that gold has with other white space."""

import re
from pathlib import Path
from typing import Callable, List, Set, Tuple

import pytest
import spacy
from spacy.scorer import PRFScore
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans

from spacy_docre import Triple
from spacy_docre.data.gold_annotations import set_gold_annotations
from spacy_docre.entity_sources import set_entity_spans
from spacy_docre.evaluation.answers import answers_of
from spacy_docre.evaluation.clusters import make_entity_cluster_scorer
from spacy_docre.evaluation.evaluation import Evaluation
from spacy_docre.evaluation.gold import GoldDocument
from spacy_docre.evaluation.scorer import make_relation_scorer

NLP = spacy.blank("en")
NLP.add_pipe("sentencizer")
WORDS = "Ada Lane was born in New Haven . She left . Lane saw Oslo .".split()
STARTS = [0, 8, 11]
NAMES = [["Ada Lane", "She", "Lane"], ["New Haven"], ["Oslo"]]
TRIPLES = [(0, 1, "P19", [0]), (0, 2, "P937", [1, 2]), (1, 2, "P190", [])]
TEXTS = {
    "as in gold": "Ada Lane was born in New Haven . She left . Lane saw Oslo .",
    "no spaces before full stops": "Ada Lane was born in New Haven. She left. Lane saw Oslo.",
    "a blank line before it": "\n\nAda Lane was born in New Haven. She left. Lane saw Oslo.",
    "double spaces": "Ada  Lane was born  in New  Haven.  She left.   Lane saw Oslo.",
    "a newline in a name": "Ada\nLane was born in New \n Haven. She left. Lane saw Oslo.",
    "blank lines within": "Ada Lane was born in New Haven.\n\nShe left.\n \nLane saw Oslo.",
    "a blank line after it": "Ada Lane was born in New Haven. She left. Lane saw Oslo.\n\n",
    "all of it": "\n Ada  Lane was born\nin New\n\nHaven.\n\n\nShe left. \n Lane  saw\nOslo .\n",
}


def mentions_of(doc: Doc, names: List[str]) -> List[Span]:
    """The mentions of an entity, with whatever white space a name has in the text."""
    found = [
        doc.char_span(*match.span())
        for name in names
        for match in re.finditer(r"\b" + r"\s+".join(name.split()), doc.text)
    ]
    assert None not in found
    return sorted(filter_spans(found))


@pytest.fixture
def gold() -> Doc:
    doc = Doc(NLP.vocab, words=WORDS, sent_starts=[index in STARTS for index in range(len(WORDS))])
    sentences = [(sentence.start, sentence.end) for sentence in doc.sents]
    entities = [
        [(span.start, span.end, "THING") for span in mentions_of(doc, names)] for names in NAMES
    ]
    relations = [
        Triple(head, tail, label, evidence=tuple(sentences[number] for number in evidence))
        for head, tail, label, evidence in TRIPLES
    ]
    set_gold_annotations(doc, entities, relations)
    return doc


@pytest.fixture(params=TEXTS)
def predicted(request: pytest.FixtureRequest) -> Doc:
    """All entities in another order, the first two relations, and one that gold does not have."""
    doc = NLP(TEXTS[request.param])
    entities = [mentions_of(doc, names) for names in reversed(NAMES)]
    set_entity_spans(doc, entities)
    doc._.entities = entities
    sentences = [(sentence.start, sentence.end) for sentence in doc.sents if sentence.text.strip()]
    doc._.relations = [
        Triple(2, 1, "P19", score=0.9, evidence=(sentences[0],)),
        Triple(2, 0, "P937", score=0.8, evidence=(sentences[2], sentences[1])),
        Triple(0, 1, "P190", score=0.7, evidence=(sentences[0],)),
    ]
    return doc


def test_relations(gold: Doc, predicted: Doc) -> None:
    scores = make_relation_scorer()([Example(predicted, gold)])
    assert (scores["rel_p"], scores["rel_r"]) == pytest.approx((2 / 3, 2 / 3))
    assert scores["rel_per_type"]["P19"]["f"] == 1
    strict = make_relation_scorer(all_mentions=True)([Example(predicted, gold)])
    assert strict == scores


def test_evidence(gold: Doc, predicted: Doc) -> None:
    answers = answers_of(Example(predicted, gold), "A")
    assert {triple[1:]: set(answer.evidence) for triple, answer in answers.items()} == {
        (0, 1, "P19"): {0},
        (0, 2, "P937"): {1, 2},
        (2, 1, "P190"): {0},
    }
    metrics = Evaluation({"A": GoldDocument.from_doc(gold, "A")}, answers).metrics
    assert (metrics["evidence_p"], metrics["evidence_r"]) == pytest.approx((3 / 4, 1))


def test_clusters(gold: Doc, predicted: Doc) -> None:
    score = make_entity_cluster_scorer()
    for name, value in score([Example(predicted, gold)]).items():
        assert value == pytest.approx(1), name
    # One mention less.
    predicted.spans["entities"] = list(predicted.spans["entities"])[:-1]
    scores = score([Example(predicted, gold)])
    assert scores["cluster_b3_p"] == pytest.approx(1)
    assert scores["cluster_b3_r"] == pytest.approx((1 + 1 + 2 / 3 + 2 / 3) / 5)


def test_tokens_that_join_two_sentences(gold: Doc) -> None:
    """The sentence in which such a token begins counts."""
    doc = Doc(
        NLP.vocab,
        words="Ada Lane was born in New Haven. She left.Lane saw Oslo .".split(),
        sent_starts=[index in (0, 7, 8) for index in range(12)],
    )
    doc._.entities = [[doc[0:2]], [doc[10:11]]]
    sentences = [(sentence.start, sentence.end) for sentence in doc.sents]
    doc._.relations = [
        Triple(0, 1, str(number), evidence=(sentence,)) for number, sentence in enumerate(sentences)
    ]
    answers = answers_of(Example(doc, gold), "A")
    assert {triple.label: set(answer.evidence) for triple, answer in answers.items()} == {
        "0": {0},
        "1": {1},
        "2": {1},
    }


def facts_of_names(doc: Doc) -> Set[Tuple[str, ...]]:
    facts = ((r.head.text, r.label_, r.tail.text) for r in doc._.relations)
    return {tuple(" ".join(text.split()) for text in fact) for fact in facts}


@pytest.mark.parametrize("change", ["\n\n{}", "{}\n", " {}"])
def test_raw_text_through_a_pipeline(
    trained_folder: Path, make_examples: Callable, change: str
) -> None:
    """Nothing in the pipeline finds entities: they are those of gold. Every triple is predicted,
    so whatever the model has learnt, gold's are among them."""
    nlp = spacy.load(trained_folder)
    extractor = nlp.get_pipe("doc_relation_extractor")
    extractor.cfg["threshold"] = 0.0
    examples = []
    for example in make_examples(10):
        text = change.format(example.text).replace("Ada Lane", "Ada  Lane")
        with pytest.warns(UserWarning, match="finds no relations"):
            examples.append(Example(nlp(text), example.reference))
    scores = extractor.score(examples)
    by_name = PRFScore()
    for example in examples:
        by_name.score_set(facts_of_names(example.predicted), facts_of_names(example.reference))
    assert scores["rel_f"] == pytest.approx(by_name.fscore)
    assert scores["rel_r"] == 1
