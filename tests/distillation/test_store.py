import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, List

import numpy
import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file
from spacy.tokens import Doc
from spacy.training import Example

from spacy_docre.alignment import GoldAlignment
from spacy_docre.data.gold_annotations import make_example
from spacy_docre.distillation import storing
from spacy_docre.distillation.objective import make_mse_distillation
from spacy_docre.distillation.store import LogitsStore, open_store, store_of
from spacy_docre.distillation.storing import Progress, store_logits
from spacy_docre.distillation.teacher_logits import TeacherLogits
from spacy_docre.entity_sources import gold_entities
from spacy_docre.pipeline.teacher_pipeline import TeacherPipeline


def stored_logits(path: Path, docs: List[Doc]) -> List[TeacherLogits]:
    return list(LogitsStore(path).logits([against_itself(doc) for doc in docs]))


def against_itself(doc: Doc) -> GoldAlignment:
    return GoldAlignment(Example(doc, doc), gold_entities(doc))


def change_tensors(
    stored: Path, folder: Path, change: Callable[[str, numpy.ndarray], numpy.ndarray]
) -> Path:
    """A copy of a store, whose tensors have been changed."""
    shutil.copytree(stored, folder)
    for file in folder.glob("*.safetensors"):
        tensors = {name: numpy.array(value) for name, value in load_file(file).items()}
        save_file({name: change(name, value) for name, value in tensors.items()}, file)
    return folder


def store(
    teacher: TeacherPipeline, docs: List[Doc], path: Path, **settings: Any
) -> Iterator[Progress]:
    return store_logits(teacher, docs, path, checksum=teacher.checksum, **settings)


def last(progress: Iterator[Progress]) -> Progress:
    return list(progress)[-1]


def test_logits_are_those_of_the_pipeline(
    trained_folder: Path, docs: List[Doc], stored: Path
) -> None:
    nlp = spacy.load(trained_folder)
    nlp.get_pipe("doc_relation_extractor").cfg["threshold"] = 0.0
    labels = nlp.get_pipe("doc_relation_extractor").labels
    assert LogitsStore(stored).labels == labels
    for doc, logits in zip(docs, stored_logits(stored, docs), strict=True):
        relations = nlp(make_example(doc).predicted)._.relations
        number = len(doc._.entities)
        assert logits.values.shape == (number * (number - 1), 1 + len(labels))
        margins = logits.values[:, 1:].astype("float64") - logits.values[:, :1]
        assert len(relations) == margins.size
        for relation in relations:
            head, tail = relation.triple.head, relation.triple.tail
            row = head * (number - 1) + (tail if tail < head else tail - 1)
            margin = margins[row, labels.index(relation.label_)]
            assert relation.score == pytest.approx(1 / (1 + numpy.exp(-margin)), abs=0.02)


def test_storing_goes_on_where_it_stopped(
    teacher: TeacherPipeline,
    docs: List[Doc],
    stored: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storing, "DOCUMENTS_PER_LOGITS_FILE", 2)
    monkeypatch.setattr(storing, "BATCH_SIZE", 2)
    steps = store(teacher, docs, tmp_path)
    next(steps)
    next(steps)
    steps.close()
    first = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.safetensors")}
    assert len(first) == 2
    progress = last(store(teacher, docs, tmp_path))
    assert (progress.documents, progress.known) == (6, 4)
    assert {file: file.stat().st_mtime_ns for file in first} == first
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    for ours, theirs in zip(
        stored_logits(tmp_path, docs), stored_logits(stored, docs), strict=True
    ):
        numpy.testing.assert_allclose(ours.values, theirs.values, atol=0.02)
    again = last(store(teacher, docs, tmp_path))
    assert (again.known, again.bytes) == (6, 0)


