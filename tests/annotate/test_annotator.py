"""The pipeline for engines that bring batches."""

import pickle
from pathlib import Path
from typing import Any, Dict, List

import dask
import dask.dataframe
import numpy
import pandas
import pyarrow
import pytest
import spacy

from spacy_docre.annotate import Annotator, annotator
from spacy_docre.annotate.parquet import column_types

TEXTS = ["Ada Lane was born in Oslo .", None, "Later Bruno Falk worked for Borealis ."]


@pytest.fixture(scope="module")
def model(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The trained pipeline, which finds its entities in bare text by itself."""
    nlp = spacy.load(trained_folder)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    names = ["Ada Lane", "Bruno Falk", "Oslo", "Borealis"]
    ruler.add_patterns([{"label": "THING", "pattern": name, "id": f"Q{name}"} for name in names])
    folder = tmp_path_factory.mktemp("annotator") / "model"
    nlp.to_disk(folder)
    return str(folder)


@pytest.fixture(scope="module")
def rows(model: str) -> List[Dict[str, Any]]:
    """What is to come of the texts."""
    batch: Dict[str, Any] = {"id": [1, 2, 3], "text": TEXTS}
    batch = Annotator(model, threshold=0.0)(batch)
    names = ("entities", "relations", "error")
    return [dict(zip(names, row, strict=True)) for row in zip(*map(batch.get, names), strict=True)]


def make_batch(kind: str) -> Any:
    columns = {"id": ["a", "b", "c"], "text": TEXTS, "year": [1, 2, 3]}
    if kind == "dict":
        return columns
    if kind == "numpy":
        return {name: numpy.array(values, dtype=object) for name, values in columns.items()}
    return (
        pandas.DataFrame(columns, index=[7, 8, 9]) if kind == "pandas" else pyarrow.table(columns)
    )


def test_what_comes_out(model: str, rows: List[Dict[str, Any]]) -> None:
    nlp = spacy.load(model)
    nlp.get_pipe("doc_relation_extractor").cfg["threshold"] = 0.0
    for text, row in zip(TEXTS, rows, strict=True):
        if text is None:
            assert row["entities"] is row["relations"] is None and "missing" in row["error"]
            continue
        doc = nlp(text)
        assert row["error"] is None and row["relations"]
        assert [entity["text"] for entity in row["entities"]] == [e.text for e in doc._.entities]
        assert [entity["kb_id"] for entity in row["entities"]] == [e.id for e in doc._.entities]
        for entity in row["entities"]:
            for mention in entity["mentions"]:
                assert text[mention["start"] : mention["end"]] == mention["text"]
        found = [(r["head"], r["tail"], r["label"]) for r in row["relations"]]
        assert found == [(r.head.index, r.tail.index, r.label_) for r in doc._.relations]


@pytest.mark.parametrize("kind", ["dict", "numpy", "pandas", "pyarrow"])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_kinds_of_batches(
    kind: str, batch_size: int, model: str, rows: List[Dict[str, Any]]
) -> None:
    """What comes in goes out, too, in its type, and the same is added to each."""
    batch = make_batch(kind)
    annotate = pickle.loads(pickle.dumps(Annotator(model, threshold=0.0, batch_size=batch_size)))
    done = annotate(batch)
    assert type(done) is type(batch)
    if kind == "pyarrow":
        assert done.select(batch.column_names).equals(batch)
        assert {n: done.schema.field(n).type for n in column_types()} == column_types()
        added = done.select(["entities", "relations", "error"]).to_pylist()
    else:
        assert all(list(done[name]) == list(batch[name]) for name in ("id", "text", "year"))
        names = ("entities", "relations", "error")
        added = [dict(zip(names, r, strict=True)) for r in zip(*map(done.get, names), strict=True)]
        assert "error" not in batch
    if kind == "pandas":
        assert list(done.index) == [7, 8, 9]
    for row, ours in zip(added, rows, strict=True):
        assert row["error"] == ours["error"]
        assert row["entities"] == ours["entities"]
        assert (row["relations"] is None) == (ours["relations"] is None)
        for relation, our in zip(row["relations"] or [], ours["relations"] or [], strict=True):
            assert relation == {**our, "score": pytest.approx(our["score"], abs=1e-4)}


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_dask(scheduler: str, model: str, rows: List[Dict[str, Any]]) -> None:
    frame = pandas.DataFrame({"id": range(12), "text": (TEXTS * 4)})
    annotate = Annotator(model, threshold=0.0)
    parts = dask.dataframe.from_pandas(frame, npartitions=4)
    meta = annotate(frame.iloc[:0])
    with dask.config.set(scheduler=scheduler):
        done = parts.map_partitions(annotate, meta=meta).compute()
    assert list(done["id"]) == list(range(12))
    for entities, ours in zip(done["entities"], rows * 4, strict=True):
        assert entities == ours["entities"]


def test_it_loads_once_and_late(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    annotator._load.cache_clear()
    for _ in range(2):
        annotate = pickle.loads(pickle.dumps(Annotator(model)))
        assert len(pickle.dumps(annotate)) < 1000
        assert annotate({"id": [], "text": []})["error"] == []
        assert annotator._load.cache_info().misses == _
        annotate({"id": ["a"], "text": ["Oslo"]})
    assert annotator._load.cache_info().misses == 1


@pytest.mark.parametrize(
    "batch, error, problem",
    [
        ({"id": [1], "body": ["a"]}, ValueError, "no column 'text'. It has: 'body', 'id'"),
        ({"id": [1], "text": ["a"], "error": [0]}, ValueError, "already has 'error'"),
        ([{"id": 1, "text": "a"}], TypeError, "A list is no batch"),
        ({"id": [1, 2], "text": ["a"]}, ValueError, "shorter"),
    ],
)
def test_what_is_no_batch(batch: Any, error: type, problem: str) -> None:
    with pytest.raises(error, match=problem):
        Annotator("no_such_model")(batch)


def test_no_such_model() -> None:
    with pytest.raises(OSError, match="no_such_model"):
        Annotator("no_such_model")({"id": ["a"], "text": ["Oslo"]})
