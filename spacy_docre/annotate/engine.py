"""Documents through a pipeline: one that fails does not stop the others."""

from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any, Callable, Dict, Generator, Iterable, Iterator, List, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import raise_error

from .inputs import Failure, InputDocument

# An annotated document and what it was made from.
AnnotatedDoc = Tuple[Doc, InputDocument]


def annotate(
    nlp: Language,
    inputs: Iterable[Union[InputDocument, Failure]],
    *,
    batch_size: int,
    n_process: int = 1,
) -> Iterator[Union[AnnotatedDoc, Failure]]:
    """Annotate documents, in their order.

    Components give up a whole batch when one of its documents fails, so those are tried again one
    by one. Not for several threads with one `nlp`, whose error handler is replaced meanwhile.

    nlp (Language): The pipeline.
    inputs (Iterable[Union[InputDocument, Failure]]): The documents; what cannot be read is
        passed on.
    batch_size (int): Documents at a time.
    n_process (int): Processes that work on them.
    YIELDS (Union[Tuple[Doc, InputDocument], Failure]): Document and source, or failure.
    """
    # What has gone in and not come out, in the order of the input.
    waiting: Dict[int, Union[InputDocument, Failure]] = {}
    all_read = False

    def stream() -> Generator[Tuple[Doc, int], None, None]:
        nonlocal all_read
        for number, item in enumerate(inputs):
            waiting[number] = item
            if isinstance(item, InputDocument):
                try:
                    doc = _make_doc(nlp, item)
                except ValueError as error:
                    waiting[number] = Failure(item.id, str(error))
                else:
                    yield doc, number
        all_read = True

    documents = stream()
    handler = nlp.default_error_handler
    # For processes, and for components that are plain functions; others stop the stream
    # at an error, and spaCy's `ner` takes no handler that would change this.
    nlp.default_error_handler = _skip
    try:
        while not all_read:
            pipe = nlp.pipe(documents, as_tuples=True, batch_size=batch_size, n_process=n_process)
            try:
                for doc, number in pipe:
                    # What comes before it in the input and has not come out has failed.
                    while (first := next(iter(waiting))) < number:
                        yield _try_alone(nlp, waiting.pop(first))
                    source = waiting.pop(number)
                    assert isinstance(source, InputDocument)
                    yield doc, source
            except Exception:
                if getgeneratorstate(documents) == GEN_CLOSED and not all_read:
                    # The input cannot be read on.
                    raise
            for number in list(waiting):
                yield _try_alone(nlp, waiting.pop(number))
    finally:
        nlp.default_error_handler = handler


def _make_doc(nlp: Language, item: InputDocument) -> Doc:
    # A copy, since a component that fails may have changed the document before.
    return nlp.make_doc(item.content) if isinstance(item.content, str) else item.content.copy()


def _try_alone(nlp: Language, item: Union[InputDocument, Failure]) -> Union[AnnotatedDoc, Failure]:
    if isinstance(item, Failure):
        return item
    nlp.default_error_handler = raise_error
    try:
        return nlp(_make_doc(nlp, item)), item
    except Exception as error:
        return Failure(item.id, f"{type(error).__name__}: {error}")
    finally:
        nlp.default_error_handler = _skip


def _skip(name: str, component: Callable, docs: List[Doc], error: Exception) -> Any:
    """The documents that a component fails at are tried again alone."""
