"""(c) Time and peak memory for different numbers of entities and lengths of documents.

    python benchmarks/scaling.py ENCODER [--shape released] [--precision bfloat16]

Each setting runs in a separate process, to measure its own peak memory.
"""

import multiprocessing
import random
import resource
from typing import Any, List, Tuple

import spacy
import typer
from common import copies_of, machine, make_pipeline, median_seconds
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from wasabi import msg

from spacy_docre import Triple
from spacy_docre.pairs import Pairs

ENTITIES = (5, 10, 20, 42, 100, 300, 700)
PIECES = (128, 256, 512, 1024, 2048, 4096)
WORDS = "the river town of old king built a large stone bridge in war and peace".split()


def main(encoder: str, shape: str = "recipe", precision: str = "float32", batch: int = 1) -> None:
    """Measure time and peak memory.

    encoder (str): Folder or hub name of the encoder.
    shape (str): "recipe", or "released" for the head of the authors' code.
    precision (str): "float32", "bfloat16" or "auto".
    batch (int): The number of documents in a batch.
    """
    rows = []
    for pieces, entities in [(512, n) for n in ENTITIES] + [(n, 20) for n in PIECES]:
        setting = (encoder, shape, precision, pieces, entities, batch)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, megabytes = pool.apply(measure, setting)
        per_pair = 1000 * megabytes / Pairs.count(entities)
        rows.append(
            (entities, pieces, f"{seconds / batch:.4f}", f"{megabytes:.0f}", f"{per_pair:.1f}")
        )
    msg.text(f"{shape}, {precision}, {batch} documents at a time; {machine()}")
    msg.table(
        rows,
        header=("entities", "words", "s / document", "peak MB above start", "kB a pair"),
        divider=True,
    )


def measure(
    encoder: str, shape: str, precision: str, pieces: int, entities: int, batch: int
) -> Tuple[float, float]:
    """Measure the seconds of a batch, and the peak memory in addition to the loaded pipeline."""
    random.seed(0)
    blank = spacy.blank("en")
    nlp = make_pipeline(encoder, shape, precision, [_example(blank)])
    docs = [make_doc(blank, pieces, entities) for _ in range(batch)]
    before = _peak_megabytes()
    seconds = median_seconds(
        lambda copies: list(nlp.pipe(copies)), lambda: copies_of(docs), repeats=3
    )
    return seconds, _peak_megabytes() - before


def make_doc(nlp: Language, words: int, entities: int) -> Doc:
    """Make a document of random words of one piece each. Each entity has one mention."""
    doc = Doc(nlp.vocab, words=random.choices(WORDS, k=words))
    indices: List[Any] = [random.randrange(words) for _ in range(entities)]
    doc.spans["entities"] = [
        Span(doc, index, index + 1, label="MISC", span_id=str(number))
        for number, index in enumerate(indices)
    ]
    return doc


def _example(nlp: Language) -> Example:
    """Make an example with as many relation labels as Re-DocRED has."""
    doc = make_doc(nlp, 100, 20)
    reference = doc.copy()
    reference._.entities = [[span] for span in reference.spans["entities"]]
    reference._.relations = [Triple(0, 1, f"R{number}") for number in range(96)]
    return Example(doc, reference)


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    typer.run(main)
