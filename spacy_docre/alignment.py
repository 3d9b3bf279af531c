"""Align the entities of a reference document with those of the predicted document."""

from collections import defaultdict
from functools import cached_property
from os.path import commonprefix
from typing import Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.alignment_array import AlignmentArray

from .annotations import document_title, sentence_boundaries, token_sentences
from .entity_sources import Mentions, gold_entities
from .mentions import without_space
from .pairs import Pairs

# The number of characters that an error shows before and after the first difference of two texts.
_BEFORE, _AFTER = 10, 20


def mention_indices(mentions: Iterable[Span]) -> FrozenSet[Tuple[int, int]]:
    """Return the tokens of each mention of an entity, without white space at the ends.

    mentions (Iterable[Span]): The mentions.
    RETURNS (FrozenSet[Tuple[int, int]]): First token and end token of each.
    """
    return frozenset(without_space(span.doc, span.start, span.end) for span in mentions)


Tokens = Union[range, AlignmentArray]


def align_mentions(example: Example, entities: Iterable[Sequence[Span]]) -> List[Mentions]:
    """Find mentions of the reference in the predicted document, token by token. The two texts may
    differ in white space and case.

    If a mention ends within a token of the predicted document, it grows to the whole token. No
    mention begins or ends with white space. A mention of white space alone is left out if the
    predicted document lacks that white space.

    example (Example): The predicted document and the reference.
    entities (Iterable[Sequence[Span]]): The mentions of each entity, in the reference.
    RETURNS (List[Mentions]): The same entities in the same order, with mentions that are spans of
        the predicted document. An entity may have no mentions left.
    RAISES (ValueError): If the two texts differ in more than white space and case.
    """
    tokens = _token_alignment(example)
    return [_aligned(mentions, tokens, example.predicted) for mentions in entities]


def _aligned(mentions: Iterable[Span], tokens: Tokens, predicted: Doc) -> Mentions:
    """Turn spans of the reference into spans of the predicted document."""
    spans = []
    for mention in mentions:
        indices = tokens[mention.start : mention.end]
        if len(indices):
            start, end = without_space(predicted, int(indices[0]), int(indices[-1]) + 1)
            spans.append(
                Span(
                    predicted,
                    start,
                    end,
                    label=mention.label_,
                    span_id=mention.id_,
                    kb_id=mention.kb_id_,
                )
            )
    return spans


def _token_alignment(example: Example) -> Tokens:
    """Align the tokens. A slice of the result from one token of the reference to another holds the
    indices of the tokens of the predicted document, in order."""
    predicted, reference = example.predicted, example.reference
    if [token.text for token in predicted] == [token.text for token in reference]:
        # Equal tokens need no alignment.
        return range(len(predicted))
    try:
        return example.alignment.y2x
    except ValueError as error:
        raise ValueError(
            f"The gold document that begins {reference[:8].text!r} and the predicted document "
            f"that begins {predicted[:8].text!r} have different texts. The two documents of an "
            "example may differ in white space and case only. "
            + _first_difference(reference, predicted)
        ) from error


def _first_difference(reference: Doc, predicted: Doc) -> str:
    """Describe the first difference of two texts, ignoring white space and case."""
    gold, ours = ("".join(doc.text.split()) for doc in (reference, predicted))
    start = len(commonprefix([gold.lower(), ours.lower()]))
    around = slice(max(0, start - _BEFORE), start + _AFTER)
    return f"The first difference: gold has {gold[around]!r}, predicted has {ours[around]!r}."


def match_entities(
    entities: Sequence[Sequence[Span]], others: Sequence[Sequence[Span]]
) -> Dict[int, int]:
    """Match two lists of entities of the same Doc, one to one.

    Two entities can match if at least one mention of both has the same tokens. The entities that
    share the largest part of their mentions are matched first.

    entities (Sequence[Sequence[Span]]): The mentions of each entity.
    others (Sequence[Sequence[Span]]): The mentions of each entity of the other list.
    RETURNS (Dict[int, int]): The index of the match in `others`, by the index in `entities`.
    """
    ours = [mention_indices(mentions) for mentions in entities]
    theirs = [mention_indices(mentions) for mentions in others]
    holders: Dict[Tuple[int, int], List[int]] = defaultdict(list)
    for other, mentions in enumerate(theirs):
        for mention in mentions:
            holders[mention].append(other)
    candidates = {
        (-len(mentions & theirs[other]) / len(mentions | theirs[other]), index, other)
        for index, mentions in enumerate(ours)
        for mention in mentions
        for other in holders[mention]
    }
    matches: Dict[int, int] = {}
    taken = set()
    for _, index, other in sorted(candidates):
        if index not in matches and other not in taken:
            matches[index] = other
            taken.add(other)
    return matches


