"""What `docre annotate` writes as JSONL and Parquet, read back."""

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.annotate.inputs import InputDocument
from spacy_docre.annotate.outputs import choose_output
from spacy_docre.annotations import document_title
from spacy_docre.data.annotated_files import is_annotated, read_annotated
from spacy_docre.mentions import mark_best_names

from .tools import WORDS

VOCAB = Vocab()
SCORES = st.floats(0, 1)


def entities_of(doc: Doc) -> List[Any]:
    return [
        (entity.text, entity.label_, [(span.start_char, span.end_char) for span in entity.mentions])
        for entity in doc._.entities
    ]


def relations_of(doc: Doc) -> List[Any]:
    return [
        (
            *(relation.head.index, relation.tail.index, relation.label_, relation.name),
            relation.score,
            [(span.start_char, span.end_char) for span in relation.evidence],
        )
        for relation in doc._.relations
    ]


@st.composite
def docs(draw: st.DrawFn) -> Doc:
    words = draw(st.lists(st.sampled_from(WORDS) | st.text(min_size=1, max_size=4), max_size=12))
    words = [word for word in words if word.isprintable() or word in WORDS]
    spaces = [draw(st.booleans()) for _ in words]
    doc = Doc(VOCAB, words=words, spaces=spaces)
    if not words:
        doc._.entities = []
        doc._.relations = []
        return doc
    ranges = st.tuples(st.integers(0, len(words) - 1), st.integers(1, len(words))).map(sorted)
    spans = ranges.filter(lambda span: span[0] < span[1]).map(tuple)
    labels = st.sampled_from(["PER", "LOC", ""])
    ids = st.sampled_from(["Q1", "Q2", ""])
    doc._.entities = [
        [Span(doc, *span, label=label, kb_id=id_) for span in mentions]
        for label, id_, mentions in draw(
            st.lists(st.tuples(labels, ids, st.lists(spans, min_size=1, max_size=3)), max_size=4)
        )
    ]
    entities = doc._.entities
    if entities:
        mark_best_names(doc, [(entity.mentions[-1], entity.mentions) for entity in entities])
    number = st.integers(0, max(0, len(entities) - 1))
    triples = st.builds(
        Triple,
        *(number, number, st.sampled_from(["P1", "in"]), SCORES, st.sampled_from(["", "born"])),
        evidence=st.lists(spans, max_size=2).map(tuple),
    )
    doc._.relations = draw(st.lists(triples, max_size=4)) if entities else []
    return doc


def write(path: Path, *documents: Doc, **fields: Any) -> None:
    output = choose_output(path)(path)
    for number, doc in enumerate(documents):
        output.write(doc, InputDocument(f"id {number}", doc.text, fields))
    output.close()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(doc=docs())
def test_what_is_written_is_read(tmp_path: Path, doc: Doc) -> None:
    """Also mentions that are no tokens of the tokenizer."""
    write(tmp_path / "a.jsonl", doc)
    (found,) = read_annotated(tmp_path / "a.jsonl", Vocab())
    assert found.text == doc.text
    assert entities_of(found) == entities_of(doc)
    assert relations_of(found) == relations_of(doc)
    write(tmp_path / "a.parquet", doc)
    (from_table,) = read_annotated(tmp_path / "a.parquet", Vocab())
    assert from_table.to_json() == found.to_json()
    assert relations_of(from_table) == relations_of(found)
    # As it is stored: nothing of it is lost when it is written again.
    write(tmp_path / "b.jsonl", found)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def make_record() -> Dict[str, Any]:
    def span(start: int, end: int) -> Dict[str, Any]:
        return {"start": start, "end": end, "text": "Ada saw Oslo."[start:end]}

    return {
        "id": 7,
        "text": "Ada saw Oslo.",
        "entities": [
            {"id": 3, "text": "Ada", "label": "PER", "mentions": [span(0, 3)]},
            {"id": 5, "text": "Oslo", "label": "LOC", "mentions": [span(8, 12)]},
        ],
        "relations": [
            {"head": 3, "tail": 5, "label": "P1", "name": "saw", "score": 0.5,
             "evidence": [span(0, 13)]}
        ],
    }  # fmt: skip


