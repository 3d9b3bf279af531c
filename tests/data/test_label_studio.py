"""The export of Label Studio."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre.annotations import has_relations
from spacy_docre.data.label_studio import parse_label_studio
from spacy_docre.data.text_documents import read_text_documents

TEXT = "Ada saw Oslo.\nShe left."


def region(id_: str, start: int, end: int, *labels: str, text: str = TEXT) -> Dict[str, Any]:
    value = {"start": start, "end": end, "text": text[start:end], "labels": list(labels)}
    return {"value": value, "id": id_, "from_name": "label", "to_name": "text", "type": "labels"}


def relation(head: str, tail: str, direction: str, *labels: str) -> Dict[str, Any]:
    return {
        "from_id": head,
        "to_id": tail,
        "type": "relation",
        "direction": direction,
        "labels": list(labels),
    }


def task(*results: List[Any], text: str = TEXT, **fields: Any) -> Dict[str, Any]:
    return {
        "id": 12,
        "data": {"text": text, "title": "A life", "id": "a1"},
        "annotations": [
            {"id": number, "was_cancelled": False, "result": result}
            for number, result in enumerate(results)
        ],
        **fields,
    }


RESULT = [
    relation("x", "y", "right", "SAW"),
    region("x", 0, 3, "PER"),
    region("y", 8, 12, "LOC", "GPE"),
    region("z", 14, 17, "PER"),
    relation("z", "x", "right", "COREF"),
    relation("x", "y", "left", "NAMES"),
    relation("x", "y", "bi", "NEAR", "SAW"),
    relation("x", "y", "right"),
    {"type": "choices", "value": {"choices": ["good"]}, "from_name": "c", "to_name": "text"},
]


def read(path: Path, *tasks: Any) -> List[Doc]:
    path = path / "export.json"
    path.write_text(json.dumps(tasks), "utf8")
    return list(read_text_documents(path, parse_label_studio, Vocab()))


def test_export(tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as told:
        (doc,) = read(tmp_path, task(RESULT))
    for problem in (
        "1 mentions have several labels",
        "1 relations have no label, and are left out",
        "1 results are neither labels nor relations.*choices",
    ):
        assert re.search(problem, str(told[0].message)), problem
    assert doc.text == TEXT and doc.user_data["title"] == "A life" and doc.user_data["id"] == "a1"
    assert [[span.text for span in e.mentions] for e in doc._.entities] == [
        ["Ada", "She"],
        ["Oslo"],
    ]
    assert [entity.label_ for entity in doc._.entities] == ["PER", "LOC"]
    found = {(r.head.index, r.label_, r.tail.index) for r in doc._.relations}
    assert found == {(0, "SAW", 1), (1, "NAMES", 0), (0, "NEAR", 1), (1, "NEAR", 0), (1, "SAW", 0)}


def test_tasks_that_nobody_has_annotated(tmp_path: Path) -> None:
    skipped = task([region("x", 0, 3, "PER")])
    skipped["annotations"][0]["was_cancelled"] = True
    with pytest.warns(UserWarning) as told:
        docs = read(tmp_path, task(), skipped, task(RESULT[:3], RESULT[1:4]))
    assert "1 tasks have no annotation, and are left out (task 0)" in str(told[0].message)
    assert "1 annotations belong to tasks that were skipped" in str(told[0].message)
    assert "1 tasks have several annotations, and each" in str(told[0].message)
    assert [len(doc._.entities) for doc in docs] == [2, 3]
    assert all(map(has_relations, docs))


def test_coreference_alone(tmp_path: Path) -> None:
    (doc,) = read(tmp_path, task([RESULT[1], *RESULT[3:5]]))
    assert len(doc._.entities) == 1 and not has_relations(doc)


def test_characters_of_javascript(tmp_path: Path) -> None:
    """Of which one beyond the BMP is two."""
    text = "👩 Ada 👩"
    item = region("x", 2, 5, "PER", text=text)
    for shift in (0, 1):
        item["value"].update(start=2 + shift, end=5 + shift)
        (doc,) = read(tmp_path, task([item], text=text))
        assert doc._.entities[0].text == "Ada"


def test_the_only_string_is_the_text(tmp_path: Path) -> None:
    other = {**task(RESULT[1:2]), "data": {"review": TEXT, "stars": 3}}
    assert read(tmp_path, other)[0].text == TEXT
    with pytest.raises(ValueError, match="task 0, field data: it is not clear which"):
        read(tmp_path, {**other, "data": {"review": TEXT, "other": TEXT}})


@pytest.mark.parametrize(
    "result, problem",
    [
        ([region("x", 0, 3, "PER"), region("x", 8, 12, "LOC")], "'x' occurs twice"),
        ([region("x", 0, 3), relation("x", "y", "right", "SAW")], "no mention has the id 'y'"),
        ([region("x", 0, 3), relation("x", "x", "up", "SAW")], "direction.* it is 'up'"),
        ([{**region("x", 0, 3), "value": {"start": 0}}], r"result.0., field value.end"),
        ([region("x", 0, 3, text="Eve saw")], "it is 'Eve', and the text has 'Ada'"),
    ],
)
def test_malformed(result: List[Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"export.json, task 1, annotations.0., .*{problem}"):
        read(tmp_path, task(), task(result))


def test_no_annotations_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="task 0, field annotations.*not as JSON-MIN"):
        read(tmp_path, {"data": {"text": TEXT}})