class GoldAlignment:
    """The entities of a reference matched with those of the predicted document.

    A training step makes one alignment for each example, for the loss and the distillation; so
    does a scorer. The two documents are aligned once, at the first use.

    example (Example): The predicted document and the reference.
    predicted (Sequence[Sequence[Span]]): The mentions of each entity of the predicted document.
    gold (Optional[Sequence[Sequence[Span]]]): The mentions of each entity of the reference. The
        default is the entities that `gold_entities` finds.
    """

    def __init__(
        self,
        example: Example,
        predicted: Sequence[Sequence[Span]],
        gold: Optional[Sequence[Sequence[Span]]] = None,
    ) -> None:
        self.example = example
        self.predicted = predicted
        self._gold = gold

    @cached_property
    def gold_in_reference(self) -> List[Mentions]:
        """RETURNS (List[Mentions]): The entities of the reference, as spans of the reference."""
        if self._gold is None:
            return gold_entities(self.example.reference)
        return [list(mentions) for mentions in self._gold]

    @cached_property
    def gold(self) -> List[Mentions]:
        """RETURNS (List[Mentions]): The entities of the reference, as spans of the predicted
            document.
        RAISES (ValueError): If the texts of the two documents differ in more than white space
            and case.
        """
        return self._find(self.gold_in_reference)

    @cached_property
    def gold_sentences(self) -> List[Mentions]:
        """RETURNS (List[Mentions]): The sentences of the reference. Each is a list of one span of
            the predicted document, or an empty list. Without sentence boundaries, there are none.
        RAISES (ValueError): As `gold`.
        """
        reference = self.example.reference
        sentences = reference.sents if reference.has_annotation("SENT_START") else ()
        # A sentence is found in the same way as a mention.
        return self._find([sentence] for sentence in sentences)

    def require_sentences(self, setting: str) -> None:
        """Check that the predicted document has sentence boundaries, so that evidence can be
        learnt.

        setting (str): The setting that needs them, for the error message.
        RAISES (ValueError): If the document has no sentence boundaries.
        """
        if not self.example.predicted.has_annotation("SENT_START"):
            raise ValueError(
                f"'{setting}' needs sentence boundaries on the predicted documents, but the "
                f"document {document_title(self.example.reference)!r} has none. Read documents "
                "with sentence boundaries by spacy_docre.Corpus.v1, which keeps them; or let a "
                "component before the relation extractor set them, e.g. 'sentencizer', and name it "
                f"in annotating_components of [training]; or leave '{setting}' out."
            )

    def sentence_overlap(self, start: int, end: int) -> numpy.ndarray:
        """Count the characters of a part of the reference in each sentence of the predicted
        document.

        start (int): The first token of the part, in the reference.
        end (int): The token after its last.
        RETURNS (numpy.ndarray): The number of characters without white space, shape (sentences,).
        RAISES (ValueError): As `gold`.
        """
        characters, sentences = self._characters
        # A predicted token that holds two tokens of the reference counts once.
        tokens = numpy.unique(numpy.asarray(self._tokens[start:end], dtype="int64"))
        return numpy.bincount(sentences[tokens], characters[tokens], minlength=self._num_sentences)

    @property
    def sentence_parts(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The fraction of each sentence of the reference in each sentence
            of the predicted document, shape (reference's sentences, sentences).
        RAISES (ValueError): As `gold`.
        """
        boundaries = sentence_boundaries(self.example.reference)
        overlap = numpy.zeros((len(boundaries), self._num_sentences))
        for index, (start, end) in enumerate(boundaries):
            overlap[index] = self.sentence_overlap(start, end)
        return overlap / numpy.maximum(overlap.sum(1, keepdims=True), 1)

    @cached_property
    def _num_sentences(self) -> int:
        return len(sentence_boundaries(self.example.predicted))

    @cached_property
    def _characters(self) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The number of characters of each predicted token, and its sentence."""
        predicted = self.example.predicted
        characters = numpy.array([len(token.text.strip()) for token in predicted], dtype="int64")
        return characters, token_sentences(predicted)

    @cached_property
    def _tokens(self) -> Tokens:
        return _token_alignment(self.example)

    def _find(self, entities: Iterable[Sequence[Span]]) -> List[Mentions]:
        tokens = self._tokens
        return [_aligned(mentions, tokens, self.example.predicted) for mentions in entities]

    @cached_property
    def to_predicted(self) -> Dict[int, int]:
        """RETURNS (Dict[int, int]): The index of the matching predicted entity, by the index of
        the gold entity. Gold entities without a match are left out."""
        return match_entities(self.gold, self.predicted)

    @cached_property
    def to_gold(self) -> Dict[int, int]:
        """RETURNS (Dict[int, int]): The index of the gold entity, by the index of the matching
        predicted entity."""
        return {predicted: gold for gold, predicted in self.to_predicted.items()}

    def pair_row(self, head: int, tail: int) -> Optional[int]:
        """Find a pair of gold entities among the pairs of predicted ones.

        head (int): The index of the gold head.
        tail (int): The index of the gold tail.
        RETURNS (Optional[int]): The row of the pair; None if an entity has no match, or if both
            are the same entity, as the diagonal has no row.
        """
        ours, theirs = self.to_predicted.get(head), self.to_predicted.get(tail)
        if ours is None or theirs is None or ours == theirs:
            return None
        return Pairs.row(ours, theirs, len(self.predicted))

    def is_exact(self, gold: int) -> bool:
        """Tell whether a gold entity matches a predicted entity with exactly the same mentions.

        gold (int): The index of the gold entity.
        RETURNS (bool): Whether it matches exactly.
        """
        predicted = self.to_predicted.get(gold)
        return predicted is not None and mention_indices(self.gold[gold]) == mention_indices(
            self.predicted[predicted]
        )