@pytest.mark.parametrize("name, writes", [("save_file", "logits"), ("srsly.write_json", "index")])
def test_a_kill_leaves_no_file_that_is_half_written(
    name: str,
    writes: str,
    teacher: TeacherPipeline,
    docs: List[Doc],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None that has the name of a whole one: the next run makes what is missing."""

    def write_half(first: Any, second: Any) -> None:
        file = second if writes == "logits" else first
        Path(file).write_bytes(b"half")
        # As a kill: nothing that Python has to do at the end is done.
        monkeypatch.setattr(Path, "unlink", lambda *args, **settings: None)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(f"spacy_docre.distillation.store.{name}", write_half)
        with pytest.raises(KeyboardInterrupt):
            last(store(teacher, docs, tmp_path))
    monkeypatch.undo()
    assert any(path.read_bytes() == b"half" for path in tmp_path.iterdir())
    assert last(store(teacher, docs, tmp_path)).new == len(docs) > 0
    assert len(LogitsStore(tmp_path)) == len(docs)


def test_document_that_is_there_twice(
    teacher: TeacherPipeline, docs: List[Doc], tmp_path: Path
) -> None:
    for new in (2, 0):
        progress = last(store(teacher, [*docs[:2], docs[0]], tmp_path))
        assert (progress.documents, progress.repeated) == (3, 1)
        assert (progress.new, progress.known) == (new, 2 - new)
    assert len(LogitsStore(tmp_path)) == 2


def test_documents_without_pairs(
    teacher: TeacherPipeline, make_doc: Callable, tmp_path: Path
) -> None:
    docs = [make_doc([]), make_doc(["no", "entity"]), make_doc(["one", "entity"], [[(0, 1)]])]
    last(store(teacher, docs, tmp_path, top_k=2))
    for logits in stored_logits(tmp_path, docs):
        assert logits.values.shape == (0, 3)


def test_best_relations_only(
    teacher: TeacherPipeline, docs: List[Doc], stored: Path, tmp_path: Path
) -> None:
    last(store(teacher, docs, tmp_path, top_k=1))
    for best, full in zip(stored_logits(tmp_path, docs), stored_logits(stored, docs), strict=True):
        assert best.columns is not None and full.values.size
        numpy.testing.assert_array_equal(best.columns[:, 0], 0)
        numpy.testing.assert_array_equal(best.columns[:, 1], full.values[:, 1:].argmax(1) + 1)
        numpy.testing.assert_allclose(best.values[:, 1], full.values[:, 1:].max(1), atol=0.02)
        numpy.testing.assert_allclose(best.values[:, 0], full.values[:, 0], atol=0.02)


@given(
    arrays("float32", (5, 7), elements=st.floats(-9, 9, width=32), unique=True),
    st.integers(1, 9),
)
def test_best_of_any_logits(values: numpy.ndarray, number: int) -> None:
    best = TeacherLogits(values).best(number)
    if number >= 6:
        assert best.columns is None
        return
    assert best.columns is not None
    for row, kept, columns in zip(values, best.values, best.columns, strict=True):
        numpy.testing.assert_array_equal(row[columns], kept)
        assert set(kept[1:]) == set(sorted(row[1:])[-number:])


def test_changed_entities(docs: List[Doc], stored: Path) -> None:
    doc = docs[0]
    store = LogitsStore(stored)
    with pytest.raises(ValueError, match="'Document 0'.*entities are not those"):
        store.attach_to(doc, gold_entities(doc)[1:])
    with pytest.raises(ValueError, match="'Document 0'.*another order"):
        store.attach_to(doc, gold_entities(doc)[::-1])


def test_missing_document(make_doc: Callable, stored: Path) -> None:
    doc = make_doc(["Another", "one"])
    with pytest.raises(ValueError, match="'Another one '.*has not seen it"):
        LogitsStore(stored).attach_to(doc, [])


def test_store_of(docs: List[Doc], make_doc: Callable, stored: Path) -> None:
    LogitsStore(stored).attach_to(docs[0], gold_entities(docs[0]))
    store = store_of(docs[0])
    assert store is not None and store.path == stored
    copied = Doc(docs[0].vocab).from_bytes(docs[0].to_bytes())
    assert store_of(copied) is store
    assert store_of(make_doc(["Another"])) is None


def test_store_that_has_grown(teacher: TeacherPipeline, docs: List[Doc], tmp_path: Path) -> None:
    last(store(teacher, docs[:2], tmp_path))
    assert len(open_store(str(tmp_path))) == 2
    last(store(teacher, docs, tmp_path))
    assert len(open_store(str(tmp_path))) == 6


def test_logits_of_another_teacher(
    teacher: TeacherPipeline, docs: List[Doc], stored: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="another top_k"):
        last(store(teacher, docs, stored, top_k=2))
    teacher.nlp.to_disk(tmp_path)
    other = TeacherPipeline(tmp_path)
    with pytest.raises(ValueError, match="another teacher"):
        settings = other.nlp.get_pipe("doc_relation_extractor").cfg
        settings["threshold"] = 0.4
        other.nlp.to_disk(tmp_path)
        last(store(other, docs, stored))


def test_another_teacher_from_the_beginning(
    teacher: TeacherPipeline, docs: List[Doc], tmp_path: Path
) -> None:
    last(store(teacher, docs, tmp_path, top_k=2))
    progress = last(store(teacher, docs[:2], tmp_path, force=True))
    assert (progress.new, progress.known, len(LogitsStore(tmp_path))) == (2, 0, 2)
    assert stored_logits(tmp_path, docs[:1])[0].columns is None


def test_logits_without_index(teacher: TeacherPipeline, docs: List[Doc], tmp_path: Path) -> None:
    """Nobody knows whose they are."""
    last(store(teacher, docs, tmp_path))
    (tmp_path / "index.json").unlink()
    with pytest.raises(ValueError, match="of another teacher"):
        last(store(teacher, docs, tmp_path))


def test_teacher_that_marks_mentions(
    make_pipeline: Callable, make_examples: Callable, docs: List[Doc], tmp_path: Path
) -> None:
    """As the pipelines of the released weights do."""
    markers = {"mention_markers": {"@misc": "spacy_docre.MentionMarkers.v1"}}
    nlp = make_pipeline(
        examples=make_examples(10), transformer=markers, model={"mention_pooling": "first"}
    )
    nlp.to_disk(tmp_path)
    extractor = nlp.get_pipe("doc_relation_extractor")
    doc = make_example(docs[0]).predicted
    (own,) = extractor.predict([nlp.get_pipe("transformer")(doc)])
    (logits,) = TeacherPipeline(tmp_path).logits([against_itself(docs[0])])
    numpy.testing.assert_allclose(logits.values, own.logits, atol=1e-4)


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no teacher logits.*docre logits"):
        LogitsStore(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "7", '{"labels": {}}', '{"labels": ["a", 1]}', "[" * 10**5]
)
def test_damaged_index(content: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(ValueError, match="index.json is damaged"):
        LogitsStore(tmp_path)


def test_damaged_file(teacher: TeacherPipeline, docs: List[Doc], tmp_path: Path) -> None:
    last(store(teacher, docs, tmp_path))
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match="is damaged.*Delete it.*docre logits"):
        LogitsStore(tmp_path)
    file.unlink()
    last(store(teacher, docs, tmp_path))
    assert len(LogitsStore(tmp_path)) == 6


def test_teacher_leaves_documents_as_they_are(teacher: TeacherPipeline, docs: List[Doc]) -> None:
    doc = docs[0].copy()
    before = doc.to_bytes()
    list(teacher.logits([against_itself(doc)]))
    assert doc.to_bytes() == before
    assert doc._.trf_data is None


def test_teacher_without_extractor(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(ValueError, match="has no relation extractor. It has: nothing"):
        list(TeacherPipeline(tmp_path).logits([]))


def test_teacher_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        list(TeacherPipeline(tmp_path / "missing").logits([]))


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values[:-1],
        lambda values: values[:, :-1],
        lambda values: values.reshape(-1),
        lambda values: numpy.zeros((0, 2**40), "float16"),
        lambda values: values * numpy.nan,
        lambda values: values + numpy.inf,
    ],
)
def test_logits_that_cannot_be_those_of_a_document(
    change: Callable, docs: List[Doc], stored: Path, tmp_path: Path
) -> None:
    folder = change_tensors(stored, tmp_path / "damaged", lambda name, value: change(value))
    with pytest.raises(ValueError, match="is damaged, or has other relations than"):
        stored_logits(folder, docs)


def test_classes_that_are_not_there() -> None:
    values = numpy.zeros((2, 2), "float16")
    assert TeacherLogits(values, numpy.array([[0, 3], [0, 1]])).fits(2, 4)
    assert not TeacherLogits(values, numpy.array([[0, 4], [0, 1]])).fits(2, 4)
    assert not TeacherLogits(values, numpy.array([[0], [0]])).fits(2, 4)


def test_a_store_that_is_no_path(docs: List[Doc]) -> None:
    doc = docs[0].copy()
    doc.user_data["docre_teacher_logits"] = 7
    with pytest.raises(ValueError, match="is 7, but it should be a folder"):
        store_of(doc)


def test_a_file_that_is_no_part(teacher: TeacherPipeline, docs: List[Doc], tmp_path: Path) -> None:
    """It is named, and stays, also where the store is made anew."""
    list(store(teacher, docs, tmp_path))
    stray = tmp_path / "x.safetensors"
    save_file({"weight": numpy.zeros(2)}, stray)
    with pytest.raises(ValueError, match="x.safetensors is not a file of teacher logits"):
        LogitsStore(tmp_path)
    for force in (False, True):
        with pytest.raises(ValueError, match="x.safetensors is not a file of teacher logits"):
            list(store(teacher, docs, tmp_path, top_k=1, force=force))
    assert stray.exists()


def test_evidence_is_that_of_the_pipeline(
    trained_folder: Path, docs: List[Doc], stored: Path
) -> None:
    """Of every sentence, in half precision, once for (head, tail) and (tail, head)."""
    nlp = spacy.load(trained_folder)
    extractor = nlp.get_pipe("doc_relation_extractor")
    for doc, logits in zip(docs, stored_logits(stored, docs), strict=True):
        document = extractor.entity_policy.choose(
            nlp.get_pipe("transformer")(make_example(doc).predicted)
        )
        (best,) = extractor.score_entities([document])
        number, num_sentences = len(doc._.entities), len(list(doc.sents))
        assert num_sentences > 3 == best.evidence.shares.shape[1]
        assert logits.evidence is not None
        assert logits.evidence.shape == (number * (number - 1), num_sentences)
        pairs = [(head, tail) for head in range(number) for tail in range(head + 1, number)]
        for (head, tail), sentences, shares in zip(pairs, *best.evidence, strict=True):
            for one, other in ((head, tail), (tail, head)):
                row = logits.evidence[one * (number - 1) + other - (other > one)]
                numpy.testing.assert_allclose(row[sentences], shares, atol=1e-3)
                assert row.sum() == pytest.approx(1, abs=1e-2) or not row.any()
    tensors = load_file(next(stored.glob("*.safetensors")))
    evidence = [value for name, value in tensors.items() if name.endswith(".evidence")]
    assert len(evidence) == len(docs) and all(value.dtype == "float16" for value in evidence)
    assert sum(map(len, evidence)) == sum(
        len(value) // 2 for name, value in tensors.items() if "." not in name
    )


def without_evidence(stored: Path, folder: Path) -> Path:
    """A store as an earlier version wrote it."""
    shutil.copytree(stored, folder)
    for file in folder.glob("*.safetensors"):
        tensors = {name: numpy.array(value) for name, value in load_file(file).items()}
        save_file({n: value for n, value in tensors.items() if not n.endswith(".evidence")}, file)
    index = srsly.read_json(folder / "index.json")
    assert index.pop("evidence") is True
    srsly.write_json(folder / "index.json", index)
    return folder


def test_store_of_an_earlier_version(
    teacher: TeacherPipeline, docs: List[Doc], stored: Path, tmp_path: Path
) -> None:
    folder = without_evidence(stored, tmp_path / "old")
    for ours, theirs in zip(stored_logits(folder, docs), stored_logits(stored, docs), strict=True):
        numpy.testing.assert_array_equal(ours.values, theirs.values)
        assert ours.evidence is None
    asked = [against_itself(doc) for doc in docs]
    for doc in docs:
        LogitsStore(folder).attach_to(doc, gold_entities(doc))
    assert all(make_mse_distillation().ask(asked, teacher.labels))
    with pytest.raises(ValueError, match="gives no evidence for.*'Document 0'.*logits.*--force"):
        make_mse_distillation(evidence_weight=0.1).ask(asked, teacher.labels)
    with pytest.raises(ValueError, match="holds logits without evidence. Start over with --force"):
        last(store(teacher, docs, folder))
    last(store(teacher, docs, folder, force=True))
    for doc in docs:
        LogitsStore(folder).attach_to(doc, gold_entities(doc))
    assert all(make_mse_distillation(evidence_weight=0.1).ask(asked, teacher.labels))


def test_documents_without_sentences(
    teacher: TeacherPipeline, make_example: Callable, tmp_path: Path
) -> None:
    """There is no evidence of them; where they have no pairs, there is none to miss."""
    words = "Ada Lane was born in Oslo .".split()
    doc = make_example(words, [[(0, 2)], [(5, 6)]]).reference
    alone = make_example(words, [[(0, 2)]]).reference
    last(store(teacher, [doc, alone], tmp_path))
    (logits, nothing) = stored_logits(tmp_path, [doc, alone])
    assert logits.evidence is None and len(logits.values) == 2
    assert len(nothing.values) == 0
    LogitsStore(tmp_path).attach_to(alone, gold_entities(alone))
    assert all(
        make_mse_distillation(evidence_weight=0.1).ask([against_itself(alone)], teacher.labels)
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda evidence: evidence[:-1],
        lambda evidence: evidence.reshape(-1),
        lambda evidence: numpy.array(1.0),
        lambda evidence: evidence - 2,
        lambda evidence: evidence * numpy.nan,
    ],
)
def test_evidence_that_cannot_be_that_of_a_document(
    change: Callable, docs: List[Doc], stored: Path, tmp_path: Path
) -> None:
    folder = change_tensors(
        stored,
        tmp_path / "damaged",
        lambda name, value: change(value) if name.endswith(".evidence") else value,
    )
    with pytest.raises(ValueError, match="is damaged, or has other relations than"):
        stored_logits(folder, docs)
