"""Documents to show."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_docre import Triple
from spacy_docre.models.calibration import Calibration

WORDS = (
    "Ada Lane was born in Oslo . She worked for <script>alert(1)</script> & Sons . Oslo is a town ."
).split()


def sent(html: str) -> List[Dict[str, Any]]:
    """What a page is sent of its documents, as a browser reads it."""
    return [
        json.loads(data)
        for data in re.findall(r'<script type="application/json">(.*?)</script', html, re.DOTALL)
    ]


@pytest.fixture
def doc() -> Doc:
    """Three sentences, three entities, three relations, and markup that is text."""
    doc = Doc(
        spacy.blank("en").vocab, words=WORDS, sent_starts=[i in (0, 7, 14) for i in range(19)]
    )
    doc._.entities = [
        [Span(doc, 0, 2, label="PER"), Span(doc, 7, 8, label="PER")],
        [Span(doc, 5, 6, label="LOC"), Span(doc, 14, 15, label="LOC")],
        [Span(doc, 10, 13, label="ORG")],
        [Span(doc, 17, 18, label="MISC")],
    ]
    doc._.relations = [
        Triple(0, 1, "P19", 0.9, "place of birth", ((0, 7),)),
        Triple(0, 2, "P108", 0.6, "employer", ((7, 14), (0, 7))),
        Triple(2, 1, "P159", 0.3, "headquarters location"),
    ]
    doc.user_data["title"] = "Ada <b>Lane</b>"
    return doc


@pytest.fixture(scope="module")
def nlp(trained_folder: Path) -> Language:
    """The trained pipeline, which finds two entities in bare text and relates them."""
    nlp = spacy.load(trained_folder)
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in ("Ada Lane", "Oslo")])
    extractor = nlp.get_pipe("doc_relation_extractor")
    # Scores in the middle, as those of a pipeline that has learnt more.
    extractor.calibrate(Calibration(shift=8.0), num_words=1)
    extractor.cfg["threshold"] = 0.0
    return nlp
