"""`python -m spacy docre distant`, `logits` and `train`: the stages of distillation."""

from pathlib import Path
from typing import Callable, List

import numpy
import pytest
import spacy
import srsly
from safetensors.numpy import load_file
from spacy.cli._util import app
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401
from spacy_docre import Triple
from spacy_docre.annotations import has_relations
from spacy_docre.data.corpus_files import read_spacy_docs, write_docs

CONFIG = Path(__file__).parents[2] / "configs" / "redocred_minilm.cfg"
EXTRACTOR = "components.doc_relation_extractor"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["docre", *map(str, arguments)])


def output(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture(autouse=True)
def folder(make_examples: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with human data and documents without relations."""
    monkeypatch.chdir(tmp_path)
    docs = [example.reference for example in make_examples(12)]
    for index, doc in enumerate(docs):
        doc.user_data["title"] = f"Document {index}"
    write_docs({Path("train.spacy"): docs[:6]})
    for doc in docs[6:]:
        del doc.user_data["docre_relations"]
    write_docs({Path("unlabelled.spacy"): docs[6:]})
    return tmp_path


def labels_of(path: str) -> List[List[str]]:
    return [
        [relation.label_ for relation in doc._.relations]
        for doc in read_spacy_docs(Path(path), Vocab())
    ]


def test_labels_by_the_facts_of_human_data() -> None:
    result = run("distant", "unlabelled.spacy", "train.spacy", "out.spacy", "--from-gold")
    assert result.exit_code == 0, result.output
    assert "out.spacy: 6 documents" in output(result)
    facts = {
        (relation.head.text, relation.label_, relation.tail.text)
        for doc in read_spacy_docs(Path("train.spacy"), Vocab())
        for relation in doc._.relations
    }
    found = list(read_spacy_docs(Path("out.spacy"), Vocab()))
    for doc in found:
        assert {(r.head.text, r.label_, r.tail.text) for r in doc._.relations} == {
            (head, label, tail)
            for head, label, tail in facts
            if {head, tail} <= {entity.text for entity in doc._.entities}
        }
    assert any(doc._.relations for doc in found)


def test_what_nobody_has_annotated() -> None:
    """Documents without relations state no facts, and those without entities are not labelled."""
    result = run("distant", "train.spacy", "unlabelled.spacy", "out.spacy", "--from-gold")
    assert result.exit_code == 1 and "no document with annotated relations" in output(result)
    write_docs({Path("bare.spacy"): [Doc(Vocab(), words=["Ann", "left"])]})
    result = run("distant", "bare.spacy", "train.spacy", "out.spacy", "--from-gold")
    assert "1 documents are not labelled, as they have no entities" in output(result)
    (doc,) = read_spacy_docs(Path("out.spacy"), Vocab())
    assert not has_relations(doc)


def test_labels_by_a_file_of_facts() -> None:
    head, tail = next(read_spacy_docs(Path("unlabelled.spacy"), Vocab()))._.entities[:2]
    fact = f"{head.text},likes,{tail.text}"
    Path("kb.csv").write_text(f"head,relation,tail\n{fact}\nNobody,likes,this\n")
    Path("names.json").write_text('{"likes": "is fond of"}')
    result = run("distant", "unlabelled.spacy", "kb.csv", "out", "--names", "names.json")
    assert result.exit_code == 0, result.output
    assert "by 2 facts" in output(result) and "no fact links their entities" in output(result)
    relations = [r for doc in read_spacy_docs(Path("out"), Vocab()) for r in doc._.relations]
    assert relations and {relation.name for relation in relations} == {"is fond of"}


def test_labelling_goes_on_where_it_was_broken_off(full_disk: Callable) -> None:
    arguments = ("distant", "unlabelled.spacy", "train.spacy")
    whole = run(*arguments, "whole", "--from-gold")
    with full_disk(2):
        assert run(*arguments, "out", "--from-gold").exit_code == 1
    result = run(*arguments, "out", "--from-gold")
    assert "4 documents are already there" in output(result)
    assert output(result).split("out:")[1] == output(whole).split("whole:")[1]
    assert labels_of("out") == labels_of("whole")
    assert any(labels_of("out"))


def test_labels_by_other_facts_begin_anew(full_disk: Callable) -> None:
    """Also where only the facts have changed."""
    head, tail = next(read_spacy_docs(Path("unlabelled.spacy"), Vocab()))._.entities[:2]
    kb = Path("kb.csv")
    kb.write_text("head,relation,tail\nNobody,likes,this\n")
    with full_disk(2):
        assert run("distant", "unlabelled.spacy", kb, "out").exit_code == 1
    kb.write_text(f"head,relation,tail\n{head.text},likes,{tail.text}\n")
    assert run("distant", "unlabelled.spacy", kb, "out").exit_code == 0
    assert "likes" in labels_of("out")[0]


@pytest.mark.parametrize("out", ["docs", "docs/out"])
def test_labelling_in_place(out: str) -> None:
    Path("docs").mkdir()
    Path("unlabelled.spacy").rename("docs/part-00000.spacy")
    result = run("distant", "docs", "train.spacy", out, "--from-gold", "--force")
    assert result.exit_code == 2 and "Name an output" in output(result)


def test_names_of_human_data_are_kept(make_doc: Callable) -> None:
    doc = make_doc(["Ada", "likes", "Oslo"], [[(0, 1)], [(2, 3)]])
    doc._.entities = [[doc[0:1]], [doc[2:3]]]
    doc._.relations = [Triple(0, 1, "P1", name="is fond of")]
    write_docs({Path("gold.spacy"): [doc]})
    assert run("distant", "gold.spacy", "gold.spacy", "out.spacy", "--from-gold").exit_code == 0
    (labelled,) = read_spacy_docs(Path("out.spacy"), Vocab())
    assert labelled._.relations[0].name == "is fond of"


def test_wrong_kind_of_facts() -> None:
    result = run("distant", "unlabelled.spacy", "train.spacy", "out.spacy")
    assert result.exit_code == 1 and "--from-gold" in output(result)
    assert not Path("out.spacy").exists()


def test_labelled_documents_are_there_already() -> None:
    Path("out.spacy").write_text("mine")
    result = run("distant", "unlabelled.spacy", "train.spacy", "out.spacy", "--from-gold")
    assert result.exit_code == 1 and "Already there" in output(result)
    assert Path("out.spacy").read_text() == "mine"


def test_logits(trained_folder: Path) -> None:
    result = run("logits", trained_folder, "unlabelled.spacy", "logits")
    assert result.exit_code == 0, result.output
    assert "logits has the logits of 6 documents" in output(result)
    assert "At this rate, 100,000 documents take" in output(result)
    result = run("logits", trained_folder, "unlabelled.spacy", "logits")
    assert "6 of these are from earlier runs" in output(result)
    result = run("logits", trained_folder, "unlabelled.spacy", "logits", "--top-k", 2)
    assert result.exit_code == 1 and "another top_k" in output(result)
    result = run("logits", trained_folder, "unlabelled.spacy", "logits", "--top-k", 2, "--force")
    assert result.exit_code == 0 and "New: 6 documents" in output(result)


def test_logits_of_several_teachers(trained_folder: Path) -> None:
    twice = ("--and", trained_folder)
    assert run("logits", trained_folder, "unlabelled.spacy", "one").exit_code == 0
    assert run("logits", trained_folder, "unlabelled.spacy", "two", *twice).exit_code == 0
    first, second = (load_file(next(Path(name).glob("*.safetensors"))) for name in ("one", "two"))
    assert first.keys() == second.keys()
    for key, values in first.items():
        numpy.testing.assert_allclose(values, second[key], rtol=1e-2, atol=1e-3)
    result = run("logits", trained_folder, "unlabelled.spacy", "one", *twice)
    assert result.exit_code == 1 and "of another teacher" in output(result)


def test_logits_documents_without_entities(trained_folder: Path, make_doc: Callable) -> None:
    docs = [make_doc(["one", "entity", str(index)], [[(0, 1)]]) for index in range(2)]
    write_docs({Path("bare.spacy"): [*docs, docs[0]]})
    for known in (False, True):
        result = run("logits", trained_folder, "bare.spacy", "logits")
        assert "3 documents have fewer than two entities" in output(result)
        assert "1 documents occur more than once" in output(result)
        assert ("New: 2 documents" in output(result)) is not known
        assert ("2 of these are from earlier runs" in output(result)) is known


def test_logits_without_a_teacher(tmp_path: Path) -> None:
    spacy.blank("en").to_disk("blank")
    for model, problem in (("missing", "cannot be used"), ("blank", "no relation extractor")):
        result = run("logits", model, "unlabelled.spacy", "logits")
        assert result.exit_code == 1 and problem in output(result)


@pytest.fixture
def settings(make_pipeline: Callable) -> List[str]:
    """Makes the small recipe tiny."""
    config = make_pipeline().config["components"]
    settings = {
        "paths.dev": "train.spacy",
        "components.transformer.model": config["transformer"]["model"],
        f"{EXTRACTOR}.model": config["doc_relation_extractor"]["model"],
        "training.max_steps": 4,
        "training.eval_frequency": 2,
    }
    return [
        text
        for name, value in settings.items()
        for text in (f"--{name}", value if isinstance(value, str) else srsly.json_dumps(value))
    ]


def test_stages(settings: List[str], trained_folder: Path) -> None:
    """Distant labels, teacher, student, and human data again."""
    assert (
        run("distant", "unlabelled.spacy", "train.spacy", "distant", "--from-gold").exit_code == 0
    )
    assert run("logits", trained_folder, "distant", "logits").exit_code == 0
    mse = '{"@misc": "spacy_docre.MSEDistillation.v1", "weight": 10.0}'
    adapted = run(
        *("train", CONFIG, "--output", "adapted", *settings, "--paths.train", "distant"),
        *("--paths.teacher_logits", "logits", f"--{EXTRACTOR}.distillation", mse),
    )
    assert adapted.exit_code == 0, adapted.output
    start = ("--paths.train", "train.spacy", "--paths.start", "adapted/model-last")
    student = run(
        *("train", CONFIG, "--output", "student", *settings, *start),
        *("--training.optimizer.learn_rate", "0.0"),
    )
    assert student.exit_code == 0, student.output
    first, second = (
        spacy.load(f"{name}/model-last").get_pipe("doc_relation_extractor").model.to_bytes()
        for name in ("adapted", "student")
    )
    # At a rate of zero, it is the adapted one still.
    assert first == second
    settings_of_student = spacy.load("student/model-last").config["components"]
    assert settings_of_student["doc_relation_extractor"]["distillation"] is None


def test_start_from_other_labels(settings: List[str], make_example: Callable) -> None:
    assert (
        run(
            "train", CONFIG, "--output", "first", *settings, "--paths.train", "train.spacy"
        ).exit_code
        == 0
    )
    example = make_example(["Ada", "likes", "Oslo"], [[(0, 1)], [(2, 3)]], [(0, 1, "likes")])
    write_docs({Path("other.spacy"): [example.reference]})
    start = ("--paths.train", "other.spacy", "--paths.start", "first/model-last")
    result = run("train", CONFIG, "--output", "second", *settings, *start)
    assert result.exit_code == 0, output(result)
    first, second = (
        spacy.load(f"{name}/model-last").get_pipe("doc_relation_extractor").labels
        for name in ("first", "second")
    )
    assert second == (*first, "likes")


def test_what_cannot_be_trained_is_refused_before_the_data_are_read(settings: List[str]) -> None:
    trained = Path("trained/model-last")
    trained.mkdir(parents=True)
    steps = ("--training.max_steps", "3", "--training.eval_frequency", "4")
    adam = ("--training.optimizer", '{"@optimizers": "Adam.v1"}')
    for folder, more, problem in (
        ("trained", (), "trained holds a trained pipeline, model-last"),
        ("new", steps, "eval_frequency = 4 is more than max_steps = 3"),
        ("new", adam, "moments of torch's AdamW"),
    ):
        result = run("train", CONFIG, "--output", folder, *settings, *more)
        assert result.exit_code == 1 and problem in output(result)
        assert "Initializing" not in output(result)


def test_start_from_nothing(settings: List[str]) -> None:
    start = ("--paths.train", "train.spacy", "--paths.start", "missing")
    result = run("train", CONFIG, "--output", "out", *settings, *start)
    assert result.exit_code == 1 and "missing, to start from, cannot be loaded" in output(result)


def test_logits_that_are_not_there(settings: List[str]) -> None:
    mse = '{"@misc": "spacy_docre.MSEDistillation.v1", "weight": 10.0}'
    result = run(
        *("train", CONFIG, "--output", "out", *settings, "--paths.train", "train.spacy"),
        *("--paths.teacher_logits", "missing", f"--{EXTRACTOR}.distillation", mse),
    )
    assert result.exit_code == 1 and "missing holds no teacher logits" in output(result)


def test_relations_that_the_teacher_does_not_know(
    settings: List[str], trained_folder: Path
) -> None:
    head, tail = next(read_spacy_docs(Path("unlabelled.spacy"), Vocab()))._.entities[:2]
    facts = [f"{head.text},{relation},{tail.text}" for relation in ("P9999", "born in")]
    Path("kb.csv").write_text("\n".join(["head,relation,tail", *facts]))
    Path("names.json").write_text('{"born in": "place of birth"}')
    mse = '{"@misc": "spacy_docre.MSEDistillation.v1", "weight": 10.0}'
    results = []
    for folder, only in (("all", []), ("known", ["--names", "names.json", "--only-named"])):
        assert run("distant", "unlabelled.spacy", "kb.csv", folder, *only).exit_code == 0
        assert run("logits", trained_folder, folder, "logits").exit_code == 0
        results.append(
            run(
                *("train", CONFIG, "--output", f"from-{folder}", *settings),
                *("--paths.train", folder, "--paths.train_facts", "train.spacy"),
                *("--paths.teacher_logits", "logits", f"--{EXTRACTOR}.distillation", mse),
                *("--training.max_epochs", "-1", "--corpora.train.shuffle", "true"),
            )
        )
    assert results[0].exit_code == 1
    assert "P9999. The labels are the teacher's" in output(results[0])
    assert "--only-named" in output(results[0])
    assert results[1].exit_code == 0, results[1].output


def test_only_named_relations_without_names() -> None:
    result = run("distant", "unlabelled.spacy", "train.spacy", "out.spacy", "--only-named")
    assert result.exit_code == 2 and "--only-named needs --names" in output(result)


def test_logitsing_from_nothing_but_logits(settings: List[str], trained_folder: Path) -> None:
    """No document has relations; Ign F1 goes by the facts of others."""
    assert run("logits", trained_folder, "unlabelled.spacy", "logits").exit_code == 0
    mse = '{"@misc": "spacy_docre.MSEDistillation.v1", "weight": 10.0}'
    result = run(
        *("train", CONFIG, "--output", "out", *settings, "--paths.train", "unlabelled.spacy"),
        *("--paths.train_facts", "train.spacy"),
        *("--paths.teacher_logits", "logits", f"--{EXTRACTOR}.distillation", mse),
    )
    assert result.exit_code == 0, result.output
