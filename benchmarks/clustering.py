"""Measure how well, and how fast, gold mentions are grouped into entities."""

import time
from pathlib import Path

import spacy
import typer
from common import with_mentions
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from wasabi import msg

from spacy_docre.data.corpus_files import read_spacy_docs
from spacy_docre.entity_sources import make_doc_ents_entities, set_entity_spans
from spacy_docre.evaluation.clusters import CLUSTER_METRICS, make_entity_cluster_scorer


def main(path: Path, mentions: int = 2000) -> None:
    """Measure clustering.

    path (Path): A .spacy file with gold entities, their mentions also in doc.ents.
    mentions (int): The number of mentions of the document that is timed.
    """
    references = list(read_spacy_docs(path, Vocab()))
    clusterer = spacy.blank("en").add_pipe("entity_clusterer")
    score = make_entity_cluster_scorer()
    rows = []
    for name, group in (("same text", _group_by_text), ("entity_clusterer", clusterer)):
        scores = score(
            [Example(group(with_mentions(reference)), reference) for reference in references]
        )
        rows.append(
            (name, *(f"{100 * scores[f'cluster_{metric}_f']:.1f}" for metric in CLUSTER_METRICS))
        )
    msg.table(rows, header=("F1", *CLUSTER_METRICS), aligns=("l", *"rrr"))

    docs = [with_mentions(reference) for reference in references]
    while sum(len(doc.ents) for doc in docs) < mentions:
        docs += docs
    doc = Doc.from_docs(docs)
    doc.ents = doc.ents[:mentions]
    start = time.perf_counter()
    clusterer(doc)
    msg.text(f"{mentions} mentions in one document: {time.perf_counter() - start:.2f} s")


def _group_by_text(doc: Doc) -> Doc:
    set_entity_spans(doc, make_doc_ents_entities()(doc))
    return doc


if __name__ == "__main__":
    typer.run(main)
