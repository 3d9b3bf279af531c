"""Measure the words per second of a whole pipeline from raw text in each precision, and the share
of time of each component. Precisions alternate, so that other load on the machine slows all of
them.

python benchmarks/precisions.py PIPELINE DOCS.spacy [--limit 60] [--threads 2]
"""

import statistics
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any, Dict, List

import spacy
import torch
import typer
from annotation import encoder_batches, run_encoder
from common import machine
from spacy.language import Language
from wasabi import msg

from spacy_docre.data.corpus_files import read_spacy_docs

PRECISIONS = ("float32", "bfloat16", "auto")
OURS = ("transformer", "doc_relation_extractor")
BARE = "bare encoder"


def main(model: str, path: Path, limit: int = 60, threads: int = 2, repeats: int = 5) -> None:
    """Measure a pipeline.

    model (str): A pipeline with a transformer and a relation extractor.
    path (Path): A .spacy file, whose texts are annotated.
    limit (int): The number of documents.
    threads (int): The number of threads of torch.
    repeats (int): The number of repeats; medians are reported.
    """
    torch.set_num_threads(threads)
    nlp = spacy.load(model)
    texts = [doc.text for doc in islice(read_spacy_docs(path, nlp.vocab), limit)]
    words = sum(len(nlp.make_doc(text)) for text in texts)
    times: Dict[str, List[Dict[str, float]]] = defaultdict(list)
    for repeat in range(repeats + 1):
        for precision in PRECISIONS:
            set_precision(nlp, precision)
            found = {**measure(nlp, texts), BARE: bare_seconds(nlp, texts, precision)}
            if repeat:
                times[precision].append(found)
    medians = {
        precision: {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        for precision, runs in times.items()
    }
    whole = {
        precision: sum(parts[name] for name in nlp.pipe_names)
        for precision, parts in medians.items()
    }
    rest = [name for name in nlp.pipe_names if name not in OURS]
    msg.text(f"{words} words, {threads} threads, median of {repeats}; {machine()}")
    msg.table(
        [
            (
                precision,
                f"{words / whole[precision]:,.0f}",
                f"{whole['float32'] / whole[precision]:.2f}",
                *(f"{parts[name] / whole[precision]:.0%}" for name in OURS),
                f"{sum(parts[name] for name in rest) / whole[precision]:.0%}",
                f"{sum(parts[name] for name in OURS) / parts[BARE]:.2f}",
            )
            for precision, parts in medians.items()
        ],
        header=("precision", "words / s", "x float32", *OURS, "others", "ours x bare encoder"),
        divider=True,
    )


def set_precision(nlp: Language, precision: str) -> None:
    """Set the precision of the transformer and the relation extractor."""
    transformer: Any = nlp.get_pipe("transformer")
    transformer.model.layers[0].shims[0].precision = precision
    extractor: Any = nlp.get_pipe("doc_relation_extractor")
    extractor.model.get_ref("pair_scorer").shims[0]._model.precision = precision


def measure(nlp: Language, texts: List[str]) -> Dict[str, float]:
    """Measure the seconds that each component takes for some texts."""
    docs = [nlp.make_doc(text) for text in texts]
    seconds = {}
    for name, component in nlp.pipeline:
        start = time.perf_counter()
        if hasattr(component, "pipe"):
            docs = list(component.pipe(docs, batch_size=nlp.batch_size))
        else:
            docs = [component(doc) for doc in docs]
        seconds[name] = time.perf_counter() - start
    return seconds


def bare_seconds(nlp: Language, texts: List[str], precision: str) -> float:
    """Measure the seconds of the encoder for batches of these texts, in the same precision. It does
    not return its attention."""
    transformer: Any = nlp.get_pipe("transformer")
    batches = encoder_batches(nlp, [nlp.make_doc(text) for text in texts])
    start = time.perf_counter()
    run_encoder(transformer.model.transformer, batches, precision)
    return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
