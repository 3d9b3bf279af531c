"""Documents through workers that may die: processes of this machine, actors of a cluster.

A worker has one batch at a time, so that it is known which documents it has died of. Ids, texts and
bytes of documents go there; bytes and problems come back.
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

# Batches that have been read and not come out, for each worker.
_BATCHES = 2

# What goes to a worker: id, and text or bytes of a Doc. What comes back: bytes of a Doc, or a
# problem.
Message = List[Tuple[str, Union[str, bytes]]]
Answer = List[Union[bytes, str]]


class Batch:
    """Documents on their way.

    items (Sequence[Item]): The documents; failures are passed on.
    is_alone (bool): Whether it is a document of a batch whose workers have died.
    """

    def __init__(self, items: Sequence[Item], is_alone: bool = False) -> None:
        self.items = list(items)
        self.is_alone = is_alone
        self.is_given = False
        # How many workers have died of it, how the last one has, and what has come back.
        self.deaths = 0
        self.end = ""
        self.answer: Optional[Answer] = None

    def message(self) -> Message:
        """RETURNS (Message): What goes to a worker. A document that cannot go is a failure."""
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
        """What has become of its documents, once there is an answer.

        vocab (Vocab): Their vocabulary.
        YIELDS (Result): What has become of each.
        """
        answers = iter(self.answer or ())
        for item in self.items:
            yield item if isinstance(item, Failure) else _read_answer(vocab, next(answers), item)


class Workers(ABC):
    """Workers of one kind."""

    # What one is called.
    kind: str
    # How many workers may die of a batch before its documents are tried each alone, and of a
    # document alone before it is a failure.
    tries: int
    # How many there are to be.
    size: int

    @abstractmethod
    def give(self, batch: Batch) -> bool:
        """Give a batch to a worker that is free. Those that are missing are started.

        batch (Batch): The batch.
        RETURNS (bool): Whether one was free.
        RAISES (OSError): If workers die before they have a document.
        """

    @abstractmethod
    def collect(self, wait: bool) -> None:
        """Set the `answer` of batches that are back, and the `end` of those whose worker has died.

        wait (bool): Whether to wait a while for one.
        """

    @abstractmethod
    def stop(self) -> None:
        """End all."""


def annotate_with(
    workers: Workers, vocab: Vocab, batches: Iterable[Sequence[Item]]
) -> Iterator[Result]:
    """Annotate documents, in their order. Those whose worker dies are tried again, in the end each
    alone; if its worker dies then, it is a failure.

    workers (Workers): Who works on them; they are stopped in the end.
    vocab (Vocab): The vocabulary of the documents.
    batches (Iterable[Sequence[Item]]): The documents; failures are passed on. A few batches are
        read ahead.
    YIELDS (Result): What becomes of each.
    RAISES (OSError): If workers die before they have a document.
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
    """What a batch becomes if its worker has died."""
    if not batch.end:
        return [batch]
    batch.deaths += 1
    end, batch.end = batch.end, ""
    if batch.is_alone and batch.deaths == workers.tries:
        problem = f"The {workers.kind} that worked on it {end}."
        batch.items = [Failure(item.id, problem) for item in batch.items]
        batch.answer = []
        return [batch]
    batch.is_given = False
    whole = batch.deaths < workers.tries
    warnings.warn(
        f"The {workers.kind} that worked on {len(batch.items)} documents {end}. They are annotated "
        f"again{'' if whole else ', each alone'}.",
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
    """What a worker does with a batch.

    nlp (Language): The pipeline.
    message (Message): The documents.
    RETURNS (Answer): What has become of each.
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
