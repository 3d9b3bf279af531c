"""The page of the merged graph."""

from pathlib import Path
from typing import List

import pytest
from playwright.sync_api import Browser, expect

from spacy_docre.annotate.graph import page
from spacy_docre.annotate.graph.merge import MergeOptions, merge_triples
from spacy_docre.pipeline.names import make_name_rules
from tests.annotate.graph.test_merge import record, write
from tests.conftest import open_page
from tests.display.conftest import sent

MARKUP = "</script><b>&"


def written(folder: Path) -> Path:
    """Three documents: two state one relation, and a name is markup."""
    people = [("Marie Curie", "PER", "Q7186"), ("Warsaw", "LOC", ""), (MARKUP, "MISC", "")]
    records = [
        record("Marie Curie of Warsaw", people[:2], [(0, 1, "P19", 0.5)]),
        record("Warsaw", people[:2], [(0, 1, "P19", 0.75)]),
        record("other", people, [(2, 1, "P131", 0.9)]),
    ]
    triples = write(folder / "a.jsonl", records)
    with merge_triples([triples], make_name_rules(), MergeOptions(), 500) as graph:
        page.write_page(graph, folder / "graph.html")
    return folder / "graph.html"


def test_what_it_is_sent(tmp_path: Path) -> None:
    (data,) = sent(written(tmp_path).read_text("utf8"))
    names = {entity[0]: entity[1] for entity in data["entities"]}
    triples = [
        (names[head], data["types"][kind][0], names[tail], score)
        for _, head, tail, kind, score, _ in data["relations"]
    ]
    assert triples == [(MARKUP, "P131", "Warsaw", 0.9), ("Marie Curie", "P19", "Warsaw", 0.75)]
    said: List[List[str]] = [
        [data["text"][slice(*data["sentences"][sentence])] for sentence in sentences]
        for *_, sentences in data["relations"]
    ]
    assert said == [
        ["other says (other)"],
        ["Warsaw says (Warsaw)", "Marie Curie of Warsaw says (Marie Curie of Warsaw)"],
    ]
    for _, name, _, _, mentions in data["entities"]:
        assert [data["text"][slice(*mention)] for mention in mentions] == [name] * len(mentions)
    assert [len(entity[4]) for entity in data["entities"]] == [0, 2, 1]


def test_relations_that_are_left_out_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of fewer documents, whatever their score."""
    monkeypatch.setattr(page, "MOST_RELATIONS", 1)
    (data,) = sent(written(tmp_path).read_text("utf8"))
    assert data["title"] == "1 relations, 1 left out"
    assert [relation[4] for relation in data["relations"]] == [0.75]


def test_a_search_draws_its_neighbourhood(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, written(tmp_path)) as opened:
        expect(opened.locator(".drawn")).to_have_text("2 pairs of entities, all drawn.")
        opened.get_by_label("Search").fill("curie")
        expect(opened.locator(".drawn")).to_have_text("1 pair of entities, all drawn.")
