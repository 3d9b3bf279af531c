"""Documents through a pipeline in several processes, which may die.

Not `nlp.pipe(n_process=2)`, which waits for ever for a process that has been killed. Not
concurrent.futures: where one process dies, it does not say of which batch, and ends the others.
"""

import multiprocessing
import signal
import warnings
from collections import deque
from multiprocessing.connection import Connection, wait
from typing import Deque, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.tokens.underscore import Underscore

from ..errors import describe_error
from .batch import Item, Result, annotate_batch
from .inputs import Failure, InputDocument

# How often to look whether processes live whose connections do not say so.
_SECONDS = 2.0
# Batches that have gone in and not come out, for each process.
_BATCHES = 2

# What goes to a process: id, and text or bytes of a Doc. What comes back: bytes of a Doc, or a
# problem.
_Message = List[Tuple[str, Union[str, bytes]]]
_Answer = List[Union[bytes, str]]
_UnderscoreState = Tuple[dict, dict, dict]


def annotate_in_processes(
    nlp: Language, batches: Iterable[Sequence[Item]], n_process: int, *, try_again: bool = True
) -> Iterator[Result]:
    """Annotate documents, in their order.

    nlp (Language): The pipeline.
    batches (Iterable[Sequence[Item]]): The documents; failures are passed on.
    n_process (int): Processes that work on them.
    try_again (bool): Whether those whose process dies are tried again, each alone. If it dies
        again, or where they are not, they are failures.
    YIELDS (Result): What becomes of each.
    RAISES (OSError): If processes die before they have a document.
    """
    unread = iter(batches)
    workers: List[_Worker] = []
    waiting: Deque[_Batch] = deque()
    try:
        ahead = next(unread, None)
        while ahead is not None or waiting:
            if ahead is not None:
                _start(workers, nlp, n_process)
            for worker in workers:
                if ahead and worker.batch is None and len(waiting) < _BATCHES * n_process:
                    waiting.append(_Batch(ahead))
                    worker.give(waiting[-1])
                    ahead = next(unread, None)
            first = waiting[0]
            _collect(workers, 0 if first.is_back else _SECONDS)
            if first.is_back:
                yield from _results(nlp, waiting.popleft(), try_again)
    finally:
        for worker in workers:
            worker.stop()


class _Batch:
    """Documents on their way.

    items (Sequence[Item]): The documents.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items: List[Item] = []
        self.message: _Message = []
        for item in items:
            try:
                if isinstance(item, InputDocument):
                    text = item.content
                    content = text if isinstance(text, str) else text.to_bytes()
                    self.message.append((item.id, content))
                self.items.append(item)
            except Exception as error:
                self.items.append(Failure(item.id, describe_error(error)))
        # What has come back, and how the process has ended that has worked on it.
        self.answer: Optional[_Answer] = None
        self.end = ""

    @property
    def is_back(self) -> bool:
        return self.answer is not None or self.end != ""


class _Worker:
    """A process that annotates a batch at a time.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language) -> None:
        self.batch: Optional[_Batch] = None
        self.connection, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=_work,
            args=(nlp, Underscore.get_state(), theirs, self.connection),
            daemon=True,
        )
        self.process.start()
        # So that the connection ends with the process.
        theirs.close()

    def wait_until_ready(self) -> None:
        try:
            self.connection.recv()
        except (EOFError, OSError):
            raise OSError(
                f"A process {self._end()} before it had a document: the memory may not suffice "
                "for so many. Lower --n-process."
            ) from None

    def give(self, batch: _Batch) -> None:
        self.batch = batch
        try:
            self.connection.send(batch.message)
            batch.message = []
        # Of any kind: what is half sent leaves it of no use.
        except Exception:
            batch.end = self._end()

    def take(self) -> None:
        """Take what it has made of its batch; where it has ended, how."""
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
        """How it has ended, by now at the latest."""
        self.process.join(_SECONDS)
        self.process.kill()
        self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"


def _start(workers: List[_Worker], nlp: Language, n_process: int) -> None:
    """Start processes, and others in the place of those that have ended."""
    workers[:] = [worker for worker in workers if not (worker.batch and worker.batch.end)]
    alive = len(workers)
    while len(workers) < n_process:
        workers.append(_Worker(nlp))
    for worker in workers[alive:]:
        worker.wait_until_ready()


def _collect(workers: Iterable[_Worker], seconds: float) -> None:
    """Take what processes have made, or how they have ended."""
    busy = [worker for worker in workers if worker.batch and not worker.batch.end]
    ready = wait([worker.connection for worker in busy], seconds)
    for worker in busy:
        if worker.connection in ready or not worker.process.is_alive():
            worker.take()


def _results(nlp: Language, batch: _Batch, try_again: bool) -> Iterator[Result]:
    if batch.end and try_again:
        warnings.warn(
            f"A process {batch.end} while it worked on {len(batch.items)} documents. They are "
            "annotated again, each alone.",
            stacklevel=2,
        )
        alone = ([item] for item in batch.items)
        yield from annotate_in_processes(nlp, alone, 1, try_again=False)
        return
    answers = iter(batch.answer or ())
    for item in batch.items:
        if isinstance(item, Failure):
            yield item
        elif batch.end:
            yield Failure(item.id, f"The process that worked on it {batch.end}.")
        else:
            yield _read_answer(nlp, next(answers), item)


def _read_answer(nlp: Language, answer: Union[bytes, str], item: InputDocument) -> Result:
    if isinstance(answer, str):
        return Failure(item.id, answer)
    try:
        return Doc(nlp.vocab).from_bytes(answer), item
    except Exception as error:
        return Failure(item.id, describe_error(error))


def _work(
    nlp: Language, state: _UnderscoreState, connection: Connection, parents_end: Connection
) -> None:
    """What a process does until there is nothing more to do, or nobody to do it for."""
    parents_end.close()
    # Ctrl+C is for the parent, which ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Underscore.load_state(state)
    connection.send(None)
    try:
        while (message := connection.recv()) is not None:
            connection.send(_answer(nlp, message))
    except (EOFError, OSError):
        pass


def _answer(nlp: Language, message: _Message) -> _Answer:
    items = [_read_content(nlp, id_, content) for id_, content in message]
    answer: _Answer = []
    for result in annotate_batch(nlp, items):
        if isinstance(result, Failure):
            answer.append(result.problem)
            continue
        try:
            answer.append(result[0].to_bytes())
        except Exception as error:
            answer.append(describe_error(error))
    return answer


def _read_content(nlp: Language, id_: str, content: Union[str, bytes]) -> Item:
    if isinstance(content, str):
        return InputDocument(id_, content)
    try:
        return InputDocument(id_, Doc(nlp.vocab).from_bytes(content))
    except Exception as error:
        return Failure(id_, describe_error(error))
