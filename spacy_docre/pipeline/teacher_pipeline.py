"""A trained pipeline as teacher."""

from functools import cached_property
from pathlib import Path
from typing import Iterator, Sequence, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import to_numpy, torch2xp, xp2torch
from weasel.util.hashing import get_checksum

from ..alignment import GoldAlignment
from ..distillation.teacher import Teacher
from ..distillation.teacher_logits import TeacherLogits
from ..entity_sources import EntityDoc, copy_words, give_entities
from ..stored import mentions_from_lists, mentions_to_lists
from .components import relation_extractors, transformers
from .doc_relation_extractor import DocRelationExtractor
from .evidence import sentence_shares
from .loading import load_pipeline


class TeacherPipeline(Teacher):
    """`spacy_docre.TeacherPipeline.v1`: the relation extractor of a trained pipeline, which gives
    its logits. The pipeline is loaded when its logits are first needed, so that a trained student
    also works without its teacher.

    path (Union[str, Path]): The pipeline: a folder or a package.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = path

    @cached_property
    def nlp(self) -> Language:
        """RETURNS (Language): The pipeline.
        RAISES (ValueError): If the pipeline cannot be loaded, or has no relation extractor.
        """
        try:
            nlp = load_pipeline(self.path)
            relation_extractors(nlp)
        except (OSError, ValueError) as error:
            raise ValueError(f"The teacher {self.path} cannot be used: {error}") from error
        return nlp

    @property
    def checksum(self) -> str:
        """RETURNS (str): The checksum of the pipeline's files."""
        return str(get_checksum(self.nlp.path))

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): Its relations, in the order of its logits."""
        return self._extractor.labels

    def logits(self, alignments: Sequence[GoldAlignment]) -> Iterator[TeacherLogits]:
        """Compute the logits of the pairs of a student's entities. The entities that the teacher
        itself would find are ignored.

        alignments (Sequence[GoldAlignment]): The documents, which stay unchanged.
        YIELDS (TeacherLogits): The logits of all pairs of each document, and their evidence if the
            document has sentence boundaries.
        """
        # On the Doc itself, the teacher's encoding would replace the student's.
        copies = [
            _copy(alignment.example.predicted, alignment.predicted) for alignment in alignments
        ]
        docs = [copied.doc for copied in copies]
        for transformer in transformers(self.nlp):
            docs = list(transformer.pipe(docs, batch_size=len(docs)))
        for prediction in self._extractor.score_entities(copies):
            shares = sentence_shares(prediction, xp2torch(prediction.evidence.shares))
            has_sentences = prediction.document.doc.has_annotation("SENT_START")
            yield TeacherLogits(
                to_numpy(prediction.logits),
                evidence=to_numpy(torch2xp(shares)) if has_sentences else None,
            )

    @property
    def _extractor(self) -> DocRelationExtractor:
        return relation_extractors(self.nlp)[0]


def _copy(document: Doc, entities: Sequence[Sequence[Span]]) -> EntityDoc:
    doc = copy_words(document)
    copied = [mentions_from_lists(doc, mentions_to_lists(mentions)) for mentions in entities]
    # For a transformer that marks mentions.
    give_entities(doc, copied)
    return EntityDoc(doc, copied, all_sentences=True)
