"""A component that takes the documents of a stream one by one."""

from typing import Iterable, Iterator

from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc


class OneByOne(TrainablePipe):
    """A component that gains nothing from batches, since its work on each document is large.

    It holds the scores of one document at a time. A document that fails takes no other with it.
    """

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate a stream of documents.

        stream (Iterable[Doc]): The documents.
        batch_size (int): Has no effect.
        YIELDS (Doc): The documents, in order, without those that went to the error handler.
        """
        handle = self.get_error_handler()
        for doc in stream:
            try:
                self.set_annotations([doc], self.predict([doc]))
            except Exception as error:
                handle(self.name, self, [doc], error)
            else:
                yield doc
