"""Measure the time and memory that `docre graph` needs to merge synthetic triples. Times are sums
over all threads."""

import json
import random
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import List

import typer
from wasabi import msg

from spacy_docre.annotate.graph.formats import choose_format
from spacy_docre.annotate.graph.merge import MergeOptions, merge_triples
from spacy_docre.pipeline.names import make_name_rules

LABELS = ("PER", "LOC", "ORG", "MISC")


def main(documents: int = 100_000, memory: int = 1000, outputs: str = ".nt .csv .graphml") -> None:
    """Measure the merging.

    documents (int): The number of documents, each with 18 entities and 12 relations.
    memory (int): Memory for the database, in MB.
    outputs (str): The endings of the formats to write.
    """
    rows: List[List[str]] = []
    with TemporaryDirectory() as folder:
        triples = Path(folder, "triples.jsonl")
        _write_triples(triples, documents)
        rows.append(["triples", f"{triples.stat().st_size / 2**20:,.0f} MB", ""])
        start = time.process_time()
        with merge_triples([triples], make_name_rules(), MergeOptions(), memory) as graph:
            rows.append(["merged", f"{time.process_time() - start:.1f} s of CPU", _peak()])
            for suffix in outputs.split():
                start = time.process_time()
                choose_format(Path(f"graph{suffix}")).write(graph, Path(folder, f"graph{suffix}"))
                rows.append([suffix, f"{time.process_time() - start:.1f} s of CPU", _peak()])
            for table in ("entities", "relations", "contradictions"):
                rows.append([table, f"{graph.count(table):,}", ""])
    msg.table(rows, header=("", "", "peak memory"), aligns=("l", "r", "r"))


def _peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:,.0f} MB"


def _write_triples(path: Path, documents: int) -> None:
    """Write triples whose names are distributed as in texts: few are frequent, most are rare."""
    random.seed(0)
    with path.open("w", encoding="utf8") as file:
        for number in range(documents):
            entities = []
            for index in range(18):
                name = int(random.paretovariate(0.5)) % (5 * documents)
                entity = {"id": index, "text": f"Ada{name} Lane{name % 997}", "mentions": []}
                linked = f"Q{name}" if name % 3 == 0 else ""
                entities.append({**entity, "label": LABELS[name % 4], "kb_id": linked})
            relations = []
            for _ in range(12):
                head, tail = random.sample(range(18), 2)
                relation = {"head": head, "tail": tail, "label": f"P{random.choice(range(17, 40))}"}
                evidence = [
                    {"start": 0, "end": 60, "text": f"A sentence of document {number}. " * 3}
                ]
                score = random.random()
                relations.append({**relation, "name": "", "score": score, "evidence": evidence})
            text = "It was a long winter , and the snow lay deep . " * 20
            record = {"id": f"doc {number}", "text": text, "entities": entities}
            file.write(json.dumps({**record, "relations": relations}) + "\n")


if __name__ == "__main__":
    typer.run(main)
