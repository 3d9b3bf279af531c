"""The registered scorer, on examples."""

from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_docre import Triple
from spacy_docre.annotations import mark_partial
from spacy_docre.evaluation.scorer import make_relation_scorer
from spacy_docre.evaluation.training_data import read_training_facts
from tests.evaluation.official import Document, Label, evaluate, training_facts

SCORES = ["rel_p", "rel_r", "rel_f", "rel_ign_f"]
VOCAB = Vocab()
Mentions = Sequence[Tuple[int, int]]


def annotated(
    words: Sequence[str], entities: Sequence[Mentions], relations: Sequence[Label] = ()
) -> Doc:
    """A Doc with entities, by the tokens of their mentions, and relations."""
    doc = Doc(VOCAB, words=list(words))
    doc._.entities = [[Span(doc, start, end) for start, end in mentions] for mentions in entities]
    doc._.relations = [Triple(head, tail, label, score=0.9) for head, tail, label in relations]
    return doc


def score(gold: Doc, predicted: Doc, train_facts: str = None) -> Dict[str, float]:
    return make_relation_scorer(train_facts)([Example(predicted, gold)])


def store(docs: Sequence[Doc], path: Path) -> str:
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return str(path)


WORDS = "Ada Lane lives in Oslo ; Lane likes Turin and New Haven .".split()
ADA, OSLO, TURIN, HAVEN = [(0, 2), (6, 7)], [(4, 5)], [(8, 9)], [(10, 12)]
ENTITIES = [ADA, OSLO, TURIN]
GOLD = annotated(WORDS, ENTITIES, [(0, 1, "P551"), (0, 2, "P551"), (2, 1, "P190")])


class TestEntities:
    def test_a_perfect_prediction(self):
        found = score(
            GOLD, annotated(WORDS, ENTITIES, [(2, 1, "P190"), (0, 1, "P551"), (0, 2, "P551")])
        )
        for name in SCORES:
            assert found[name] == pytest.approx(1, abs=1e-4)

    def test_entities_with_all_mentions(self):
        strict = make_relation_scorer(all_mentions=True)
        assert strict([Example(GOLD.copy(), GOLD)])["rel_f"] == pytest.approx(1)
        # Of the triples with Ada Lane, who is once named Lane, none counts.
        part = annotated(WORDS, [[(0, 2)], OSLO, TURIN], [(0, 1, "P551"), (2, 1, "P190")])
        assert score(GOLD, part)["rel_r"] == pytest.approx(2 / 3)
        assert strict([Example(part, GOLD)])["rel_p"] == pytest.approx(1 / 2)
        more = annotated(WORDS, [[*ADA, (10, 12)], OSLO, TURIN], [(0, 1, "P551")])
        assert score(GOLD, more)["rel_p"] == pytest.approx(1)
        assert strict([Example(more, GOLD)])["rel_p"] == 0

    def test_entities_in_another_order_and_with_part_of_the_mentions(self):
        predicted = annotated(WORDS, [TURIN, OSLO, [(6, 7)]], [(2, 1, "P551"), (0, 1, "P190")])
        found = score(GOLD, predicted)
        assert found["rel_p"] == pytest.approx(1)
        assert found["rel_r"] == pytest.approx(2 / 3)

    def test_an_entity_that_matches_no_gold_entity_is_a_false_positive(self):
        predicted = annotated(
            WORDS, [*ENTITIES, HAVEN], [(0, 1, "P551"), (0, 3, "P551"), (3, 2, "P190")]
        )
        found = score(GOLD, predicted)
        assert found["rel_p"] == pytest.approx(1 / 3)
        assert found["rel_r"] == pytest.approx(1 / 3)

    def test_unknown_entities_are_not_one_and_the_same(self):
        """Two triples with different entities that are not in gold are two mistakes."""
        predicted = annotated(
            WORDS,
            [*ENTITIES, HAVEN, [(2, 3)]],
            [(0, 1, "P551"), (0, 3, "P551"), (0, 4, "P551")],
        )
        assert score(GOLD, predicted)["rel_p"] == pytest.approx(1 / 3)

    def test_a_mention_that_only_overlaps_is_no_match(self):
        predicted = annotated(WORDS, [[(1, 2)], OSLO], [(0, 1, "P551")])
        assert score(GOLD, predicted)["rel_f"] == 0

    def test_two_predicted_entities_are_never_one_gold_entity(self):
        """The gold entity is split in two: one of the two is wrong."""
        predicted = annotated(WORDS, [[(0, 2)], [(6, 7)], OSLO], [(0, 2, "P551"), (1, 2, "P551")])
        found = score(GOLD, predicted)
        assert found["rel_p"] == pytest.approx(1 / 2)
        assert found["rel_r"] == pytest.approx(1 / 3)

    def test_another_tokenisation(self):
        words = ["Ada", "Lane", "lives", "in", "Oslo-Turin", "."]
        gold = Doc(
            VOCAB,
            words=["Ada", "Lane", "lives", "in", "Oslo", "-", "Turin", "."],
            spaces=[True, True, True, True, False, False, True, False],
        )
        gold._.entities = [[gold[0:2]], [gold[4:5]]]
        gold._.relations = [Triple(0, 1, "P551")]
        spaces = [True, True, True, True, True, False]
        predicted = Doc(VOCAB, words=words, spaces=spaces)
        predicted._.entities = [[predicted[4:5]], [predicted[0:2]]]
        predicted._.relations = [Triple(1, 0, "P551", score=0.8)]
        assert gold.text == predicted.text
        assert score(gold, predicted)["rel_f"] == pytest.approx(1)


