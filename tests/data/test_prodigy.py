import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre.data.prodigy import read_prodigy
from spacy_docre.entity_sources import make_doc_ents_entities, make_span_group_entities


def make_example(text: str, spans: List[Any], relations: List[Any], **fields: Any) -> Any:
    """An example as Prodigy writes it, of a text whose tokens are marked by "|" or a space."""
    tokens: List[Dict[str, Any]] = []
    start = 0
    for part in text.split(" "):
        for word in part.split("|"):
            end = start + len(word)
            tokens.append(
                {"text": word, "start": start, "end": end, "id": len(tokens), "ws": False}
            )
            start = end
        tokens[-1]["ws"] = True
        start += 1
    tokens[-1]["ws"] = False

    def span(first: int, last: int, label: Any) -> Dict[str, Any]:
        return {
            "start": tokens[first]["start"],
            "end": tokens[last]["end"],
            "token_start": first,
            "token_end": last,
            "label": label,
        }

    made = [span(*item) for item in spans]
    return {
        "text": text.replace("|", ""),
        "tokens": tokens,
        "spans": made,
        "relations": [
            {
                "head": made[head]["token_end"],
                "child": made[child]["token_end"],
                "head_span": made[head],
                "child_span": made[child],
                "label": label,
            }
            for head, child, label in relations
        ],
        "answer": "accept",
        **fields,
    }


