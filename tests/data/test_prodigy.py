import copy
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_docre.annotations import has_entities, has_relations
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
    # Nobody has said that it is no entity.
    assert doc[14].ent_iob_ == "" and doc[13].ent_iob_ == "O"


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
    with pytest.warns(UserWarning, match="no relation with the label 'SAME'"):
        (doc,) = read(path, EXAMPLE, coref_label="SAME")
    assert texts(doc)[0] == ["Ann Lane"]
    assert (doc._.entities[0].index, "COREF") in {(r.tail.index, r.label_) for r in doc._.relations}


def test_coreference_label_that_is_not_there(path: Path, recwarn: pytest.WarningsRecorder) -> None:
    read(path, EXAMPLE)
    assert not recwarn
    with pytest.warns(
        UserWarning, match="no relation with the label 'CORFE'.*It has: COREF, KNOWS, LIVES_IN"
    ):
        read(path, EXAMPLE, coref_label="CORFE")


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


@pytest.mark.parametrize(
    "fields, entities, relations",
    [
        ({}, False, False),
        ({"spans": None, "relations": None}, False, False),
        ({"spans": []}, True, False),
        ({"spans": [], "relations": None}, True, False),
        ({"relations": []}, False, False),
        ({"spans": [], "relations": []}, True, True),
    ],
)
def test_missing_is_not_empty(path: Path, fields: Any, entities: bool, relations: bool) -> None:
    example = make_example("Ann left|.", [], [])
    del example["spans"], example["relations"]
    (doc,) = read(path, {**example, **fields})
    assert doc._.entities == doc._.relations == []
    assert has_entities(doc) == doc.has_annotation("ENT_IOB") == entities
    assert ("entities" in doc.spans) == entities
    assert has_relations(doc) == relations


def test_spans_of_ner_manual_teach_no_relations(path: Path) -> None:
    example = {key: value for key, value in EXAMPLE.items() if key != "relations"}
    (doc,) = read(path, example)
    assert len(doc._.entities) == 6 and not has_relations(doc)


def test_no_text(path: Path) -> None:
    (doc,) = read(path, {"text": "", "tokens": [], "spans": []})
    assert len(doc) == 0 and doc._.entities == []


def test_line_breaks(path: Path) -> None:
    example = make_example("a|\u2028|b", [(0, 0, "X")], [])
    text = json.dumps(example, ensure_ascii=False)
    path.write_bytes(f"\r\n{text}\r\n\n{text}".encode())
    assert [doc.text for doc in read_prodigy(path, Vocab())] == ["a\u2028b"] * 2


def test_words_without_a_span_are_mentions(path: Path) -> None:
    example = make_example("Ann Lane runs Acme in Oslo", [(0, 1, "PER")], [])
    tokens = example["tokens"]
    acme = {"start": 14, "end": 18, "token_start": 3, "token_end": 3, "label": None}
    example["relations"] = [
        {"head": 1, "head_span": example["spans"][0], "child": 3, "child_span": acme, "label": "X"},
        {"head": 1, "child": 3, "label": "Y"},
        {"head": 3, "child": 5, "label": "Z"},
        # Not the last token of the span.
        {"head": 0, "child": 5, "label": "Z"},
    ]
    (doc,) = read(path, example)
    assert texts(doc) == [["Ann Lane"], ["Acme"], ["Oslo"]]
    assert triples(doc) == [(0, "X", 1), (0, "Y", 1), (1, "Z", 2), (0, "Z", 2)]
    assert [ent.text for ent in doc.ents] == ["Ann Lane"]
    assert [token.ent_iob_ for token in doc] == ["B", "I", "O", "", "O", ""]
    assert len(tokens) == len(doc)
    del example["spans"]
    assert texts(read(path, example)[0]) == texts(doc)


def test_token_of_two_spans(path: Path) -> None:
    spans = [(0, 1, "PER"), (1, 1, "PER"), (3, 3, "ORG")]
    example = make_example("Ann Lane runs Acme", spans, [(1, 2, "X")])
    assert texts(read(path, example)[0])[:2] == [["Ann Lane"], ["Lane"]]
    example["relations"] = [{"head": 1, "child": 3, "label": "X"}]
    with pytest.raises(ValueError, match="token 1 is in several spans"):
        read(path, example)


def without_tokens(example: Any) -> Any:
    """An example that has characters only."""
    example = copy.deepcopy(example)
    del example["tokens"]
    spans = [relation[f"{role}_span"] for relation in example["relations"] for role in ROLES]
    for span in [*example["spans"], *spans]:
        for field in ("token_start", "token_end"):
            span.pop(field, None)
    for relation in example["relations"]:
        for role in ROLES:
            relation.pop(role, None)
    return example


