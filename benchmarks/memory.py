"""Measure the memory of many short annotated texts: their relations keep the Docs.

python benchmarks/memory.py PIPELINE TEXT.txt [--texts 1600] [--keep-encoding]

Run it once with `--keep-encoding` and once without, in separate processes.
"""

import gc
from pathlib import Path

import spacy
import typer
from wasabi import msg


def resident() -> float:
    """Read the memory of the process, in MB."""
    lines = Path("/proc/self/status").read_text("utf8").splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main(pipeline: str, path: Path, texts: int = 1600, keep_encoding: bool = False) -> None:
    """Measure memory.

    pipeline (str): The pipeline.
    path (Path): A short text.
    texts (int): How often it is annotated. Each time, another number is added.
    keep_encoding (bool): Whether Docs keep the transformer's hidden states.
    """
    config = {"components": {"doc_relation_extractor": {"keep_encoding": keep_encoding}}}
    nlp = spacy.load(pipeline, config=config)
    text = path.read_text("utf8")
    list(nlp.pipe(f"{text} {number}." for number in range(64)))
    gc.collect()
    before = resident()
    kept = [doc._.relations for doc in nlp.pipe(f"{text} {number}." for number in range(texts))]
    gc.collect()
    used = resident() - before
    msg.text(
        f"{sum(map(len, kept))} relations of {texts} texts, keep_encoding = {keep_encoding}: "
        f"{used:.0f} MB more than the {before:.0f} MB of the pipeline"
    )


if __name__ == "__main__":
    typer.run(main)