EXAMPLE = make_example(
    "Ann Lane lives in Oslo|. OSLO pleases her|; Bo left Oslo|, she said|.",
    [
        (0, 1, "PER"),  # Ann Lane
        (4, 4, "LOC"),  # Oslo
        (6, 6, "LOC"),  # OSLO
        (8, 8, "PER"),  # her
        (10, 10, "PER"),  # Bo
        (12, 12, "ORG"),  # Oslo
        (14, 14, None),  # she
    ],
    [
        (0, 1, "LIVES_IN"),
        (3, 0, "COREF"),
        (6, 3, "COREF"),
        (3, 2, "LIVES_IN"),
        (0, 4, "KNOWS"),
        (4, 6, "KNOWS"),
    ],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "annotations.jsonl"


def read(path: Path, *examples: Any, **settings: Any) -> List[Doc]:
    lines = [json.dumps(example) for example in examples]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return list(read_prodigy(path, Vocab(), **settings))


def texts(doc: Doc) -> List[List[str]]:
    return [[span.text for span in entity.mentions] for entity in doc._.entities]


def triples(doc: Doc) -> List[Any]:
    return [(r.head.index, r.label_, r.tail.index) for r in doc._.relations]


def test_text(path: Path) -> None:
    (doc,) = read(path, EXAMPLE)
    assert doc.text == EXAMPLE["text"]
    assert [token.text for token in doc] == [token["text"] for token in EXAMPLE["tokens"]]
    assert not doc.has_annotation("SENT_START")


def test_spaces_from_offsets(path: Path) -> None:
    example = copy.deepcopy(EXAMPLE)
    for token in example["tokens"]:
        del token["ws"]
    assert read(path, example)[0].text == EXAMPLE["text"]


def test_spaces_from_ws_before_offsets(path: Path) -> None:
    example = make_example("a b c", [], [])
    example["tokens"][0]["ws"] = False
    assert read(path, example)[0].text == "ab c"


def test_entities(path: Path) -> None:
    (doc,) = read(path, EXAMPLE)
    expected = [["Ann Lane", "her", "she"], ["Oslo", "OSLO"], ["Bo"], ["Oslo"]]
    assert texts(doc) == expected
    assert [entity.label_ for entity in doc._.entities] == ["PER", "LOC", "PER", "ORG"]
    grouped = make_span_group_entities()(doc)
    assert [[span.text for span in mentions] for mentions in grouped] == expected
    assert [span.id_ for mentions in grouped for span in mentions] == list("0001123")
    grouped = make_doc_ents_entities()(doc)
    # Without "she", which has no label.
    assert [[span.text for span in mentions] for mentions in grouped] == [
        ["Ann Lane", "her"],
        *expected[1:],
    ]
    assert doc[14].ent_iob_ == "O"


def test_relations(path: Path) -> None:
    (doc,) = read(path, EXAMPLE, names={"KNOWS": "knows"})
    # LIVES_IN is there twice, between other mentions.
    assert triples(doc) == [(0, "LIVES_IN", 1), (0, "KNOWS", 2), (2, "KNOWS", 0)]
    assert [r.name for r in doc._.relations] == ["LIVES_IN", "knows", "knows"]
    assert all(r.evidence == () and r.score == 1 for r in doc._.relations)


def test_relations_by_last_token(path: Path) -> None:
    example = copy.deepcopy(EXAMPLE)
    for relation in example["relations"]:
        del relation["head_span"], relation["child_span"]
    (doc,) = read(path, example)
    (expected,) = read(path, EXAMPLE)
    assert texts(doc) == texts(expected)
    assert triples(doc) == triples(expected)


def test_coreference_label(path: Path) -> None:
    (doc,) = read(path, EXAMPLE, coref_label="SAME")
    assert texts(doc)[0] == ["Ann Lane"]
    assert (doc._.entities[0].index, "COREF") in {(r.tail.index, r.label_) for r in doc._.relations}


def test_coreference_joins_all_mentions_of_a_text(path: Path) -> None:
    example = make_example(
        "Oslo and Oslo and it and it",
        [(0, 0, "LOC"), (2, 2, "LOC"), (4, 4, "X"), (6, 6, "X")],
        [(1, 2, "COREF")],
    )
    assert texts(read(path, example)[0]) == [["Oslo", "Oslo", "it", "it"]]


def test_answers(path: Path) -> None:
    rejected = {**EXAMPLE, "answer": "reject"}
    # What is skipped need not be right.
    ignored = {"text": "x", "answer": "ignore"}
    unanswered = {key: value for key, value in EXAMPLE.items() if key != "answer"}
    answers: Counter = Counter()
    docs = read(path, rejected, EXAMPLE, ignored, unanswered, rejected, answers=answers)
    assert len(docs) == 2
    assert answers == {"accept": 2, "reject": 2, "ignore": 1}


@pytest.mark.parametrize("fields", [{}, {"spans": []}, {"spans": [], "relations": []}])
def test_no_entities(path: Path, fields: Any) -> None:
    (doc,) = read(path, {"text": "", "tokens": [], **fields})
    assert len(doc) == 0
    assert doc._.entities == doc._.relations == []
    assert len(doc.spans["entities"]) == 0


def test_line_breaks(path: Path) -> None:
    example = make_example("a|\u2028|b", [(0, 0, "X")], [])
    text = json.dumps(example, ensure_ascii=False)
    path.write_bytes(f"\r\n{text}\r\n\n{text}".encode())
    assert [doc.text for doc in read_prodigy(path, Vocab())] == ["a\u2028b"] * 2


@pytest.mark.parametrize(
    "change, field, problem",
    [
        (["text", None], "text", "required"),
        (["tokens", None], "tokens", "required"),
        (["tokens", {}], "tokens", "list"),
        (["tokens", 1, "text", None], "tokens[1].text", "required"),
        (["tokens", 1, "text", ""], "tokens[1].text", "empty"),
        (["tokens", 1, "text", "\ud800"], "tokens[1].text", "surrogates"),
        (["text", "Something else"], "tokens[0].start", "the text holds 'Som'"),
        (["tokens", 1, "start", "5"], "tokens[1].start", "integer"),
        (["tokens", 1, "end", None], "tokens[1].end", "required"),
        (["tokens", 1, "ws", "yes"], "tokens[1].ws", "boolean"),
        (["spans", {}], "spans", "list"),
        (["spans", 2, "token_start", None], "spans[2].token_start", "required"),
        (["spans", 2, "token_end", None], "spans[2].token_end", "required"),
        (["spans", 2, "label", 1], "spans[2].label", "string"),
        (["spans", 2, "token_start", 17], "spans[2].token_start", "no token 17 in a text of 17"),
        (["spans", 2, "token_start", -1], "spans[2].token_start", "no token -1"),
        (["spans", 2, "token_end", 17], "spans[2].token_end", "17 is no end"),
        (["spans", 2, "token_end", 5], "spans[2].token_end", "begins at token 6"),
        (["relations", "none"], "relations", "list"),
        (["relations", 3, "label", None], "relations[3].label", "required"),
        (["relations", 3, "label", ""], "relations[3].label", "at least 1 character"),
        (["relations", 3, "head", "8"], "relations[3].head", "integer"),
        (
            ["relations", 3, "head_span", {"token_start": 1, "token_end": 1}],
            "relations[3].head_span",
            "no such span",
        ),
        (
            ["relations", 3, "child_span", {"token_start": 5, "token_end": 6}],
            "relations[3].child_span",
            "no such span",
        ),
        (["relations", 3, "head_span", {}], "relations[3].head_span.token_start", "required"),
        (["relations", 3, {"label": "X", "head": 2, "child": 4}], "relations[3].head", "no such"),
        (["relations", 3, {"label": "X", "head": 1, "child": 3}], "relations[3].child", "no such"),
        (["relations", 3, {"label": "X", "head": 1}], "relations[3].child", "missing"),
        (["relations", 3, {"label": "X", "head": 4, "child": 6}], "relations[3].child", "same"),
        # The head and she are the same by coreference.
        (["relations", 4, "child_span", EXAMPLE["spans"][6]], "relations[4].child_span", "same"),
        (["answer", 1], "answer", "it is 1"),
    ],
)
def test_malformed_example(path: Path, change: Any, field: str, problem: str) -> None:
    example = copy.deepcopy(EXAMPLE)
    *keys, last, value = change
    target: Any = example
    for key in keys:
        target = target[key]
    if value is None:
        del target[last]
    else:
        target[last] = value
    with pytest.raises(ValueError) as raised:
        read(path, EXAMPLE, example)
    message = str(raised.value)
    assert message.startswith(f"{path}, line 2, field {field}: ")
    assert problem in message
    assert " should be " in message


@pytest.mark.parametrize(
    "text, problem",
    [
        (b'{"text": "", "tokens": []}\n\n{"text"', "line 3 is not JSON"),
        (b"[]", "line 1 should be an object with the fields text"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_malformed_file(path: Path, text: bytes, problem: str) -> None:
    path.write_bytes(text)
    with pytest.raises(ValueError) as raised:
        list(read_prodigy(path, Vocab()))
    assert str(path) in str(raised.value)
    assert problem in str(raised.value)
