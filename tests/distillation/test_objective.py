from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_docre import alignment
from spacy_docre.alignment import GoldAlignment, match_entities
from spacy_docre.annotations import set_relations
from spacy_docre.data.corpus_files import write_docs
from spacy_docre.distillation.objective import (
    Distillation,
    make_kl_distillation,
    make_mse_distillation,
)
from spacy_docre.distillation.store import LogitsStore
from spacy_docre.distillation.storing import store_logits
from spacy_docre.distillation.teacher_logits import TeacherLogits
from spacy_docre.entity_sources import gold_entities
from spacy_docre.pipeline.teacher_pipeline import TeacherPipeline
from spacy_docre.training.corpus import make_corpus

EXTRACTOR = "doc_relation_extractor"
MSE = {"@misc": "spacy_docre.MSEDistillation.v1"}


def online(folder: Path, **settings: Any) -> Dict[str, Any]:
    teacher = {"@misc": "spacy_docre.TeacherPipeline.v1", "path": str(folder)}
    return {**MSE, "teacher": teacher, **settings}


def random_logits(number: int, classes: int, *, top_k: bool = False) -> TeacherLogits:
    logits = TeacherLogits(numpy.random.default_rng(number).normal(size=(number, classes)) * 3)
    return logits.best(2) if top_k else logits


@pytest.mark.parametrize("top_k", [False, True])
@pytest.mark.parametrize("temperature", [None, 1.0, 2.5])
def test_loss_is_the_equation(temperature: float, top_k: bool) -> None:
    torch.manual_seed(0)
    students = [torch.randn(3, 5), torch.randn(0, 5), torch.randn(4, 5), torch.randn(2, 5)]
    taught = [random_logits(len(student), 5, top_k=top_k) for student in students]
    expected = []
    for student, teacher in zip(students, taught, strict=True):
        for row, values in enumerate(teacher.values):
            columns = range(5) if teacher.columns is None else teacher.columns[row]
            ours = numpy.array([student[row, column].item() for column in columns])
            if temperature is None:
                expected.append(sum((ours - values) ** 2) / len(values))
            else:
                p = numpy.exp(values / temperature) / numpy.exp(values / temperature).sum()
                q = numpy.exp(ours / temperature) / numpy.exp(ours / temperature).sum()
                expected.append(temperature**2 * sum(p * numpy.log(p / q)))
    if temperature is None:
        distillation = make_mse_distillation(weight=3.0)
    else:
        distillation = make_kl_distillation(weight=3.0, temperature=temperature)
    loss = distillation([*students, torch.randn(7, 5)], [*taught, None])
    assert loss.item() == pytest.approx(3.0 * numpy.mean(expected), rel=1e-5)


@pytest.mark.parametrize("distillation", [make_mse_distillation(), make_kl_distillation()])
def test_gradient(distillation: Distillation) -> None:
    torch.manual_seed(0)
    rows = numpy.array([0, 2, 3])
    taught = [random_logits(4, 5).of_pairs(rows, rows)]
    student = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda logits: distillation([logits], taught), student)
    distillation([student], taught).backward()
    assert student.grad is not None and not student.grad[1].any() and student.grad[0].any()


@pytest.mark.parametrize("distillation", [make_mse_distillation(), make_kl_distillation()])
def test_teacher_itself_has_no_loss(distillation: Distillation) -> None:
    teacher = random_logits(4, 5)
    student = torch.tensor(teacher.values)
    assert distillation([student], [teacher]).item() == pytest.approx(0.0, abs=1e-9)


def test_nothing_taught() -> None:
    student = torch.randn(4, 5, requires_grad=True)
    loss = make_mse_distillation()([student], [None])
    loss.backward()
    assert loss.item() == 0 and not student.grad.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("make", [make_mse_distillation, make_kl_distillation])
@pytest.mark.parametrize("name", ["weight", "evidence_weight"])
def test_negative_weight(name: str, make: Callable) -> None:
    with pytest.raises(ValueError, match=f"^{name} = -1.0 is negative"):
        make(**{name: -1.0})


