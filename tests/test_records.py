"""Documents as records."""

import json

import spacy
from spacy.tokens import Doc, Span

from spacy_docre import Triple
from spacy_docre.records import document_record


def test_record() -> None:
    words = ["\U0001f600", "Ada", "likes", "Oslo", "."]
    doc = Doc(spacy.blank("en").vocab, words=words, sent_starts=[True, *[False] * 4])
    doc._.entities = [[doc[1:2]], [Span(doc, 3, 4, kb_id="Q585")]]
    doc._.relations = [Triple(0, 1, "P1", 0.5, "likes", ((0, 5),))]
    record = document_record(doc)
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "text": doc.text,
        "entities": [
            {"id": 0, "text": "Ada", "label": "", "kb_id": "", "mentions": [span(2, 5, "Ada")]},
            {
                "id": 1,
                "text": "Oslo",
                "label": "",
                "kb_id": "Q585",
                "mentions": [span(12, 16, "Oslo")],
            },
        ],
        "relations": [
            {
                "head": 0,
                "tail": 1,
                "label": "P1",
                "name": "likes",
                "score": 0.5,
                "evidence": [span(0, len(doc.text.rstrip()), doc.text.rstrip())],
            }
        ],
    }


def span(start: int, end: int, text: str) -> dict:
    return {"start": start, "end": end, "text": text}
