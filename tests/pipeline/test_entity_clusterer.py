"""The component: mentions grouped into entities."""

import re
from typing import Dict, List, Sequence, Tuple

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_docre.entity_sources import make_default_entities, make_span_group_entities
from spacy_docre.pipeline.entity_clusterer import EntityClusterer
from spacy_docre.pipeline.names import make_name_rules

Mention = Tuple[str, str]


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_clusterer")
    return nlp


def doc_of(nlp: Language, mentions: Sequence[Mention], **ids: Dict[int, str]) -> Doc:
    """A Doc of nothing but mentions (text, label), with a word between them."""
    words: List[str] = []
    boundaries = []
    for text, _ in mentions:
        start = len(words)
        words += text.split()
        boundaries.append((start, len(words)))
        words.append("and")
    doc = Doc(nlp.vocab, words=words)
    doc.ents = [
        Span(
            doc,
            start,
            end,
            label=label,
            kb_id=ids.get("kb_ids", {}).get(index, ""),
            span_id=ids.get("ent_ids", {}).get(index, ""),
        )
        for index, ((start, end), (_, label)) in enumerate(zip(boundaries, mentions, strict=True))
    ]
    return doc


def entities_of(doc: Doc) -> List[int]:
    return [int(span.id_) for span in doc.spans["entities"]]


@pytest.mark.parametrize(
    "mentions, entities",
    [
        ([], []),
        ([("Ada Lane", "PER")], [0]),
        ([("Ada Lane", "PER"), ("Oslo", "LOC"), ("Lane", "PER"), ("OSLO", "LOC")], [0, 1, 0, 1]),
        # A short form comes after the full name, if it is no abbreviation.
        ([("Lane", "PER"), ("Oslo", "LOC"), ("Ada Lane", "PER")], [0, 1, 2]),
        ([("A. Lane", "PER"), ("Oslo", "LOC"), ("Ada Lane", "PER")], [0, 1, 0]),
        # Within a type.
        ([("Lane", "LOC"), ("Ada Lane", "PER")], [0, 1]),
        # Through a third name: both are short forms of one person.
        (
            [("Ada M. Lane", "PER"), ("Ada Maria Lane", "PER"), ("Lane", "PER")],
            [0, 0, 0],
        ),
        # A short form of two is of the person named first; of other things it is neither.
        ([("Ada Lane", "PER"), ("Bruno Lane", "PER"), ("Lane", "PER")], [0, 1, 0]),
        ([("Acme Works", "ORG"), ("Acme Bank", "ORG"), ("Acme", "ORG")], [0, 1, 2]),
        # One name with two labels; a demonym may be a language.
        ([("Ada Lane", "PER"), ("Oslo", "LOC"), ("Ada Lane", "ORG")], [0, 1, 0]),
        ([("French", "LOC"), ("French", "MISC"), ("7", "NUM"), ("7", "MISC")], [0, 1, 2, 3]),
    ],
)
def test_entities(nlp: Language, mentions: List[Mention], entities: List[int]) -> None:
    doc = nlp.get_pipe("entity_clusterer")(doc_of(nlp, mentions))
    assert entities_of(doc) == entities
    assert [(span.start, span.end, span.label_) for span in doc.spans["entities"]] == [
        (ent.start, ent.end, ent.label_) for ent in doc.ents
    ]


@pytest.mark.parametrize("ids", ["kb_ids", "ent_ids"])
def test_ids_come_first(nlp: Language, ids: str) -> None:
    mentions = [("Lane", "PER"), ("Ada Lane", "PER"), ("Oslo", "LOC"), ("Christiania", "LOC")]
    mentions += [("Ms. Lane", "PER"), ("Ada", "PER"), ("Oslo", "LOC")]
    doc = doc_of(nlp, mentions, **{ids: {0: "Q1", 1: "Q2", 2: "Q3", 3: "Q3", 6: "NIL"}})
    entities = entities_of(nlp.get_pipe("entity_clusterer")(doc))
    # "Ms. Lane" has the name of Q1, "Ada" is a short form of Q2.
    expected = [0, 1, 2, 2, 0, 1, 2]
    if ids == "ent_ids":
        expected[6] = 3
    assert entities == expected


