"""Annotate documents with workers that may die: processes of this machine, actors of a cluster.

A worker has one batch at a time, so that the batch at which a worker died is known. Workers receive
ids, texts and bytes of documents. They return bytes and problems.
"""

import warnings
from abc import ABC, abstractmethod
from collections import deque
from typing import Deque, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import describe_error
from .batch import Item, Result, annotate_batch
from .inputs import Failure, InputDocument

# Batches for each worker that have been read, and whose results have not been yielded.
_BATCHES = 2

# A worker receives the id and the text or bytes of each Doc. It returns the bytes of each Doc, or a
# problem.
Message = List[Tuple[str, Union[str, bytes]]]
Answer = List[Union[bytes, str]]


class Batch:
    """Documents that a worker annotates together.

    items (Sequence[Item]): The documents; failures are passed on.
    is_alone (bool): Whether the batch is a single document from a batch whose workers died.
    """

    def __init__(self, items: Sequence[Item], is_alone: bool = False) -> None:
        self.items = list(items)
        self.is_alone = is_alone
        self.is_given = False
        # How many workers died at the batch, how the last one died, and the answer.
        self.deaths = 0
        self.end = ""
        self.answer: Optional[Answer] = None

    def message(self) -> Message:
        """RETURNS (Message): The message to a worker. A document that cannot be stored as bytes
        becomes a failure."""
        message: Message = []
        for number, item in enumerate(self.items):
            if isinstance(item, InputDocument):
                text = item.content
                try:
                    content = text if isinstance(text, str) else text.to_bytes()
                except Exception as error:
                    self.items[number] = Failure(item.id, describe_error(error))
                else:
                    message.append((item.id, content))
        return message

    def results(self, vocab: Vocab) -> Iterator[Result]:
        """Return the results of the documents, once there is an answer.

        vocab (Vocab): The vocabulary of the documents.
        YIELDS (Result): The result of each document.
        """
        answers = iter(self.answer or ())
        for item in self.items:
            yield item if isinstance(item, Failure) else _read_answer(vocab, next(answers), item)


class Workers(ABC):
    """Workers of one kind."""

    # The name of a worker in messages.
    kind: str
    # The number of workers that die at a batch before each of its documents is tried alone. After
    # as many deaths at one document, the document is a failure.
    tries: int
    # The number of workers.
    size: int

    @abstractmethod
    def give(self, batch: Batch) -> bool:
        """Start missing workers, and give a batch to a free worker.

        batch (Batch): The batch.
        RETURNS (bool): Whether a worker was free.
        RAISES (OSError): If workers die before they receive a document.
        """

    @abstractmethod
    def collect(self, wait: bool) -> None:
        """Set the `answer` of each finished batch, and the `end` of each batch whose worker died.

        wait (bool): Whether to wait a while for a batch.
        """

    @abstractmethod
    def stop(self) -> None:
        """End all workers."""


def annotate_with(
    workers: Workers, vocab: Vocab, batches: Iterable[Sequence[Item]]
) -> Iterator[Result]:
    """Annotate documents in order. If a worker dies, its documents are tried again, in the end each
    alone. If the worker dies at a single document, the document is a failure.

    workers (Workers): The workers. They are stopped at the end.
    vocab (Vocab): The vocabulary of the documents.
    batches (Iterable[Sequence[Item]]): The documents; failures are passed on. A few batches are
        read ahead.
    YIELDS (Result): The result of each document.
    RAISES (OSError): If workers die before they receive a document.
    """
    unread = map(Batch, batches)
    waiting: Deque[Batch] = deque()

    def next_to_give() -> Optional[Batch]:
        if len(waiting) < _BATCHES * workers.size and all(batch.is_given for batch in waiting):
            waiting.extend(batch for batch in [next(unread, None)] if batch)
        return next((batch for batch in waiting if not batch.is_given), None)

    try:
        while True:
            while (batch := next_to_give()) and workers.give(batch):
                batch.is_given = True
            if not waiting:
                return
            if waiting[0].answer is not None:
                yield from waiting.popleft().results(vocab)
            workers.collect(wait=bool(waiting) and waiting[0].answer is None)
            waiting = deque(again for batch in waiting for again in _after_end(batch, workers))
    finally:
        workers.stop()


def _after_end(batch: Batch, workers: Workers) -> List[Batch]:
    """Return the batches to go on with. If the worker of a batch died, the batch is tried again,
    divided into its documents, or a failure."""
    if not batch.end:
        return [batch]
    batch.deaths += 1
    end, batch.end = batch.end, ""
    if batch.is_alone and batch.deaths == workers.tries:
        problem = f"The {workers.kind} that worked on it {end}."
        batch.items = [
            item if isinstance(item, Failure) else Failure(item.id, problem) for item in batch.items
        ]
        batch.answer = []
        return [batch]
    batch.is_given = False
    whole = batch.deaths < workers.tries
    warnings.warn(
        f"The {workers.kind} that worked on {len(batch.items)} documents {end}. The documents are "
        f"annotated again{'' if whole else ', each alone'}.",
        stacklevel=2,
    )
    return [batch] if whole else [Batch([item], is_alone=True) for item in batch.items]


def _read_answer(vocab: Vocab, answer: Union[bytes, str], item: InputDocument) -> Result:
    if isinstance(answer, str):
        return Failure(item.id, answer)
    try:
        return Doc(vocab).from_bytes(answer), item
    except Exception as error:
        return Failure(item.id, describe_error(error))


def answer(nlp: Language, message: Message) -> Answer:
    """Annotate a batch in a worker.

    nlp (Language): The pipeline.
    message (Message): The documents.
    RETURNS (Answer): The bytes or the problem of each document.
    """
    items = [_read_content(nlp, id_, content) for id_, content in message]
    answers: Answer = []
    for result in annotate_batch(nlp, items):
        if isinstance(result, Failure):
            answers.append(result.problem)
            continue
        try:
            answers.append(result[0].to_bytes())
        except Exception as error:
            answers.append(describe_error(error))
    return answers


def _read_content(nlp: Language, id_: str, content: Union[str, bytes]) -> Item:
    if isinstance(content, str):
        return InputDocument(id_, content)
    try:
        return InputDocument(id_, Doc(nlp.vocab).from_bytes(content))
    except Exception as error:
        return Failure(id_, describe_error(error))
