"""Documents to show."""

import pytest
import spacy
from spacy.tokens import Doc

from spacy_docre import Triple

WORDS = (
    "Ada Lane was born in Oslo . She worked for <script>alert(1)</script> & Sons . Oslo is a town ."
).split()


@pytest.fixture
def doc() -> Doc:
    """Three sentences, three entities, three relations, and markup that is text."""
    doc = Doc(
        spacy.blank("en").vocab, words=WORDS, sent_starts=[i in (0, 7, 14) for i in range(19)]
    )
    doc._.entities = [
        [_mention(doc, 0, 2, "PER"), _mention(doc, 7, 8, "PER")],
        [_mention(doc, 5, 6, "LOC"), _mention(doc, 14, 15, "LOC")],
        [_mention(doc, 10, 13, "ORG")],
        [_mention(doc, 17, 18, "MISC")],
    ]
    doc._.relations = [
        Triple(0, 1, "P19", 0.9, "place of birth", ((0, 7),)),
        Triple(0, 2, "P108", 0.6, "employer", ((7, 14), (0, 7))),
        Triple(2, 1, "P159", 0.3, "headquarters location"),
    ]
    doc.user_data["title"] = "Ada <b>Lane</b>"
    return doc


def _mention(doc: Doc, start: int, end: int, label: str):
    return doc.char_span(doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label=label)
