"""Functions of several benchmarks: documents, pipelines, medians."""

import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_config

from spacy_docre.data.gold_annotations import make_example
from spacy_docre.entity_sources import DEFAULT_KEY
from spacy_docre.training.corpus import make_corpus

CONFIG = Path(__file__).parent.parent / "configs" / "redocred_minilm.cfg"
RECIPE: Dict[str, Any] = load_config(CONFIG)["components"]["doc_relation_extractor"]["model"]
# The head of the authors' released code. Its pair table is as wide as the encoder.
RELEASED: Dict[str, Any] = {
    "width": 1024,
    "block_size": 64,
    "pair_width": 384,
    "pair_encoder": {
        "@layers": "spacy_docre.AxialAttention.v1",
        "depth": 6,
        "heads": 8,
        "order": "parallel",
        "transform": True,
    },
}
SHAPES = {"recipe": RECIPE, "released": RELEASED}


def make_pipeline(encoder: str, shape: str, precision: str, examples: List[Example]) -> Language:
    """Make an initialised pipeline of a transformer and the relation extractor.

    encoder (str): Folder or hub name of the encoder.
    shape (str): "recipe" or "released".
    precision (str): Precision of both components.
    examples (List[Example]): Examples to initialise it with.
    RETURNS (Language): The pipeline. Its threshold is so high that it annotates nothing, since an
        untrained model would annotate other amounts than a trained model.
    """
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy_docre.TransformerModel.v1",
        "name": encoder,
        "precision": precision,
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 384,
            "stride": 288,
        },
    }
    nlp.add_pipe("transformer", config={"model": model})
    nlp.add_pipe(
        "doc_relation_extractor",
        config={"threshold": 1.0, "model": {**SHAPES[shape], "precision": precision}},
    )
    nlp.initialize(lambda: examples)
    return nlp


def read_examples(path: Path, nlp: Language, limit: int) -> List[Example]:
    """Read examples from a `.spacy` file. The predicted documents have the gold entities."""
    return list(make_corpus(str(path), limit=limit)(nlp))


def copies_of(docs: List[Doc]) -> List[Doc]:
    """Copy documents, for a run that annotates them."""
    return [doc.copy() for doc in docs]


def median_seconds(run: Callable[[Any], Any], prepare: Callable[[], Any], repeats: int) -> float:
    """Measure the median time of a run, after one run to warm up.

    run (Callable[[Any], Any]): The function that is timed.
    prepare (Callable[[], Any]): Makes its argument, and is not timed.
    repeats (int): The number of repeats.
    RETURNS (float): The time in seconds.
    """
    seconds = []
    for _ in range(repeats + 1):
        argument = prepare()
        start = time.perf_counter()
        run(argument)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def machine() -> str:
    """Describe the machine in one line."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{torch.get_num_threads()} threads, {capability}, torch {torch.__version__}"


def with_entities(reference: Doc) -> Doc:
    """Copy the words and sentences with the gold entities, whose mentions are also in doc.ents."""
    doc = make_example(reference).predicted
    doc.ents = [Span(doc, ent.start, ent.end, label=ent.label) for ent in reference.ents]
    return doc


def with_mentions(reference: Doc) -> Doc:
    """Copy the words and sentences with the gold mentions in doc.ents, but without entities."""
    doc = with_entities(reference)
    del doc.spans[DEFAULT_KEY]
    return doc
