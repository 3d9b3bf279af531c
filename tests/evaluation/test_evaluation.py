"""All metrics of an evaluation, against the rules of the official scorer."""

import json
import os
import random
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_docre.data.corpus_files import write_docs
from spacy_docre.data.docred import read_docred
from spacy_docre.data.sentences import token_sentence_numbers
from spacy_docre.evaluation.answers import Answer, above, read_answers
from spacy_docre.evaluation.evaluation import Evaluation
from spacy_docre.evaluation.gold import facts_of, read_gold
from spacy_docre.evaluation.metrics import ScoredTriple
from spacy_docre.evaluation.training_data import read_training_data
from tests.evaluation.official import evaluate_file, facts_of_records

DATA = os.environ.get("SPACY_DOCRE_DATA")
TITLES = ["A", "B", "C"]
RELATIONS = ["P17", "P19", "P27"]
NAMES = ["Ada", "Oslo", "Turin"]


def evaluate(
    gold: Path, result: Path, train: Optional[Path] = None, distant: Optional[Path] = None
) -> Evaluation:
    documents = read_gold(gold, Vocab())
    training, supervised = (
        path and read_training_data(path, documents.facts) for path in (train, distant)
    )
    return Evaluation(documents.documents, read_answers(result), None, training, supervised)


def assert_official(
    folder: Path, gold: List, results: List, train: List, distant: List
) -> Evaluation:
    for name, data in dict(gold=gold, results=results, train=train, distant=distant).items():
        (folder / f"{name}.json").write_text(json.dumps(data), encoding="utf8")
    evaluation = evaluate(
        *(folder / f"{name}.json" for name in ("gold", "results", "train", "distant"))
    )
    official = evaluate_file(gold, results, facts_of_records(train), facts_of_records(distant))
    if not any(label["evidence"] for record in gold for label in record["labels"]):
        official.update(evidence_p=None, evidence_r=None, evidence_f=None)
    # To the last digit.
    assert {name: evaluation.metrics[name] for name in official} == official
    return evaluation


names = st.one_of(st.sampled_from(NAMES), st.sampled_from(["Oslo , Norway", "Oslo, Norway"]))


@st.composite
def records(draw: Any, title: str) -> Dict[str, Any]:
    """A document with a name in each sentence, written in its own way; one is not its tokens."""
    sents = []
    vertex_set: List[List[Dict[str, Any]]] = [[], [], []]
    for entity in (0, 1, 2, *draw(st.lists(st.integers(0, 2), max_size=3))):
        name = draw(names)
        tokens = name.replace(",", " , ").split()
        mention = {"name": name, "pos": [0, len(tokens)], "sent_id": len(sents), "type": "X"}
        vertex_set[entity].append(mention)
        sents.append([*tokens, "too", "."])
    sents.append(["Ada", "saw", "Oslo", ",", "Norway", "."])
    last = {"name": draw(names), "pos": [2, 5], "sent_id": len(sents) - 1, "type": "X"}
    vertex_set[1].append(last)
    labels = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "h": st.integers(0, 2),
                    "t": st.integers(0, 2),
                    "r": st.sampled_from(RELATIONS),
                    "evidence": st.lists(st.integers(0, 1), unique=True),
                }
            ).filter(lambda label: label["h"] != label["t"]),
            unique_by=lambda label: (label["h"], label["t"], label["r"]),
            min_size=1,
        )
    )
    return {"title": title, "sents": sents, "vertexSet": vertex_set, "labels": labels}


results = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from([*TITLES, "not in gold"]),
            "h_idx": st.integers(-1, 3),
            "t_idx": st.integers(0, 3),
            "r": st.sampled_from([*RELATIONS, "P1"]),
        },
        optional={"evidence": st.lists(st.integers(0, 2))},
    ),
    max_size=25,
)


@given(st.tuples(*map(records, TITLES)), results, records("D"), records("E"))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_official_scores(tmp_path: Path, gold, results, train, distant) -> None:
    assert_official(tmp_path, list(gold), results, [train], [distant])


