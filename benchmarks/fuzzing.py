"""The long fuzzing run: hostile texts, lines, files and pipelines, from a first seed on.

    python -m benchmarks.fuzzing assets/en_docre_wiki_sm --texts 10000

The run stops at the first failure, and names the seed. Add a test of this kind to `tests/`. The run
also prints memory, which should not grow with the number of documents.
"""

import resource
import shutil
import tempfile
from pathlib import Path

import typer
from spacy.tokens import DocBin

from tests.fuzzing import fuzz_annotate, fuzz_files, fuzz_pipeline, fuzz_texts
from tests.pinned import ASSETS, load_in_float32

_PART = 250
_SAMPLES = ASSETS / "samples"
_QUICKSTART = ASSETS / "quickstart"


def main(
    model: Path,
    texts: int = 10_000,
    lines: int = 2_000,
    files: int = 300,
    pipelines: int = 150,
    seed: int = 0,
) -> None:
    """Fuzz a pipeline that finds entities in bare text.

    model (Path): The pipeline.
    texts, lines, files, pipelines (int): The number of each.
    seed (int): The first seed.
    """
    nlp = load_in_float32(model)
    found = 0
    for part in range(0, texts, _PART):
        found += fuzz_texts(nlp, seed + part, min(_PART, texts - part))
        _tell(f"{part + _PART} texts, {found} relations")
    folder = Path(tempfile.mkdtemp())
    left_out = 0
    for part in range(0, lines, _PART):
        left_out += fuzz_annotate(model, folder, seed + part, min(_PART, lines - part))
        _tell(f"{part + _PART} lines, {left_out} left out")
    sample = next(_SAMPLES.iterdir())
    stored = folder / "docs.spacy"
    docs = list(nlp.pipe(file.read_text("utf8") for file in _SAMPLES.iterdir()))
    DocBin(docs=docs, store_user_data=True).to_disk(stored)
    annotate = ["annotate", model, "INPUT", "--output", "OUTPUT"]
    convert = ["convert", "INPUT", folder / "out.spacy", "--force"]
    for source, commands in (
        (stored, [["stats", "INPUT"], annotate]),
        (_QUICKSTART / "dev.json", [["stats", "INPUT"], convert]),
        (_QUICKSTART / "prodigy.jsonl", [convert]),
        (sample, [annotate]),
    ):
        results = fuzz_files(commands, source, folder, seed, files // 4)
        refused = sum(result.exit_code != 0 for result in results)
        _tell(f"{source.name}: {len(results)} commands, {refused} refused")
    results = fuzz_pipeline(model, sample, folder, seed, pipelines)
    refused = sum(result.exit_code != 0 for result in results)
    _tell(f"{pipelines} damaged pipelines, {refused} refused")
    shutil.rmtree(folder)


def _tell(what: str) -> None:
    """Print the progress, and the peak memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{what}; {peak:.0f} MB at most", flush=True)


if __name__ == "__main__":
    typer.run(main)
