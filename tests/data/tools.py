"""Documents for the tests of annotation tools' formats, and what is compared of them."""

from typing import Any, List

from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_docre import Triple

VOCAB = Vocab()
# Beyond the BMP, combining, white space, what the tokenizer would divide, and what it would not.
WORDS = [
    "Ada",
    "𝔸da",
    "👩‍🚀",
    "e\u0301",
    " ",
    "\n\n",
    "don't",
    "U.S.",
    "(",
    "\u2028",
    "a b",
    " x",
    "\t",
]


def entities_of(doc: Doc) -> List[Any]:
    """Label and characters of the mentions of each entity; white space at their ends aside."""
    found = []
    for entity in doc._.entities:
        mentions = []
        for span in entity.mentions:
            words = span.text.strip() or span.text
            start = span.start_char + span.text.index(words)
            mentions.append((start, start + len(words), span.label_ or "ENTITY"))
        found.append(mentions)
    return found


def relations_of(doc: Doc) -> List[Any]:
    return sorted(
        (relation.head.index, relation.tail.index, relation.label_) for relation in doc._.relations
    )


@st.composite
def docs(draw: st.DrawFn, *, may_overlap: bool = True, may_be_blank: bool = True) -> Doc:
    """Documents with entities and relations, each relation once, and none of one entity. Mentions
    may overlap, or be white space."""
    words = draw(st.lists(st.sampled_from(WORDS) | st.text(min_size=1, max_size=4), max_size=12))
    words = [word for word in words if word.isprintable() or word in WORDS] or ["Ada"]
    doc = Doc(VOCAB, words=words, spaces=[draw(st.booleans()) for _ in words])
    borders = sorted(draw(st.sets(st.integers(0, len(words)), max_size=8)))
    pairs = list(zip(borders[::1], borders[1:], strict=False))
    if may_overlap:
        pairs = [(start, end) for start in borders for end in borders if start < end]
    if not may_be_blank:
        pairs = [(start, end) for start, end in pairs if doc[start:end].text.strip()]
    pairs = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=6)) if pairs else []
    owners = [draw(st.integers(0, 2)) for _ in pairs]
    doc._.entities = [
        [
            Span(doc, *pair, label=draw(st.sampled_from(["PER", "LOC", ""])), kb_id=f"Q{owner}")
            for pair, its in zip(pairs, owners, strict=True)
            if its == owner
        ]
        for owner in dict.fromkeys(owners)
    ]
    number = st.integers(0, len(doc._.entities) - 1)
    triples = st.builds(
        Triple, number, number, st.sampled_from(["P1", "in"]), score=st.sampled_from([0.5, 1.0])
    )
    if len(doc._.entities) < 2:
        doc._.relations = []
    else:
        drawn = draw(st.lists(triples.filter(lambda item: item.head != item.tail), max_size=4))
        doc._.relations = list(
            {(item.head, item.tail, item.label): item for item in drawn}.values()
        )
    return doc
