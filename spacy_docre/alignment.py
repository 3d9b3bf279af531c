"""The entities of a reference document against those of the predicted one."""

from collections import defaultdict
from functools import cached_property
from typing import Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span
from spacy.training import Example

from .entity_sources import Mentions, gold_entities


def mention_indices(mentions: Iterable[Span]) -> FrozenSet[Tuple[int, int]]:
    """Where the mentions of an entity are.

    mentions (Iterable[Span]): The mentions.
    RETURNS (FrozenSet[Tuple[int, int]]): First token and end token of each.
    """
    return frozenset((span.start, span.end) for span in mentions)


def align_mentions(example: Example, entities: Iterable[Sequence[Span]]) -> List[Mentions]:
    """Find mentions of the reference in the predicted document, token by token: the two texts may
    differ in white space and case.

    A mention grows to the tokens that it is a part of. One of white space alone has none, and is
    left out.

    example (Example): The predicted document and the reference.
    entities (Iterable[Sequence[Span]]): The mentions of each entity, in the reference.
    RETURNS (List[Mentions]): The entities, in the same order and number; the mentions are spans
        of the predicted document.
    RAISES (ValueError): If the two texts differ in more than white space and case.
    """
    predicted = example.predicted
    if _same_tokens(predicted, example.reference):
        tokens = None
    else:
        try:
            tokens = example.alignment.y2x
        except ValueError as error:
            raise ValueError(
                f"The gold document that begins {example.reference[:8].text!r} cannot be found in "
                f"the predicted one, which begins {predicted[:8].text!r}: the two documents of "
                "the example have different texts. They may differ in white space and case alone."
            ) from error
    aligned = []
    for mentions in entities:
        spans = []
        for mention in mentions:
            if tokens is None:
                start, end = mention.start, mention.end
            else:
                indices = tokens[mention.start : mention.end]
                if not len(indices):
                    continue
                start, end = int(indices.min()), int(indices.max()) + 1
            spans.append(Span(predicted, start, end, label=mention.label_, span_id=mention.id_))
        aligned.append(spans)
    return aligned


def _same_tokens(doc: Doc, other: Doc) -> bool:
    """Whether two documents have the same tokens, so that no alignment has to be computed."""
    return len(doc) == len(other) and all(
        ours.text == theirs.text for ours, theirs in zip(doc, other)
    )


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

    It is made once for an example, and used by the loss, the distillation and the scorers.

    example (Example): The predicted document and the reference.
    predicted (Sequence[Sequence[Span]]): The mentions of each entity of the predicted document.
    gold (Optional[Sequence[Sequence[Span]]]): The mentions of each entity of the reference; None
        for those that `gold_entities` finds.
    RAISES (ValueError): If the texts of the two documents differ in more than white space and
        case.
    """

    def __init__(
        self,
        example: Example,
        predicted: Sequence[Sequence[Span]],
        gold: Optional[Sequence[Sequence[Span]]] = None,
    ) -> None:
        self.predicted = predicted
        self.gold = align_mentions(
            example, gold_entities(example.reference) if gold is None else gold
        )

    @cached_property
    def to_predicted(self) -> Dict[int, int]:
        """RETURNS (Dict[int, int]): The index of the predicted entity that a gold entity is, by
        the index of the gold entity; those that are not found are left out."""
        return match_entities(self.gold, self.predicted)

    @cached_property
    def to_gold(self) -> Dict[int, int]:
        """RETURNS (Dict[int, int]): The same the other way round."""
        return {predicted: gold for gold, predicted in self.to_predicted.items()}

    def is_exact(self, gold: int) -> bool:
        """Tell whether an entity is found with all of its mentions and no other.

        gold (int): The index of the gold entity.
        RETURNS (bool): Whether it is.
        """
        predicted = self.to_predicted.get(gold)
        return predicted is not None and mention_indices(self.gold[gold]) == mention_indices(
            self.predicted[predicted]
        )
