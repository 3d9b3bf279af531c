import copy
import json
import os
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any, Dict, List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_docre.annotations import has_relations
from spacy_docre.data.docred import read_docred, read_relation_names
from spacy_docre.entity_sources import make_doc_ents_entities, make_span_group_entities
from spacy_docre.mentions import without_space

DATA = os.environ.get("SPACY_DOCRE_DATA")
DATA_FILES = {"redocred/dev_revised.json": 500, "docred/unlabelled.json": 999}


def mention(sent_id: int, start: int, end: int, type: str = "PER") -> Dict[str, Any]:
    return {"name": "", "sent_id": sent_id, "pos": [start, end], "type": type}


DOCUMENT: Dict[str, Any] = {
    "title": "Ann Lane",
    "sents": [
        ["Ann", "Lane", "(", "born", "1950", ")", "lives", "in", "Oslo", "."],
        [],
        ["Lane", "'s", "friend", "Bo", "does", "n't", "."],
        ["He", "left", "Oslo", "."],
    ],
    # Their first mentions are not in the order of the text.
    "vertexSet": [
        [mention(2, 3, 4), mention(3, 0, 1)],
        [mention(2, 0, 1), mention(0, 0, 2), mention(2, 0, 1, "ORG")],
        [mention(3, 2, 3, "LOC"), mention(0, 8, 9, "LOC")],
        [mention(0, 1, 2, "NAME")],
    ],
    "labels": [
        {"h": 1, "t": 2, "r": "P551", "evidence": [2, 0, 0, 1]},
        {"h": 0, "t": 2, "r": "P551", "evidence": []},
        {"h": 1, "t": 2, "r": "P551", "evidence": [3, 0]},
        {"h": 0, "t": 1, "r": "P3"},
    ],
}


def read(path: Path, data: Any, **settings: Any) -> List[Doc]:
    path.write_text(json.dumps(data), encoding="utf-8")
    return list(read_docred(path, Vocab(), **settings))


def stored(docs: List[Doc]) -> List[Doc]:
    """The documents as they come back from a file."""
    doc_bin = DocBin(store_user_data=True, docs=docs)
    return list(DocBin().from_bytes(doc_bin.to_bytes()).get_docs(Vocab()))


