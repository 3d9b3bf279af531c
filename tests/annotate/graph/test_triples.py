"""Files of triples: what is found, and what is wrong in them."""

import json
from pathlib import Path
from typing import Any, Dict

import duckdb
import pytest

from spacy_docre.annotate.graph.triples import list_triples, load_triples

GOOD: Dict[str, Any] = {
    "id": "good",
    "text": "Ada Oslo",
    "entities": [
        {
            **{"id": number, "text": text, "label": ""},
            "mentions": [{"start": start, "end": start + len(text), "text": text}],
        }
        for number, (start, text) in enumerate([(0, "Ada"), (4, "Oslo")])
    ],
    "relations": [{"head": 0, "tail": 1, "label": "P19", "score": 0.5}],
}


def relation(**changes: Any) -> Dict[str, Any]:
    return {**GOOD, "id": "bad", "relations": [{**GOOD["relations"][0], **changes}]}


def without(key: str) -> Dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


def test_files_and_folders(tmp_path: Path) -> None:
    names = ["out/part-1.jsonl", "out/b/part-2.parquet", "out/manifest.json", "c.jsonl"]
    for name in [*names, "out/.part-3.jsonl"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list_triples([tmp_path / "out", tmp_path / "c.jsonl", tmp_path / "out/part-1.jsonl"])
    assert found == [tmp_path / name for name in (names[1], names[0], names[3])]


@pytest.mark.parametrize("name", ["none", "a.csv", "empty"])
def test_no_triples(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=f"{name} (does not exist|has no triples)"):
        list_triples([tmp_path / name])


@pytest.mark.parametrize(
    "line, problem",
    [
        ('{"id": "x", "entities": [}', "line 3"),
        ('{"id": "x", "enti', "line 3"),
        ("[1]", "line 3"),
        (json.dumps({**GOOD, "entities": 5}), "line 3"),
        (json.dumps(relation(head="x")), "line 3"),
        (json.dumps(without("id")), "document None: it has no id"),
        (json.dumps(without("entities")), "document 'good': it has no entities"),
        (json.dumps(without("relations")), "document 'good': it has no entities or no relations"),
        (json.dumps({**GOOD, "id": "bad", "entities": [{"id": 0}] * 2}), "'bad': an entity has no"),
        (
            json.dumps({**GOOD, "id": "bad", "entities": GOOD["entities"][:1] * 2}),
            "'bad': two entities have the id 0",
        ),
        (
            json.dumps(relation(tail=7)),
            "'bad': a relation names an entity that the document does not have: 0 or 7",
        ),
        (json.dumps(relation(head=None)), "'bad': a relation names an entity"),
        (
            json.dumps({**GOOD, "text": "Other."}),
            "document 'good': it occurs twice, with two texts. Put each run into a separate file",
        ),
        (json.dumps(relation(label="")), "'bad': a relation has no label"),
        (json.dumps(relation(score=1.5)), "'bad': a relation has no label, or no score"),
        (json.dumps(relation(score=None)), "'bad': a relation has no label, or no score"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, line: str, problem: str) -> None:
    good = json.dumps(GOOD)
    (tmp_path / "a.jsonl").write_text(f"{good}\n")
    (tmp_path / "b.jsonl").write_text(f"{good}\n{good}\n{line}\n{good}\n")
    with duckdb.connect() as database, pytest.raises(ValueError) as caught:
        load_triples(database, [tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    assert "b.jsonl" in str(caught.value) and problem in str(caught.value)


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and more")
    with duckdb.connect() as database, pytest.raises(ValueError, match="a.parquet"):
        load_triples(database, [tmp_path / "a.parquet"])


def test_what_is_loaded(tmp_path: Path) -> None:
    """Names on one line; NIL is no id; what is missing is empty."""
    entities = [{"id": 0, "text": " Ada\n Lane ", "kb_id": "NIL"}, {"id": 1, "text": "Oslo"}]
    evidence = [{"text": "One.\n"}, {"text": "Two."}]
    line = {**GOOD, "entities": entities}
    line["relations"] = [{**GOOD["relations"][0], "evidence": evidence}]
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n\n")
    with duckdb.connect() as database:
        load_triples(database, [tmp_path / "a.jsonl"])
        found = database.execute("SELECT text, label, kb_id FROM found ORDER BY index").fetchall()
        stated = database.execute("SELECT name, evidence FROM stated").fetchall()
    assert found == [("Ada Lane", "", ""), ("Oslo", "", "")]
    assert stated == [("", "One. Two.")]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("name", ["q[1]", "q*", "q?", "q[!2]", "[[q]]"])
def test_names_that_are_patterns(tmp_path: Path, name: str, suffix: str) -> None:
    """The file of that name is read, and no other."""
    files = {"q1": "other", name: "own"}
    for number, (stem, id_) in enumerate(files.items()):
        line = {**GOOD, "id": id_, "relations": []}
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(line))
        target = tmp_path / f"{stem}{suffix}"
        if suffix == ".jsonl":
            (tmp_path / f"{number}.jsonl").rename(target)
        else:
            entity = "{'id': 0, 'text': '', 'label': '', 'kb_id': ''}"
            sentence = "{'text': ''}"
            relation = (
                "{'head': 0, 'tail': 0, 'label': '', 'name': '', 'score': 0.5, "
                f"'evidence': [{sentence}]}}"
            )
            duckdb.sql(
                f"SELECT '{id_}' AS id, '' AS text, [{entity}] AS entities, "
                f"[{relation}][2:] AS relations"
            ).write_parquet(str(target))
    with duckdb.connect() as database:
        load_triples(database, [tmp_path / f"{name}{suffix}"])
        assert database.execute("SELECT id FROM documents").fetchall() == [("own",)]