ROLES = ("head", "child")


def test_without_tokens(path: Path) -> None:
    (doc,) = read(path, without_tokens(EXAMPLE))
    (expected,) = read(path, EXAMPLE)
    assert doc.text == expected.text
    assert texts(doc) == texts(expected) and triples(doc) == triples(expected)


def test_tokens_are_those_of_the_language(path: Path) -> None:
    text = "L'opera di  Anna.\n"
    spans = [
        {"start": 2, "end": 7, "label": "X"},
        # White space at its ends, and a part of a word.
        {"start": 10, "end": 17, "label": "Y"},
        {"start": 12, "end": 14, "label": "Z"},
    ]
    (doc,) = read(path, {"text": text, "spans": spans}, lang="it")
    assert doc.text == text
    assert texts(doc) == [["opera"], ["Anna."], ["An"]]
    with pytest.raises(ValueError, match=r"spans\[0\].end: Field required"):
        read(path, {"text": text, "spans": [{"start": 2, "label": "X", "token_start": 1}]})
    with pytest.raises(ValueError, match="no token has its start at character 10"):
        read(path, {"text": text, "spans": [{"start": 10, "end": 12, "label": "X"}]})


@pytest.mark.parametrize(
    "tokens, problem",
    [
        ([("Ann", 0), ("Oslo", 12)], "no token has the 'left' before token 1"),
        ([("left", 4), ("Oslo", 9)], "no token has the 'Ann' before token 0"),
        ([("Ann", 0)], "no token has the 'left Oslo' before token 1"),
        ([], "no token has the 'Ann left Oslo' before token 0"),
        ([("Ann", 0), ("left", 4), ("left", 4), ("Oslo", 9)], "the token before ends at 8"),
    ],
)
def test_tokens_that_are_not_the_text(path: Path, tokens: Any, problem: str) -> None:
    text = "Ann left    Oslo" if ("Oslo", 12) in tokens else "Ann left Oslo"
    records = [{"text": word, "start": i, "end": i + len(word)} for word, i in tokens]
    with pytest.raises(ValueError, match=problem):
        read(path, {"text": text, "tokens": records, "spans": []})


def test_father_and_son(path: Path) -> None:
    example = make_example(
        "John Bo met John Bo|; John paid",
        [(0, 1, "PER"), (3, 4, "PER"), (6, 6, "PER")],
        [(0, 1, "FATHER"), (2, 1, "COREF")],
    )
    with pytest.raises(ValueError, match="--by-coref keeps apart"):
        read(path, example)
    (doc,) = read(path, example, by_text=False)
    assert texts(doc) == [["John Bo"], ["John Bo", "John"]]
    assert triples(doc) == [(0, "FATHER", 1)]


def test_text_that_is_there_again(path: Path, recwarn: pytest.WarningsRecorder) -> None:
    first = make_example("Ann knows Bo", [(0, 0, "PER"), (2, 2, "PER")], [(0, 1, "KNOWS")])
    no_relations = {key: value for key, value in first.items() if key != "relations"}
    assert len(read(path, first, first, no_relations)) == 3
    assert not recwarn.list
    others = [
        make_example("Ann knows Bo", [(0, 0, "PER"), (2, 2, "PER")], []),
        make_example("Ann knows Bo", [(0, 0, "PER"), (2, 2, "ORG")], [(0, 1, "KNOWS")]),
        {
            **make_example("Ann knows Bo", [(0, 0, "PER"), (2, 2, "PER")], [(1, 0, "KNOWS")]),
            "text": "Ann knows\nBo",
        },
    ]
    for other in others:
        with pytest.warns(UserWarning, match="1 texts occur again with other annotations.*lin"):
            assert len(read(path, first, other)) == 2


