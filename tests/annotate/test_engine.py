"""Documents through a pipeline, where some of them fail."""

from typing import List, Tuple, Type

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from spacy_docre.annotate.engine import annotate_batches
from spacy_docre.annotate.inputs import Failure, InputDocument


@Language.component("fails_at_bad")
def fails_at_bad(doc: Doc) -> Doc:
    if "bad" in doc.text:
        raise RuntimeError(f"cannot do {doc.text}")
    return doc


class FailsInBatches:
    """Stops the stream, as spaCy's own components do that have been given no error handler:
    `ner` and `parser` take none."""

    def __call__(self, doc: Doc) -> Doc:
        return fails_at_bad(doc)

    def pipe(self, stream, *, batch_size):
        for docs in spacy.util.minibatch(stream, batch_size):
            yield from [fails_at_bad(doc) for doc in docs]


@Language.factory("fails_in_batches")
def make_fails_in_batches(nlp: Language, name: str) -> FailsInBatches:
    return FailsInBatches()


def run(nlp: Language, items: List, **settings) -> List[Tuple[str, str]]:
    results = []
    for result in annotate_batches(nlp, minibatch(items, 3), **settings):
        if isinstance(result, Failure):
            results.append((result.id, result.problem))
        else:
            results.append((result[1].id, result[0].text))
    return results


TEXTS = ["one", "bad", "three", "four", "", "six", "seven bad", "eight", "bad"]


@pytest.mark.parametrize("component", ["fails_at_bad", "fails_in_batches"])
@pytest.mark.parametrize("n_process", [1, 2])
def test_the_rest_goes_on_in_order(component: str, n_process: int) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe(component)
    items: List = [InputDocument(str(index), text) for index, text in enumerate(TEXTS)]
    items.insert(2, Failure("unreadable", "why"))
    expected = [
        (str(index), f"RuntimeError: cannot do {text}" if "bad" in text else text)
        for index, text in enumerate(TEXTS)
    ]
    expected.insert(2, ("unreadable", "why"))
    assert run(nlp, items, n_process=n_process) == expected


def test_text_that_is_too_long() -> None:
    nlp = spacy.blank("en")
    nlp.max_length = 10
    (first, second) = run(nlp, [InputDocument("long", "a" * 11), InputDocument("b", "short")])
    assert first[0] == "long" and "max_length" in first[1] and second == ("b", "short")


def test_documents_are_left_as_they_are() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = nlp.make_doc("One. Two.")
    (result,) = annotate_batches(nlp, [[InputDocument("a", doc)]])
    assert not isinstance(result, Failure)
    assert result[0].has_annotation("SENT_START") and not doc.has_annotation("SENT_START")


def test_it_streams() -> None:
    """No more documents are read than a few batches ahead of what has come out."""
    read = []

    def items():
        for index in range(100):
            read.append(index)
            yield InputDocument(str(index), "text")

    results = annotate_batches(spacy.blank("en"), minibatch(items(), 5))
    next(results)
    assert len(read) <= 10


def test_the_pipeline_keeps_its_error_handler() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("fails_in_batches")
    nlp.set_error_handler(spacy.util.ignore_error)
    assert [id_ for id_, _ in run(nlp, [InputDocument("a", "bad")])] == ["a"]
    assert nlp.default_error_handler is spacy.util.ignore_error


def test_an_input_that_breaks_off_is_an_error() -> None:
    """It is not taken for the end of the input."""

    def items():
        yield InputDocument("0", "one")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(annotate_batches(spacy.blank("en"), minibatch(items(), 3)))


@pytest.mark.parametrize("error", [MemoryError, RecursionError, SystemExit, AssertionError])
def test_errors_of_any_kind_are_one_documents(error: Type[BaseException]) -> None:
    @Language.component(f"raises_{error.__name__}")
    def component(doc: Doc) -> Doc:
        if "bad" in doc.text:
            raise error
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe(f"raises_{error.__name__}")
    items: List = [InputDocument(text, text) for text in ("one", "bad", "half \ud83d", "four")]
    results = run(nlp, items)
    assert [id_ for id_, _ in results] == [item.id for item in items]
    assert results[0][1] == "one" and results[3][1] == "four"
    assert error.__name__ in results[1][1] and "surrogates" in results[2][1]


def test_hidden_states_are_dropped() -> None:
    @Language.component("leaves_states")
    def component(doc: Doc) -> Doc:
        doc.user_data[("._.", "trf_data", None, None)] = "states"
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("leaves_states")
    (result,) = annotate_batches(nlp, [[InputDocument("a", "text")]])
    assert not isinstance(result, Failure) and not result[0].user_data