def entities_of(doc: Doc) -> List[List[Any]]:
    return [
        [(span.start, span.end, span.label_, span.id_) for span in entity.mentions]
        for entity in doc._.entities
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dev.json"


def test_tokens_sentences_and_title(path: Path) -> None:
    (doc,) = read(path, [DOCUMENT])
    assert [token.text for token in doc] == [token for sent in DOCUMENT["sents"] for token in sent]
    assert doc.text == (
        "Ann Lane (born 1950) lives in Oslo. Lane's friend Bo doesn't. He left Oslo."
    )
    assert [sent.text for sent in doc.sents] == [
        "Ann Lane (born 1950) lives in Oslo.",
        "Lane's friend Bo doesn't.",
        "He left Oslo.",
    ]
    assert doc.user_data["title"] == "Ann Lane"


def test_entities_are_the_vertex_set(path: Path) -> None:
    (doc,) = read(path, [DOCUMENT])
    expected = [
        [(13, 14, "PER", "0"), (17, 18, "PER", "0")],
        [(10, 11, "PER", "1"), (0, 2, "PER", "1")],
        [(19, 20, "LOC", "2"), (8, 9, "LOC", "2")],
        [(1, 2, "NAME", "3")],
    ]
    assert entities_of(doc) == expected
    assert [
        [(span.start, span.end, span.label_, span.id_) for span in mentions]
        for mentions in make_span_group_entities()(doc)
    ] == expected


def test_doc_ents_are_the_mentions_that_do_not_overlap(path: Path) -> None:
    (doc,) = read(path, [DOCUMENT])
    assert [(ent.text, ent.label_, ent.ent_id_) for ent in doc.ents] == [
        ("Ann Lane", "PER", "1"),
        ("Oslo", "LOC", "2"),
        ("Lane", "PER", "1"),
        ("Bo", "PER", "0"),
        ("He", "PER", "0"),
        ("Oslo", "LOC", "2"),
    ]
    assert [[span.text for span in mentions] for mentions in make_doc_ents_entities()(doc)] == [
        ["Ann Lane", "Lane"],
        ["Oslo", "Oslo"],
        ["Bo", "He"],
    ]


def test_relations(path: Path) -> None:
    (doc,) = read(path, [DOCUMENT], names={"P551": "residence"})
    relations = doc._.relations
    assert [(r.head.index, r.label_, r.tail.index) for r in relations] == [
        (1, "P551", 2),
        (0, "P551", 2),
        (0, "P3", 1),
    ]
    assert [r.name for r in relations] == ["residence", "residence", "P3"]
    assert all(r.score == 1 for r in relations)
    sents = list(doc.sents)
    # In the given order, each once, without the sentence that has no token.
    assert list(relations[0].evidence) == [sents[1], sents[0], sents[2]]
    assert relations[1].evidence == relations[2].evidence == ()


@pytest.mark.parametrize("labels", [None, []])
def test_no_relations(path: Path, labels: Any) -> None:
    bare = {key: value for key, value in DOCUMENT.items() if key != "labels"}
    docs = read(path, [bare, {**bare, "labels": labels}])
    assert [doc._.relations for doc in docs] == [[], []]
    # That there are none is not the same as that nobody has looked.
    assert [has_relations(doc) for doc in docs] == [False, labels is not None]
    assert [len(doc._.entities) for doc in docs] == [4, 4]


@pytest.mark.parametrize("sents", [[], [[]], [[], []]])
def test_empty_document(path: Path, sents: Any) -> None:
    docs = read(path, [{"title": "", "sents": sents, "vertexSet": [], "labels": []}])
    for (doc,) in (docs, stored(docs)):
        assert len(doc) == 0
        assert doc._.entities == doc._.relations == []
        assert doc.user_data["title"] == ""


def test_white_space_tokens(path: Path) -> None:
    sents = [["8", "\xa0", "cm"], [" ", "a", "\n"]]
    (doc,) = read(path, [{"title": "", "sents": sents, "vertexSet": [[mention(1, 1, 3)]]}])
    assert [token.text for token in doc] == ["8", "\xa0", "cm", " ", "a", "\n"]
    assert doc._.entities[0].mentions[0].text == "a\n"


def test_byte_order_mark(path: Path) -> None:
    path.write_text(json.dumps([DOCUMENT]), encoding="utf-8-sig")
    assert len(list(read_docred(path, Vocab()))) == 1


def test_language(path: Path) -> None:
    sents = [["l'", "école"]]
    data = [{"title": "", "sents": sents, "vertexSet": []}]
    assert read(path, data, lang="fr")[0].text == "l'école"
    assert read(path, data)[0].text == "l' école"


@st.composite
def documents(draw: st.DrawFn) -> Dict[str, Any]:
    token = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)
    sents = draw(st.lists(st.lists(token, max_size=6), max_size=5))
    positions = [
        (sent_id, start, end)
        for sent_id, sent in enumerate(sents)
        for start in range(len(sent))
        for end in range(start + 1, len(sent) + 1)
    ]
    vertex_set: List[List[Dict[str, Any]]] = []
    if positions:
        mentions = st.builds(
            lambda position, type: mention(*position, type),
            st.sampled_from(positions),
            st.sampled_from(["PER", "LOC", ""]),
        )
        vertex_set = draw(st.lists(st.lists(mentions, min_size=1, max_size=3), max_size=4))
    labels = []
    if len(vertex_set) > 1:
        entity = st.integers(0, len(vertex_set) - 1)
        labels = draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "h": entity,
                        "t": entity,
                        "r": st.sampled_from(["P1", "P2"]),
                        "evidence": st.lists(st.integers(0, len(sents) - 1), max_size=3),
                    }
                ).filter(lambda label: label["h"] != label["t"])
            )
        )
    title = draw(st.text(st.characters(codec="utf-8"), max_size=5))
    return {"title": title, "sents": sents, "vertexSet": vertex_set, "labels": labels}


