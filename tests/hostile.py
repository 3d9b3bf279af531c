"""Hostile input, made from a seed: texts and lines of JSON, and what has to hold for each.

The tests run a few of each, `python -m benchmarks.fuzzing` thousands.
"""

import json
import math
import random
from typing import Any, Callable, Dict, Iterator, List, Sequence

from spacy.tokens import Doc

from .damage import BYTES

NAMES = ["Ada Lane", "Bruno Falk", "Oslo", "Porto", "Borealis", "Acme Works", "Norway", "1903"]
FACTS = [
    "{} was born in {}.",
    "{} worked for {} , which {} had founded .",
    "In {}, {} met {}; later they moved to {}.",
    "{} is the capital of {}.",
]
# Strings that have broken tokenizers, JSON, HTML, terminals and alignments.
ODD = [
    "",
    " ",
    "\n",
    "\r\n",
    "\t \t",
    "\x00",
    "\x1b[31m",
    "\x85",
    "\u00a0",
    "\u00ad",
    "\u200b",
    "\u200d",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\ufffd",
    "\ufdd0",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1f3\U0001f1f4",
    "e" + "\u0301" * 40,
    "\u0130stanbul \u1e9e",
    "\u0645\u062d\u0645\u062f \u0628\u0646 \u0645\u0648\u0633\u0649",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01" * 30,
    "\u5317\u4eac\u5e02\u662f\u4e2d\u56fd\u7684\u9996\u90fd\u3002" * 20,
    "https://example.org/" + "a1-" * 120,
    "0123456789abcdef" * 90,
    "</script><script>alert(1)</script>",
    "{{7*7}} ${x} %s %n",
    "=HYPERLINK(1)",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "-" * 700,
    "." * 90,
    "[MASK] [SEP] <s> </s> [E1] *",
    "'\"\\",
]


def hostile_text(chance: random.Random) -> str:
    """One text: sentences with names, and odd strings between, inside and instead of them.

    chance (random.Random): Where the choices come from.
    RETURNS (str): The text. It may be empty.
    """
    parts: List[str] = []
    for _ in range(chance.choice([0, 1, 2, 3, 5, 8, 20])):
        fact = chance.choice(FACTS)
        sentence = fact.format(*(chance.choice(NAMES) for _ in range(fact.count("{}"))))
        parts.append(chance.choice(_CHANGES)(sentence, chance))
        if chance.random() < 0.4:
            parts.append(chance.choice(ODD))
    return chance.choice([" ", "", "\n", "  ", "\u00a0"]).join(parts)


def _inside(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(ODD) + text[place:]


def _repeated(text: str, chance: random.Random) -> str:
    return text * chance.choice([2, 10, 40])


_CHANGES: Sequence[Callable[[str, random.Random], str]] = [
    lambda text, chance: text,
    lambda text, chance: text.upper(),
    lambda text, chance: text.lower(),
    lambda text, chance: text.replace(" ", ""),
    lambda text, chance: text.replace(" ", chance.choice(["  ", "\n", "\u00a0", "\t"])),
    lambda text, chance: text[: chance.randrange(len(text) + 1)],
    lambda text, chance: "".join(chance.sample(text, len(text))),
    _inside,
    _repeated,
]

# Values that JSON allows and that some reader of JSON changes or refuses.
VALUES: List[str] = [
    "null",
    "true",
    "0",
    "-0.0",
    "1e-12",
    "0.1",
    "1e400",
    "NaN",
    "-Infinity",
    "100000000000000000000",
    "123456789012345678",
    '"\\ud800"',
    '"\\u0000"',
    '"a"',
    "[]",
    "{}",
    '{"a": [1, {"b": null}]}',
    "[" * 60 + "]" * 60,
    '"' + "x" * 5000 + '"',
]


def hostile_line(chance: random.Random, number: int) -> str:
    """One line of JSONL: most hold a text, some are damaged.

    chance (random.Random): Where the choices come from.
    number (int): The number of the line, which a usable line has in its field "number".
    RETURNS (str): The line, without its end.
    """
    name = chance.choice([f"doc {number}", "a", "a (2)", "", "x\x01", "\x1b]0;x\x07", "../../up"])
    fields = [
        f'"text": {json.dumps(hostile_text(chance), ensure_ascii=chance.random() < 0.5)}',
        f'"id": {json.dumps(name)}',
        f'"number": {number}',
    ]
    if chance.random() < 0.5:
        fields.append(f'"more": {chance.choice(VALUES)}')
    if chance.random() < 0.1:
        fields[0] = f'"text": {chance.choice(VALUES)}'
    if chance.random() < 0.1:
        fields[1] = f'"id": {chance.choice(VALUES)}'
    chance.shuffle(fields)
    line = "{" + ", ".join(fields) + "}"
    if chance.random() < 0.05:
        line = chance.choice(BYTES)(line.encode(), chance).decode("latin1")
    return line


def check_document(doc: Doc, text: str) -> None:
    """What holds for each document, whatever its text.

    doc (Doc): The annotated document.
    text (str): The text it was made from.
    RAISES (AssertionError): If something does not hold.
    """
    assert doc.text == text
    entities = doc._.entities
    for index, entity in enumerate(entities):
        assert entity.index == index and entity.mentions
        places = [(mention.start, mention.end) for mention in entity.mentions]
        assert len(set(places)) == len(places)
        assert all(0 <= start < end <= len(doc) for start, end in places)
        assert entity.text.strip()
    relations = doc._.relations
    scores = [relation.score for relation in relations]
    assert all(math.isfinite(score) and 0 < score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)
    for relation in relations:
        assert relation.head in entities and relation.tail in entities
        assert relation.head != relation.tail and relation.label_ and relation.name
        assert all(0 <= span.start < span.end <= len(doc) for span in relation.evidence)
    triples = [(r.head.index, r.label_, r.tail.index) for r in relations]
    assert len(set(triples)) == len(triples)


def strict_json(line: str) -> Dict[str, Any]:
    """Read a line as a reader does that knows JSON and no more.

    line (str): The line.
    RETURNS (Dict[str, Any]): The object.
    RAISES (ValueError): If it is no JSON, or holds NaN or an infinity.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    value = json.loads(line, parse_constant=refuse)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def texts(seed: int, number: int) -> Iterator[str]:
    """Hostile texts.

    seed (int): The seed.
    number (int): How many.
    YIELDS (str): The texts, the same for the same seed.
    """
    chance = random.Random(seed)
    for _ in range(number):
        yield hostile_text(chance)
