"""Gold and raw text that differ in white space and case: what is learnt and scored stays the same.

On each side, mentions are found by their names, and not by the alignment that is tested.
"""

import re
from pathlib import Path
from typing import Callable, Dict, List, Set, Tuple

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_docre import Triple
from spacy_docre.alignment import GoldAlignment
from spacy_docre.distillation.store import LogitsStore, document_digest, write_index, write_logits
from spacy_docre.distillation.teacher_logits import TeacherLogits
from spacy_docre.entity_sources import Mentions, make_default_entities, set_entity_spans
from spacy_docre.evaluation.clusters import make_entity_cluster_scorer
from spacy_docre.evaluation.scorer import make_relation_scorer
from spacy_docre.pairs import Pairs
from spacy_docre.pipeline.entity_policy import ChosenEntities, EntityPolicy
from spacy_docre.pipeline.targets import gold_labels

NLP = spacy.blank("en")
TEXT = (
    "Ada Lane was born in New Haven . Later Ada Lane worked for Acme Works , as everyone knew , "
    "and Acme Works had its seat in Graz"
)
NAMES = ["Ada Lane", "New Haven", "Acme Works", "Graz"]
RELATIONS = [(0, 1, "born in"), (0, 2, "works for"), (2, 3, "based in")]
LABELS = ("based in", "born in", "works for")

KINDS: Dict[str, Callable[[str], str]] = {
    "the same text": str,
    "leading blank line": lambda text: "\n\n" + text,
    "leading spaces": lambda text: "   " + text,
    "double spaces": lambda text: text.replace(" ", "  "),
    "tabs": lambda text: text.replace(" ", "\t"),
    "no-break spaces": lambda text: text.replace(" ", "\xa0 "),
    "newline inside a name": lambda text: text.replace("New Haven", "New\nHaven"),
    "blank lines inside names": lambda text: re.sub("(Ada|New|Acme) ", r"\1 \r\n\n ", text),
    "newline after a name": lambda text: text.replace("Lane ", "Lane\n").replace(
        "Haven ", "Haven\n "
    ),
    "trailing white space": lambda text: text + " \n\t\n",
    "upper case": str.upper,
    "all of them": lambda text: "\n \t" + text.upper().replace(" ", " \n\t ") + "\n ",
}
kinds = pytest.mark.parametrize("kind", KINDS)
# White space may be on either side.
sides = pytest.mark.parametrize("raw_side", ["predicted", "gold"])


def mentions_of(doc: Doc, name: str) -> Mentions:
    """All spans of a name, however its words are spaced and spelled."""
    pattern = r"\s+".join(name.split())
    return [
        doc.char_span(*match.span(), label="THING")
        for match in re.finditer(pattern, doc.text, flags=re.IGNORECASE)
    ]


def entities_of(doc: Doc, names: List[str]) -> List[Mentions]:
    return [mentions_of(doc, name) for name in names]


def gold_doc(text: str) -> Doc:
    doc = NLP.make_doc(text)
    doc._.entities = entities_of(doc, NAMES)
    assert sum(len(entity.mentions) for entity in doc._.entities) == 6
    doc._.relations = [Triple(*relation) for relation in RELATIONS]
    return doc


def example_of(kind: str, raw_side: str = "predicted") -> Example:
    raw = KINDS[kind](TEXT)
    return example_of_texts(*((raw, TEXT) if raw_side == "predicted" else (TEXT, raw)))


def example_of_texts(predicted: str, gold: str) -> Example:
    return Example(NLP.make_doc(predicted), gold_doc(gold))


# The student has found one entity that gold has not, and the others in another order.
FOUND = ["Graz", "everyone", "Acme Works", "Ada Lane", "New Haven"]
EXPECTED = {(3, 4, "born in"), (3, 2, "works for"), (2, 0, "based in")}


def chosen(example: Example) -> ChosenEntities:
    return EntityPolicy(make_default_entities()).choose(example.predicted, example)


def alignment_of(example: Example) -> GoldAlignment:
    return GoldAlignment(example, entities_of(example.predicted, FOUND))


