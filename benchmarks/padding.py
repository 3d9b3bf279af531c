"""Measure how much the padding of the authors' released code changes the logits. That code does not
mask the padding.

python benchmarks/padding.py MODEL DOCS.spacy

MODEL has `spacy_docre.PaddedAxialAttention.v1`. Its weights are used with padding, without padding,
and without padding and diagonal of the table, as in `spacy_docre.AxialAttention.v1`.
"""

from functools import partial
from pathlib import Path
from typing import Any, Dict

import numpy
import typer
from common import copies_of, read_examples
from spacy.util import load_model
from torch import nn
from wasabi import msg

from spacy_docre.compat.padded_table import PaddedAxialAttention
from spacy_docre.models.kd_docre import AxialAttention, KDDocRE


def main(model: Path, path: Path, limit: int = 0) -> None:
    """Measure the logits and F1 of each form.

    model (Path): A trained pipeline with padding.
    path (Path): A .spacy file of documents with gold entities and relations.
    limit (int): The number of documents; 0 for all.
    """
    nlp = load_model(model)
    extractor: Any = nlp.get_pipe("doc_relation_extractor")
    # At 0.5, TH decides.
    extractor.cfg["threshold"] = 0.5
    network = extractor.model.get_ref("pair_scorer").shims[0]._model
    examples = read_examples(path, nlp, limit)
    docs = [example.predicted for example in examples]
    rows = []
    padded = None
    for name, pair_encoder in forms(network.pair_encoder).items():
        network.pair_encoder = pair_encoder
        if not pair_encoder.diagonal:
            network.encode_pairs = partial(KDDocRE.encode_pairs, network)
        encoded = nlp.get_pipe("transformer").pipe(copies_of(docs), batch_size=32)
        logits = numpy.concatenate(
            [scores.logits for doc in encoded for scores in extractor.predict([doc])]
        )
        padded = logits if padded is None else padded
        moved = numpy.abs(logits - padded)
        related, before = (values[:, 1:] > values[:, :1] for values in (logits, padded))
        rows.append(
            (
                name,
                f"{moved.mean():.3f}",
                f"{numpy.quantile(moved, 0.99):.2f}",
                f"{moved.max():.2f}",
                f"{(related != before).sum()} of {before.sum()}",
                f"{100 * nlp.evaluate(examples)['rel_f']:.1f}",
            )
        )
    msg.text(f"{len(docs)} documents; standard deviation of the logits {padded.std():.2f}")
    header = ("table of pairs", "mean change", "99 %", "largest", "triples that differ", "F1")
    msg.table(rows, header=header, aligns=("l", *"rrrrr"))


def forms(padded: PaddedAxialAttention) -> Dict[str, nn.Module]:
    """Return the layer, and its weights in layers without padding and without the diagonal."""
    layer: Any = padded.layers[0]
    width, heads = layer.row.output.in_features, layer.row.heads
    settings: Dict[str, Any] = {"depth": len(padded.layers), "heads": heads}
    others = {
        "n x n": PaddedAxialAttention(width, size=1, **settings),
        "n (n - 1)": AxialAttention(width, order="parallel", transform=True, **settings),
    }
    for other in others.values():
        other.load_state_dict(padded.state_dict())
    return {f"{padded.size} x {padded.size}": padded, **others}


if __name__ == "__main__":
    typer.run(main)