def test_temperature_out_of_range() -> None:
    with pytest.raises(ValueError, match="temperature = 0 should be positive"):
        make_kl_distillation(temperature=0)


def test_stored_and_online_teacher_teach_the_same(
    make_pipeline: Callable, taught: List[Example], trained_folder: Path
) -> None:
    nlp = make_pipeline(examples=taught, distillation=MSE)
    component = nlp.get_pipe(EXTRACTOR)
    docs = [nlp.get_pipe("transformer")(example.predicted) for example in taught]
    gradients = []
    for teacher in (None, TeacherPipeline(trained_folder)):
        component.distillation = make_mse_distillation(2.0, teacher)
        loss, gradient = component.get_loss(taught, component.predict(docs))
        gradients.append(numpy.concatenate(gradient))
    assert loss > 0
    numpy.testing.assert_allclose(*gradients, atol=1e-3)


def test_losses_add_up(make_pipeline: Callable, taught: List[Example], corpus: Path) -> None:
    plain = list(make_corpus(corpus)(spacy.blank("en")))
    unlabelled = [Example(example.predicted, example.reference.copy()) for example in taught]
    for example in unlabelled:
        del example.reference.user_data["docre_relations"]
    nlp = make_pipeline(examples=taught, distillation=MSE)
    component = nlp.get_pipe(EXTRACTOR)
    docs = [nlp.get_pipe("transformer")(example.predicted) for example in taught]
    scores = component.predict(docs)
    both, d_both = component.get_loss(taught, scores)
    relations, d_relations = component.get_loss(plain, scores)
    teaching, d_teaching = component.get_loss(unlabelled, scores)
    assert both == pytest.approx(relations + teaching, rel=1e-5)
    assert relations > 0 and teaching > 0
    for ours, first, second in zip(d_both, d_relations, d_teaching, strict=True):
        numpy.testing.assert_allclose(ours, first + second, atol=1e-6)


def test_student_finds_other_entities(
    make_pipeline: Callable, taught: List[Example], stored: Path
) -> None:
    """Pairs are matched by their entities, wherever these are."""
    nlp = make_pipeline(examples=taught, distillation=MSE)
    component = nlp.get_pipe(EXTRACTOR)
    example = taught[0]
    spans = list(example.predicted.spans["entities"])
    first = spans[0].id_
    # The last entity comes first, the first is missing, and one that nobody knows is added.
    group = [span for span in reversed(spans) if span.id_ != first]
    example.predicted.spans["entities"] = [*group, example.predicted[-1:]]
    document = component.entity_policy.choose(example.predicted, example)
    (found,) = component.distillation.ask(
        [GoldAlignment(example, document.entities)], component.labels
    )
    assert found.rows is not None
    reference = example.reference
    itself = GoldAlignment(Example(reference, reference), gold_entities(reference))
    (all_pairs,) = LogitsStore(stored).logits([itself])
    full = all_pairs.values
    gold = example.reference._.entities
    rows = {}
    for head, ours in enumerate(document.entities):
        for tail, theirs in enumerate(document.entities):
            indices = [
                [g.index for g in gold if g.mentions[0].start in {m.start for m in mentions}]
                for mentions in (ours, theirs)
            ]
            if head != tail and all(indices):
                (gold_head,), (gold_tail,) = indices
                row = gold_head * (len(gold) - 1) + gold_tail - (gold_tail > gold_head)
                number = len(document.entities)
                rows[head * (number - 1) + tail - (tail > head)] = full[row]
    assert len(rows) == (len(gold) - 1) * (len(gold) - 2)
    assert sorted(found.rows) == sorted(rows)
    for row, values in zip(found.rows, found.values, strict=True):
        numpy.testing.assert_array_equal(values, rows[row])


