"""Processes that die at their work."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from typing import Any, Iterable, Iterator, List, Tuple

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from spacy_docre.annotate.engine import annotate_batches
from spacy_docre.annotate.inputs import Failure, InputDocument

ENDS = {"killed": "signal 9 (SIGKILL)", "gone": "exit code 3", "left": "SystemExit"}


@Language.component("dies_at_marks")
def dies_at_marks(doc: Doc) -> Doc:
    if "killed" in doc.text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "gone" in doc.text:
        os._exit(3)
    if "left" in doc.text:
        sys.exit(4)
    return doc


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("dies_at_marks")
    return nlp


def annotate(
    nlp: Language, items: Iterable[Any], batch_size: int = 3, n_process: int = 2
) -> Iterator[Any]:
    return annotate_batches(nlp, minibatch(items, batch_size), n_process)


def run(nlp: Language, items: Iterable[Any], **settings: int) -> List[Tuple[str, str]]:
    results = []
    for result in annotate(nlp, items, **settings):
        if isinstance(result, Failure):
            results.append((result.id, result.problem))
        else:
            results.append((result[1].id, result[0].text))
    return results


def documents(texts: List[str]) -> List[InputDocument]:
    return [InputDocument(str(number), text) for number, text in enumerate(texts)]


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_only_the_document_that_a_process_dies_of_fails(nlp: Language, batch_size: int) -> None:
    texts = [f"text {number}" for number in range(25)]
    texts[0], texts[7], texts[8], texts[24] = "killed", "gone", "left", "killed at the end"
    start = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = run(nlp, documents(texts), batch_size=batch_size)
    assert any("annotated again, each alone" in str(warning.message) for warning in caught)
    assert time.monotonic() - start < 30
    assert [id_ for id_, _ in results] == [str(number) for number in range(25)]
    for (_, found), text in zip(results, texts, strict=True):
        end = ENDS.get(text.split()[0])
        assert end in found if end else found == text
    assert not multiprocessing.active_children()


def test_a_process_that_somebody_else_kills(nlp: Language) -> None:
    """Its documents are annotated by others."""

    def items() -> Iterator[InputDocument]:
        for item in documents([f"text {number}" for number in range(40)]):
            if item.id == "20":
                child = multiprocessing.active_children()[0]
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
            yield item

    assert run(nlp, items(), batch_size=1) == [(str(n), f"text {n}") for n in range(40)]


def test_processes_end_where_nobody_reads_on(nlp: Language) -> None:
    results = annotate(nlp, documents(["text"] * 50), batch_size=2, n_process=2)
    next(results)
    assert len(multiprocessing.active_children()) == 2
    results.close()
    assert not multiprocessing.active_children()


def test_no_more_is_read_than_is_worked_on(nlp: Language) -> None:
    read = []

    def items() -> Iterator[InputDocument]:
        for item in documents(["text"] * 1000):
            read.append(item)
            yield item

    results = annotate(nlp, items(), batch_size=5, n_process=2)
    next(results)
    assert len(read) <= 5 * (2 * 2 + 1)
    results.close()


def test_documents_that_are_stored_already(nlp: Language) -> None:
    """What is known of them comes back; what cannot be sent is a failure."""
    good, bad = nlp.make_doc("good"), nlp.make_doc("bad")
    good.user_data["source"] = "page 3"
    bad.user_data["source"] = object()
    items = [InputDocument("0", bad), InputDocument("1", good), Failure("2", "unread")]
    first, second, third = annotate(nlp, items, batch_size=3, n_process=2)
    assert isinstance(first, Failure) and "object" in first.problem
    assert not isinstance(second, Failure) and second[0].user_data["source"] == "page 3"
    assert third == Failure("2", "unread")


def test_large_documents(nlp: Language) -> None:
    """Larger than what a pipe holds, there and back."""
    texts = ["word " * 30_000] * 6
    assert [text for _, text in run(nlp, documents(texts), batch_size=2)] == texts


def test_processes_that_are_spawned() -> None:
    """They are sent the pipeline."""
    code = (
        "import multiprocessing, spacy;"
        "from tests.annotate.test_processes import documents, run;"
        "multiprocessing.set_start_method('spawn');"
        "nlp = spacy.blank('en'); nlp.add_pipe('dies_at_marks');"
        "print([text for _, text in run(nlp, documents(['one', 'gone']))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "['one', 'The process that worked on it ended with exit code 3.']" in found.stdout


def test_processes_that_cannot_begin(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not started for ever."""
    monkeypatch.setattr("spacy_docre.annotate.processes._work", lambda *arguments: os._exit(5))
    with pytest.raises(OSError, match="exit code 5 before it received a document.*--n-process"):
        run(nlp, documents(["text"]))
    assert not multiprocessing.active_children()


def test_processes_end_with_their_parent(nlp: Language) -> None:
    code = (
        "import multiprocessing, os, signal, spacy;"
        "from tests.annotate.test_processes import annotate, documents;"
        "results = annotate(spacy.blank('en'), documents(['text'] * 9), batch_size=1, n_process=2);"
        "next(results);"
        "print(*(child.pid for child in multiprocessing.active_children()), flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    # Its output is open for as long as any of them is there.
    found = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert found.returncode == -signal.SIGKILL
    assert len(found.stdout.split()) == 2
