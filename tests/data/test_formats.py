"""What is written for a tool is read back, and files are told apart."""

import json
import re
import warnings
from pathlib import Path
from typing import Any, Dict, List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.cli.convert import Format, OutputFormat
from spacy_docre.data.formats import FORMATS, ReadSettings, check_kind, tell_format

from .tools import VOCAB, docs, entities_of, relations_of

WRITERS = [name for name, format in FORMATS.items() if format.write is not None]
SETTINGS = ReadSettings(by_text=False)


def accept_predictions(path: Path) -> None:
    """Do as an annotator of Label Studio who submits each prediction as it is."""
    tasks = json.loads(path.read_text("utf8"))
    for task in tasks:
        task["annotations"] = [{"result": item["result"]} for item in task.pop("predictions")]
    path.write_text(json.dumps(tasks), "utf8")


def write(name: str, path: Path, *documents: Doc) -> Path:
    path = path / {"label-studio": "a.json", "brat": "a"}.get(name, "a.jsonl")
    writer = FORMATS[name].write
    assert writer is not None
    writer(path, documents, "COREF")
    if name == "label-studio":
        accept_predictions(path)
    return path


def read(path: Path, name: str = "", read_settings: ReadSettings = SETTINGS) -> List[Doc]:
    return list(FORMATS[name or tell_format(path)].read(path, Vocab(), read_settings, 0))