class TestCounting:
    def test_each_triple_counts_once(self):
        """In the prediction as in the gold document."""
        gold = annotated(WORDS, ENTITIES, [(0, 1, "P551"), (0, 1, "P551"), (0, 2, "P551")])
        predicted = annotated(WORDS, ENTITIES, [(0, 1, "P551")] * 3 + [(1, 0, "P551")])
        found = score(gold, predicted)
        assert found["rel_p"] == pytest.approx(1 / 2)
        assert found["rel_r"] == pytest.approx(1 / 2)

    def test_the_same_triple_in_two_documents_counts_twice(self):
        gold = annotated(WORDS, ENTITIES, [(0, 1, "P551")])
        right, wrong = annotated(WORDS, ENTITIES, [(0, 1, "P551")]), annotated(WORDS, ENTITIES)
        examples = [Example(right, gold), Example(wrong, gold)]
        found = make_relation_scorer()(examples)
        assert found["rel_p"] == pytest.approx(1)
        assert found["rel_r"] == pytest.approx(1 / 2)

    def test_per_type(self):
        predicted = annotated(WORDS, ENTITIES, [(0, 1, "P551"), (1, 0, "P551"), (0, 1, "P17")])
        found = score(GOLD, predicted)["rel_per_type"]
        assert list(found) == ["P17", "P190", "P551"]
        assert found["P551"] == pytest.approx({"p": 1 / 2, "r": 1 / 2, "f": 1 / 2})
        assert found["P17"] == {"p": 0, "r": 0, "f": 0}
        assert found["P190"] == {"p": 0, "r": 0, "f": 0}

    @pytest.mark.parametrize(
        "gold, predicted",
        [
            (GOLD, annotated(WORDS, ENTITIES)),
            (GOLD, annotated(WORDS, [])),
            (annotated(WORDS, ENTITIES), annotated(WORDS, ENTITIES, [(0, 1, "P551")])),
            (annotated(WORDS, []), annotated(WORDS, ENTITIES, [(0, 1, "P551")])),
            (annotated(WORDS, []), annotated(WORDS, [])),
            (annotated([], []), annotated([], [])),
        ],
        ids=["no predictions", "no entities", "no gold", "nothing in gold", "nothing", "no words"],
    )
    def test_nothing_to_find_or_nothing_found(self, gold, predicted):
        found = score(gold, predicted)
        assert [found[name] for name in SCORES] == [0, 0, 0, 0]

    def test_no_examples(self):
        assert set(make_relation_scorer()([]).values()) == {None}

    def test_documents_without_annotation(self):
        gold, predicted = Doc(VOCAB, words=WORDS), Doc(VOCAB, words=WORDS)
        assert score(gold, predicted)["rel_f"] is None

    def test_examples_may_come_from_a_generator(self):
        examples = (Example(GOLD.copy(), GOLD) for _ in range(2))
        assert make_relation_scorer()(examples)["rel_f"] == pytest.approx(1)


