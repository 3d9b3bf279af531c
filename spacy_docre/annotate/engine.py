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
from thinc.api import CupyOps, get_current_ops

from .batch import Item, Result, annotate_batch
from .processes import annotate_in_processes

# The pipeline and batches in, and out what becomes of each document.
Engine = Callable[[Language, Iterable[Sequence[Item]]], Iterator[Result]]


def annotate_batches(
    nlp: Language, batches: Iterable[Sequence[Item]], n_process: int = 1
) -> Iterator[Result]:
    """Annotate documents, in their order. One that fails does not stop the others. The hidden
    states of a transformer are dropped.

    Not for several threads with one `nlp`, whose error handler is replaced meanwhile.

    nlp (Language): The pipeline.
    batches (Iterable[Sequence[Item]]): The documents, those together that are annotated at a time;
        failures are passed on.
    n_process (int): Processes that work on them. Where one of them dies, only the document that
        it died of fails.
    YIELDS (Result): Document and source, or failure.
    RAISES (OSError): If processes die before they have a document.
    """
    if n_process > 1:
        if isinstance(get_current_ops(), CupyOps):
            warnings.warn(Warnings.W114, stacklevel=2)
        yield from annotate_in_processes(nlp, batches, n_process)
    else:
        for batch in batches:
            yield from annotate_batch(nlp, batch)