@pytest.mark.parametrize("name", WRITERS)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=20,
)
@given(data=st.data())
def test_what_is_written_is_read(name: str, tmp_path: Path, data: st.DataObject) -> None:
    # brat has no mentions across lines but those with words.
    doc = data.draw(docs(may_overlap=name != "prodigy", may_be_blank=name != "brat"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (found,) = read(write(name, tmp_path, doc), name)
    assert found.text == doc.text
    assert entities_of(found) == entities_of(doc)
    assert relations_of(found) == relations_of(doc)
    assert [span.id_ for span in found.spans["entities"]] == [
        str(entity.index) for entity in found._.entities for _ in entity.mentions
    ]
    if name == "brat":
        assert [entity.id for entity in found._.entities] == [e.id for e in doc._.entities]


def make_doc() -> Doc:
    doc = Doc(VOCAB, words=["Ada", "Lane", "saw", "Oslo", "."], user_data={"title": "A life"})
    doc._.entities = [
        [Span(doc, 0, 2, label="PER", kb_id="Q1"), Span(doc, 0, 1, label="PER")],
        [Span(doc, 3, 4)],
        [Span(doc, 1, 2, label="PER")],
    ]
    doc._.relations = [
        Triple(0, 1, "P1", score=0.5, name="saw", evidence=((0, 5),)),
        Triple(2, 1, "P1"),
    ]
    return doc


LOST = {
    "prodigy": [
        "2 mentions overlap others",
        "1 relations connect mentions that are left out",
        "1 .* a score",
    ],
    "label-studio": ["2 mentions have a linked id"],
    "doccano": ["2 mentions have a linked id", "1 relations have a score"],
    "brat": ["1 relations have a score", "1 titles cannot be names of files"],
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_lost_is_told(name: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as told:
        path = write(name, tmp_path, make_doc())
    always = ["1 mentions have no label", "1 relations have evidence", "1 .* a readable name"]
    (warning,) = told
    for problem in [*LOST[name], *always]:
        assert re.search(problem, str(warning.message)), problem
    (found,) = read(path)
    assert found.user_data["title"] == ("A_life" if name == "brat" else "A life")
    expected = [(0, 1, "P1")] if name == "prodigy" else [(0, 1, "P1"), (2, 1, "P1")]
    assert relations_of(found) == expected


@pytest.mark.parametrize("name", sorted({*WRITERS} - {"brat"}))
def test_the_label_of_coreference_is_no_relation(name: str, tmp_path: Path) -> None:
    doc = make_doc()
    doc._.relations = [Triple(0, 1, "COREF")]
    with pytest.raises(ValueError, match="'A life' has a relation.*'COREF'.*--coref-label"):
        write(name, tmp_path, doc)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_to_write(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path)
    if name == "brat":
        with pytest.raises(ValueError, match="a has no .txt and .ann files"):
            read(path, name)
    else:
        assert read(path, name) == []


@pytest.mark.parametrize("name", WRITERS)
def test_relations_that_nobody_has_annotated(name: str, tmp_path: Path) -> None:
    """No relation in all of a file is none that is known."""
    bare, known = make_doc(), make_doc()
    bare._.entities = bare._.entities
    with pytest.warns(UserWarning):
        (found,) = read(write(name, tmp_path, bare))
    assert "docre_relations" not in found.user_data
    with pytest.warns(UserWarning):
        found = read(write(name, tmp_path, known))[0]
    assert "docre_relations" in found.user_data


def test_the_command_has_all_formats() -> None:
    assert [item.value for item in Format] == ["auto", *FORMATS]
    assert [item.value for item in OutputFormat] == ["spacy", *WRITERS]


MENTION = {"id": 1, "start_offset": 0, "end_offset": 3, "label": "PER"}


@pytest.mark.parametrize(
    "name, content, expected",
    [
        ("a.json", [{"title": "", "sents": [], "vertexSet": []}], "docred"),
        ("a.json", [{"data": {}, "annotations": []}], "label-studio"),
        ("a.json", [], "docred"),
        ("a.jsonl", {"text": "", "entities": [MENTION], "relations": []}, "doccano"),
        ("a.jsonl", {"text": "", "entities": [{"id": 1, "mentions": []}]}, "annotated"),
        ("a.jsonl", {"text": "", "entities": 3}, "annotated"),
        ("a.jsonl", {"text": "", "data": {}, "entities": [{"mentions": []}]}, "annotated"),
        ("a.jsonl", {"text": "", "spans": []}, "prodigy"),
        ("a.jsonl", {"vertexSet": []}, "docred"),
        ("a.jsonl", {"vertex_char": []}, "hacred"),
        ("a.pubtator", "", "pubtator"),
        ("a.PubTator", "", "pubtator"),
        ("a.txt", "12|t|Title\n", "pubtator"),
        ("a.spacy", "", "spacy"),
        ("a.parquet", "", "annotated"),
    ],
)
def test_files_are_told_apart(name: str, content: Any, expected: str, tmp_path: Path) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text)
    assert tell_format(tmp_path / name) == expected


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "part-000000.csv").write_text("")
    with pytest.raises(ValueError, match="holds neither .spacy nor .ann files, nor .jsonl"):
        tell_format(tmp_path)
    (tmp_path / "part-000000.parquet").write_text("")
    assert tell_format(tmp_path) == "annotated"
    (tmp_path / "a" / "b.spacy").write_text("")
    assert tell_format(tmp_path) == "spacy"
    (tmp_path / "a" / "b.ann").write_text("")
    assert tell_format(tmp_path) == "brat"
    with pytest.raises(ValueError, match="is a folder, and doccano is a format of files"):
        check_kind(tmp_path, "doccano")
    with pytest.raises(ValueError, match="is a file. Give brat's folder"):
        check_kind(tmp_path / "a" / "b.ann", "brat")


def test_unknown_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada saw Oslo.")
    with pytest.raises(ValueError, match="Unknown format of .*a.txt. Set it with --format"):
        tell_format(tmp_path / "a.txt")


def doccano(text: str, *mentions: Any, relations: Any) -> Dict[str, Any]:
    return {
        "text": text,
        "entities": [
            {"id": number, "start_offset": start, "end_offset": end, "label": "PER"}
            for number, (start, end) in enumerate(mentions)
        ],
        "relations": [
            {"id": 0, "from_id": head, "to_id": tail, "type": label}
            for head, tail, label in relations
        ],
    }


def test_entities_of_mentions(tmp_path: Path) -> None:
    """By their text or not, and by coreference; white space at the ends is left out."""
    path = tmp_path / "a.jsonl"
    record = doccano("Ada saw ADA, she", (0, 4), (8, 11), (13, 16), relations=[(2, 0, "SAME")])
    record["relations"].append({"from_id": 1, "to_id": 0, "type": "KNOWS"})
    path.write_text(json.dumps(record))
    settings = ReadSettings(coref_label="SAME", by_text=False, names={"KNOWS": "knows"})
    (doc,) = read(path, "doccano", settings)
    assert entities_of(doc) == [[(0, 3, "PER"), (13, 16, "PER")], [(8, 11, "PER")]]
    assert [(r.head.index, r.name, r.tail.index) for r in doc._.relations] == [(1, "knows", 0)]
    with pytest.warns(
        UserWarning, match="1 relations are left out because.*line 1, KNOWS of 'ADA'"
    ):
        (doc,) = read(path, "doccano", ReadSettings(coref_label="SAME"))
    assert [len(entity.mentions) for entity in doc._.entities] == [3] and not doc._.relations


def test_tokens_are_divided(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(doccano("pre-Oslo", (4, 6), relations=[])))
    (doc,) = read(tmp_path / "a.jsonl")
    assert [token.text for token in doc] == ["pre", "-", "Os", "lo"]


@pytest.mark.parametrize("span", [(0, 9), (-1, 3), (3, 3), (3, 1)])
def test_mentions_that_are_nowhere(span: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(doccano("Ada saw.", span, relations=[])))
    with pytest.raises(ValueError, match="a.jsonl, line 1: a mention has the characters.*Export"):
        read(tmp_path / "a.jsonl")