class TestTrainingFacts:
    PREDICTED = annotated(WORDS, ENTITIES, [(0, 1, "P551"), (0, 2, "P551"), (1, 2, "P190")])

    def test_a_fact_by_any_pair_of_names(self, tmp_path):
        """ "Lane" is another name of Ada Lane: her relation to Oslo is a known fact."""
        train = annotated(["Lane", ":", "Oslo"], [[(0, 1)], [(2, 3)]], [(0, 1, "P551")])
        found = score(GOLD, self.PREDICTED, store([train], tmp_path / "train.spacy"))
        precision, recall = (2 - 1) / (3 - 1 + 1e-5), 2 / 3
        assert found["rel_ign_f"] == pytest.approx(2 * precision * recall / (precision + recall))
        assert found["rel_f"] == pytest.approx(2 / 3)

    @pytest.mark.parametrize(
        "words, relations",
        [
            (["Lane", ":", "Oslo"], [(0, 1, "P17")]),
            (["Lane", ":", "Oslo"], [(1, 0, "P551")]),
            (["Bruno", ":", "Oslo"], [(0, 1, "P551")]),
        ],
        ids=["other relation", "other direction", "other name"],
    )
    def test_another_fact(self, words, relations, tmp_path):
        train = annotated(words, [[(0, 1)], [(2, 3)]], relations)
        found = score(GOLD, self.PREDICTED, store([train], tmp_path / "train.spacy"))
        assert found["rel_ign_f"] == pytest.approx(found["rel_f"], abs=1e-5)

    def test_a_name_is_the_same_however_its_document_is_spaced(self, tmp_path):
        train = Doc(Vocab(), words=["Ada", "Lane", ",", "Oslo"], spaces=[False] * 4)
        train._.entities = [[train[0:2]], [train[3:4]]]
        train._.relations = [Triple(0, 1, "P551")]
        path = store([train], tmp_path / "train.spacy")
        assert read_training_facts((path,), (0,)) == {("Ada Lane", "Oslo", "P551")}
        assert score(GOLD, self.PREDICTED, path)["rel_ign_f"] < 0.6

    def test_facts_have_every_pair_of_names(self, tmp_path):
        path = store([GOLD], tmp_path / "train.spacy")
        assert read_training_facts((path,), (0,)) == {
            ("Ada Lane", "Oslo", "P551"),
            ("Lane", "Oslo", "P551"),
            ("Ada Lane", "Turin", "P551"),
            ("Lane", "Turin", "P551"),
            ("Turin", "Oslo", "P190"),
        }

    def test_a_file_that_has_changed_is_read_again(self, tmp_path):
        """As when training data are converted again in one session."""
        path = store([GOLD], tmp_path / "train.spacy")
        assert score(GOLD, GOLD, path)["rel_ign_f"] < 1e-5
        other = annotated(["Ada", "Lane", "Graz"], [[(0, 2)], [(2, 3)]], [(0, 1, "P551")])
        store([other], tmp_path / "train.spacy")
        assert score(GOLD, GOLD, path)["rel_ign_f"] == pytest.approx(1, abs=1e-4)

    def test_a_folder(self, tmp_path):
        """As the corpus reader takes, whose path the configs share with the scorer."""
        folder = tmp_path / "train"
        folder.mkdir()
        (folder / "notes.txt").write_text("not a corpus")
        for label in ("P551", "P190"):
            store(
                [annotated(WORDS, ENTITIES, [(0, 1, label), (0, 2, label), (2, 1, label)])],
                folder / f"{label}.spacy",
            )
        assert score(GOLD, GOLD, str(folder))["rel_ign_f"] < 1e-5

    def test_a_missing_file(self, tmp_path):
        """A pipeline is evaluated where its training data are not."""
        path = str(tmp_path / "nowhere.spacy")
        with pytest.warns(UserWarning, match="nowhere.spacy, does not exist. Set 'train_facts'"):
            found = score(GOLD, self.PREDICTED, path)
        assert found["rel_ign_f"] is None
        assert found["rel_f"] == score(GOLD, self.PREDICTED)["rel_f"]

    def test_a_file_without_relations(self, tmp_path):
        path = tmp_path / "train.spacy"
        DocBin(docs=[GOLD], store_user_data=False).to_disk(path)
        with pytest.raises(ValueError, match="train.spacy, hold no relations.*store_user_data"):
            score(GOLD, self.PREDICTED, str(path))

    def test_making_the_scorer_reads_nothing(self, tmp_path):
        """A trained pipeline loads where its training data are not."""
        make_relation_scorer(str(tmp_path / "nowhere.spacy"))


