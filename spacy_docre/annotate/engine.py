"""Documents through a pipeline, in this process or in several.

An engine takes batches of documents, and gives what becomes of each document, in their order. It
may read some batches ahead. Another engine is a function like `annotate_batches`, and annotates a
batch as this one does: `annotate_batch`. One whose workers are elsewhere is a subclass of `Workers`
(see `workers.py`), and `Annotator` loads the pipeline there; `ray_engine.py` is an example.
"""

import warnings
from typing import Callable, Iterable, Iterator, Sequence

from spacy.errors import Warnings
from spacy.language import Language
from spacy.util import minibatch
from thinc.api import CupyOps, get_current_ops

from .batch import Item, Result, annotate_batch
from .processes import annotate_in_processes

# The pipeline and batches in, and out what becomes of each document.
Engine = Callable[[Language, Iterable[Sequence[Item]]], Iterator[Result]]


def annotate(
    nlp: Language, inputs: Iterable[Item], *, batch_size: int, n_process: int = 1
) -> Iterator[Result]:
    """Annotate documents, in their order. One that fails does not stop the others. The hidden
    states of a transformer are dropped.

    Not for several threads with one `nlp`, whose error handler is replaced meanwhile.

    nlp (Language): The pipeline.
    inputs (Iterable[Item]): The documents; failures are passed on.
    batch_size (int): Documents at a time.
    n_process (int): Processes that work on them. Where one of them dies, only the document that
        it died of fails.
    YIELDS (Result): Document and source, or failure.
    RAISES (OSError): If processes die before they have a document.
    """
    return annotate_batches(nlp, minibatch(inputs, batch_size), n_process)


def annotate_batches(
    nlp: Language, batches: Iterable[Sequence[Item]], n_process: int = 1
) -> Iterator[Result]:
    """Annotate documents that are in batches already. Arguments and results as of `annotate`.

    batches (Iterable[Sequence[Item]]): The documents.
    """
    if n_process > 1:
        if isinstance(get_current_ops(), CupyOps):
            warnings.warn(Warnings.W114, stacklevel=2)
        yield from annotate_in_processes(nlp, batches, n_process)
    else:
        for batch in batches:
            yield from annotate_batch(nlp, batch)