@pytest.mark.parametrize("ids", ["kb_ids", "ent_ids"])
def test_ids_reach_the_group(nlp: Language, ids: str) -> None:
    """Also those that are numbers, as those of the group, and whatever doc.ents becomes."""
    mentions = [("Ada Lane", "PER"), ("Oslo", "LOC"), ("Lane", "PER"), ("Graz", "LOC")]
    doc = nlp.get_pipe("entity_clusterer")(doc_of(nlp, mentions, **{ids: {0: "Q1", 1: "0"}}))
    entities = make_default_entities()(doc)
    doc._.entities = entities
    for _ in range(2):
        assert [entity.id for entity in doc._.entities] == ["Q1", "0", ""]
        doc.set_ents([], default="outside")


def test_a_group_that_is_overwritten_links_nothing() -> None:
    nlp = spacy.blank("en")
    clusterer = nlp.add_pipe("entity_clusterer", config={"overwrite": True})
    doc = doc_of(nlp, [("Ada Lane", "PER"), ("Oslo", "LOC")], ent_ids={0: "7", 1: "8"})
    doc.spans["entities"] = list(doc.ents)
    assert [span.kb_id_ for span in clusterer(doc).spans["entities"]] == ["", ""]


def test_coreference_clusters_come_first(nlp: Language) -> None:
    mentions = [("Ada Lane", "PER"), ("Bruno Falk", "PER"), ("the boss", "PER"), ("Falk", "PER")]
    doc = doc_of(nlp, mentions)
    doc.spans["coref_clusters_1"] = [doc.ents[0], doc.ents[2]]
    assert entities_of(nlp.get_pipe("entity_clusterer")(doc)) == [0, 1, 0, 1]


def test_coreference_clusters_can_be_left_aside() -> None:
    nlp = spacy.blank("en")
    clusterer = nlp.add_pipe("entity_clusterer", config={"coref_prefix": None})
    doc = doc_of(nlp, [("Ada Lane", "PER"), ("the boss", "PER")])
    doc.spans["coref_clusters_1"] = list(doc.ents)
    assert entities_of(clusterer(doc)) == [0, 1]


def test_ids_reach_through_coreference_clusters(nlp: Language) -> None:
    mentions = [("Ada", "PER"), ("the boss", "PER"), ("Lane", "PER"), ("the chief", "PER")]
    doc = doc_of(nlp, mentions, kb_ids={0: "Q1", 2: "Q1"})
    doc.spans["coref_clusters_1"] = [doc.ents[0], doc.ents[1]]
    doc.spans["coref_clusters_2"] = [doc.ents[2], doc.ents[3]]
    assert entities_of(nlp.get_pipe("entity_clusterer")(doc)) == [0, 0, 0, 0]


@pytest.mark.parametrize("overwrite", [False, True])
def test_group_that_is_there(overwrite: bool) -> None:
    nlp = spacy.blank("en")
    clusterer = nlp.add_pipe("entity_clusterer", config={"overwrite": overwrite})
    doc = doc_of(nlp, [("Ada Lane", "PER"), ("Lane", "PER")])
    doc.spans["entities"] = [Span(doc, 0, 2, label="PER", span_id="7")]
    assert entities_of(clusterer(doc)) == ([0, 0] if overwrite else [7])


@pytest.mark.parametrize(
    "text, label, name",
    [
        ("the University of Vienna", "ORG", "University of Vienna"),
        ("The Hague", "GPE", "Hague"),
        ("Vienna", "GPE", "Vienna"),
        ("the", "ORG", "the"),
        ("A . Lane", "PERSON", "A . Lane"),
    ],
)
def test_determiners(text: str, label: str, name: str) -> None:
    """Left out of the group, and so of the entity's name, where that is asked for."""
    for determiners, expected in ((True, text), (False, name)):
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_clusterer", config={"determiners": determiners})
        doc = nlp(doc_of(nlp, [(text, label), (text, label)]))
        assert [span.text for span in doc.spans["entities"]] == [expected] * 2
        doc._.entities = make_default_entities()(doc)
        assert [entity.text for entity in doc._.entities] == [expected]
        assert [span.text for span in doc.ents] == [text] * 2


def test_document_without_annotation_stays_as_it_is(nlp: Language) -> None:
    assert "entities" not in nlp("Ada Lane").spans
    assert "entities" in nlp("").spans


def test_settings_and_saving(tmp_path) -> None:
    nlp = spacy.blank("en")
    rules = {
        "@misc": "spacy_docre.NameRules.v1",
        "lang": "en",
        "extend": {"aliases": {"PER": [["Ada Lane", "Lady L"]]}},
    }
    nlp.add_pipe("entity_clusterer", config={"key": "clusters", "rules": rules})
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        doc = doc_of(pipeline, [("Ada Lane", "PER"), ("Lady L", "PER")])
        pipeline.get_pipe("entity_clusterer")(doc)
        assert [span.id_ for span in doc.spans["clusters"]] == ["0", "0"]


