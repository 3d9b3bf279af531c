"""Annotate documents with a pipeline, in this process or in several.

An engine takes batches of documents, and yields the result of each document in order. It may read
some batches ahead. To add an engine, write a function like `annotate_batches`, which calls
`annotate_batch` for each batch. If the workers run elsewhere, write a subclass of `Workers` (see
`workers.py`), and let `Annotator` load the pipeline there. `ray_engine.py` is an example.
"""

import warnings
from typing import Callable, Iterable, Iterator, Sequence

from spacy.errors import Warnings
from spacy.language import Language
from thinc.api import CupyOps, get_current_ops

from .batch import Item, Result, annotate_batch
from .processes import annotate_in_processes

# The arguments are the pipeline and batches. The engine yields the result of each document.
Engine = Callable[[Language, Iterable[Sequence[Item]]], Iterator[Result]]


def annotate_batches(
    nlp: Language, batches: Iterable[Sequence[Item]], n_process: int = 1
) -> Iterator[Result]:
    """Annotate documents in order. A document that fails does not stop the others. The hidden
    states of a transformer are dropped.

    Do not use one `nlp` in several threads: its error handler is replaced during the call.

    nlp (Language): The pipeline.
    batches (Iterable[Sequence[Item]]): The documents. Each batch is annotated together; failures
        are passed on.
    n_process (int): The number of processes. If a process dies, only the document at which it died
        fails.
    YIELDS (Result): The annotated document and its input, or a failure.
    RAISES (OSError): If processes die before they receive a document.
    """
    if n_process > 1:
        if isinstance(get_current_ops(), CupyOps):
            warnings.warn(Warnings.W114, stacklevel=2)
        yield from annotate_in_processes(nlp, batches, n_process)
    else:
        for batch in batches:
            yield from annotate_batch(nlp, batch)