@pytest.mark.skipif(DATA is None, reason="SPACY_DOCRE_DATA does not name the folder of the data")
def test_official_scores_of_real_documents(tmp_path: Path) -> None:
    records = json.loads((Path(DATA or "") / "redocred/dev_revised.json").read_text("utf8"))
    choice = random.Random(0)
    answers = []
    for record in records[400:]:
        for label in record["labels"]:
            if choice.random() < 0.6:
                relation = label["r"] if choice.random() < 0.8 else "P17"
                evidence = choice.sample(range(len(record["sents"])), 1)
                answers.append(
                    {
                        "title": record["title"],
                        "h_idx": label["h"],
                        "t_idx": label["t"],
                        "r": relation,
                        "evidence": evidence,
                    }
                )
    evaluation = assert_official(tmp_path, records[400:], answers, records[:400], records[200:300])
    assert 0 < evaluation.metrics["rel_ign_f"] < evaluation.metrics["rel_f"]
    assert 0 < evaluation.metrics["rel_ign_distant_f"] < evaluation.metrics["rel_f"]


DOCUMENT = {
    "title": "A",
    "sents": [["Ada", "lives", "in", "Oslo", "."], ["Oslo", "is", "in", "Norway", "."]],
    "vertexSet": [
        [{"pos": [0, 1], "sent_id": 0, "type": "PER"}],
        [
            {"pos": [3, 4], "sent_id": 0, "type": "LOC"},
            {"pos": [0, 1], "sent_id": 1, "type": "LOC"},
        ],
        [{"pos": [3, 4], "sent_id": 1, "type": "LOC"}],
    ],
    "labels": [
        {"h": 0, "t": 1, "r": "P551", "evidence": [0]},
        {"h": 1, "t": 2, "r": "P17", "evidence": [1]},
        {"h": 0, "t": 2, "r": "P27", "evidence": [0, 1]},
    ],
}


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    """One triple correct, one wrong, one missed, one spurious."""
    answers = [
        {"title": "A", "h_idx": 0, "t_idx": 1, "r": "P551", "evidence": [0, 1], "score": 0.9},
        {"title": "A", "h_idx": 1, "t_idx": 2, "r": "P131", "score": 0.6},
        {"title": "A", "h_idx": 2, "t_idx": 0, "r": "P27", "score": 0.7},
    ]
    (tmp_path / "gold.json").write_text(json.dumps([DOCUMENT]))
    (tmp_path / "result.json").write_text(json.dumps(answers))
    return evaluate(tmp_path / "gold.json", tmp_path / "result.json", tmp_path / "gold.json")


def test_metrics(evaluation: Evaluation) -> None:
    metrics = evaluation.metrics
    assert metrics["rel_f"] == metrics["rel_p"] == metrics["rel_r"] == pytest.approx(1 / 3)
    assert metrics["rel_ign_f"] == 0
    assert (metrics["evidence_p"], metrics["evidence_r"]) == pytest.approx((1 / 2, 1 / 4))
    # All three are a chain, of which one is found; three are predicted.
    assert (metrics["infer_p"], metrics["infer_r"]) == pytest.approx((1 / 3, 1 / 3))
    # Ada, Norway follows from the two others, and is missed.
    assert (metrics["two_hop_p"], metrics["two_hop_r"]) == (0, 0)
    assert metrics["errors"] == {"C": 1, "W": 1, "MR": 1, "MS": 1, "NR": 2}
    assert metrics["error_shares"] == {kind: 1 / 4 for kind in ("C", "W", "MR", "MS")}
    assert (metrics["pair_p"], metrics["pair_r"]) == pytest.approx((2 / 3, 2 / 3))
    assert metrics["confusions"] == [{"gold": "P17", "predicted": "P131", "number": 1}]
    assert metrics["intra_f"] == pytest.approx(1 / 2) and metrics["inter_f"] == 0
    assert list(metrics["by_distance"]) == ["0", "1"]
    assert metrics["by_entities"]["0-10"]["gold"] == 3
    assert metrics["rel_per_type"]["P27"] == {
        "p": 0,
        "r": 0,
        "f": 0,
        "correct": 0,
        "missed": 1,
        "spurious": 1,
        "gold": 1,
        "training": 1,
    }
    assert metrics["frequent_labels"] == ["P17", "P27", "P551"]
    assert metrics["frequent_f"] == pytest.approx(2 / 5) and metrics["long_tail_p"] == 0
    assert (metrics["best_f"], metrics["best_threshold"]) == pytest.approx((1 / 2, 0.8))
    json.dumps(metrics)


