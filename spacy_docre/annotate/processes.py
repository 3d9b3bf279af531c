"""Annotate documents in several processes, which may die.

`nlp.pipe(n_process=2)` is not used: it waits for ever for a process that was killed. Nor is
concurrent.futures: if a process dies, it does not say at which batch, and ends the other processes.
"""

import multiprocessing
import signal
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens.underscore import Underscore

from .batch import Item, Result
from .workers import Batch, Workers, annotate_with, answer

# Seconds between checks for processes whose death their connections do not show.
_SECONDS = 2.0

_UnderscoreState = Tuple[dict, dict, dict]


def annotate_in_processes(
    nlp: Language, batches: Iterable[Sequence[Item]], n_process: int
) -> Iterator[Result]:
    """Annotate documents in order.

    nlp (Language): The pipeline.
    batches (Iterable[Sequence[Item]]): The documents; failures are passed on.
    n_process (int): The number of processes.
    YIELDS (Result): The result of each document. If a process dies, each of its documents is tried
        again alone. A document at which the process dies again is a failure.
    RAISES (OSError): If processes die before they receive a document.
    """
    return annotate_with(_Processes(nlp, n_process), nlp.vocab, batches)


class _Processes(Workers):
    """Processes of this machine.

    nlp (Language): The pipeline.
    size (int): The number of processes.
    """

    kind = "process"
    tries = 1

    def __init__(self, nlp: Language, size: int) -> None:
        self.size = size
        self._nlp = nlp
        self._workers: List[_Worker] = []

    def give(self, batch: Batch) -> bool:
        self._start()
        for worker in self._workers:
            if worker.batch is None:
                worker.give(batch)
                return True
        return False

    def collect(self, wait: bool) -> None:
        busy = [worker for worker in self._workers if worker.batch and not worker.is_gone]
        ready = wait_for([worker.connection for worker in busy], _SECONDS if wait else 0)
        for worker in busy:
            if worker.connection in ready or not worker.process.is_alive():
                worker.take()

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    def _start(self) -> None:
        """Start missing processes, and replace processes that have ended."""
        self._workers = [worker for worker in self._workers if not worker.is_gone]
        alive = len(self._workers)
        while len(self._workers) < self.size:
            self._workers.append(_Worker(self._nlp))
        for worker in self._workers[alive:]:
            worker.wait_until_ready()


class _Worker:
    """A process that annotates one batch at a time.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language) -> None:
        self.batch: Optional[Batch] = None
        self.is_gone = False
        self.connection, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=_work,
            args=(nlp, Underscore.get_state(), theirs, self.connection),
            daemon=True,
        )
        self.process.start()
        # Now the connection ends when the process ends.
        theirs.close()

    def wait_until_ready(self) -> None:
        try:
            self.connection.recv()
        except (EOFError, OSError):
            raise OSError(
                f"A process {self._end()} before it received a document. The memory may be too "
                "small for so many processes. Lower --n-process."
            ) from None

    def give(self, batch: Batch) -> None:
        self.batch = batch
        try:
            self.connection.send(batch.message())
        # Any error: after half a message, the process is of no use.
        except Exception:
            batch.end = self._end()

    def take(self) -> None:
        """Take the answer of the batch. If the process has ended, note how."""
        batch = self.batch
        assert batch is not None
        try:
            if not self.connection.poll():
                raise EOFError
            batch.answer = self.connection.recv()
            self.batch = None
        except Exception:
            batch.end = self._end()

    def stop(self) -> None:
        if self.batch is not None:
            self.process.kill()
        elif self.process.is_alive():
            try:
                self.connection.send(None)
            except OSError:
                pass
        self._end()

    def _end(self) -> str:
        """End the process if it still runs, and return how it ended."""
        self.is_gone = True
        self.process.join(_SECONDS)
        self.process.kill()
        self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"


def _work(
    nlp: Language, state: _UnderscoreState, connection: Connection, parents_end: Connection
) -> None:
    """Annotate batches until there are no more, or the parent has ended."""
    parents_end.close()
    # Ctrl+C is for the parent, which ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Underscore.load_state(state)
    connection.send(None)
    try:
        while (message := connection.recv()) is not None:
            connection.send(answer(nlp, message))
    except (EOFError, OSError):
        pass