def test_it_serves_the_relation_extractor(trained_folder, make_examples) -> None:
    nlp = spacy.load(trained_folder)
    nlp.add_pipe("entity_clusterer", first=True)
    (example,) = make_examples(1)
    doc = example.predicted
    doc.set_ents(spacy.util.filter_spans(doc.spans["entities"]))
    expected = len({span.text for span in doc.ents})
    del doc.spans["entities"]
    assert len(nlp(doc)._.entities) == expected


def test_time_grows_with_the_mentions(nlp: Language) -> None:
    """Many full names that share their short forms, counted in calls and not in seconds."""
    clusterer = nlp.get_pipe("entity_clusterer")
    calls = []
    shorten = clusterer.rules.shorten
    clusterer.rules.shorten = lambda key: calls.append(key) or shorten(key)
    mentions = [(f"Ada{number} Lane", "PER") for number in range(2000)]
    doc = clusterer(doc_of(nlp, mentions))
    assert entities_of(doc) == list(range(2000)) and len(calls) == 2000


def test_scores(nlp: Language) -> None:
    mentions = [("Ada Lane", "PER"), ("Lane", "PER"), ("Oslo", "LOC")]
    reference = doc_of(nlp, mentions)
    reference._.entities = [[reference.ents[0], reference.ents[1]], [reference.ents[2]]]
    clusterer = nlp.get_pipe("entity_clusterer")
    scores = clusterer.score([Example(clusterer(doc_of(nlp, mentions)), reference)])
    assert set(scores.values()) == {1.0}


def best_names(nlp: Language, mentions: Sequence[Mention]) -> List[str]:
    doc = doc_of(nlp, mentions)
    clusterer = nlp.get_pipe("entity_clusterer")
    doc._.entities = make_span_group_entities()(clusterer(doc))
    (stored,) = DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab)
    assert [e.text for e in stored._.entities] == [e.text for e in doc._.entities]
    return [entity.text for entity in doc._.entities]


@pytest.mark.parametrize(
    "names, label, best",
    [
        (["Ada Lane 's", "Ada Lane", "Lane"], "PER", "Ada Lane"),
        (["Ada Lane", "President Lane", "Lane"], "PER", "Ada Lane"),
        (["Dr. Ada Lane", "Ada Lane"], "PER", "Ada Lane"),
        (["WHO", "World Health Organization", "WHO"], "ORG", "World Health Organization"),
        (["the United States", "United States", "U.S.", "US"], "LOC", "United States"),
        (["LISBON", "Lisbon"], "LOC", "Lisbon"),
        (["Acme", "Acme Inc."], "ORG", "Acme Inc."),
        # All short, and nothing to choose from.
        (["WHO"], "ORG", "WHO"),
    ],
)
def test_best_name(nlp: Language, names: List[str], label: str, best: str) -> None:
    assert best_names(nlp, [(name, label) for name in names]) == [best]


def test_best_name_is_that_of_the_country() -> None:
    nlp = spacy.blank("en")
    rules = {"@misc": "spacy_docre.NameRules.v1", "group_demonyms": True}
    nlp.add_pipe("entity_clusterer", config={"rules": rules})
    mentions = [("American", "LOC"), ("US", "LOC"), ("American", "LOC")]
    assert best_names(nlp, mentions) == ["US"]


def test_best_name_of_names_that_a_text_equates(nlp: Language) -> None:
    """The most frequent one, or the first."""
    text = "Lane (née Charlotte Falk) met Acme Works (also known as Works and Sons). Lane left."
    doc = nlp.make_doc(text)
    names = {"Lane": "PER", "Charlotte Falk": "PER", "Acme Works": "ORG", "Works and Sons": "ORG"}
    doc.ents = [
        doc.char_span(*match.span(), label=label)
        for name, label in names.items()
        for match in re.finditer(name, text)
    ]
    doc._.entities = make_span_group_entities()(nlp.get_pipe("entity_clusterer")(doc))
    assert [entity.text for entity in doc._.entities] == ["Lane", "Acme Works"]
    # What is grouped anew has new marks.
    clusterer = EntityClusterer("again", make_name_rules(None), overwrite=True)
    doc._.entities = make_span_group_entities()(clusterer(doc))
    assert [entity.text for entity in doc._.entities] == list(names)
