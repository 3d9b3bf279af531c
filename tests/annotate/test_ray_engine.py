"""Documents on a Ray cluster of two nodes, whose actors, nodes and drivers are killed."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
import spacy
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc
from typer.testing import CliRunner

import spacy_docre.cli  # noqa: F401
from spacy_docre.annotate import Annotator
from spacy_docre.annotate.engine import annotate_batches
from spacy_docre.annotate.inputs import Failure, InputDocument
from spacy_docre.annotate.ray_engine import annotate_on_ray

from . import test_processes  # noqa: F401 (the component that dies at marks)

NODE: Dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as context:
        context.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        cluster.add_node(**NODE)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@Language.component("knows_its_process")
def knows_its_process(doc: Doc) -> Doc:
    doc.user_data["process"] = os.getpid()
    if "slow" in doc.text:
        time.sleep(0.1)
    return doc


class Small(Annotator):
    """Of a pipeline without a network, which is there soon."""

    @property
    def nlp(self) -> Language:
        if self.model == "missing":
            raise OSError("it is not there")
        if self.model == "too large":
            os.kill(os.getpid(), signal.SIGKILL)
        return make_pipeline()


@lru_cache
def make_pipeline() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("dies_at_marks")
    nlp.add_pipe("knows_its_process")
    return nlp


def told(result: Any) -> Tuple[str, str]:
    failed = isinstance(result, Failure)
    return (result.id, result.problem) if failed else (result[1].id, result[0].text)


def test_only_the_document_that_actors_die_of_fails(cluster: Any) -> None:
    """Also where one of them is killed at another; order, and what is read ahead, are those of
    the other engines, and failures and stored documents come back."""
    nlp = make_pipeline()
    stored, unsent = nlp.make_doc("stored"), nlp.make_doc("unsent")
    stored.user_data["source"] = "page 3"
    unsent.user_data["source"] = object()
    items: List[Any] = [InputDocument(str(number), f"slow {number}") for number in range(40)]
    items[3], items[9] = InputDocument("3", "killed"), Failure("9", "unread")
    items[20], items[21] = InputDocument("20", stored), InputDocument("21", unsent)
    items[30] = InputDocument("half \ud83d", "half \ud83d")
    read = []

    def batches() -> Iterator[List[Any]]:
        for start in range(0, len(items), 3):
            read.append(start)
            yield items[start : start + 3]

    expected = [told(result) for result in annotate_batches(nlp, [items[4:]])]
    results = annotate_on_ray(nlp, batches(), Small("small"), num_actors=2, address=cluster.address)
    found: List[Any] = [next(results)]
    assert len(read) <= 4
    with pytest.warns(UserWarning, match="annotated again, each alone"):
        while len(found) < 12:
            found.append(next(results))
    # It may be the one that the document has killed when it was annotated again.
    with suppress(ProcessLookupError):
        os.kill(found[-1][0].user_data["process"], signal.SIGKILL)
    found.extend(results)
    assert [told(result)[0] for result in found] == [item.id for item in items]
    assert isinstance(found[3], Failure)
    assert "The actor that worked on it has died" in found[3].problem
    assert [told(result) for result in found[4:21]] == expected[:17]
    assert [told(result) for result in found[22:]] == expected[18:]
    assert found[20][0].user_data["source"] == "page 3"
    assert isinstance(found[21], Failure) and "object" in found[21].problem
    # Others have come in the place of those that were killed.
    pids = {result[0].user_data["process"] for result in found if not isinstance(result, Failure)}
    assert len(pids) >= 3


@pytest.mark.parametrize(
    "model, problem",
    [
        ("missing", "cannot annotate: .*it is not there.* missing .*on each node"),
        ("too large", "before it received a document.*Lower --num-actors"),
    ],
)
def test_actors_that_cannot_begin(cluster: Any, model: str, problem: str) -> None:
    batches = [[InputDocument("a", "text")]]
    results = annotate_on_ray(
        make_pipeline(), batches, Small(model), num_actors=1, address=cluster.address
    )
    with pytest.raises(OSError, match=problem):
        list(results)


def test_no_room_for_an_actor(cluster: Any) -> None:
    """It is told of the cluster at the address, or of that which the process is connected to."""
    import ray

    with pytest.raises(ValueError, match="CPU': 2.0.* asks for .*GPU.*--num-actors"):
        annotate_on_ray(
            make_pipeline(), [], Small("small"), gpus_per_actor=0.5, address=cluster.address
        )
    assert not ray.is_initialized()
    ray.init(address=cluster.address, log_to_driver=False)
    with pytest.raises(ValueError, match="CPU': 2.0"):
        annotate_on_ray(make_pipeline(), [], Small("small"), gpus_per_actor=0.5)
    assert ray.is_initialized()
    ray.shutdown()


@pytest.fixture
def arguments(trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """Those of a run that takes a while, to a folder, without the output and the engine."""
    monkeypatch.chdir(tmp_path)
    Path("code.py").write_text(
        "import time\n"
        "from spacy.language import Language\n"
        "@Language.component('waits')\n"
        "def waits(doc):\n"
        "    time.sleep(0.05)\n"
        "    return doc\n"
    )
    nlp = spacy.load(trained_folder)
    ruler: Any = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "THING", "pattern": name} for name in ("Ada Lane", "Oslo")])
    spacy.util.import_file("code", "code.py")
    nlp.add_pipe("waits")
    nlp.to_disk("model")
    lines = [{"id": n, "text": f"Ada Lane was born in Oslo . {n}"} for n in range(60)]
    Path("texts.jsonl").write_text("\n".join([*map(json.dumps, lines), "no json"]))
    options = "--code code.py --part-size 5 --batch-size 2 --threshold 0"
    return ["docre", "annotate", "model", "texts.jsonl", *options.split()]


def parts(folder: str) -> Dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(folder).glob("part-*")}


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def test_a_driver_and_a_node_that_go(cluster: Any, arguments: List[str]) -> None:
    """The parts are to the byte those of the local engine."""
    result = CliRunner().invoke(app, [*arguments, "-o", "local"])
    assert "60 documents, 360 relations in 13 parts" in result.output
    ray = [*arguments, "-o", "out", "--engine", "ray", "--ray-address", cluster.address]
    with subprocess.Popen([sys.executable, "-m", "spacy", *ray]) as driver:
        try:
            wait_for(lambda: len(parts("out")) >= 3)
        finally:
            driver.kill()
    kept = len(parts("out"))
    assert kept < 13
    (node,) = cluster.worker_nodes

    def remove_node() -> None:
        with suppress(AssertionError):
            wait_for(lambda: len(parts("out")) > kept)
            cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=remove_node)
    thread.start()
    result = CliRunner().invoke(app, [*ray, "--num-actors", "2"])
    thread.join()
    assert not cluster.worker_nodes
    # The last one has its name, and may not have been recorded when the driver was killed.
    assert re.search(f"Continuing: ({5 * kept}|{5 * (kept - 1)}) documents", result.output)
    assert result.exit_code == 1 and "1 documents were left out" in result.output
    assert parts("out") == parts("local")