@pytest.mark.filterwarnings("ignore:.*mentions")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(documents(), max_size=3))
def test_any_document(path: Path, data: List[Dict[str, Any]]) -> None:
    docs = read(path, data)
    assert len(docs) == len(data)
    for doc, copied, record in zip(docs, stored(docs), data, strict=True):
        tokens = [token for sent in record["sents"] for token in sent]
        assert [token.text for token in doc] == tokens
        starts = [sum(map(len, record["sents"][:i])) for i in range(len(record["sents"]))]
        # A mention counts once, whatever white space it begins or ends with.
        vertex_set = [
            {
                without_space(
                    doc, starts[m["sent_id"]] + m["pos"][0], starts[m["sent_id"]] + m["pos"][1]
                )
                for m in mentions
            }
            for mentions in record["vertexSet"]
        ]
        stored_mentions = [entity.mentions for entity in doc._.entities]
        for entities in (stored_mentions, make_span_group_entities()(doc)):
            bounds = [
                [without_space(doc, span.start, span.end) for span in spans] for spans in entities
            ]
            assert [set(spans) for spans in bounds] == vertex_set
            assert list(map(len, bounds)) == list(map(len, vertex_set))
        relations = {(r.head.index, r.tail.index, r.label_) for r in doc._.relations}
        assert len(relations) == len(doc._.relations)
        assert relations == {(label["h"], label["t"], label["r"]) for label in record["labels"]}
        assert copied.text == doc.text
        assert entities_of(copied) == entities_of(doc)
        assert [r.triple for r in copied._.relations] == [r.triple for r in doc._.relations]


def changed(*change: Any) -> Dict[str, Any]:
    """The document with another value at a path, or with nothing there."""
    document = copy.deepcopy(DOCUMENT)
    *keys, last, value = change
    target: Any = document
    for key in keys:
        target = target[key]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return document


@pytest.mark.parametrize(
    "change, field, problem",
    [
        (["title", None], "title", "required"),
        (["title", 3], "title", "string"),
        (["sents", None], "sents", "required"),
        (["sents", "text"], "sents", "list"),
        (["sents", 2, "Lane left ."], "sents[2]", "list"),
        (["sents", 2, 1, 7], "sents[2][1]", "string"),
        (["sents", 2, 1, ""], "sents[2][1]", "empty"),
        (["sents", 2, 1, "\ud800"], "sents[2][1]", "surrogates"),
        (["vertexSet", None], "vertexSet", "required"),
        (["vertexSet", {"0": []}], "vertexSet", "list"),
        (["vertexSet", 1, []], "vertexSet[1]", "has no mention"),
        (["vertexSet", 1, 2, "pos", None], "vertexSet[1][2].pos", "required"),
        (["vertexSet", 1, 2, "pos", [1]], "vertexSet[1][2].pos", "required"),
        (["vertexSet", 1, 2, "pos", [0, "1"]], "vertexSet[1][2].pos[1]", "integer"),
        (["vertexSet", 1, 2, "pos", [0, 8]], "vertexSet[1][2].pos", "sentence 2, which has 7"),
        (["vertexSet", 1, 2, "pos", [-1, 1]], "vertexSet[1][2].pos", "[-1, 1] is not in"),
        (["vertexSet", 1, 2, "pos", [1, 1]], "vertexSet[1][2].pos", "[1, 1] is not in"),
        (["vertexSet", 1, 2, "pos", [2, 1]], "vertexSet[1][2].pos", "[2, 1] is not in"),
        (["vertexSet", 1, 2, "sent_id", None], "vertexSet[1][2].sent_id", "required"),
        (["vertexSet", 1, 2, "sent_id", "2"], "vertexSet[1][2].sent_id", "integer"),
        (["vertexSet", 1, 2, "sent_id", 4], "vertexSet[1][2].sent_id", "no index 4 in a list of 4"),
        (["vertexSet", 1, 2, "sent_id", -1], "vertexSet[1][2].sent_id", "no index -1"),
        # The sentence without tokens.
        (["vertexSet", 1, 2, "sent_id", 1], "vertexSet[1][2].pos", "which has 0"),
        (["vertexSet", 1, 2, "type", None], "vertexSet[1][2].type", "required"),
        (["vertexSet", 1, 2, "type", 5], "vertexSet[1][2].type", "string"),
        (["labels", {"h": 1}], "labels", "list"),
        (["labels", 1, "h", None], "labels[1].h", "required"),
        (["labels", 1, "t", None], "labels[1].t", "required"),
        (["labels", 1, "r", None], "labels[1].r", "required"),
        (["labels", 1, "h", 4], "labels[1].h", "no index 4 in a list of 4"),
        (["labels", 1, "t", -1], "labels[1].t", "no index -1"),
        (["labels", 1, "t", "2"], "labels[1].t", "integer"),
        (["labels", 1, "r", 551], "labels[1].r", "string"),
        (["labels", 1, "r", ""], "labels[1].r", "at least 1 character"),
        (["labels", 1, "t", 0], "labels[1].t", "same entity, 0"),
        (["labels", 0, "evidence", [0, 4]], "labels[0].evidence[1]", "no index 4"),
        (["labels", 0, "evidence", [-1]], "labels[0].evidence[0]", "no index -1"),
        (["labels", 0, "evidence", 2], "labels[0].evidence", "list"),
    ],
)
def test_malformed_document(path: Path, change: Any, field: str, problem: str) -> None:
    document = changed(*change)
    with pytest.raises(ValueError) as raised:
        read(path, [DOCUMENT, document])
    message = str(raised.value)
    title = "'Ann Lane'" if isinstance(document.get("title"), str) else "without a title"
    assert message.startswith(f"{path}, document 1 ({title}), field {field}")
    assert problem in message
    assert " should be " in message


