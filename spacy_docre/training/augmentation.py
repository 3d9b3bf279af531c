"""Augmentation by real kinds of text: with all kinds of white space, in small or capital letters.

An augmenter follows spaCy's convention: it takes the pipeline and an Example, and yields Examples.
The augmenters here rewrite both documents of the Example, in the same words. spaCy's own alignment
would leave out names that are broken by a line end. The teacher's logits stay those of the original
document.
"""

import random
from typing import Callable, Iterator, List, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..data.rewriting import Pieces, rewrite
from .corpus import Augmenter

# Runs of white space that replace a space: wrapped or indented lines of any system, with spaces
# left at their ends; empty lines; columns; text from a typesetter or a web page.
RUNS = ("\n", "\r\n", "\r", " \n", "\n\n", "\n    ", "  ", "   ", "\t", "\u00a0", "\u00a0 ")
CASES: Sequence[Callable[[str], str]] = (str.lower, str.upper)
Change = Callable[[Language, Example], Example]


def make_white_space(level: float) -> Augmenter:
    """`spacy_docre.white_space.v1`: replace spaces by other runs of white space, also within names:
    line breaks, double spaces, tabs, non-breaking spaces.

    In a changed document, a random share of the spaces is replaced by one or more kinds of runs.
    The runs become the tokens that spaCy's tokenizer makes of such a text.

    level (float): The share of documents that are changed.
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    RAISES (ValueError): If `level` is not between 0 and 1; for an example, if its documents have
        different words.
    """
    return change_share(level, _rewriting(_with_other_white_space))


def make_letter_case(level: float) -> Augmenter:
    """`spacy_docre.letter_case.v1`: write a whole document in small letters, or in capitals. Unlike
    `spacy.lower_case.v1` it keeps relations and the teacher's logits.

    level (float): The share of documents that are changed. Half of them are changed to capitals.
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    RAISES (ValueError): As in `make_white_space`.
    """
    return change_share(level, _rewriting(_in_other_case))


def make_in_turn(*augmenters: Augmenter) -> Augmenter:
    """`spacy_docre.in_turn.v1`: apply several augmenters, each to the examples of the one before.

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


def change_share(level: float, change: Change) -> Augmenter:
    """Make an augmenter that changes some examples and leaves the others as they are.

    level (float): The share of examples that are changed, at random.
    change (Callable[[Language, Example], Example]): Changes an example.
    RETURNS (Callable[[Language, Example], Iterator[Example]]): The augmenter.
    RAISES (ValueError): If `level` is not between 0 and 1.
    """
    if not 0 <= level <= 1:
        raise ValueError(f"level = {level} is not a share of the documents: set 0 to 1.")

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        yield change(nlp, example) if random.random() < level else example

    return augment


def _rewriting(pieces_of: Callable[[Doc], List[Pieces]]) -> Change:
    """Make a change that rewrites both documents of an example in the same words."""

    def change(nlp: Language, example: Example) -> Example:
        predicted, reference = example.predicted, example.reference
        if [token.text_with_ws for token in predicted] != [
            token.text_with_ws for token in reference
        ]:
            raise ValueError(
                f"The words of the predicted document that begins {predicted[:8].text!r} are not "
                "those of its reference. Set this augmenter in spacy_docre.Corpus.v1, or before "
                "an augmenter that changes only one of the two documents."
            )
        pieces = pieces_of(reference)
        return Example(rewrite(predicted, pieces), rewrite(reference, pieces))

    return change


def _with_other_white_space(doc: Doc) -> List[Pieces]:
    share = random.random()
    runs = random.sample(RUNS, random.randint(1, len(RUNS)))
    pieces: List[Pieces] = []
    for token in doc:
        if token.whitespace_ and random.random() < share:
            run = random.choice(runs)
            # A space belongs to the token before it, the rest of a run is a token.
            space = run.startswith(" ")
            pieces.append([(token.text, space), (run.removeprefix(" "), False)])
        else:
            pieces.append([(token.text, bool(token.whitespace_))])
    return pieces


def _in_other_case(doc: Doc) -> List[Pieces]:
    case = random.choice(CASES)
    return [[(case(token.text), bool(token.whitespace_))] for token in doc]
