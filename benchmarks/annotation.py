"""(a) Documents per second of transformer and relation extractor, compared with the bare encoder.

python benchmarks/annotation.py DOCS.spacy ENCODER [--shape released] [--precision bfloat16]
"""

from pathlib import Path
from typing import Any, Dict, List

import spacy
import torch
import typer
from common import copies_of, machine, make_pipeline, median_seconds, read_examples
from reference import ReferenceModel
from spacy.language import Language
from spacy.tokens import Doc
from spacy_transformers.util import batch_by_length
from transformers import AutoModel
from wasabi import msg

from spacy_docre.models.precision import Precision, autocast


def main(
    path: Path,
    encoder: str,
    shape: str = "recipe",
    precision: str = "float32",
    limit: int = 100,
    repeats: int = 5,
    reference: bool = False,
) -> None:
    """Measure annotation.

    path (Path): A .spacy file with gold entities and relations.
    encoder (str): Folder or hub name of the encoder.
    shape (str): "recipe", or "released" for the head of the authors' code.
    precision (str): "float32", "bfloat16" or "auto".
    limit (int): The number of documents.
    repeats (int): The number of repeats; medians are reported.
    reference (bool): Whether to time a plain implementation of the released shapes, too (float32).
    """
    nlp = make_pipeline(encoder, shape, precision, read_examples(path, spacy.blank("en"), limit))
    docs = [example.predicted for example in read_examples(path, nlp, limit)]
    whole = median_seconds(
        lambda copies: list(nlp.pipe(copies, batch_size=32)), lambda: copies_of(docs), repeats
    )
    batches = encoder_batches(nlp, docs)
    transformer = AutoModel.from_pretrained(encoder, attn_implementation="sdpa").eval()
    bare = median_seconds(
        lambda _: run_encoder(transformer, batches, precision), lambda: None, repeats
    )
    rows = [
        ("bare encoder (SDPA)", f"{bare / len(docs):.4f}", f"{len(docs) / bare:.1f}", "1.00"),
        (
            f"transformer + relations ({shape})",
            f"{whole / len(docs):.4f}",
            f"{len(docs) / whole:.1f}",
            f"{whole / bare:.2f}",
        ),
    ]
    if reference:
        plain = time_reference(encoder, nlp, docs)
        rows.append(
            (
                "plain implementation, released shapes, float32",
                f"{plain / len(docs):.4f}",
                f"{len(docs) / plain:.1f}",
                f"{plain / bare:.2f}",
            )
        )
    msg.text(f"{len(docs)} documents, {precision}, median of {repeats}; {machine()}")
    msg.table(rows, header=("", "s / document", "documents / s", "x bare"), divider=True)


def encoder_batches(nlp: Language, docs: List[Doc]) -> List[Dict[str, torch.Tensor]]:
    """Make the same batches of word pieces that the pipeline's transformer runs on."""
    component: Any = nlp.get_pipe("transformer")
    tokenizer, get_spans = component.model.tokenizer, component.model.attrs["get_spans"]
    batches = []
    for start in range(0, len(docs), 32):
        outer = docs[start : start + 32]
        for indices in batch_by_length(outer, component.cfg["max_batch_items"]):
            spans = [span for doc in get_spans([outer[i] for i in indices]) for span in doc]
            texts = [span.text for span in spans]
            batches.append(
                dict(tokenizer(texts, padding="longest", truncation=True, return_tensors="pt"))
            )
    return batches


def run_encoder(
    transformer: torch.nn.Module, batches: List[Dict[str, torch.Tensor]], precision: Precision
) -> None:
    with torch.inference_mode(), autocast(precision, torch.device("cpu")):
        for batch in batches:
            transformer(**batch)


def time_reference(encoder: str, nlp: Language, docs: List[Doc]) -> float:
    """Measure the seconds of the plain implementation for all documents, in batches of four."""
    transformer = AutoModel.from_pretrained(encoder, attn_implementation="eager")
    model = ReferenceModel(transformer, num_labels=97).eval()
    tokenizer: Any = nlp.get_pipe("transformer").model.tokenizer  # type: ignore[attr-defined]
    inputs = []
    for start in range(0, len(docs), 4):
        batch = docs[start : start + 4]
        encoded = tokenizer(
            [[token.text for token in doc] for doc in batch],
            is_split_into_words=True,
            padding="longest",
            truncation=True,
            return_tensors="pt",
        )
        mentions = [_first_pieces(doc, encoded.word_ids(index)) for index, doc in enumerate(batch)]
        inputs.append((encoded["input_ids"], encoded["attention_mask"], mentions))

    def run(_: None) -> None:
        with torch.inference_mode():
            for arguments in inputs:
                model(*arguments)

    return median_seconds(run, lambda: None, repeats=1)


def _first_pieces(doc: Doc, words: List[Any]) -> List[List[int]]:
    entities: Dict[str, List[int]] = {}
    for span in doc.spans["entities"]:
        if span.start in words:
            entities.setdefault(span.id_, []).append(words.index(span.start))
    return list(entities.values())


if __name__ == "__main__":
    typer.run(main)
