"""Folders of brat's."""

import re
from pathlib import Path
from typing import List

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre.data.brat import parse_brat
from spacy_docre.data.text_documents import read_text_documents

TEXT = "Ada Lane saw North and South Oslo.\nShe left.\n"
ANNOTATIONS = """\
R1\tSAW Arg1:T1 Arg2:T3\t
T1\tPER 0 8\tAda Lane
T2\tPER 35 38\tShe
T3\tLOC 23 28;29 33\tSouth Oslo
T4\tLOC 13 18;29 33\tNorth Oslo
T5\tPER 9 12\tsaw
*\tEquiv T1 T2
E1\tSEE:T5 Agent:T1
R2\tCAUSE Arg1:E1 Arg2:T3
A1\tNegated E1
#1\tAnnotatorNotes T1\tsure?
N1\tReference T1 Wikidata:Q7259\tAda Lovelace
"""


def read(folder: Path, annotations: str = ANNOTATIONS, text: str = TEXT) -> List[Doc]:
    (folder / "deep").mkdir(exist_ok=True)
    (folder / "deep" / "life.txt").write_bytes(text.encode())
    (folder / "deep" / "life.ann").write_bytes(annotations.encode())
    return list(read_text_documents(folder, parse_brat, Vocab(), by_text=False))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_folder(end: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as told:
        (doc,) = read(tmp_path, ANNOTATIONS.replace("\n", end))
    for problem in (
        "1 events are ignored",
        "1 relations connect events, and are ignored .*life.ann, line 9",
        "1 attributes are ignored",
        "1 notes are ignored",
        "1 mentions are discontinuous.*'North Oslo'",
    ):
        assert re.search(problem, str(told[0].message)), problem
    assert doc.text == TEXT and doc.user_data["title"] == "deep/life"
    assert [[span.text for span in e.mentions] for e in doc._.entities] == [
        ["Ada Lane", "She"],
        ["South Oslo"],
        ["North and South Oslo"],
        ["saw"],
    ]
    assert [entity.id for entity in doc._.entities] == ["Q7259", "", "", ""]
    assert [(r.head.index, r.label_, r.tail.index) for r in doc._.relations] == [(0, "SAW", 1)]


@pytest.mark.parametrize(
    "line, problem",
    [
        ("T9\tPER 0 3\tEve", "the text has 'Ada' there, not 'Eve'. It should be T1<TAB>LABEL"),
        ("T9\tPER 0 999", "it is no mention"),
        ("T9 PER 0 3 Ada", "it is no mention"),
        ("T1\tPER 0 3\tAda", "T1 occurs twice"),
        ("R9\tSAW Arg1:T1 Arg2:T9", "there is no mention T9. It should be R1"),
        ("R9\tSAW T1 T3", "it is no relation"),
        ("*\tEquiv T1 T9", "there is no mention T9"),
        ("*\tSame T1 T2", "it is no equivalence"),
        ("N9\tReference T1 Q7259\tAda", "it is no normalisation"),
        ("?1\tPER 0 3", "is not a line of brat. Its lines begin with one of T R"),
    ],
)
def test_malformed(line: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"life.ann, line 7: .*{problem}"):
        read(tmp_path, "\n".join([*ANNOTATIONS.split("\n")[:6], line]))


@pytest.mark.parametrize("missing", ["life.txt", "life.ann"])
def test_one_file_of_two(missing: str, tmp_path: Path) -> None:
    (tmp_path / ("life.ann" if missing == "life.txt" else "life.txt")).write_text("")
    with pytest.raises(ValueError, match=f"has no {missing} beside it.*files of one name"):
        list(parse_brat(tmp_path, None))  # type: ignore[arg-type]
