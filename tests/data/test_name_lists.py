"""Lists of the names of annotated documents."""

import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Dict, Iterable, List, Sequence, Set, Tuple

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_docre.annotations import has_partial_relations, has_relations
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.data.docred import read_docred
from spacy_docre.data.gold_annotations import Mention, set_gold_annotations
from spacy_docre.data.name_lists import make_lists
from spacy_docre.training.corpus import make_corpus

VOCAB = Vocab()
DATA = Path(__file__).parents[2] / "assets" / "quickstart" / "train.json"
MANY = 600
HEADINGS = {"Members", "Places", "Works", "See also", "Cast", "Awards"}


@pytest.fixture(scope="module")
def docs() -> List[Doc]:
    return list(read_docred(DATA, VOCAB))


@pytest.fixture(scope="module")
def lists(docs: List[Doc]) -> List[Doc]:
    return list(make_lists(docs, MANY, Random(0)))


def names_of(docs: Iterable[Doc]) -> Set[Tuple[str, str]]:
    return {
        (mention.text, mention.label_)
        for doc in docs
        for entity in doc._.entities
        for mention in entity.mentions
    }


def between(doc: Doc) -> Tuple[str, List[str]]:
    """The words before the first name, and those after each name, up to the next."""
    ends = [0, *(name.end for name in doc.ents)]
    starts = [*(name.start for name in doc.ents), len(doc)]
    first, *others = (
        " ".join(token.text for token in doc[end:start])
        for end, start in zip(ends, starts, strict=True)
    )
    return first, others


def layout(doc: Doc) -> Tuple[str, str]:
    """The heading of a list, and what its items are written with."""
    first, others = between(doc)
    heading, colon, bullet = re.fullmatch(r"([A-Z][a-z ]*?)?( ?:)? ?(\W|1 \.)?", first).groups("")
    assert heading in HEADINGS | {""} and (heading or not colon)
    assert others.pop() == ""
    if bullet == "1 .":
        assert others == [f"{number} ." for number in range(2, len(others) + 2)]
        return heading + colon, "1."
    (kind,) = set(others)
    assert kind in ("", "-", "*", "•", ",", ";", "|")
    assert bullet == (kind if kind in ("-", "*", "•") else "")
    return heading + colon, kind


def test_names_are_those_of_the_documents(docs: List[Doc], lists: List[Doc]) -> None:
    known = names_of(docs)
    found = names_of(lists)
    assert len(lists) == MANY and found <= known
    # At random: nearly all of them.
    assert len(found) > 0.95 * len(known)
    assert {len(doc.ents) for doc in lists} == set(range(3, 15))


def test_each_name_is_an_entity(lists: List[Doc]) -> None:
    for doc in lists:
        entities = [entity.mentions for entity in doc._.entities]
        spans = [(span.start, span.end, span.label_) for span in doc.ents]
        assert [(one.start, one.end, one.label_) for (one,) in entities] == spans
        group = [(span.start, span.end, span.label_, span.id_) for span in doc.spans["entities"]]
        assert group == [(*span, str(index)) for index, span in enumerate(spans)]
        assert all(token.ent_iob_ for token in doc)


def test_nobody_has_annotated_relations(lists: List[Doc]) -> None:
    assert not any(has_relations(doc) or has_partial_relations(doc) for doc in lists)
    titles = [doc.user_data["title"] for doc in lists]
    assert titles == [f"List {number}" for number in range(1, MANY + 1)]


