"""The entities of a reference document against those of the predicted one."""

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

# Characters that an error shows before and after the first difference of two texts.
_BEFORE, _AFTER = 10, 20


def mention_indices(mentions: Iterable[Span]) -> FrozenSet[Tuple[int, int]]:
    """Where the mentions of an entity are, whatever white space they begin or end with.

    mentions (Iterable[Span]): The mentions.
    RETURNS (FrozenSet[Tuple[int, int]]): First token and end token of each.
    """
    return frozenset(without_space(span.doc, span.start, span.end) for span in mentions)


Tokens = Union[range, AlignmentArray]


def align_mentions(example: Example, entities: Iterable[Sequence[Span]]) -> List[Mentions]:
    """Find mentions of the reference in the predicted document, token by token: the two texts may
    differ in white space and case.

    A mention grows to the tokens that it is a part of, and begins and ends with no token of white
    space. A mention of white space alone is left out where the predicted document lacks it.

    example (Example): The predicted document and the reference.
    entities (Iterable[Sequence[Span]]): The mentions of each entity, in the reference.
    RETURNS (List[Mentions]): The entities, in the same order and number; the mentions are spans
        of the predicted document.
    RAISES (ValueError): If the two texts differ in more than white space and case.
    """
    tokens = _token_alignment(example)
    return [_aligned(mentions, tokens, example.predicted) for mentions in entities]


def _aligned(mentions: Iterable[Span], tokens: Tokens, predicted: Doc) -> Mentions:
    """Spans of the reference as spans of the predicted document."""
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
    """A sequence whose slice from one token of the reference to another holds the indices of the
    tokens of the predicted document, in order."""
    predicted, reference = example.predicted, example.reference
    if [token.text for token in predicted] == [token.text for token in reference]:
        # Each token is itself, and no alignment has to be computed.
        return range(len(predicted))
    try:
        return example.alignment.y2x
    except ValueError as error:
        raise ValueError(
            f"The gold document that begins {reference[:8].text!r} cannot be found in "
            f"the predicted one, which begins {predicted[:8].text!r}: the two documents of "
            "the example have different texts. They may differ in white space and case alone. "
            + _first_difference(reference, predicted)
        ) from error


def _first_difference(reference: Doc, predicted: Doc) -> str:
    """Say where two texts part, white space and case aside."""
    gold, ours = ("".join(doc.text.split()) for doc in (reference, predicted))
    start = len(commonprefix([gold.lower(), ours.lower()]))
    around = slice(max(0, start - _BEFORE), start + _AFTER)
    return f"Where they part, gold has {gold[around]!r}, and the predicted has {ours[around]!r}."


def match_entities(
    entities: Sequence[Sequence[Span]], others: Sequence[Sequence[Span]]
) -> Dict[int, int]:
    """Match two lists of entities of the same Doc, one to one.

    Entities match if they share at least one mention exactly; those that share the largest part of
    their mentions are matched first.

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

    It is made once a step for an example, for the loss, the distillation and the scorers. The two
    documents are aligned once, when it is first asked.

    example (Example): The predicted document and the reference.
    predicted (Sequence[Sequence[Span]]): The mentions of each entity of the predicted document.
    gold (Optional[Sequence[Sequence[Span]]]): The mentions of each entity of the reference; None
        for those that `gold_entities` finds.
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
        """RETURNS (List[Mentions]): The sentences of the reference, each as a span of the
            predicted document or none; an empty list where it has no sentence boundaries.
        RAISES (ValueError): As `gold`.
        """
        reference = self.example.reference
        sentences = reference.sents if reference.has_annotation("SENT_START") else ()
        # A sentence is found as a mention is.
        return self._find([sentence] for sentence in sentences)

    def require_sentences(self, setting: str) -> None:
        """See that the predicted document has sentences, whose evidence can be learnt.

        setting (str): What asks for them, for the error message.
        RAISES (ValueError): If it has no sentence boundaries.
        """
        if not self.example.predicted.has_annotation("SENT_START"):
            raise ValueError(
                f"'{setting}' needs sentence boundaries on the predicted documents, and the "
                f"document {document_title(self.example.reference)!r} has none. Read documents "
                "that have them with spacy_docre.Corpus.v1, which hands them on; or let a "
                "component before the relation extractor set them, e.g. 'sentencizer', among the "
                f"annotating_components of [training]; or leave '{setting}' out."
            )

    def sentence_overlap(self, start: int, end: int) -> numpy.ndarray:
        """How much of a part of the reference is in each sentence of the predicted document.

        start (int): Its first token, in the reference.
        end (int): The token to stop before.
        RETURNS (numpy.ndarray): The number of characters, white space apart, shape (sentences,).
        RAISES (ValueError): As `gold`.
        """
        characters, sentences = self._characters
        # A token that two tokens of the reference are part of is one.
        tokens = numpy.unique(numpy.asarray(self._tokens[start:end], dtype="int64"))
        return numpy.bincount(sentences[tokens], characters[tokens], minlength=self._num_sentences)

    @property
    def sentence_parts(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): Which part of each sentence of the reference is in each of the
            predicted document, shape (reference's sentences, sentences).
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
        """The characters of each predicted token, and its sentence."""
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
        """RETURNS (Dict[int, int]): The index of the predicted entity that a gold entity is, by
        the index of the gold entity; those that are not found are left out."""
        return match_entities(self.gold, self.predicted)

    @cached_property
    def to_gold(self) -> Dict[int, int]:
        """RETURNS (Dict[int, int]): The same the other way round."""
        return {predicted: gold for gold, predicted in self.to_predicted.items()}

    def pair_row(self, head: int, tail: int) -> Optional[int]:
        """Find a pair of gold entities among the pairs of predicted ones.

        head (int): The index of the gold head.
        tail (int): The index of the gold tail.
        RETURNS (Optional[int]): Its row; None where one of them is not found, and where both are
            the same: the diagonal takes no part.
        """
        ours, theirs = self.to_predicted.get(head), self.to_predicted.get(tail)
        if ours is None or theirs is None or ours == theirs:
            return None
        return Pairs.row(ours, theirs, len(self.predicted))

    def is_exact(self, gold: int) -> bool:
        """Tell whether an entity is found with all of its mentions and no other.

        gold (int): The index of the gold entity.
        RETURNS (bool): Whether it is.
        """
        predicted = self.to_predicted.get(gold)
        return predicted is not None and mention_indices(self.gold[gold]) == mention_indices(
            self.predicted[predicted]
        )