@pytest.mark.parametrize(
    "text, problem",
    [
        (b'{"title": "x"}', "document 0 ('x'), field sents: Field required"),
        (b'"x"', "should be a list, in brackets"),
        (b"[{]", "is not JSON (in UTF-8): Expecting property name"),
        (b"", "is not JSON"),
        ('[{"title": "Aliág"}]'.encode("latin-1"), "is not UTF-8"),
        ("[]".encode("utf-16"), "Save it as UTF-8"),
        (b'["text"]', "document 0 (without a title) should be an object with the fields title"),
    ],
)
def test_malformed_file(path: Path, text: bytes, problem: str) -> None:
    path.write_bytes(text)
    with pytest.raises(ValueError) as raised:
        list(read_docred(path, Vocab()))
    assert str(path) in str(raised.value)
    assert problem in str(raised.value)


def named(names: Dict[str, List[int]]) -> Dict[str, Any]:
    """A document whose mentions have names, in sentence 0."""
    return {
        "title": "Ann Lane",
        "sents": [["Ann", "Lane", "lives", "in", "New", "York", "near", "Bo", "."]],
        "vertexSet": [
            [{**mention(0, start, end), "name": name}] for name, (start, end) in names.items()
        ],
    }


RIGHT = {"Ann Lane": [0, 2], "New York": [4, 6], "Bo": [7, 8]}


