"""Measure the gain of several Ray actors.

    python benchmarks/ray_engine.py MODEL TEXTS [--actors 2]

Each actor has one core of this machine and one thread. The time of their start is not measured.
"""

import time
from itertools import islice
from pathlib import Path
from typing import List

import ray
import typer
from spacy.language import Language
from spacy.util import minibatch
from wasabi import msg

from spacy_docre.annotate import Annotator
from spacy_docre.annotate.batch import Item
from spacy_docre.annotate.inputs import list_files, read_inputs
from spacy_docre.annotate.ray_engine import annotate_on_ray
from spacy_docre.pipeline.loading import load_extractor

# The number of measurements of each, in turn. The best one is reported.
REPEATS = 3


def main(model: str, texts: Path, actors: int = 2, batch_size: int = 8, limit: int = 400) -> None:
    """Measure one actor, and several actors.

    model (str): The pipeline.
    texts (Path): The documents.
    actors (int): The number of actors. Each needs a core, and reading and writing needs one more.
    batch_size (int): The number of documents in a batch.
    limit (int): The largest number of documents.
    """
    # Ray gives an actor as many threads as it has cores: one.
    ray.init(address="local", num_cpus=actors, include_dashboard=False, log_to_driver=False)
    nlp = load_extractor(model)
    documents = list(islice(read_inputs(list_files([texts]), nlp.vocab), limit))
    batches = list(minibatch(documents, batch_size))
    annotator = Annotator(model)
    one = several = 0.0
    for _ in range(REPEATS):
        one = max(one, throughput(nlp, batches, annotator, 1))
        several = max(several, throughput(nlp, batches, annotator, actors))
    msg.text(
        f"{len(documents)} documents, {batch_size} in a batch: {one:.2f} documents per second by "
        f"one actor, {several:.2f} by {actors}: {several / one:.2f} times as many"
    )


def throughput(
    nlp: Language, batches: List[List[Item]], annotator: Annotator, actors: int
) -> float:
    """Measure the documents per second, once all actors have started."""
    # Each actor takes such a batch when it has started. There are enough for the slowest actor.
    warm = batches[: 4 * actors]
    results = annotate_on_ray(nlp, [*warm, *batches], annotator, num_actors=actors)
    for _ in range(sum(map(len, warm))):
        next(results)
    start = time.perf_counter()
    number = sum(1 for _ in results)
    return number / (time.perf_counter() - start)


if __name__ == "__main__":
    typer.run(main)