def test_answers_are_in_the_order_of_the_documents(
    docs: List[Doc], taught: List[Example], trained_folder: Path, tmp_path: Path, corpus: Path
) -> None:
    """Whoever teaches them: one store, another, or nobody."""
    teacher = TeacherPipeline(trained_folder)
    list(store_logits(teacher, docs, tmp_path, checksum=teacher.checksum, top_k=1))
    others = list(make_corpus(corpus, teacher_logits=tmp_path)(spacy.blank("en")))
    untaught = list(make_corpus(corpus)(spacy.blank("en")))
    examples = [taught[0], others[1], untaught[2], taught[3], others[4]]
    asked = [GoldAlignment(example, gold_entities(example.predicted)) for example in examples]
    distillation = make_mse_distillation()
    answers = distillation.ask(asked, teacher.labels)
    assert [answer is None for answer in answers] == [False, False, True, False, False]
    for document, answer in zip(asked, answers, strict=True):
        (alone,) = distillation.ask([document], teacher.labels)
        assert (alone is None) == (answer is None)
        if alone is not None and answer is not None:
            numpy.testing.assert_array_equal(answer.values, alone.values)
            assert answer.values.shape[1] == (4 if answer.columns is None else 2)
    assert [answer.columns is None for answer in answers if answer is not None] == [
        True,
        False,
        True,
        False,
    ]


