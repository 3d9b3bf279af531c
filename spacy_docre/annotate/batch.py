"""Annotate a batch of documents. A document that fails does not stop the others."""

from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import raise_error

from ..data.corpus_files import drop_hidden_states
from ..entity_sources import forget_given_entities
from ..errors import describe_error
from .inputs import Failure, InputDocument

# A document to annotate, or one that cannot be read.
Item = Union[InputDocument, Failure]
# An annotated document and its input, or a failure.
Result = Union[Tuple[Doc, InputDocument], Failure]
# What a component may raise at a document. Other exceptions, such as KeyboardInterrupt, end the
# whole run.
_ERRORS = (Exception, SystemExit)


def annotate_batch(nlp: Language, items: Sequence[Item]) -> Iterator[Result]:
    """Annotate documents together. If one document fails, components give up the whole batch. The
    documents that are not done are then tried again one by one.

    nlp (Language): The pipeline.
    items (Sequence[Item]): The documents; failures are passed on.
    YIELDS (Result): The result of each document, in order.
    """
    done: Dict[int, Doc] = {}
    handler = nlp.default_error_handler
    # The handler is for components that are plain functions. Other components stop the stream at an
    # error, and spaCy's `ner` accepts no handler that would change this.
    nlp.default_error_handler = _skip
    try:
        docs = _make_docs(nlp, items)
        for doc, number in nlp.pipe(docs, as_tuples=True, batch_size=len(items)):
            done[number] = _finish(doc)
    except _ERRORS:
        # Documents that are not done are tried again.
        pass
    finally:
        nlp.default_error_handler = handler
    for number, item in enumerate(items):
        if isinstance(item, Failure):
            yield item
        elif number in done:
            yield done.pop(number), item
        else:
            yield _annotate_alone(nlp, item)


def _make_docs(nlp: Language, items: Sequence[Item]) -> List[Tuple[Doc, int]]:
    docs = []
    for number, item in enumerate(items):
        if isinstance(item, InputDocument):
            try:
                docs.append((_make_doc(nlp, item), number))
            except Exception:
                # The error is reported when the document is tried again.
                continue
    return docs


def _make_doc(nlp: Language, item: InputDocument) -> Doc:
    # A copy, since a component may have changed the document before it failed.
    return nlp.make_doc(item.content) if isinstance(item.content, str) else item.content.copy()


def _annotate_alone(nlp: Language, item: InputDocument) -> Result:
    handler = nlp.default_error_handler
    nlp.default_error_handler = raise_error
    try:
        doc = nlp(_make_doc(nlp, item))
    except _ERRORS as error:
        return Failure(item.id, describe_error(error))
    finally:
        nlp.default_error_handler = handler
    return _finish(doc), item


def _finish(doc: Doc) -> Doc:
    """Drop data that only the components of the pipeline need."""
    drop_hidden_states(doc)
    forget_given_entities(doc)
    return doc


def _skip(name: str, component: Callable, docs: List[Doc], error: Exception) -> Any:
    """Skip documents at which a component fails: each is tried again alone."""