def test_registered():
    config = {"scorer": {"@scorers": "spacy_docre.relation_scorer.v1"}}
    scorer: Callable = spacy.registry.resolve(config)["scorer"]
    assert scorer([Example(GOLD.copy(), GOLD)])["rel_f"] == pytest.approx(1)


NAMES = ["Ada", "Bruno", "Clara", "Oslo"]
LABELS = ["P17", "P19"]


@st.composite
def documents(draw, title: str) -> Document:
    """One to four entities of one to three mentions, names that recur, and relations."""
    names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
    vertex_set = draw(st.lists(names, min_size=1, max_size=4))
    index = st.integers(0, len(vertex_set) - 1)
    labels = draw(st.lists(st.tuples(index, index, st.sampled_from(LABELS)), max_size=5))
    return Document(title, vertex_set, labels)


def mentions_of(document: Document) -> List[Mentions]:
    """Where the mentions are in a text that holds one after another."""
    mentions, start = [], 0
    for names in document.vertex_set:
        mentions.append([(start + k, start + k + 1) for k in range(len(names))])
        start += len(names)
    return mentions


def words_of(document: Document) -> List[str]:
    return [name for names in document.vertex_set for name in names] + ["and", "more"]


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_agrees_with_the_official_evaluation(data, tmp_path_factory):
    """Predicted entities come in any order, with some of their mentions, next to some that
    are not in gold."""
    gold = [data.draw(documents(title)) for title in ("first", "second")]
    train = [data.draw(documents("train").filter(lambda document: document.labels))]
    examples, answers = [], {}
    for document in gold:
        mentions, words = mentions_of(document), words_of(document)
        order = data.draw(st.permutations(range(len(mentions))))
        order = order[: data.draw(st.integers(0, len(order)))]
        entities = [
            data.draw(st.lists(st.sampled_from(mentions[k]), min_size=1, unique=True))
            for k in order
        ]
        # Two entities that gold has not.
        entities += [[(len(words) - 2, len(words) - 1)], [(len(words) - 1, len(words))]]
        index = st.integers(0, len(entities) - 1)
        found = data.draw(st.lists(st.tuples(index, index, st.sampled_from(LABELS)), max_size=6))
        in_gold = [*order, 100, 101]
        answers[document.title] = [
            (in_gold[head], in_gold[tail], label) for head, tail, label in found
        ]
        predicted = annotated(words, entities, found)
        examples.append(Example(predicted, annotated(words, mentions, document.labels)))
    path = tmp_path_factory.mktemp("facts") / "train.spacy"
    store([annotated(words_of(doc), mentions_of(doc), doc.labels) for doc in train], path)
    expected = evaluate(gold, answers, training_facts(train))
    scores = make_relation_scorer(str(path))(examples)
    for name in SCORES:
        assert scores[name] == pytest.approx(expected[name]), name


def test_documents_with_partial_relations_are_left_out() -> None:
    partial = GOLD.copy()
    mark_partial(partial)
    wrong = annotated(WORDS, ENTITIES, [(1, 0, "P551")])
    right = Example(GOLD.copy(), GOLD)
    with pytest.warns(UserWarning, match="2 documents are not scored.*partial"):
        found = make_relation_scorer()([Example(wrong, partial), right, Example(wrong, partial)])
    assert found["rel_f"] == 1
    with pytest.warns(UserWarning, match="1 documents are not scored"):
        assert make_relation_scorer()([Example(wrong, partial)])["rel_f"] is None
