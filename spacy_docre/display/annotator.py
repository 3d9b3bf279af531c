"""Check and annotate the texts of `docre serve`, in bounded memory."""

import logging
from threading import BoundedSemaphore
from typing import Optional

from spacy.language import Language
from spacy.tokens import Doc

from ..pipeline.doc_relation_extractor import DocRelationExtractor

# The most texts that are annotated at once, and the most texts that wait. Both bound the memory.
AT_ONCE = 2
WAITING = 6
# Below this threshold, nearly every pair would have relations.
LOWEST_THRESHOLD = 0.05
# The time of spaCy's tokenizer grows with the square of a word's length.
_LONGEST_WORD = 1000
_LOGGER = logging.getLogger(__name__)


class Refusal(Exception):
    """The reason why a text is not annotated.

    problem (str): The problem.
    status (int): The HTTP status.
    """

    def __init__(self, problem: str, status: int) -> None:
        super().__init__(problem)
        self.status = status


class Annotator:
    """Annotate the texts of several callers at once. A text that fails does not stop the server.

    nlp (Language): The pipeline.
    max_length (int): The most characters of a text.
    max_entities (int): The most entities of a text. Their pairs must fit in memory.
    """

    def __init__(self, nlp: Language, max_length: int, max_entities: int) -> None:
        self.nlp = nlp
        self.max_length = max_length
        self.max_entities = max_entities
        self.room, self.turn = BoundedSemaphore(AT_ONCE + WAITING), BoundedSemaphore(AT_ONCE)

    @property
    def threshold(self) -> Optional[float]:
        """RETURNS (Optional[float]): The threshold of the pipeline; None if it has no relation
        extractor."""
        for _, component in self.nlp.pipeline:
            if isinstance(component, DocRelationExtractor):
                return float(component.cfg["threshold"])
        return None

    def too_long(self) -> Refusal:
        """RETURNS (Refusal): The refusal of a text that is too long."""
        return Refusal(
            f"The text is longer than {self.max_length:,} characters: give a part of it.", 413
        )

    def annotate(self, text: str, threshold: Optional[float] = None) -> Doc:
        """Annotate a text.

        text (str): The text.
        threshold (Optional[float]): A relation is annotated if its probability is above this
            threshold; None for the threshold of the pipeline.
        RETURNS (Doc): The annotated document.
        RAISES (Refusal): If the text cannot be annotated, or the server is busy.
        """
        self._check(text)
        if not self.room.acquire(blocking=False):
            raise Refusal("The server is busy with other texts: try again in a moment.", 503)
        try:
            with self.turn:
                return self._run(text, threshold)
        except Refusal:
            raise
        except Exception as error:
            _LOGGER.exception("A text cannot be annotated")
            if isinstance(error, MemoryError) or "memory" in str(error):
                problem = "This text needs more memory than the server has: give a part of it."
                raise Refusal(problem, 413) from error
            raise Refusal(f"This text cannot be annotated: {error}", 500) from error
        finally:
            self.room.release()

    def _check(self, text: str) -> None:
        if not text.strip():
            raise Refusal("There is no text yet: write or paste one.", 400)
        if len(text) > self.max_length:
            raise self.too_long()
        if max(map(len, text.split())) > _LONGEST_WORD:
            raise Refusal(
                f"A word of the text is longer than {_LONGEST_WORD:,} characters: put spaces "
                "into it.",
                413,
            )

    def _run(self, text: str, threshold: Optional[float]) -> Doc:
        """Annotate as `nlp(text)` does. Check the number of entities before pairs are scored."""
        doc = self.nlp.make_doc(text)
        for _, component in self.nlp.pipeline:
            if not isinstance(component, DocRelationExtractor):
                doc = component(doc)
                continue
            number = len(component.entity_policy.choose(doc).entities)
            if number > self.max_entities:
                raise Refusal(
                    f"The text has {number:,} entities, and the most is "
                    f"{self.max_entities:,}: give a part of it.",
                    422,
                )
            predictions = component.predict([doc])
            relations = component.decode(predictions[0], threshold)
            component.set_annotations([doc], predictions)
            doc._.relations = relations
        return doc
