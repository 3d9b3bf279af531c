"""Annotate documents on a Ray cluster.

The engine uses actors of Ray's core. Ray Data is not used: it has no source that reads a Python
generator lazily, and a data set for every few batches would load the pipeline again each time.
`ray.util.ActorPool` is not used either: with results in order, an actor is idle until the actors
before it are done. Ray does not restart a dead actor, since the batch would wait for room on a full
cluster. Instead, another actor takes the batch, and a new actor is requested.
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

# Seconds to wait for an answer before checking whether any actor is at work.
_SECONDS = 30.0
# The most characters of Ray's message about a death.
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
    """Annotate documents in order. This process reads and yields the documents. Actors annotate
    them, and each actor loads the pipeline.

    nlp (Language): The pipeline. Only its vocabulary is used in this process.
    batches (Iterable[Sequence[Item]]): The documents; failures are passed on. Two batches for each
        actor are read ahead.
    annotator (Annotator): The same pipeline for the actors. Its files must be on each node, under
        the same names.
    num_actors (Optional[int]): The number of actors, with one CPU core each; None for as many as
        the cluster has room for. Actors without room wait for it.
    gpus_per_actor (float): GPUs for each actor; 0.5 for two actors on one GPU.
    address (Optional[str]): Address of the cluster. None for the cluster that the process is
        connected to, or that `RAY_ADDRESS` names. Without these, a local cluster is started, and
        ended afterwards.
    YIELDS (Result): The result of each document. If an actor dies, its documents are annotated
        again. A document at which actors die repeatedly is a failure.
    RAISES (ImportError): If Ray is not installed.
    RAISES (ConnectionError): If there is no cluster at the address.
    RAISES (ValueError): If the cluster has no room for an actor, and `num_actors` is None.
    RAISES (OSError): If actors cannot load the pipeline, or die before they receive a document.
    """
    workers = _Actors(annotator, num_actors, gpus_per_actor, address)
    return annotate_with(workers, nlp.vocab, batches)


class _Actor:
    """An actor on a node."""

    def __init__(self, annotator: Annotator) -> None:
        self._annotator = annotator

    def load(self) -> None:
        """Load the pipeline. Not in the constructor: a death would look like a long wait."""
        _ = self._annotator.nlp

    def annotate(self, message: bytes) -> bytes:
        return pickle.dumps(answer(self._annotator.nlp, pickle.loads(message)))


class _Actors(Workers):
    """Actors, some of which may wait for room. Arguments as in `annotate_on_ray`.

    Messages and answers are pickled here: Ray's own format cannot hold half of a surrogate pair.
    """

    kind = "actor"
    # An actor also dies when its node is lost, whatever its documents are.
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
        # The actor and the batch of each call. While an actor loads, its batch is None.
        self._calls: Dict[Any, Tuple[Any, Optional[Batch]]] = {}
        self._free: List[Any] = []
        # Deaths during loading since an actor last loaded.
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
                f"No actor is at work. Each actor asks for {self._resources}. The cluster has "
                f"{self._ray.cluster_resources()}, which other jobs may have taken.",
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
        """Take the answer of a batch. If the actor has died, note how."""
        try:
            answered = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            # No error of a document: the answer has these.
            raise OSError(
                f"An actor cannot annotate: {describe_error(error.cause)} The pipeline "
                f"{self._annotator.model} and everything that it needs must be on each node."
            ) from None
        except self._ray.exceptions.RayError as error:
            # The node may only be out of reach. The actor must not come back.
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
                f"An actor {end}, before it received a document. So did {self._deaths - 1} actors "
                "before it. The memory may be too small for so many actors. Lower --num-actors."
            )

    def _room(self) -> int:
        """Return how many actors the cluster has room for."""
        has = self._ray.cluster_resources()
        room = min(int(has.get(name, 0) / need) for name, need in self._resources.items())
        if not room:
            raise ValueError(
                f"The cluster has {has}, and each actor asks for {self._resources}. If more nodes "
                "will join, set the number of actors with --num-actors."
            )
        return room