@pytest.mark.parametrize(
    "change, field, problem",
    [
        (["text", None], "text", "required"),
        (["tokens", {}], "tokens", "list"),
        (["tokens", 1, "text", None], "tokens[1].text", "required"),
        (["tokens", 1, "text", ""], "tokens[1].text", "empty"),
        (["tokens", 1, "text", "\ud800"], "tokens[1].text", "surrogates"),
        (["text", "Something else"], "tokens[0].start", "the text holds 'Som'"),
        (["tokens", 1, "start", "5"], "tokens[1].start", "integer"),
        (["tokens", 1, "end", None], "tokens[1].end", "required"),
        (["tokens", 1, "ws", "yes"], "tokens[1].ws", "boolean"),
        (["spans", {}], "spans", "list"),
        (["spans", 2, {"token_end": 6}], "spans[2].token_start", "required"),
        (["spans", 2, {"token_start": 6, "end": 30}], "spans[2].token_end", "required"),
        (["spans", 2, {"start": 26, "end": 99}], "spans[2].end", "is not in a text of"),
        (["spans", 2, {"start": 27, "end": 30}], "spans[2].start", "no token has its start at"),
        # What is said twice, in two ways.
        (["tokens", 1, "id", 2], "tokens[1].id", "it is 2"),
        (["tokens", 1, "ws", False], "tokens[1].ws", "the text has ' ' before the next"),
        (["tokens", 4, "ws", True], "tokens[4].ws", "the text has '' before the next"),
        (["spans", 2, "token_start", 5], "spans[2].start", "by the other fields the span is '. OS"),
        (["spans", 2, "token_end", 7], "spans[2].end", "the span is 'OSLO pleases', for which it"),
        (["spans", 2, "start", 22], "spans[2].start", "it is 22, but by the other fields"),
        (["spans", 2, "end", 34], "spans[2].end", "no token has its end at character 34"),
        (["spans", 2, "text", "pleases"], "spans[2].text", "it is 'pleases', but the span is 'OSL"),
        (
            ["spans", 2, {"token_start": 5, "start": 24, "end": 28}],
            "spans[2].token_start",
            "it is 5, but by the other fields the span is 'OSLO', for which it should be 6",
        ),
        (["relations", 3, "head", 2], "relations[3].head", "head_span has the tokens 8 to 8"),
        (
            ["relations", 3, "head_span", {"token_start": 8, "token_end": 8, "label": "ORG"}],
            "relations[3].head_span.label",
            "it is 'ORG', but in spans it is 'PER'",
        ),
        (["spans", 2, "label", 1], "spans[2].label", "string"),
        (["spans", 2, "token_start", 17], "spans[2].token_start", "no token 17 in a text of 17"),
        (["spans", 2, "token_start", -1], "spans[2].token_start", "no token -1"),
        (["spans", 2, "token_end", 17], "spans[2].token_end", "17 cannot end"),
        (["spans", 2, "token_end", 5], "spans[2].token_end", "begins at token 6"),
        (["relations", "none"], "relations", "list"),
        (["relations", 3, "label", None], "relations[3].label", "required"),
        (["relations", 3, "label", ""], "relations[3].label", "at least 1 character"),
        (["relations", 3, "head", "8"], "relations[3].head", "integer"),
        (
            [
                "relations",
                3,
                {"label": "X", "child": 4, "head_span": {"token_start": 1, "token_end": 1}},
            ],
            "relations[3].head_span",
            "no such span",
        ),
        (
            [
                "relations",
                3,
                {"label": "X", "head": 1, "child_span": {"token_start": 5, "token_end": 6}},
            ],
            "relations[3].child_span",
            "no such span",
        ),
        (["relations", 3, "head_span", {}], "relations[3].head_span.token_start", "required"),
        (["relations", 3, {"label": "X", "head": 99, "child": 4}], "relations[3].head", "no token"),
        (["relations", 3, {"label": "X", "head": 1, "child": -1}], "relations[3].child", "no tok"),
        (["relations", 3, {"label": "X", "head": 1}], "relations[3].child", "missing"),
        (["relations", 3, {"label": "X", "head": 4, "child": 6}], "relations[3].child", "same"),
        # The head and she are the same by coreference.
        (
            ["relations", 4, {"label": "X", "head": 1, "child_span": EXAMPLE["spans"][6]}],
            "relations[4].child_span",
            "same",
        ),
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
    told = f"line 2, field {field}: "
    with pytest.warns(UserWarning) as warned:
        docs = read(path, EXAMPLE, example, EXAMPLE)
    assert len(docs) == 2
    (message,) = (str(warning.message) for warning in warned)
    assert message.startswith(
        f"{path}: 1 accepted examples cannot be used, and are left out ({told}"
    )
    assert problem in message and " should be " in message
    with pytest.raises(ValueError, match="no example that can be used: 2 accepted"):
        read(path, example, example)


@pytest.mark.parametrize(
    "text, problem",
    [
        (b'{"text": "", "tokens": []}\n\n{"text"', "line 3 is not JSON"),
        (b"[]", "no example that can be used.*line 1 should be an object with the fields text"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_malformed_file(path: Path, text: bytes, problem: str) -> None:
    path.write_bytes(text)
    with pytest.raises(ValueError) as raised:
        list(read_prodigy(path, Vocab()))
    assert str(path) in str(raised.value)
    assert re.search(problem, str(raised.value))