def taught(example: Example) -> Set[Tuple[int, int, str]]:
    """What the loss is told."""
    labels = gold_labels(alignment_of(example), LABELS, "extractor")
    pairs = Pairs.of([len(FOUND)])
    return {
        (int(pairs.heads[row]), int(pairs.tails[row]), LABELS[column])
        for row, column in zip(*labels.nonzero(), strict=True)
    }


def annotate(example: Example) -> Example:
    """Predict what gold says."""
    example.predicted._.entities = entities_of(example.predicted, FOUND)
    example.predicted._.relations = [Triple(*relation, score=0.9) for relation in EXPECTED]
    return example


class TestTargets:
    @kinds
    @sides
    def test_relations_are_those_of_gold(self, kind, raw_side):
        assert taught(example_of(kind, raw_side)) == EXPECTED

    @given(
        st.lists(st.sampled_from([" ", "  ", "\n", "\t", " \n ", "\xa0", "\r\n"]), min_size=40),
        st.lists(st.sampled_from([" ", "  ", "\n\n", "\t"]), min_size=40),
        st.booleans(),
    )
    @settings(max_examples=50, deadline=None)
    def test_any_white_space_on_both_sides(self, spaces, other_spaces, upper):
        words = TEXT.split()
        predicted, gold = (
            "".join(part for pair in zip(["", *words], chosen, strict=False) for part in pair)
            for chosen in (spaces, other_spaces)
        )
        example = example_of_texts(predicted.upper() if upper else predicted, gold)
        assert taught(example) == EXPECTED


class TestEntitiesOfTheReference:
    @kinds
    @sides
    def test_mentions_are_those_of_gold(self, kind, raw_side):
        example = example_of(kind, raw_side)
        document = chosen(example)
        expected = entities_of(example.predicted, NAMES)
        assert [[(s.start, s.end) for s in mentions] for mentions in document.entities] == [
            [(s.start, s.end) for s in mentions] for mentions in expected
        ]

    def test_a_mention_does_not_grow_over_white_space(self):
        """Neither over tokens of it, nor over what a token of gold ends or begins with."""
        gold = Doc(NLP.vocab, words=["Ada\n", "\n", "met", " Bo ", "\t", "."], spaces=[False] * 6)
        predicted = Doc(NLP.vocab, words=["Ada", "\n\n", "met", " ", "Bo", " ", "\t", "."])
        gold._.entities = [[gold[0:2]], [gold[3:5]]]
        document = chosen(Example(predicted, gold))
        assert [span.text for (span,) in document.entities] == ["Ada", "Bo"]

    def test_an_entity_of_white_space_alone_that_the_raw_text_lacks(self):
        gold = Doc(NLP.vocab, words=["\n", "Ada", "."])
        gold._.entities = [[gold[0:1]], [gold[1:2]]]
        example = Example(Doc(NLP.vocab, words=["Ada", "."]), gold)
        assert [[span.text for span in mentions] for mentions in chosen(example).entities] == [
            ["Ada"]
        ]

    def test_mentions_that_end_with_white_space_are_found(self):
        doc = NLP.make_doc("Ada \n met Bo")
        assert [token.text for token in doc] == ["Ada", "\n ", "met", "Bo"]
        alignment = GoldAlignment(Example(doc, doc), [[doc[0:1]], [doc[3:4]]], [[doc[0:2]]])
        assert alignment.to_predicted == {0: 0} and alignment.is_exact(0)


class TestDistillation:
    @kinds
    @sides
    def test_logits_are_those_of_the_same_pair(self, kind, raw_side, tmp_path):
        example = example_of(kind, raw_side)
        gold = [list(entity.mentions) for entity in example.reference._.entities]
        # The logits of a pair say which one it is.
        values = numpy.array(
            [[10 * head + tail] for head in range(4) for tail in range(4) if head != tail]
        )
        write_index(tmp_path, {"labels": []})
        write_logits(tmp_path, 0, {document_digest(example.reference, gold): TeacherLogits(values)})
        (logits,) = LogitsStore(tmp_path).logits([alignment_of(example)])
        pairs = Pairs.of([len(FOUND)])
        found = {
            (FOUND[pairs.heads[row]], FOUND[pairs.tails[row]]): int(value)
            for row, (value,) in zip(logits.rows, logits.values, strict=True)
        }
        assert found == {
            (NAMES[head], NAMES[tail]): 10 * head + tail
            for head in range(4)
            for tail in range(4)
            if head != tail
        }


