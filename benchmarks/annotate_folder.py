"""Annotate documents to a folder: measure memory, and check that kills lose nothing.

python benchmarks/annotate_folder.py [--documents 100000] [--kills 20]

The pipeline has rules for names and no network, so that only the code around it is measured.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Dict, List

import pyarrow.parquet
import spacy
import typer
from memory import resident
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from spacy_docre import Triple
from spacy_docre.annotate.engine import annotate_batches
from spacy_docre.annotate.folder import OutputFolder
from spacy_docre.annotate.inputs import list_files
from spacy_docre.annotate.made_from import MadeFrom, look_at_inputs

NAMES = ["Ada Lane", "Bruno Falk", "Clara Weiss", "Oslo", "Porto", "Turin", "Lyon", "Graz"]
# After this share of the documents, memory should be flat.
WARM = 0.1


@Language.component("relates_neighbours")
def relates_neighbours(doc: Doc) -> Doc:
    doc._.entities = [[ent] for ent in doc.ents]
    doc._.relations = [Triple(index, index + 1, "P1") for index in range(len(doc.ents) - 1)]
    return doc


def main(documents: int = 100_000, kills: int = 20, part_size: int = 1000) -> None:
    """Annotate documents in one run, and in a second run that is killed at random moments.

    documents (int): The number of documents.
    kills (int): How often the second run is killed.
    part_size (int): The number of documents in a part.
    """
    folder = Path(tempfile.mkdtemp())
    texts = folder / "texts.jsonl"
    chance = random.Random(0)
    with texts.open("w", encoding="utf8") as file:
        for number in range(documents):
            names = chance.sample(NAMES, 2)
            # One id in ten occurs twice.
            record = {"id": f"d{number - number % 10 // 9}", "text": " was born in ".join(names)}
            file.write(json.dumps(record) + "\n")
    start = time.perf_counter()
    memory = annotate(texts, folder / "whole", part_size)
    seconds = time.perf_counter() - start
    warm = memory[int(WARM * len(memory)) :]
    msg.text(
        f"{documents:,} documents in {seconds:.0f} s; {warm[0]:.0f} MB after a tenth of them, at "
        f"most {max(warm) / warm[0]:.3f} of it later"
    )
    for _ in range(kills):
        child = os.fork()
        if not child:
            annotate(texts, folder / "killed", part_size)
            os._exit(0)
        # Together, the killed runs have time for two thirds of the work.
        time.sleep(chance.uniform(0, 4 / 3 * seconds / kills))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    before = len(list((folder / "killed").glob("part-*")))
    annotate(texts, folder / "killed", part_size)
    whole, killed = read(folder / "whole"), read(folder / "killed")
    ids = {row for rows in killed.values() for row in rows}
    found = sum(map(len, killed.values()))
    msg.text(
        f"{kills} kills, {before} parts before the last run; lost: {documents - len(ids)}, doubled:"
        f" {found - len(ids)}, parts that differ: {sum(whole[n] != killed.get(n) for n in whole)}"
    )
    shutil.rmtree(folder)
    sys.exit(int(whole != killed))


def annotate(texts: Path, folder: Path, part_size: int) -> List[float]:
    """Annotate the documents that are not in the folder yet. Return the memory after each part, in
    MB."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "X", "pattern": name} for name in NAMES])  # type: ignore[attr-defined]
    nlp.add_pipe("relates_neighbours")
    listing = list_files([texts])
    memory = []
    with closing(OutputFolder(folder, ".parquet", part_size)) as output:
        made_from = MadeFrom(look_at_inputs(listing.files, output.made_from), {})
        output.check(made_from)
        output.begin(made_from, listing, afresh=False)
        batches = output.batches(nlp.vocab, 64)
        for number, _ in enumerate(output.write(annotate_batches(nlp, batches)), start=1):
            if number % part_size == 0:
                memory.append(resident())
    return memory


def read(folder: Path) -> Dict[str, List[str]]:
    """Read the rows of each part, as text."""
    return {
        file.name: [str(row) for row in pyarrow.parquet.read_table(file).to_pylist()]
        for file in folder.glob("part-*")
    }


if __name__ == "__main__":
    typer.run(main)