def test_entities_are_aligned_once_a_step(
    make_pipeline: Callable, taught: List[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = make_pipeline(examples=taught, distillation=MSE)
    component = nlp.get_pipe(EXTRACTOR)
    scores = component.predict([nlp.get_pipe("transformer")(e.predicted) for e in taught])
    calls = []

    def counted(*entities: Any) -> Dict[int, int]:
        calls.append(entities)
        return match_entities(*entities)

    monkeypatch.setattr(alignment, "match_entities", counted)
    loss, _ = component.get_loss(taught, scores)
    assert loss > 0 and len(calls) == len(taught)


@pytest.mark.parametrize("sourcing", ["stored", "online"])
def test_student_learns_from_unlabelled_documents(
    sourcing: str,
    make_pipeline: Callable,
    make_examples: Callable,
    train_step: Callable,
    trained_folder: Path,
    tmp_path: Path,
) -> None:
    """Ten documents without relations, and a teacher that knows them: the student ends
    with the teacher's predictions."""
    docs = [example.reference for example in make_examples(10)]
    for doc in docs:
        del doc.user_data["docre_relations"]
    write_docs({tmp_path / "unlabelled.spacy": docs})
    logits = tmp_path / "logits" if sourcing == "stored" else None
    if logits is not None:
        teacher = TeacherPipeline(trained_folder)
        list(store_logits(teacher, docs, logits, checksum=teacher.checksum))
    examples = list(
        make_corpus(tmp_path / "unlabelled.spacy", teacher_logits=logits)(spacy.blank("en"))
    )
    nlp = make_pipeline(
        examples=examples,
        learn_rate_factor=10.0,
        distillation=MSE if sourcing == "stored" else online(trained_folder),
    )
    assert nlp.get_pipe(EXTRACTOR).labels == ("based in", "born in", "works for")
    optimizer = Adam(0.0005)
    for _ in range(10):
        for batch in (examples[:5], examples[5:]) * 15:
            train_step(nlp, batch, optimizer)
        if nlp.evaluate(make_examples(10))["rel_f"] > 0.9:
            return
    pytest.fail("The student has not learnt what the teacher knows.")


def test_update_leaves_online_teacher_as_it_is(
    make_pipeline: Callable, taught: List[Example], train_step: Callable, trained_folder: Path
) -> None:
    nlp = make_pipeline(examples=taught, distillation=online(trained_folder))
    teacher: Language = nlp.get_pipe(EXTRACTOR).distillation.teacher.nlp
    before = teacher.to_bytes()
    train_step(nlp, taught, Adam(0.01))
    assert teacher.to_bytes() == before


def test_trained_student_needs_no_teacher(
    make_pipeline: Callable, taught: List[Example], trained_folder: Path, tmp_path: Path
) -> None:
    nlp = make_pipeline(examples=taught, distillation=online(trained_folder))
    nlp.config["components"][EXTRACTOR]["distillation"]["teacher"]["path"] = "not here"
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    doc = loaded(taught[0].predicted.copy())
    assert doc._.entities


def test_student_of_other_labels(
    make_pipeline: Callable, taught: List[Example], make_examples: Callable
) -> None:
    nlp = make_pipeline(distillation=MSE)
    for labels, problem in (
        (["works for", "based in", "born in"], "the same in another order"),
        (["based in", "born in", "works for", "P19"], "the teacher does not know P19"),
    ):
        with pytest.raises(ValueError, match=f"document 'Document 0'.*{problem}"):
            nlp.get_pipe(EXTRACTOR).initialize(lambda: taught, nlp=nlp, labels=labels)
        nlp.get_pipe(EXTRACTOR).cfg["labels"] = []


def test_label_added_after_initialisation(make_pipeline: Callable, taught: List[Example]) -> None:
    nlp = make_pipeline(examples=taught, distillation=MSE)
    nlp.get_pipe(EXTRACTOR).add_label("P19")
    with pytest.raises(ValueError, match="the teacher does not know P19"):
        nlp.update(taught)


def test_relation_that_the_teacher_does_not_know(
    make_pipeline: Callable, taught: List[Example]
) -> None:
    triple = taught[0].reference._.relations[0].triple
    set_relations(taught[0].reference, [type(triple)(triple.head, triple.tail, "P19")])
    with pytest.raises(ValueError, match="not among the labels.*P19"):
        make_pipeline(examples=taught, distillation=MSE)


def test_distillation_without_teacher(make_pipeline: Callable, make_examples: Callable) -> None:
    with pytest.raises(ValueError, match="no document has a teacher.*teacher_logits"):
        make_pipeline(examples=make_examples(3), distillation=MSE)


def test_documents_without_teacher_beside_others(
    make_pipeline: Callable, taught: List[Example], make_examples: Callable
) -> None:
    """Human and distant data in one corpus."""
    nlp = make_pipeline(examples=[*make_examples(2), *taught], distillation=MSE)
    component = nlp.get_pipe(EXTRACTOR)
    human = make_examples(2)
    docs = [nlp.get_pipe("transformer")(example.predicted) for example in [*human, *taught]]
    loss, _ = component.get_loss([*human, *taught], component.predict(docs))
    assert numpy.isfinite(loss)
    assert nlp.update([*human, *taught])[EXTRACTOR] > 0


def test_reader_ties_documents(corpus: Path, stored: Path, taught: List[Example]) -> None:
    assert len(taught) == 6
    assert all("docre_teacher_logits" in example.reference.user_data for example in taught)
    assert not any("docre_teacher_logits" in example.predicted.user_data for example in taught)


def test_reader_of_documents_that_have_changed(
    docs: List[Doc], stored: Path, tmp_path: Path
) -> None:
    changed = docs[3].copy()
    changed._.entities = [list(entity.mentions) for entity in changed._.entities][:-1]
    changed._.relations = []
    write_docs({tmp_path / "changed.spacy": [docs[0], changed]})
    with pytest.raises(ValueError, match="'Document 3'.*its entities are not those"):
        list(make_corpus(tmp_path / "changed.spacy", teacher_logits=stored)(spacy.blank("en")))


def test_teacher_of_another_size(
    make_pipeline: Callable, taught: List[Example], train_step: Callable
) -> None:
    """Another encoder and another depth than the teacher's."""
    nlp = make_pipeline(
        examples=taught,
        transformer={"family": "roberta", "transformer_config": {"num_hidden_layers": 1}},
        distillation=MSE,
    )
    losses = [train_step(nlp, taught, Adam(0.001))[EXTRACTOR] for _ in range(8)]
    assert losses[-1] < losses[0]