def test_ids_and_titles(tmp_path: Path) -> None:
    """Entities that a hand has taken out leave the others their ids."""
    records = [make_record(), {**make_record(), "title": "A life", "other": [1]}]
    (tmp_path / "a.jsonl").write_text("\n\n".join(map(json.dumps, records)))
    found = list(read_annotated(tmp_path / "a.jsonl", Vocab()))
    assert [document_title(doc) for doc in found] == ["7", "A life"]
    assert [(rel.head.text, rel.name, rel.tail.text) for rel in found[0]._.relations] == [
        ("Ada", "saw", "Oslo")
    ]
    assert [token.text for token in found[0]] == ["Ada", "saw", "Oslo", "."]


@pytest.mark.parametrize(
    "place, value, problem",
    [
        (("entities",), None, "field entities"),
        (("entities", 0, "mentions"), [], "mentions"),
        (("entities", 0, "mentions", 0, "end"), 4, "'Ada' is not 'Ada '"),
        (("entities", 0, "mentions", 0, "end"), 99, "no characters 0 to 99"),
        (("entities", 0, "mentions", 0, "start"), 3, "no characters 3 to 3"),
        (("entities", 0, "mentions", 0, "start"), -1, "no characters -1"),
        (("entities", 1, "id"), 3, "3 occurs twice"),
        (("relations", 0, "head"), 4, "no entity has the id 4"),
        (("relations", 0, "score"), 1.5, "a probability"),
        (("relations", 0, "score"), "0.5", "a probability"),
        (("relations", 0, "label"), "", "relations.0..label"),
        (("relations", 0, "evidence", 0, "end"), 14, "no characters 0 to 14"),
        (("text",), "\ud800", "field text"),
    ],
)
def test_malformed(tmp_path: Path, place: Tuple[Any, ...], value: Any, problem: str) -> None:
    record = make_record()
    inner: Any = record
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(make_record())}\n{json.dumps(record)}")
    with pytest.raises(ValueError, match=f"a.jsonl, line 2.*{problem}"):
        list(read_annotated(tmp_path / "a.jsonl", Vocab()))


def test_what_is_not_annotated(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Ada saw Oslo."}')
    with pytest.raises(ValueError, match="line 1 has no entities and relations.*docre annotate"):
        list(read_annotated(tmp_path / "a.jsonl", Vocab()))
    (tmp_path / "b.jsonl").write_text("[1]")
    with pytest.raises(ValueError, match="should be an object"):
        list(read_annotated(tmp_path / "b.jsonl", Vocab()))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_folders_of_parts(tmp_path: Path, suffix: str) -> None:
    doc = Doc(VOCAB, ["Ada"])
    doc._.entities = [[doc[:]]]
    doc._.relations = []
    for number in range(3):
        part = tmp_path / f"part-{number}{suffix}"
        write(part, *[doc] * number, title=f"Part {number}")
    (tmp_path / ".manifest.sqlite").write_text("no part")
    assert is_annotated(tmp_path)
    found = list(read_annotated(tmp_path, Vocab()))
    assert [doc.user_data["title"] for doc in found] == ["Part 1", "Part 2", "Part 2"]
    # A part that is gone is not passed over.
    part.unlink()
    part.symlink_to("gone")
    with pytest.raises(OSError, match=f"part-2{suffix} cannot be read"):
        list(read_annotated(tmp_path, Vocab()))


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("a.jsonl", '{"text": "Ada"}', True),
        ("a.jsonl", "", True),
        ("a.jsonl", "{", True),
        ("a.jsonl", '{"vertexSet": [], "sents": []}', False),
        ("a.jsonl", '{"title": "Ada", "h_idx": 0}', False),
        ("a.parquet", "", True),
        ("a.json", '[{"text": "Ada"}]', False),
        ("a.txt", "Ada", False),
    ],
)
def test_what_is_annotated(tmp_path: Path, name: str, content: str, told: bool) -> None:
    (tmp_path / name).write_text(content)
    assert is_annotated(tmp_path / name) is told
    assert is_annotated(tmp_path) is told
    # A corpus may have other files beside it.
    (tmp_path / "a.spacy").touch()
    assert not is_annotated(tmp_path)


def test_parquet_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    for content in (b"", b"PAR1 and more"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="a.parquet is damaged, or not a Parquet file"):
            list(read_annotated(file, Vocab()))
    parquet.write_table(pyarrow.table({"text": ["Ada"]}), file)
    with pytest.raises(ValueError, match="row 0 has no entities and relations.*docre annotate"):
        list(read_annotated(file, Vocab()))
    with pytest.raises(FileNotFoundError):
        list(read_annotated(tmp_path / "none.parquet", Vocab()))
