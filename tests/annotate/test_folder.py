"""Folders of annotated documents, and runs that end in whatever way."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_docre import Triple
from spacy_docre.annotate.engine import annotate_batches
from spacy_docre.annotate.folder import MANIFEST, OutputFolder
from spacy_docre.annotate.inputs import START, Failure, list_files, read_inputs
from spacy_docre.annotate.made_from import MadeFrom, look_at_inputs, model_digest
from spacy_docre.annotate.manifest import Manifest, PartRecord
from tests.kills import kill_at_each_call


@Language.component("relates_ends")
def relates_ends(doc: Doc) -> Doc:
    """The first and the last word of a document are related."""
    if doc[0].text == "bad":
        raise ValueError("a bad one")
    doc._.entities = [[doc[:1]], [doc[-1:]]]
    doc._.relations = [Triple(0, 1, "P1")]
    return doc


@Language.component("relates_all_ends")
def relates_all_ends(doc: Doc) -> Doc:
    """As where there is memory now."""
    doc._.entities = [[doc[:1]], [doc[-1:]]]
    doc._.relations = [Triple(0, 1, "P1")]
    return doc


def make_pipeline() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("relates_ends")
    return nlp


def run(
    folder: Path,
    inputs: List[Path],
    *,
    suffix: str = ".jsonl",
    part_size: int = 4,
    batch_size: int = 3,
    afresh: bool = False,
    stop: Callable[[], Any] = lambda: None,
    again: bool = False,
    mended: bool = False,
    **settings: Any,
) -> List[str]:
    """Annotates documents, and gives the ids of those that this run has had."""
    listing = list_files(inputs)
    nlp = make_pipeline()
    if mended:
        nlp.replace_pipe("relates_ends", "relates_all_ends")
    with closing(OutputFolder(folder, suffix, part_size)) as output:
        made_from = MadeFrom(look_at_inputs(listing.files, output.made_from), settings)
        if not afresh:
            output.check(made_from)
        output.begin(made_from, listing, afresh=afresh)
        ids = []
        read, write = output.batches, output.write
        if again:
            read, write = output.failed_batches, output.write_again
        for result in write(annotate_batches(nlp, read(nlp.vocab, batch_size))):
            ids.append(result.id if isinstance(result, Failure) else result[1].id)
            stop()
    return ids


def expected(inputs: List[Path]) -> List[str]:
    """The ids that a single file has."""
    return [item.id for item in read_inputs(list_files(inputs), spacy.blank("en").vocab)]


def written(folder: Path) -> List[str]:
    lines = [line for file in parts(folder) for line in file.read_text("utf8").splitlines()]
    return [json.loads(line)["id"] for line in lines]


def parts(folder: Path) -> List[Path]:
    return sorted(folder.glob("part-*"))


def failed(folder: Path) -> List[str]:
    with closing(OutputFolder(folder, ".jsonl", 4)) as output:
        assert output.is_complete
        return [failure.id for failure in output.manifest.failures()]


def contents(folder: Path) -> Dict[str, bytes]:
    return {file.name: file.read_bytes() for file in parts(folder)}


@pytest.fixture
def inputs(tmp_path: Path) -> List[Path]:
    """Files of 20 inputs: ids that come again, lines that fail, an empty line, a file of text."""
    path = tmp_path / "texts.jsonl"
    records = [
        {"id": f"d{n % 5}", "text": f"bad {n}" if n in (3, 11) else f"one of {n}"}
        for n in range(17)
    ]
    lines = [*map(json.dumps, records), "", "no json"]
    path.write_text("\n".join(lines))
    other = tmp_path / "a text.txt"
    other.write_text("a text")
    return [path, other, tmp_path / "pipe.txt"]


@pytest.fixture(autouse=True)
def pipe(tmp_path: Path) -> None:
    """What is no file is a failure, too."""
    os.mkfifo(tmp_path / "pipe.txt")


class Stop(Exception):
    pass


def stop_after(number: int) -> Callable[[], None]:
    counted = count(1)

    def stop() -> None:
        if next(counted) == number:
            raise Stop

    return stop


def test_parts(tmp_path: Path, inputs: List[Path]) -> None:
    ids = run(tmp_path / "out", inputs)
    assert ids == expected(inputs) and len(ids) == 20
    assert [file.name for file in parts(tmp_path / "out")] == [
        f"part-00000{number}.jsonl" for number in range(5)
    ]
    lost = failed(tmp_path / "out")
    assert len(lost) == 4 and sorted(lost + written(tmp_path / "out")) == sorted(ids)
    # Nothing is left to do.
    assert run(tmp_path / "out", inputs) == []


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_it_goes_on_wherever_it_ends(tmp_path: Path, inputs: List[Path], batch_size: int) -> None:
    """At most the work of a part is lost, and the parts are to the byte those of one run."""
    run(tmp_path / "whole", inputs)
    for number in (1, 4, 5, 10, 17, 20):
        folder = tmp_path / f"out {number}"
        with pytest.raises(Stop):
            run(folder, inputs, stop=stop_after(number))
        kept = 4 * ((number - 1) // 4)
        assert len(parts(folder)) == kept // 4
        assert run(folder, inputs, batch_size=batch_size) == expected(inputs)[kept:]
        assert contents(folder) == contents(tmp_path / "whole")
        assert failed(folder) == failed(tmp_path / "whole")


def test_killed_at_each_step(tmp_path: Path, inputs: List[Path]) -> None:
    whole = tmp_path / "whole"
    run(whole, inputs, part_size=10)

    def check(folder: Path) -> None:
        """A file under a final name is whole."""
        for file in parts(folder) if folder.exists() else []:
            assert file.read_bytes() == (whole / file.name).read_bytes()
        run(folder, inputs, part_size=10)
        assert contents(folder) == contents(whole) and failed(folder) == failed(whole)
        assert {file.name for file in folder.iterdir()} == {MANIFEST, *contents(whole)}

    kills = kill_at_each_call(
        lambda number: tmp_path / f"out {number}",
        lambda folder: run(folder, inputs, part_size=10),
        check,
    )
    assert kills > 10


def test_killed_at_random_moments(tmp_path: Path, inputs: List[Path]) -> None:
    """Also within the manifest's own writing."""
    chance = random.Random(0)
    whole, folder = tmp_path / "whole", tmp_path / "out"
    start = time.perf_counter()
    run(whole, inputs, part_size=1)
    seconds = time.perf_counter() - start
    for _ in range(10):
        child = os.fork()
        if not child:
            try:
                run(folder, inputs, part_size=1)
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0, seconds / 3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    run(folder, inputs, part_size=1)
    assert contents(folder) == contents(whole) and failed(folder) == failed(whole)


