"""Augmentation: texts as they come, with white space of all kinds, in small or capital letters.

An augmenter of spaCy's convention is called with the pipeline and an Example, and gives Examples.
Here it changes what the pipeline is shown, the predicted document, and leaves the reference: its
annotations are found again by `Example.alignment`, and its teacher's logits by its words.
"""

import random
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..alignment import align_mentions
from ..entity_sources import gold_entities, set_entity_spans
from .corpus import Augmenter

# What is found in the place of a space: lines that are wrapped or indented, by any system, with
# spaces left at their ends; empty lines; columns; text out of a typesetter or a web page.
RUNS = ("\n", "\r\n", "\r", " \n", "\n\n", "\n    ", "  ", "   ", "\t", "\u00a0", "\u00a0 ")
CASES: Sequence[Callable[[str], str]] = (str.lower, str.upper)

# Its text, whether a space follows, whether a sentence begins.
_Token = Tuple[str, bool, Optional[bool]]


def make_white_space(level: float) -> Augmenter:
    """`spacy_docre.white_space.v1`: put other runs of white space in the place of spaces, within
    names, too: line breaks, double spaces, tabs, non-breaking spaces.

    Of a document that is changed, a random share of its spaces is, to one or more kinds of runs.
    They are tokens as spaCy's tokenizer makes them of such a text.

    level (float): The share of documents that are changed.
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    RAISES (ValueError): If `level` is no share.
    """
    return _make_augmenter(level, _with_other_white_space)


def make_letter_case(level: float) -> Augmenter:
    """`spacy_docre.letter_case.v1`: write all of a document in small letters, or in capitals.
    Unlike `spacy.lower_case.v1` it keeps relations, and the teacher's logits.

    level (float): The share of documents that are changed, half of them to capitals.
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    RAISES (ValueError): If `level` is no share.
    """
    return _make_augmenter(level, _in_other_case)


def make_in_turn(*augmenters: Augmenter) -> Augmenter:
    """`spacy_docre.in_turn.v1`: several augmenters, each on what the one before it gives.

    *augmenters (Callable[[Language, Example], Iterator[Example]]): The augmenters, in a config
        [corpora.train.augmenter.*.NAME].
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    """

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        examples = [example]
        for augmenter in augmenters:
            examples = [changed for given in examples for changed in augmenter(nlp, given)]
        yield from examples

    return augment


def _make_augmenter(level: float, change: Callable[[Doc], Doc]) -> Augmenter:
    if not 0 <= level <= 1:
        raise ValueError(f"level = {level} is no share of the documents: set 0 to 1.")

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        if random.random() >= level:
            yield example
            return
        changed = Example(change(example.predicted), example.reference)
        try:
            entities = align_mentions(changed, gold_entities(example.reference))
        except ValueError:
            # A capital sigma before new white space is another letter in spaCy's alignment.
            yield example
            return
        set_entity_spans(changed.predicted, entities)
        yield changed

    return augment


def _with_other_white_space(doc: Doc) -> Doc:
    share = random.random()
    runs = random.sample(RUNS, random.randint(1, len(RUNS)))
    tokens: List[_Token] = []
    for token in doc:
        run = random.choice(runs) if token.whitespace_ and random.random() < share else ""
        # A space belongs to the token before it, the rest of a run is a token.
        space = run.startswith(" ") if run else bool(token.whitespace_)
        tokens.append((token.text, space, token.is_sent_start))
        if run:
            tokens.append((run.removeprefix(" "), False, False))
    return _document(doc, tokens)


def _in_other_case(doc: Doc) -> Doc:
    case = random.choice(CASES)

    def changed(word: str) -> str:
        # Gold is aligned by small letters: "ß" stays, whose capitals are two.
        same = all(case(letter).lower() == letter.lower() for letter in word)
        return case(word) if same else word

    return _document(
        doc,
        [(changed(token.text), bool(token.whitespace_), token.is_sent_start) for token in doc],
    )


def _document(doc: Doc, tokens: Sequence[_Token]) -> Doc:
    """A document of other tokens, with sentences where the first has some."""
    return Doc(
        doc.vocab,
        words=[text for text, _, _ in tokens],
        spaces=[space for _, space, _ in tokens],
        sent_starts=(
            [start for _, _, start in tokens] if doc.has_annotation("SENT_START") else None
        ),
    )
