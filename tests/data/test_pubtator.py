"""PubTator: BC5CDR's and BioRED's."""

import os
import re
import warnings
from pathlib import Path
from typing import List

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre.annotations import has_relations
from spacy_docre.data.pubtator import parse_pubtator
from spacy_docre.data.text_documents import read_text_documents

DATA = os.environ.get("SPACY_DOCRE_DATA")
DOCUMENT = """\
12|t|Aspirin and renal or liver failure.
12|a|ASA caused liver failure; Foo too, foo. E10X.
12\t0\t7\tAspirin\tChemical\tD001241
12\t12\t34\trenal or liver failure\tDisease\tD051437|D017093\trenal failure|liver failure
12\t36\t39\tASA\tChemical\tD001241
12\t47\t60\tliver failure\tDisease\tD017093
12\t62\t65\tFoo\tChemical\t-1
12\t71\t74\tfoo\tChemical\t-
12\t76\t80\tE10X\tSequenceVariant\tp|SUB|E|10|X
12\tCID\tD001241\tD051437
12\tCID\tD001241\tD017093\tNovel
12\tCID\tD001241\tD999999
12\tBind\tD001241\tD001241
12\tAssociation\tp|SUB|E|10|X\tD017093
"""


def read(path: Path, text: str = DOCUMENT, by_text: bool = True) -> List[Doc]:
    path = path / "a.pubtator"
    path.write_text(text, "utf8")
    return list(read_text_documents(path, parse_pubtator, Vocab(), by_text=by_text))


@pytest.mark.parametrize("by_text", [True, False])
def test_document(by_text: bool, tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as told:
        (doc,) = read(tmp_path, by_text=by_text)
    for problem in (
        "1 mentions have several ids, and are mentions of each concept .line 4, D051437.D017093",
        "2 mentions have no id",
        "1 relations have further fields, which are left out .line 11, Novel",
        "1 relations name concepts that no mention has, and are left out .line 12, D999999",
        "1 relations are left out because head and tail are one entity",
    ):
        assert re.search(problem, str(told[0].message)), problem
    assert doc.user_data["title"] == "12"
    assert doc.text.startswith("Aspirin and renal or liver failure. ASA caused")
    found = {entity.id: [span.text for span in entity.mentions] for entity in doc._.entities}
    assert found.pop("") == (["Foo", "foo"] if by_text else ["foo"])
    assert found == {
        "D001241": ["Aspirin", "ASA"],
        "D051437": ["renal or liver failure"],
        "D017093": ["renal or liver failure", "liver failure"],
        "p|SUB|E|10|X": ["E10X"],
    }
    assert {(r.head.id, r.label_, r.tail.id) for r in doc._.relations} == {
        ("D001241", "CID", "D051437"),
        ("D001241", "CID", "D017093"),
        ("p|SUB|E|10|X", "Association", "D017093"),
    }


@pytest.mark.parametrize("between", ["", "\n", "\n \n\n"])
def test_documents_follow_each_other(between: str, tmp_path: Path) -> None:
    other = "13|t|Only a title\n13\t0\t4\tOnly\tX\tD1,D2\n"
    with pytest.warns(UserWarning):
        docs = read(tmp_path, DOCUMENT + between + other)
    assert [doc.user_data["title"] for doc in docs] == ["12", "13"]
    assert docs[1].text == "Only a title"
    assert [entity.id for entity in docs[1]._.entities] == ["D1", "D2"]
    # Relations are annotated in this file.
    assert has_relations(docs[1])


def test_a_file_without_relations(tmp_path: Path) -> None:
    lines = DOCUMENT.splitlines()[:3]
    (doc,) = read(tmp_path, "\n".join(lines))
    assert len(doc._.entities) == 1 and not has_relations(doc)


@pytest.mark.parametrize(
    "line, problem",
    [
        (
            "12\t0\t7\tIbuprofen\tChemical\tD1",
            "the text has 'Aspirin' from 0 to 7, not 'Ibuprofen'",
        ),
        ("12\t900\t907\tAspirin\tChemical\tD1", "the text has '' from 900"),
        ("13\t0\t7\tAspirin\tChemical\tD1", "'13' is not '12', the document's PMID"),
        ("12\tCID\tD001241", "the line is none of these"),
        ("12\t\tD001241\tD001241", "the relation has no type"),
        ("12|a|Again", "document 12 has two lines .a."),
    ],
)
def test_malformed(line: str, problem: str, tmp_path: Path) -> None:
    lines = DOCUMENT.splitlines()[:3]
    with pytest.raises(ValueError, match=f"a.pubtator, line 4: {problem}.*A line should be PMID"):
        read(tmp_path, "\n".join([*lines, line]))
    with pytest.raises(ValueError, match="line 1: document 12 has no title"):
        read(tmp_path, "\n".join(lines[1:]))


@pytest.mark.skipif(DATA is None, reason="SPACY_DOCRE_DATA does not name the folder of the data")
@pytest.mark.parametrize(
    "name, documents, mentions, relations",
    [
        ("bc5cdr/CDR_TestSet.PubTator.txt", 500, 9809, 1066),
        # Of 1,162 one is of a gene with itself.
        ("biored/Dev.PubTator", 100, 3533, 1161),
    ],
)
def test_real_files(name: str, documents: int, mentions: int, relations: int) -> None:
    with warnings.catch_warnings(record=True):
        docs = list(read_text_documents(Path(str(DATA), "bio", name), parse_pubtator, Vocab()))
    assert len(docs) == documents
    spans = {
        (doc.user_data["title"], span.start_char, span.end_char)
        for doc in docs
        for entity in doc._.entities
        for span in entity.mentions
    }
    assert len(spans) == mentions
    assert sum(len(doc._.relations) for doc in docs) == relations
    # Each concept is one entity.
    for doc in docs:
        ids = [entity.id for entity in doc._.entities if entity.id]
        assert len(ids) == len({*ids})