def test_labels(docs: List[Doc], lists: List[Doc]) -> None:
    """Two lists of three have one label. In them, labels are equally frequent, however many names
    they have, but nobody lists dates or numbers alone."""
    labels = [{name.label_ for name in doc.ents} for doc in lists]
    known = {label for _, label in names_of(docs)}
    assert {"TIME", "NUM"} < known
    assert [len(each) == 1 for each in labels] == (MANY // 3) * [True, True, False]
    times = Counter(label for each in labels if len(each) == 1 for label in each)
    assert times.keys() == known - {"TIME", "NUM"}
    mean = times.total() / len(times)
    assert all(0.7 * mean < number < 1.3 * mean for number in times.values())
    assert set().union(*(each for each in labels if len(each) > 1)) == known


def test_layouts(lists: List[Doc]) -> None:
    layouts = [layout(doc) for doc in lists]
    kinds = Counter(kind for _, kind in layouts)
    for group in ([""], ["-", "*", "•", "1."], [",", ";", "|"]):
        assert MANY * 0.27 < sum(kinds[kind] for kind in group) < MANY * 0.4
        assert all(kinds[kind] for kind in group)
    headings = Counter(heading for heading, _ in layouts)
    assert headings.keys() == {"", *HEADINGS, *(f"{heading} :" for heading in HEADINGS)}
    assert 0.35 < 1 - headings[""] / MANY < 0.45


def test_sentences(lists: List[Doc]) -> None:
    """Items are sentences with bullets, and on half of the lines; else the list is one sentence."""
    divided: Dict[str, List[bool]] = {}
    for doc in lists:
        assert doc.has_annotation("SENT_START") and doc[0].is_sent_start
        heading, kind = layout(doc)
        sentences = list(doc.sents)
        divided.setdefault(kind, []).append(len(sentences) > 1)
        if len(sentences) == 1:
            continue
        if heading:
            assert sentences.pop(0).text.replace(" ", "") == heading.replace(" ", "")
        assert len(sentences) == len(doc.ents)
        for number, (sentence, name) in enumerate(zip(sentences, doc.ents, strict=True), 1):
            bullet = f"{number}." if kind == "1." else kind
            assert sentence.text == f"{bullet} {name.text}".strip()
    for kind in (",", ";", "|"):
        assert not any(divided[kind])
    for kind in ("-", "*", "•", "1."):
        assert all(divided[kind])
    assert 0.4 < sum(divided[""]) / len(divided[""]) < 0.6


def test_text_reads_as_one_writes(lists: List[Doc]) -> None:
    kinds = {layout(doc)[1]: doc for doc in lists if not layout(doc)[0]}
    for kind, doc in kinds.items():
        names = [name.text for name in doc.ents]
        joint = {"": " ", ",": ", ", ";": "; ", "|": " | "}
        if kind == "1.":
            items = [f"{number}. {name}" for number, name in enumerate(names, 1)]
        else:
            items = names if kind in joint else [f"{kind} {name}" for name in names]
        assert doc.text.strip() == joint.get(kind, " ").join(items)


def one_doc(words: Sequence[str], mentions: Sequence[Mention], **settings: object) -> Doc:
    doc = Doc(VOCAB, words=list(words), **settings)
    set_gold_annotations(doc, [[mention] for mention in mentions], [])
    return doc


def test_words_alone() -> None:
    """White space within and around a name is left out; spaces stay as they are."""
    words = ["Ada", "\n", "Lane", "\n\n", "St", ".", "Cy-", "Lee"]
    spaces = [False, False, False, False, False, True, False, False]
    mentions = [(0, 4, "PER"), (4, 8, "LOC"), (3, 4, "ORG")]
    docs = [one_doc(words, mentions, spaces=spaces)]
    found = list(make_lists(docs, 60, Random(0)))
    assert names_of(found) == {("Ada Lane", "PER"), ("St. Cy-Lee", "LOC")}
    assert not any(token.is_space for doc in found for token in doc)
    assert {len(name) for doc in found for name in doc.ents} == {2, 4}


@pytest.mark.parametrize(
    "mentions", [[], [(0, 1, "")], [(1, 2, "PER")]], ids=["none", "no label", "white space"]
)
def test_no_names(mentions: List[Mention]) -> None:
    docs = [one_doc(["Ada", "\n"], mentions)]
    assert list(make_lists(docs, 5, Random(0))) == list(make_lists([], 5, Random(0))) == []


@given(
    labels=st.lists(st.sampled_from(["PER", "Gen", "TIME", "NUM"]), min_size=1, max_size=5),
    number=st.integers(0, 9),
    seed=st.integers(0, 100),
)
@settings(deadline=None, max_examples=60)
def test_any_documents(labels: List[str], number: int, seed: int) -> None:
    words = [str(index) for index in range(len(labels))]
    mentions = [(index, index + 1, label) for index, label in enumerate(labels)]
    docs = [one_doc(words, mentions), Doc(VOCAB), Doc(VOCAB, words=["bare"])]
    before = [doc.to_bytes() for doc in docs]
    found = list(make_lists(docs, number, Random(seed)))
    assert [doc.to_bytes() for doc in docs] == before
    assert len(found) == number and names_of(found) <= names_of(docs[:1])
    listed = set(labels) - {"TIME", "NUM"} or set(labels)
    for index, doc in enumerate(found):
        assert 3 <= len(doc.ents) <= 14
        own = {name.label_ for name in doc.ents}
        if index % 3 < 2:
            assert len(own) == 1 and own <= listed
        else:
            assert len(own) >= min(2, len(set(labels)))
    again = list(make_lists(docs, number, Random(seed)))
    assert [doc.to_bytes() for doc in again] == [doc.to_bytes() for doc in found]


def test_word_ner_learns_from_them(lists: List[Doc], tmp_path: Path) -> None:
    """As from any corpus, with all of their mentions; and spaCy's tokens are theirs."""
    write_docs({tmp_path / "lists.spacy": lists[:120]})
    nlp = spacy.blank("en")
    nlp.add_pipe("word_ner")
    examples = list(make_corpus(tmp_path / "lists.spacy")(nlp))
    for example, doc in zip(examples, lists, strict=False):
        names = [(span.text, span.label_) for span in doc.ents]
        for one in (example, Example(nlp.make_doc(doc.text), example.reference)):
            aligned, tags = one.get_aligned_ents_and_ner()
            assert [(span.text, span.label_) for span in aligned] == names and None not in tags
    optimizer = nlp.initialize(lambda: examples[:90])
    for _ in range(10):
        for start in range(0, 90, 10):
            nlp.update(examples[start : start + 10], sgd=optimizer)
    assert nlp.evaluate(examples[90:])["ents_f"] > 0.7