def test_what_is_done_is_not_read_again(tmp_path: Path, inputs: List[Path]) -> None:
    """Neither files that are done, nor what is done of a file."""
    files = [inputs[1], inputs[0]]
    with pytest.raises(Stop):
        run(tmp_path / "out", files, part_size=5, stop=stop_after(6))
    with closing(OutputFolder(tmp_path / "out", ".jsonl", 5)) as output:
        place = output.manifest.end
    assert place == (2, 4)
    lines = inputs[0].read_text().splitlines()
    inputs[0].write_text("\n".join(["no json"] * 4 + lines[4:]))
    inputs[1].unlink()
    listing = list_files([])
    listing.files = files
    items = read_inputs(listing, spacy.blank("en").vocab, start=place)
    assert [item.id for item in items][:2] == ["d4", "d0"]


@pytest.mark.parametrize(
    "change, told",
    [
        ({"threshold": 0.3}, "threshold was not given and is 0.3"),
        ({"content": "other"}, "texts.jsonl has changed"),
        ({"more": "more.txt"}, "more.txt is a new input"),
        ({"fewer": "a text.txt"}, "a text.txt is no longer an input"),
        ({"order": True}, "another order"),
        ({"lost": "part-000000.jsonl"}, "part-000000.jsonl is missing"),
    ],
)
def test_what_differs_is_named(
    change: Dict[str, Any], told: str, tmp_path: Path, inputs: List[Path]
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(Stop):
        run(folder, inputs, stop=stop_after(6))
    settings = {"threshold": change["threshold"]} if "threshold" in change else {}
    changed = list(inputs)
    if "content" in change:
        inputs[0].write_text("x")
    if "more" in change:
        (tmp_path / "more.txt").write_text("more")
        changed.append(tmp_path / "more.txt")
    if "fewer" in change:
        del changed[1]
    if "order" in change:
        changed.reverse()
    if "lost" in change:
        (folder / change["lost"]).unlink()
    before = contents(folder)
    with pytest.raises(ValueError, match="--force") as caught:
        run(folder, changed, **settings)
    assert told in str(caught.value) and contents(folder) == before
    assert run(folder, changed, afresh=True, **settings) == expected(changed)


def test_another_time_of_a_file_is_no_difference(tmp_path: Path, inputs: List[Path]) -> None:
    with pytest.raises(Stop):
        run(tmp_path / "out", inputs, stop=stop_after(6))
    os.utime(inputs[0], (1, 1))
    assert len(run(tmp_path / "out", inputs)) == 16


def test_nothing_to_lose_is_no_difference(tmp_path: Path, inputs: List[Path]) -> None:
    with pytest.raises(Stop):
        run(tmp_path / "out", inputs, stop=stop_after(2))
    assert len(run(tmp_path / "out", inputs, threshold=0.3)) == 20


def test_an_input_that_changes_meanwhile(tmp_path: Path, inputs: List[Path]) -> None:
    def change() -> None:
        with inputs[0].open("a") as file:
            file.write("more")

    with pytest.raises(ValueError, match="has changed while it was read"):
        run(tmp_path / "out", inputs, stop=change)
    assert parts(tmp_path / "out") == []


def test_afresh_leaves_nothing_of_before(tmp_path: Path, inputs: List[Path]) -> None:
    folder = tmp_path / "out"
    run(folder, inputs, part_size=1)
    (folder / f".part-000007.jsonl.{os.getpid()}.tmp").write_text("half")
    run(folder, inputs, suffix=".csv", afresh=True)
    assert {file.suffix for file in parts(folder)} == {".csv"}
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize("content", ["notes.txt", None])
def test_what_is_of_others_stays(content: Optional[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    if content is None:
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / content).write_text("mine")
    with pytest.raises(ValueError, match="Name another folder"):
        OutputFolder(folder, ".jsonl", 4)
    assert folder.is_file() or [file.name for file in folder.iterdir()] == [content]


def test_a_folder_that_is_not_begun_goes(tmp_path: Path) -> None:
    OutputFolder(tmp_path / "out", ".jsonl", 4).close()
    assert not (tmp_path / "out").exists()


def test_a_manifest_that_is_damaged(tmp_path: Path, inputs: List[Path]) -> None:
    run(tmp_path / "out", inputs)
    (tmp_path / "out" / MANIFEST).write_bytes(b"x" * 5000)
    with pytest.raises(ValueError, match="is damaged"):
        OutputFolder(tmp_path / "out", ".jsonl", 4)


def test_one_process_at_a_time(tmp_path: Path, inputs: List[Path]) -> None:
    """Children of a process that is killed keep nobody out."""
    code = (
        "import os, sys, time; from pathlib import Path;"
        "from spacy_docre.annotate.folder import OutputFolder;"
        "OutputFolder(Path(sys.argv[1]), '.jsonl', 4);"
        "child = os.fork();"
        "print(child, flush=True) if child else None;"
        "time.sleep(600)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "out")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            with pytest.raises(BlockingIOError, match="Another process is writing"):
                run(tmp_path / "out", inputs)
            process.kill()
            process.wait()
            assert len(run(tmp_path / "out", inputs)) == 20
        finally:
            os.kill(child, signal.SIGKILL)


def test_ids_of_any_kind(tmp_path: Path) -> None:
    """The manifest can name what is no character, too."""
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        failure = Failure("half \ud83d", "why \ud83d")
        part = PartRecord(0, tmp_path / MANIFEST, 0, 0, [failure], START)
        manifest.add(part, {"half \ud83d": 1})
        assert manifest.times("half \ud83d") == 1 and manifest.times("half") is None
        assert [*manifest.failures()] == [Failure("half \\ud83d", "why \\ud83d")]


def test_models_are_told_by_their_files(tmp_path: Path) -> None:
    make_pipeline().to_disk(tmp_path / "model")
    before = model_digest(str(tmp_path / "model"))
    (tmp_path / "model").rename(tmp_path / "moved")
    assert model_digest(str(tmp_path / "moved")) == before
    (tmp_path / "moved" / "tokenizer").write_bytes(b"x")
    assert model_digest(str(tmp_path / "moved")) != before
    with pytest.raises(OSError, match="no_such_model"):
        model_digest("no_such_model")


BAD = ["d3", "d1 (3)"]


def test_failed_documents_are_tried_again(tmp_path: Path, inputs: List[Path]) -> None:
    """What works now is in further parts; the others are as they were, and nothing is doubled."""
    folder = tmp_path / "out"
    ids = run(folder, inputs)
    before, lost = contents(folder), failed(folder)
    assert len(lost) == 4 and set(BAD) < set(lost)
    # Nothing works yet: there is no part of nothing.
    assert sorted(run(folder, inputs, again=True)) == sorted(lost)
    assert contents(folder) == before and failed(folder) == lost
    assert sorted(run(folder, inputs, again=True, mended=True)) == sorted(lost)
    further = {name: data for name, data in contents(folder).items() if name not in before}
    assert contents(folder) == before | further and [*further] == ["part-000005.jsonl"]
    assert sorted(failed(folder) + written(folder)) == sorted(ids)
    assert sorted({*lost} - {*failed(folder)}) == sorted(BAD)
    # Once more, there is nothing to mend.
    assert sorted(run(folder, inputs, again=True, mended=True)) == sorted({*lost} - {*BAD})
    assert len(parts(folder)) == 6
    assert run(folder, inputs) == []
    with closing(OutputFolder(folder, ".jsonl", 4)) as output:
        assert output.counts == (6, 18, 18, 2)


@pytest.mark.parametrize("part_size", [1, 4])
def test_failed_documents_of_a_run_that_has_ended(
    tmp_path: Path, inputs: List[Path], part_size: int
) -> None:
    """Before what is left of it: parts go on after those."""
    folder = tmp_path / "out"
    with pytest.raises(Stop):
        run(folder, inputs, part_size=part_size, stop=stop_after(10))
    run(folder, inputs, part_size=part_size, again=True, mended=True)
    run(folder, inputs, part_size=part_size, mended=True)
    assert sorted(failed(folder) + written(folder)) == sorted(expected(inputs))
    assert not {*BAD} & {*failed(folder)}


def test_a_retry_that_is_killed(tmp_path: Path, inputs: List[Path]) -> None:
    """At each step: whatever it has left, the next run makes nothing twice and loses nothing."""
    ids = sorted(expected(inputs))
    complete = tmp_path / "complete"
    run(complete, inputs, part_size=1)

    def prepare(number: int) -> Path:
        return Path(shutil.copytree(complete, tmp_path / f"out {number}"))

    def check(folder: Path) -> None:
        run(folder, inputs, part_size=1)
        assert sorted(failed(folder) + written(folder)) == ids
        run(folder, inputs, part_size=1, again=True, mended=True)
        assert sorted(failed(folder) + written(folder)) == ids and len(written(folder)) == 18

    kills = kill_at_each_call(
        prepare, lambda path: run(path, inputs, part_size=1, again=True, mended=True), check
    )
    assert kills > 5