def test_frequent_relations_that_are_named(evaluation: Evaluation) -> None:
    """They need no training data, and the others are the long tail."""
    named = Evaluation(evaluation.documents, evaluation.answers, frequent=["P551", "P17"])
    metrics = named.metrics
    assert metrics["frequent_labels"] == ["P551", "P17"]
    assert (metrics["frequent_p"], metrics["frequent_r"]) == (1, 1 / 2)
    assert (metrics["long_tail_p"], metrics["long_tail_r"]) == (0, 0)


def test_precision_of_infer_f1_is_of_all_predictions(evaluation: Evaluation) -> None:
    """As in the authors' official_eval.py: also of those in no chain."""
    others = {
        ScoredTriple("A", 2, 1, "P17"): Answer(),
        ScoredTriple("elsewhere", 0, 1, "P17"): Answer(),
    }
    metrics = Evaluation(evaluation.documents, {**evaluation.answers, **others}).metrics
    assert (metrics["infer_p"], metrics["infer_r"]) == pytest.approx((1 / 5, 1 / 3))
    assert metrics["two_hop_p"] == 0 and metrics["infer_f"] == pytest.approx(1 / 4)


def test_best_threshold_gives_the_best_f(evaluation: Evaluation) -> None:
    metrics = evaluation.metrics
    best = Evaluation(evaluation.documents, above(evaluation.answers, metrics["best_threshold"]))
    assert best.metrics["rel_f"] == metrics["best_f"] == 1 / 2


def test_empty_sentences_are_counted(tmp_path: Path) -> None:
    """Evidence sentences are numbered as in the file."""
    document = {**DOCUMENT, "sents": [[], *DOCUMENT["sents"]]}  # type: ignore[misc]
    document["vertexSet"] = [
        [
            {
                **mention,
                "sent_id": mention["sent_id"] + 1,
                "name": " ".join(DOCUMENT["sents"][mention["sent_id"]][slice(*mention["pos"])]),
            }
            for mention in mentions
        ]
        for mentions in DOCUMENT["vertexSet"]  # type: ignore[attr-defined]
    ]
    document["labels"] = [{"h": 0, "t": 1, "r": "P551", "evidence": [1]}]
    answers = [{"title": "A", "h_idx": 0, "t_idx": 1, "r": "P551", "evidence": [1]}]
    assert_official(tmp_path, [document], answers, [document], [document])
    (doc,) = read_docred(tmp_path / "gold.json", Vocab())
    assert token_sentence_numbers(doc) == [1] * 5 + [2] * 5
    assert evaluate(tmp_path / "gold.json", tmp_path / "results.json").metrics["evidence_f"] == 1


@given(records("D"))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_facts_of_json_are_those_of_its_docs(tmp_path: Path, record: Dict) -> None:
    (tmp_path / "train.json").write_text(json.dumps([record]), encoding="utf8")
    docs = list(read_docred(tmp_path / "train.json", Vocab()))
    write_docs({tmp_path / "train.spacy": docs})
    facts = {fact for doc in docs for fact in facts_of(doc)}
    one, other = (read_training_data(tmp_path / f"train.{end}", facts) for end in ("json", "spacy"))
    assert one == other and one.facts == facts


def test_what_is_not_given_is_not_told(tmp_path: Path) -> None:
    document = {**DOCUMENT, "labels": [{"h": 0, "t": 1, "r": "P551"}]}
    (tmp_path / "gold.json").write_text(json.dumps([document]))
    (tmp_path / "result.json").write_text("[]")
    metrics = evaluate(tmp_path / "gold.json", tmp_path / "result.json").metrics
    assert metrics["rel_f"] == 0
    # Nothing is in two hops, or in two sentences.
    for name in (
        *("rel_ign_f", "evidence_f", "frequent_f", "long_tail_f", "best_f"),
        *("infer_f", "two_hop_f", "frequent_labels", "inter_f"),
    ):
        assert metrics[name] is None
    assert "rel_ign_f_interval" not in metrics


def test_comparison_of_answers_with_themselves(evaluation: Evaluation) -> None:
    assert evaluation.compare(evaluation)["rel_f"].value == 0