def test_names_that_are_the_text(path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Whatever the white space, the case and the way to write a letter."""
    read(path, [named(RIGHT), named({"ann  LANE": [0, 2], "NewYork": [4, 6], "\uff22o": [7, 8]})])
    assert not recwarn.list


@pytest.mark.parametrize("shift", [(1, 1), (-1, -1), (0, -1), (0, 1)])
@pytest.mark.parametrize("number", [1, 3])
def test_names_that_are_systematically_not_the_text(path: Path, shift: Any, number: int) -> None:
    """In a document of few names and in one of several."""
    names = {"New York": [4, 6], "Lane lives": [1, 3], "York near": [5, 7]}
    moved = [(name, [start + shift[0], end + shift[1]]) for name, (start, end) in names.items()]
    with pytest.raises(ValueError, match="'New York', but the text at pos .* of sentence 0"):
        read(path, [named(dict(moved[:number]))])


def test_names_that_are_not_the_text(path: Path) -> None:
    """A few are told, once for the file."""
    wrong = {**RIGHT, "Bo": [6, 7]}
    with pytest.warns(UserWarning) as warned:
        docs = read(path, [named(RIGHT), named(wrong), named(RIGHT), named(wrong)])
    (message,) = (str(warning.message) for warning in warned)
    assert message.startswith(
        f"{path}: 2 names differ from the text at pos, and the text is kept (document 1 "
        "('Ann Lane'): it is 'Bo', but the text at pos [6, 7] of sentence 0 is 'near'; document 3"
    )
    assert docs[1]._.entities[2].text == "near"


@pytest.mark.parametrize(
    "change, told",
    [
        (
            ["vertexSet", 1, 0, "type", "ORG"],
            "1 entities have mentions of several types .*ORG",
        ),
        (
            ["vertexSet", 0, 1, "pos", [2, 3]],
            "1 mentions belong to several entities .*'Oslo'",
        ),
        (
            ["vertexSet", 0, 1, "global_pos", [18, 19]],
            "1 mentions have a global_pos .*for .17",
        ),
    ],
)
def test_what_is_doubtful(path: Path, change: Any, told: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["vertexSet"][1][2]["type"] = "PER"
    *keys, last, value = change
    target: Any = document
    for key in keys:
        target = target[key]
    target[last] = value
    with pytest.warns(UserWarning, match=told) as warned:
        read(path, [document])
    assert len(warned) == 1


@pytest.mark.filterwarnings("ignore:.*several types")
@pytest.mark.parametrize("name", ["dev.json", "dev.jsonl"])
def test_a_document_in_each_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    expected = read(tmp_path / "list.json", [DOCUMENT, {**DOCUMENT, "title": "Two"}])
    lines = [json.dumps(DOCUMENT), json.dumps({**DOCUMENT, "title": "Two"})]
    path.write_text("\n".join(lines))
    docs = list(read_docred(path, Vocab()))
    assert [doc.user_data for doc in docs] == [doc.user_data for doc in expected]
    path.write_text("\n".join([*lines, '{"title": "Three"}']))
    with pytest.raises(ValueError, match="document 2 .'Three'., field sents: Field required"):
        list(read_docred(path, Vocab()))


def test_relation_names(tmp_path: Path) -> None:
    path = tmp_path / "relations.json"
    path.write_text(
        '{"P19": {"name": "place of birth", "description": "where"}, "P17": "country"}',
        encoding="utf-8",
    )
    assert read_relation_names(path) == {"P19": "place of birth", "P17": "country"}


@pytest.mark.parametrize(
    "text, problem",
    [
        ("[]", "should be an object"),
        ('{"P17": "country", "P19": {"description": "where"}}', "field P19"),
        ('{"P17": 17}', "field P17"),
        ("P17", "is not JSON"),
    ],
)
def test_malformed_relation_names(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "relations.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as raised:
        read_relation_names(path)
    assert str(path) in str(raised.value)
    assert problem in str(raised.value)


@pytest.mark.skipif(DATA is None, reason="SPACY_DOCRE_DATA does not name the folder of the data")
@pytest.mark.parametrize("name", DATA_FILES)
def test_real_data(name: str) -> None:
    path = Path(DATA or "") / name
    records = json.loads(path.read_text(encoding="utf-8"))
    with pytest.warns(UserWarning) as warned:
        docs = list(read_docred(path, Vocab()))
    assert len(warned) == 1
    assert len(docs) == len(records) == DATA_FILES[name]
    names: Counter = Counter()
    for doc, copied, record in zip(docs, stored(docs), records, strict=True):
        tokens = [token for sent in record["sents"] for token in sent]
        assert [token.text for token in doc] == tokens
        assert len(list(doc.sents)) == len(record["sents"])
        assert len(doc._.entities) == len(record["vertexSet"])
        assert len(doc._.relations) == len(record.get("labels", []))
        assert entities_of(copied) == entities_of(doc)
        assert [r.triple for r in copied._.relations] == [r.triple for r in doc._.relations]
        assert [(t.text, t.whitespace_, t.is_sent_start, t.ent_id_) for t in copied] == [
            (t.text, t.whitespace_, t.is_sent_start, t.ent_id_) for t in doc
        ]
        starts = [0, *accumulate(map(len, record["sents"]))]
        for entity, mentions in zip(doc._.entities, record["vertexSet"], strict=True):
            unique = {(m["sent_id"], *m["pos"]): m for m in reversed(mentions)}
            assert len(entity.mentions) == len(unique)
            spans = {(span.start, span.end): span for span in entity.mentions}
            for (sent_id, start, end), item in unique.items():
                span = spans[starts[sent_id] + start, starts[sent_id] + end]
                words = [token.text for token in span]
                names["all"] += 1
                names["tokens"] += " ".join(words) == item["name"]
                names["letters"] += "".join("".join(words).split()) == "".join(item["name"].split())
                if " ".join(words) != item["name"]:
                    names["prose"] += span.text == item["name"]
    # DocRED's names are the tokens joined by spaces, with exceptions: most of those have the
    # spaces of the original text, and a few other letters.
    assert names["tokens"] > 0.97 * names["all"]
    assert names["letters"] > 0.999 * names["all"]
    assert names["prose"] > 0.9 * (names["all"] - names["tokens"])
