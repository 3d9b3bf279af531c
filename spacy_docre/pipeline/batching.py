"""A stream of documents goes through a component one by one."""

from typing import Iterable, Iterator

from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc


class OneByOne(TrainablePipe):
    """A component that has nothing to gain from batches, since its work on each document is large.

    The scores of several documents are never held at once, and one that fails is alone.
    """

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate a stream of documents.

        stream (Iterable[Doc]): The documents.
        batch_size (int): Of no effect.
        YIELDS (Doc): The documents, in order; without those that the error handler has taken.
        """
        handle = self.get_error_handler()
        for doc in stream:
            try:
                self.set_annotations([doc], self.predict([doc]))
            except Exception as error:
                handle(self.name, self, [doc], error)
            else:
                yield doc