class TestScores:
    @kinds
    @sides
    @pytest.mark.parametrize("all_mentions", [False, True])
    def test_relations(self, kind, raw_side, all_mentions):
        example = annotate(example_of(kind, raw_side))
        scores = make_relation_scorer(all_mentions=all_mentions)([example])
        assert scores["rel_f"] == pytest.approx(1)

    @kinds
    @sides
    def test_clusters(self, kind, raw_side):
        example = example_of(kind, raw_side)
        set_entity_spans(example.predicted, entities_of(example.predicted, NAMES))
        scores = make_entity_cluster_scorer()([example])
        assert set(scores.values()) == {1.0}

    def test_a_blank_line_before_what_a_pipeline_reads(
        self, trained: Language, make_examples: Callable
    ):
        """The scores are those by a gold document that begins with the same blank line. Nothing
        sets entities but the reference."""

        def evaluate(move_gold: bool) -> Dict[str, float]:
            examples = []
            for gold in (example.reference for example in make_examples(10)):
                moved = Doc(trained.vocab, words=["\n\n", *(token.text for token in gold)])
                moved._.entities = [
                    [moved[span.start + 1 : span.end + 1] for span in entity.mentions]
                    for entity in gold._.entities
                ]
                moved._.relations = gold._.relations
                bare = Doc(trained.vocab, words=[token.text for token in moved])
                examples.append(Example(bare, moved if move_gold else gold))
            with pytest.warns(UserWarning, match="finds no relations"):
                return trained.evaluate(examples)

        scores = evaluate(False)
        assert 0 < scores["rel_f"] == evaluate(True)["rel_f"]


class TestOtherTexts:
    """Texts that differ in more are no pair, and the error shows both."""

    @pytest.fixture(params=["another word", "a word less", "a word more", "nothing"])
    def example(self, request) -> Example:
        texts = {
            "another word": TEXT.replace("Graz", "Lyon"),
            "a word less": TEXT.replace("Later", ""),
            "a word more": "Then " + TEXT,
            "nothing": "\n",
        }
        example = Example(NLP.make_doc(texts[request.param]), gold_doc(TEXT))
        example.predicted.spans["entities"] = []
        return example

    @pytest.fixture
    def message(self, example: Example) -> str:
        return (
            f"{re.escape(repr(TEXT[:15]))[:-1]}.*{re.escape(repr(example.predicted[:3].text))[:-1]}"
        )

    def test_training(self, example, message):
        with pytest.raises(ValueError, match=message):
            gold_labels(GoldAlignment(example, []), LABELS, "extractor")

    def test_entities_of_the_reference(self, example, message):
        del example.predicted.spans["entities"]
        with pytest.raises(ValueError, match=message):
            chosen(example)

    def test_distillation(self, example, message, tmp_path: Path):
        gold = [list(entity.mentions) for entity in example.reference._.entities]
        name = document_digest(example.reference, gold)
        write_index(tmp_path, {"labels": []})
        write_logits(tmp_path, 0, {name: TeacherLogits(numpy.zeros((12, 1)))})
        with pytest.raises(ValueError, match=message):
            list(LogitsStore(tmp_path).logits([GoldAlignment(example, [])]))

    def test_scores(self, example, message):
        example.predicted._.entities = []
        example.predicted._.relations = []
        for scorer in (make_relation_scorer(), make_entity_cluster_scorer()):
            with pytest.raises(ValueError, match=message):
                scorer([example])


def test_spans_of_the_tests() -> None:
    """What finds mentions here finds all of them, on every side."""
    for change in KINDS.values():
        doc = NLP.make_doc(change(TEXT))
        assert [len(mentions) for mentions in entities_of(doc, FOUND)] == [1, 1, 2, 2, 1]
        assert all(
            isinstance(span, Span) for mentions in entities_of(doc, FOUND) for span in mentions
        )
