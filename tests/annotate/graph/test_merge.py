"""The entities and relations of several documents merged."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_docre.annotate.dates import parse_date
from spacy_docre.annotate.graph.merge import FUNCTIONAL, MergedGraph, MergeOptions, merge_triples
from spacy_docre.pipeline.names import make_name_rules

RULES = make_name_rules()
Record = Dict[str, Any]
Entity = Tuple[str, str, str]
Relation = Tuple[int, int, str, float]


def record(id_: str, entities: Sequence[Entity], relations: Sequence[Relation] = ()) -> Record:
    """A document as docre annotate writes it."""
    says = f"{id_} says"
    return {
        "id": id_,
        "text": f"{says} it.",
        "entities": [
            {
                **{"id": n, "text": text, "label": label, "kb_id": kb_id},
                "mentions": [{"start": 0, "end": len(id_), "text": id_}],
            }
            for n, (text, label, kb_id) in enumerate(entities)
        ],
        "relations": [
            {
                **{"head": head, "tail": tail, "label": label, "name": f"the {label}"},
                **{"score": score, "evidence": [{"start": 0, "end": len(says), "text": says}]},
            }
            for head, tail, label, score in relations
        ],
    }


def write(path: Path, records: Sequence[Record]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def merged(files: Sequence[Path], **options: Any) -> Dict[str, Any]:
    """What the graph has, as plain values."""
    with merge_triples(files, RULES, MergeOptions(**options), 500) as graph:
        return plain(graph)


def plain(graph: MergedGraph) -> Dict[str, Any]:
    return {
        "entities": {e.id: (e.name, e.label, e.kb_id, e.documents) for e in graph.entities()},
        "relations": {
            (r.head.id, r.label, r.tail.id): (
                *(r.name, r.documents, r.best_score, pytest.approx(r.mean_score)),
                *(r.contradicted, r.evidence),
            )
            for r in graph.relations()
        },
    }


def naive(records: Sequence[Record], options: MergeOptions) -> Dict[str, Any]:
    """The same, in plain Python."""

    def name_of(entity: Record) -> str:
        key = RULES.normalize(entity["text"], entity["label"])
        date = parse_date(entity["text"]) if entity["label"] == "TIME" else None
        return f"name:{key.kind}:{date or ' '.join(key.words)}"

    linked = defaultdict(set)
    for entity in (entity for record in records for entity in record["entities"]):
        if entity["kb_id"] not in ("", "NIL"):
            linked[name_of(entity)].add(entity["kb_id"])

    def id_of(entity: Record) -> str:
        if entity["kb_id"] not in ("", "NIL"):
            return entity["kb_id"]
        known = linked[name_of(entity)]
        return next(iter(known)) if len(known) == 1 else name_of(entity)

    texts, labels = defaultdict(set), defaultdict(set)
    kb_ids, sources = defaultdict(set), defaultdict(set)
    scores: Dict[Tuple[str, str, str], Dict[str, float]] = defaultdict(dict)
    for record in records:
        ids = {entity["id"]: id_of(entity) for entity in record["entities"]}
        for entity in record["entities"]:
            id_ = ids[entity["id"]]
            texts[id_].add((entity["text"], record["id"]))
            labels[id_].add((entity["label"], record["id"]))
            kb_ids[id_].add(entity["kb_id"] if entity["kb_id"] != "NIL" else "")
            sources[id_].add(record["id"])
        for item in record["relations"]:
            if item["score"] >= options.threshold:
                by_source = scores[ids[item["head"]], item["label"], ids[item["tail"]]]
                best = max(item["score"], by_source.get(record["id"], 0))
                by_source[record["id"]] = best
    kept = {key: item for key, item in scores.items() if len(item) >= options.min_documents}
    ends = {id_ for head, _, tail in kept for id_ in (head, tail)}

    def most(found: Any) -> Counter:
        return Counter(value for value, _ in found)

    entities = {}
    for id_, documents in sources.items():
        if len(documents) >= options.min_documents or id_ in ends:
            names, types = most(texts[id_]), most(labels[id_])
            name = min(names, key=lambda text, n=names: (-n[text], -len(text), text))
            label = min(types, key=lambda text, n=types: (-n[text], text))
            entities[id_] = (name, label, max(kb_ids[id_]), len(documents))

    def differ(first: str, second: str) -> bool:
        dates = [
            parse_date(entities[id_][0]) if entities[id_][1] == "TIME" else None
            for id_ in (first, second)
        ]
        if None in dates:
            return first != second
        return not (dates[0].startswith(dates[1]) or dates[1].startswith(dates[0]))

    relations = {}
    for (head, label, tail), by_source in kept.items():
        tails = [t for h, other, t in kept if (h, other) == (head, label)]
        contradicted = label in options.functional and any(
            differ(a, b) for a in tails for b in tails
        )
        best_first = sorted(by_source, key=lambda source, by=by_source: (-by[source], source))
        relations[head, label, tail] = (
            *(f"the {label}", len(by_source), max(by_source.values())),
            *(sum(by_source.values()) / len(by_source), contradicted),
            [(source, f"{source} says") for source in best_first[: options.max_evidence]],
        )
    return {"entities": entities, "relations": relations}


NAMES = ["Ada Lane", "ada lane", "Dr. Ada Lane", "Oslo", "OSLO", "Lane", "...", "1867"]
DATES = ["7 November 1867", "November 7, 1867", "1867", "1868", "yesterday"]
ENTITIES = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["PER", "LOC"]), st.just("")),
    st.tuples(st.sampled_from(NAMES), st.just("PER"), st.sampled_from(["Q1", "Q2", "NIL"])),
    st.tuples(st.sampled_from(DATES), st.just("TIME"), st.just("")),
)


@st.composite
def corpora(draw: st.DrawFn) -> List[Record]:
    records = []
    for number in range(draw(st.integers(1, 5))):
        entities = draw(st.lists(ENTITIES, min_size=1, max_size=4))
        end = st.integers(0, len(entities) - 1)
        # Binary fractions, whose mean is exact.
        scores = st.integers(1, 16).map(lambda n: n / 16)
        relation = st.tuples(end, end, st.sampled_from(["P569", "P19", "P17"]), scores)
        # An id may come twice.
        id_ = draw(st.sampled_from([f"doc {number}", "doc 0"]))
        records.append(record(id_, entities, draw(st.lists(relation, max_size=5))))
    return records


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    records=corpora(),
    threshold=st.sampled_from([0.0, 0.5]),
    min_documents=st.integers(1, 2),
    max_evidence=st.integers(1, 3),
)
def test_as_plain_python(
    records: List[Record],
    threshold: float,
    min_documents: int,
    max_evidence: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    options = MergeOptions(threshold, min_documents, max_evidence)
    files = [write(tmp_path_factory.mktemp("graph") / "a.jsonl", records)]
    found = merged(files, **vars(options))
    assert found == naive(records, options)


CURIE = ("Marie Curie", "PER", "Q7186")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[List[Path]]:
    yield [
        write(
            tmp_path / "a.jsonl",
            [
                record("a", [CURIE, ("7 November 1867", "TIME", "")], [(0, 1, "P569", 0.75)]),
                record("b", [("Dr. Curie", "PER", "Q7186"), ("1868", "TIME", "")]),
            ],
        ),
        write(
            tmp_path / "b.jsonl",
            [
                record(
                    "c",
                    [("marie curie", "PER", ""), ("November 7th, 1867", "TIME", "")],
                    [(0, 1, "P569", 0.25)],
                ),
                record("d", [CURIE, ("1868", "TIME", "")], [(0, 1, "P569", 0.5)]),
            ],
        ),
    ]


def test_linked_ids_names_and_dates(files: List[Path]) -> None:
    graph = merged(files)
    assert graph["entities"] == {
        "Q7186": ("Marie Curie", "PER", "Q7186", 4),
        "name:TIME:1867-11-07": ("November 7th, 1867", "TIME", "", 2),
        "name:TIME:1868": ("1868", "TIME", "", 2),
    }
    born = graph["relations"]["Q7186", "P569", "name:TIME:1867-11-07"]
    assert born == ("the P569", 2, 0.75, 0.5, True, [("a", "a says"), ("c", "c says")])


@pytest.mark.parametrize(
    "options, relations, entities",
    [
        ({"threshold": 0.6}, [("name:TIME:1867-11-07", 1, False)], 3),
        ({"min_documents": 2}, [("name:TIME:1867-11-07", 2, False)], 3),
        ({"min_documents": 3}, [], 1),
        ({"functional": ()}, [("name:TIME:1867-11-07", 2, False), ("name:TIME:1868", 1, False)], 3),
    ],
)
def test_options(
    files: List[Path], options: Dict[str, Any], relations: List[Any], entities: int
) -> None:
    graph = merged(files, **options)
    found = [(tail, item[1], item[4]) for (_, _, tail), item in graph["relations"].items()]
    assert found == relations and len(graph["entities"]) == entities


def test_evidence_of_the_best_is_kept(files: List[Path]) -> None:
    graph = merged(files, max_evidence=1)
    evidence = graph["relations"]["Q7186", "P569", "name:TIME:1867-11-07"][-1]
    assert evidence == [("a", "a says")]


def test_contradictions(files: List[Path]) -> None:
    with merge_triples(files, RULES, MergeOptions(), 500) as graph:
        (values,) = graph.contradictions()
        assert [(item.tail.name, item.documents) for item in values] == [
            ("November 7th, 1867", 2),
            ("1868", 1),
        ]
        assert graph.count("contradictions") == 1 and graph.count("documents") == 4


@pytest.mark.parametrize(
    "label, values, contradicted",
    [
        ("P569", ["1867", "November 1867", "7 November 1867"], False),
        ("P569", ["1867", "7 November 1867", "8 November 1867"], True),
        ("P569", ["1867", "once"], True),
        ("P17", ["1867", "1868"], False),
    ],
)
def test_dates_that_may_be_one(
    tmp_path: Path, label: str, values: List[str], contradicted: bool
) -> None:
    records = [
        record(value, [CURIE, (value, "TIME", "")], [(0, 1, label, 0.5)]) for value in values
    ]
    graph = merged([write(tmp_path / "a.jsonl", records)])
    assert [item[4] for item in graph["relations"].values()] == [contradicted] * len(values)


def test_ids_that_look_as_names(tmp_path: Path) -> None:
    """And different ids of one name are different entities: a third is neither."""
    ids = ["", "name:PER:ada lane", "id:name:PER:ada lane"]
    records = [record(id_, [("Ada Lane", "PER", id_)]) for id_ in ids]
    graph = merged([write(tmp_path / "a.jsonl", records)])
    assert sorted(graph["entities"]) == ["id:id:name:PER:ada lane", "id:name:PER:ada lane", ids[1]]
    assert [kb_id for _, _, kb_id, _ in graph["entities"].values()] == [ids[2], ids[1], ""]


def test_parquet_is_the_same(files: List[Path], tmp_path: Path) -> None:
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    for line in lines:
        line["fields"] = "{}"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(lines), tmp_path / "a.parquet")
    assert merged([tmp_path / "a.parquet"]) == merged(files)


def test_functional_relations_are_documented() -> None:
    assert "P569" in FUNCTIONAL and "P17" not in FUNCTIONAL


@pytest.mark.parametrize(
    "texts, label",
    [(["3.5", "35", "-35", "$35", "35 %"], "NUM"), (["C", "C++", "C#"], "MISC")],
)
def test_signs_that_tell_names_apart(texts: List[str], label: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [record("1", [(text, label, "") for text in texts])])
    with merge_triples([file], RULES, MergeOptions(), 500) as graph:
        assert sorted(entity.name for entity in graph.entities()) == sorted(texts)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("names", [("a", "b"), ("run 1/part", "run 2/part")])
def test_documents_of_one_id(kind: str, names: Tuple[str, str], tmp_path: Path) -> None:
    """Of two runs, such as numbered lines of two files: two texts are two documents, and one text
    that was annotated twice is one."""
    relations = [(0, 1, "P19", 0.5)]
    files = []
    for name in names:
        records = [
            {**record("1", [CURIE, ("Warsaw", "LOC", "")], relations), "text": name},
            record("2", [CURIE, ("Warsaw", "LOC", "")], relations),
        ]
        file = tmp_path / f"{name}.{kind}"
        file.parent.mkdir(exist_ok=True)
        if kind == "jsonl":
            write(file, records)
        else:
            for line in records:
                del line["entities"][0]["mentions"], line["entities"][1]["mentions"]
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), file)
        files.append(file)
    with merge_triples(files, RULES, MergeOptions(), 500) as graph:
        assert graph.count("documents") == 3 and graph.count("shared_ids") == 1
        (relation,) = graph.relations()
        assert relation.documents == 3 and relation.head.documents == 3
        assert sorted(document for document, _ in relation.evidence) == [
            *(f"1 ({name}.{kind})" for name in names),
            "2",
        ]


def test_documents_of_one_id_without_a_text(tmp_path: Path) -> None:
    files = []
    for name in "ab":
        line = record("1", [CURIE])
        del line["text"]
        files.append(write(tmp_path / f"{name}.jsonl", [line]))
    assert merged(files)["entities"]["Q7186"][-1] == 2
