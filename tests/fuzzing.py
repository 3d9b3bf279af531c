"""Fuzzing: hostile documents, lines, files and folders, and what has to hold for each.

Each function raises an AssertionError at the first thing that does not hold; it names the seed.
"""

import gc
import json
import random
import re
import shutil
import traceback
from pathlib import Path
from typing import Dict, List, Sequence

from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from typer.testing import CliRunner, Result

import spacy_docre.cli  # noqa: F401

from .damage import damage_file, damage_folder
from .hostile import check_document, hostile_line, strict_json, texts

# Scores of one document, alone and in a batch, in float32.
_TOLERANCE = 1e-3


def triples(doc: Doc) -> Dict[tuple, float]:
    """The score of each triple of a document."""
    return {
        (relation.head.index, relation.label_, relation.tail.index): relation.score
        for relation in doc._.relations
    }


def fuzz_texts(nlp: Language, seed: int, number: int, batch_size: int = 16) -> int:
    """Annotate hostile texts: each comes back in its place, whole, and as it is alone.

    nlp (Language): A pipeline, in float32.
    seed (int): The seed.
    number (int): How many texts.
    batch_size (int): Documents in a batch; of each the first is annotated alone, too.
    RETURNS (int): The number of relations that were found.
    """
    threshold = nlp.get_pipe("doc_relation_extractor").cfg["threshold"]
    found = 0
    for batch in minibatch(texts(seed, number), batch_size):
        docs = list(nlp.pipe(batch))
        assert len(docs) == len(batch)
        for doc, text in zip(docs, batch, strict=True):
            check_document(doc, text)
            found += len(doc._.relations)
        again = Doc(nlp.vocab).from_bytes(docs[0].to_bytes())
        assert triples(again) == triples(docs[0])
        alone, together = triples(nlp(batch[0])), triples(docs[0])
        for triple in {*alone, *together}:
            # What one of them lacks has a score at the threshold.
            first, second = (each.get(triple, threshold) for each in (alone, together))
            assert abs(first - second) < _TOLERANCE, (seed, batch[0], triple, first, second)
    return found


def fuzz_annotate(model: Path, folder: Path, seed: int, number: int) -> int:
    """Annotate a file of hostile lines: each line is written once or told to be left out.

    model (Path): A pipeline.
    folder (Path): Where files may be written.
    seed (int): The seed.
    number (int): How many lines.
    RETURNS (int): The number of lines that were left out.
    """
    chance = random.Random(seed)
    lines = [hostile_line(chance, index).replace("\n", " ") for index in range(number)]
    source, output = folder / f"hostile {seed}.jsonl", folder / f"found {seed}.jsonl"
    source.write_bytes("\n".join(lines).encode("utf8", "surrogatepass"))
    result = run("annotate", model, source, "--output", output, "--force")
    told = re.search(r"(\d+) documents were left out", result.output)
    left_out = int(told[1]) if told else 0
    written = [strict_json(line) for line in output.read_text("utf8").split("\n") if line]
    assert len(written) + left_out == sum(bool(line.strip()) for line in lines), (seed, left_out)
    ids = [document["id"] for document in written]
    assert len(set(map(str, ids))) == len(ids), seed
    usable = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("number"), int):
            usable[record["number"]] = record
    for document in written:
        if document.get("number") in usable:
            assert document["text"] == usable[document["number"]]["text"], seed
    return left_out


def fuzz_files(
    commands: Sequence[Sequence[object]], source: Path, folder: Path, seed: int, number: int
) -> List[Result]:
    """Damage a file, and give it to commands: they work, or say in a line why not.

    commands (Sequence[Sequence[object]]): Commands; "INPUT" stands for the damaged file, "OUTPUT"
        for a file that a failed command should not leave.
    source (Path): The file.
    folder (Path): Where files may be written.
    seed (int): The seed.
    number (int): How often.
    RETURNS (List[Result]): What the commands gave.
    """
    chance = random.Random(seed)
    results = []
    for index in range(number):
        work = folder / f"{source.stem} {seed} {index}"
        work.mkdir()
        victim = Path(shutil.copy(source, work))
        damage_file(victim, chance, fields=chance.random() < 0.5)
        for command in commands:
            output = work / "output.jsonl"
            named = {"INPUT": victim, "OUTPUT": output}
            result = run(*(named.get(str(part), part) for part in command))
            # Exit status 1 of `annotate` says that documents were left out.
            if result.exit_code and command[0] != "annotate":
                assert not output.exists(), (seed, index, command)
            results.append(result)
        shutil.rmtree(work)
    return results


def fuzz_pipeline(model: Path, text: Path, folder: Path, seed: int, number: int) -> List[Result]:
    """Damage one file of a pipeline, and annotate with it.

    model (Path): The pipeline.
    text (Path): A text file.
    folder (Path): Where files may be written.
    seed (int): The seed.
    number (int): How often.
    RETURNS (List[Result]): What the command gave.
    """
    chance = random.Random(seed)
    results = []
    copy, output = folder / f"pipeline {seed}", folder / f"pipeline {seed}.jsonl"
    for _ in range(number):
        shutil.copytree(model, copy)
        damage_folder(copy, chance)
        results.append(run("annotate", copy, text, "--output", output, "--force"))
        shutil.rmtree(copy)
    return results


def run(*command: object) -> Result:
    """Run a command of `spacy docre`: it may fail, and not with a traceback.

    command (object): The command and its arguments.
    RETURNS (Result): What it gave.
    """
    arguments = list(map(str, command))
    result = CliRunner().invoke(app, ["docre", *arguments])
    told = "".join(traceback.format_exception(*result.exc_info)) if result.exc_info else ""
    assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, told)
    assert "Traceback" not in result.output, (arguments, result.output)
    if result.exit_code:
        assert result.output.strip(), arguments
    # A pipeline is a ring of references: without this, dozens wait to be freed.
    gc.collect()
    return result
