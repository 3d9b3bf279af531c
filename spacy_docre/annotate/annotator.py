"""A pipeline for engines that make batches themselves: Ray, Spark, Dask, Beam."""

import os
import sys
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, TypeVar

from spacy.language import Language
from spacy.util import import_file, is_package, minibatch
from thinc.api import require_gpu

from ..errors import describe_error
from ..records import document_record
from .batch import Item, Result, annotate_batch
from .inputs import Failure, InputDocument
from .parquet import column_types

_Batch = TypeVar("_Batch")

ID, TEXT = "id", "text"
# The columns that are added to a batch.
_ADDED = ("entities", "relations", "error")
# Only one thread at a time may use a pipeline.
_LOCK = Lock()


class Annotator:
    """Annotate batches of documents. An annotator can be pickled, however large the pipeline is.
    Each process loads the pipeline once, at its first document.

    A batch is a dictionary of columns, a pandas DataFrame or a pyarrow Table. The column "id" has
    the ids of the documents, and "text" has their texts. The result has the same type, one row for
    each document, all columns of the batch, and these columns:

    * "entities": a list of dictionaries with id (the number in the document), text, label, kb_id
      and mentions. Each mention has start and end (in characters) and text.
    * "relations": a list of dictionaries with head and tail (numbers of entities), label, name,
      score and evidence. The evidence is a list of sentences with start, end and text.
    * "error": the reason why a document could not be annotated, or None. With an error, entities
      and relations are None.

    "entities" and "relations" have the types of the Parquet files of `docre annotate`.

    model (str): The pipeline: a package or a folder that all processes can read.
    threshold (Optional[float]): Annotate relations of a higher probability; None for the threshold
        of the pipeline.
    batch_size (int): The number of documents that the pipeline annotates at a time.
    code (Optional[Path]): Python file with registered functions.
    gpu_id (int): The number of the GPU; -1 for the CPU.

    EXAMPLE:
        >>> frame = Annotator("assets/en_docre_wiki_sm")(frame)
    """

    def __init__(
        self,
        model: str,
        *,
        threshold: Optional[float] = None,
        batch_size: int = 32,
        code: Optional[Path] = None,
        gpu_id: int = -1,
    ) -> None:
        # Processes of a cluster have other working directories.
        is_folder = not is_package(str(model)) and os.path.isdir(model)
        self.model = os.path.abspath(model) if is_folder else str(model)
        self.threshold = threshold
        self.batch_size = batch_size
        self.code = None if code is None else Path(os.path.abspath(code))
        self.gpu_id = gpu_id

    def __call__(self, batch: _Batch) -> _Batch:
        """Annotate a batch. A batch without documents does not load the pipeline.

        batch (_Batch): The batch.
        RETURNS (_Batch): The batch with the added columns.
        RAISES (TypeError): If the argument is no batch.
        RAISES (ValueError): If the batch has no ids or texts, or already has one of the columns to
            add.
        RAISES (OSError): If the pipeline does not exist. Other errors of loading are raised, too.
        """
        names = _column_names(batch)
        if missing := {ID, TEXT}.difference(names):
            raise ValueError(
                f"The batch has no column {_told(missing)}. It has: {_told(names)}. Rename the "
                "columns with the ids and texts of the documents."
            )
        if taken := set(_ADDED).intersection(names):
            raise ValueError(f"The batch already has {_told(taken)}. Rename or drop these columns.")
        ids, texts = _values(batch, ID), _values(batch, TEXT)
        items = [_item(id_, text) for id_, text in zip(ids, texts, strict=True)]
        rows = [_row(result) for result in self.annotate(items)]
        return _with_columns(batch, {name: [row[name] for row in rows] for name in _ADDED})

    def annotate(self, items: Sequence[Item]) -> Iterator[Result]:
        """Annotate documents as `docre annotate` does.

        items (Sequence[Item]): The documents; failures are passed on.
        YIELDS (Result): The result of each document, in order.
        """
        for batch in minibatch(items, self.batch_size):
            with _LOCK:
                results = list(annotate_batch(self.nlp, batch))
            yield from results

    @property
    def nlp(self) -> Language:
        """RETURNS (Language): The pipeline. Each process loads it once.
        RAISES (OSError): If the pipeline does not exist. Other errors of loading are raised, too.
        """
        return _load(self.model, self.threshold, self.code, self.gpu_id)


@lru_cache(maxsize=4)
def _load(model: str, threshold: Optional[float], code: Optional[Path], gpu_id: int) -> Language:
    # The import takes seconds. A process that only reads or writes files need not wait for it.
    from ..pipeline.loading import load_extractor

    if gpu_id >= 0:
        require_gpu(gpu_id)
    if code is not None:
        import_file("python_code", code)
    return load_extractor(model, threshold)


def _item(id_: Any, text: Any) -> Item:
    if isinstance(text, str):
        return InputDocument(str(id_), text)
    return Failure(str(id_), "The text is missing, or is no string.")


def _row(result: Result) -> Mapping[str, Any]:
    try:
        if not isinstance(result, Failure):
            return {**document_record(result[0]), "error": None}
        problem = result.problem
    except Exception as error:
        problem = describe_error(error)
    return {"entities": None, "relations": None, "error": problem}


def _package_of(batch: Any) -> Optional[str]:
    """Return the package of a batch. A package that has not been imported has made no batch."""
    for package, kind in (("pandas", "DataFrame"), ("pyarrow", "Table")):
        if package in sys.modules and isinstance(batch, getattr(sys.modules[package], kind)):
            return package
    if isinstance(batch, dict):
        return None
    raise TypeError(
        f"A {type(batch).__name__} is no batch of documents. Give a dictionary of columns, a "
        "pandas DataFrame or a pyarrow Table."
    )


def _column_names(batch: Any) -> List[str]:
    return list(batch.column_names if _package_of(batch) == "pyarrow" else batch)


def _values(batch: Any, name: str) -> List[Any]:
    return batch[name].to_pylist() if _package_of(batch) == "pyarrow" else list(batch[name])


def _with_columns(batch: Any, columns: Dict[str, List[Any]]) -> Any:
    package = _package_of(batch)
    if package is None:
        return {**batch, **columns}
    module = sys.modules[package]
    if package == "pandas":
        # The type `object` keeps Python's values as they are.
        series = {
            name: module.Series(values, index=batch.index, dtype=object)
            for name, values in columns.items()
        }
        return batch.assign(**series)
    types = {**column_types(), "error": module.string()}
    for name, values in columns.items():
        batch = batch.append_column(name, module.array(values, types[name]))
    return batch


def _told(names: Any) -> str:
    return ", ".join(map(repr, sorted(map(str, names)))) or "none"
