"""Documents through a pipeline on a Ray cluster.

Actors of Ray's core, not Ray Data: it has no source that reads a Python generator as it goes, and
one data set for each few batches would load the pipeline anew each time. Not `ray.util.ActorPool`
either: in order, it leaves an actor idle until those before it are done. An actor that has died
is not restarted by Ray, which would keep its batch waiting for a place on a full cluster: another
actor takes the batch, and a new one is asked for.
"""

import logging
import os
import pickle
import warnings
from textwrap import shorten
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from spacy.language import Language

from ..errors import describe_error
from ..extras import import_extra
from .annotator import Annotator
from .batch import Item, Result
from .workers import Batch, Workers, annotate_with, answer

# How long to wait for an answer before it is looked whether there are actors at all.
_SECONDS = 30.0
# Characters of what Ray says of a death.
_WIDTH = 250


def annotate_on_ray(
    nlp: Language,
    batches: Iterable[Sequence[Item]],
    annotator: Annotator,
    *,
    num_actors: Optional[int] = None,
    gpus_per_actor: float = 0.0,
    address: Optional[str] = None,
) -> Iterator[Result]:
    """Annotate documents, in their order. They are read and given here, and annotated by actors,
    each with a pipeline of its own.

    nlp (Language): The pipeline; only its vocabulary is of use here.
    batches (Iterable[Sequence[Item]]): The documents; failures are passed on. Two batches for each
        actor are read ahead.
    annotator (Annotator): The same pipeline for the actors. Its files must be on each node, under
        the same names.
    num_actors (Optional[int]): Actors, of one processor core each; None for as many as the cluster
        has room for. Those that find no room wait for it.
    gpus_per_actor (float): GPUs of each; 0.5 for two actors on a GPU.
    address (Optional[str]): Address of the cluster. None for the one that the process is connected
        to or that `RAY_ADDRESS` names; without these, for one that is started here and ended.
    YIELDS (Result): What becomes of each. Where an actor dies, its documents are annotated again;
        a document that actors die of again and again is a failure.
    RAISES (ImportError): If Ray is not installed.
    RAISES (ConnectionError): If there is no cluster at the address.
    RAISES (ValueError): If the cluster has no room for an actor, and no number is given.
    RAISES (OSError): If actors cannot load the pipeline, or die before they have a document.
    """
    workers = _Actors(annotator, num_actors, gpus_per_actor, address)
    return annotate_with(workers, nlp.vocab, batches)


class _Actor:
    """What is on a node."""

    def __init__(self, annotator: Annotator) -> None:
        self._annotator = annotator

    def load(self) -> None:
        """Load the pipeline: not in the constructor, so that a death is told from a long wait."""
        _ = self._annotator.nlp

    def annotate(self, message: bytes) -> bytes:
        return pickle.dumps(answer(self._annotator.nlp, pickle.loads(message)))


class _Actors(Workers):
    """Actors, some of which may wait for room. Arguments as of `annotate_on_ray`.

    What goes there and back is pickled here: Ray's own format has no halves of characters.
    """

    kind = "actor"
    # A node that goes takes documents with it that have done nothing.
    tries = 2

    def __init__(
        self,
        annotator: Annotator,
        num_actors: Optional[int],
        gpus_per_actor: float,
        address: Optional[str],
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = import_extra("ray")
        self._is_own = not self._ray.is_initialized()
        if self._is_own:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        self._annotator = annotator
        self._resources = {"CPU": 1.0, **({"GPU": gpus_per_actor} if gpus_per_actor else {})}
        self._class = self._ray.remote(_Actor).options(num_cpus=1, num_gpus=gpus_per_actor)
        # Each call, its actor, and the batch; while it loads, there is none.
        self._calls: Dict[Any, Tuple[Any, Optional[Batch]]] = {}
        self._free: List[Any] = []
        # Deaths at loading since one has loaded.
        self._deaths = 0
        try:
            self.size = num_actors or self._room()
        except ValueError:
            self.stop()
            raise

    def give(self, batch: Batch) -> bool:
        while len(self._calls) + len(self._free) < self.size:
            actor = self._class.remote(self._annotator)
            self._calls[actor.load.remote()] = actor, None
        if not self._free:
            return False
        actor = self._free.pop()
        self._calls[actor.annotate.remote(pickle.dumps(batch.message()))] = actor, batch
        return True

    def collect(self, wait: bool) -> None:
        calls = list(self._calls)
        ready, _ = self._ray.wait(calls, timeout=_SECONDS if wait else 0) if calls else ([], [])
        if wait and not ready and not any(batch for _, batch in self._calls.values()):
            warnings.warn(
                f"No actor is at work. Each asks for {self._resources}, and the cluster has "
                f"{self._ray.cluster_resources()}, which others may have taken.",
                stacklevel=2,
            )
        for call in ready:
            self._take(call, *self._calls.pop(call))

    def stop(self) -> None:
        for actor in [*self._free, *(actor for actor, _ in self._calls.values())]:
            self._ray.kill(actor)
        if self._is_own:
            self._ray.shutdown()

    def _take(self, call: Any, actor: Any, batch: Optional[Batch]) -> None:
        """Take what an actor has made of its batch; where it has died, how."""
        try:
            answered = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            # No document's: these are told in the answer.
            raise OSError(
                f"An actor cannot annotate: {describe_error(error.cause)} The pipeline "
                f"{self._annotator.model} and all that it needs must be on each node."
            ) from None
        except self._ray.exceptions.RayError as error:
            # It may be a node that cannot be reached, and then is not to come back.
            self._ray.kill(actor)
            told = str(error).splitlines()[-1].rstrip(".")
            end = f"has died: {shorten(told, _WIDTH, placeholder=' ...')}"
            if batch is not None:
                batch.end = end
            else:
                self._count_death(end)
            return
        self._free.append(actor)
        if batch is None:
            self._deaths = 0
        else:
            batch.answer = pickle.loads(answered)

    def _count_death(self, end: str) -> None:
        self._deaths += 1
        if self._deaths > 2 * self.size:
            raise OSError(
                f"An actor {end}, before it had a document, as {self._deaths - 1} "
                "before it: the memory may not suffice for so many. Lower --num-actors."
            )

    def _room(self) -> int:
        """How many actors the cluster has room for."""
        has = self._ray.cluster_resources()
        room = min(int(has.get(name, 0) / need) for name, need in self._resources.items())
        if not room:
            raise ValueError(
                f"The cluster has {has}, and each actor asks for {self._resources}. If nodes are "
                "yet to come, say with --num-actors for how many actors."
            )
        return room
