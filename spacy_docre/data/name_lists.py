"""Make lists of names from the mentions of annotated documents. From these an `ner` learns that a
name may stand alone, without a sentence around it."""

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Dict, Iterator, List, Sequence, Tuple

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..entity_sources import gold_entities
from ..words import is_word
from .gold_annotations import Mention, set_gold_annotations

# Each word, and whether a space follows.
Name = Tuple[Tuple[str, bool], ...]

LENGTHS = (3, 14)
# Of so many lists, one has names of several labels.
CYCLE = 3
# DocRED's labels of dates and numbers, which nobody lists alone.
VALUES = {"TIME", "NUM"}
HEADINGS = ("Members", "Places", "Works", "See also", "Cast", "Awards")
# How often a heading stands first.
HEADED = 0.4
NUMBERED = "1."
BULLETS = ("-", "*", "•", NUMBERED)
SEPARATORS = (",", ";", "|")


def make_lists(docs: Sequence[Doc], number: int, choice: Random) -> Iterator[Doc]:
    """Make lists of names that are taken at random from annotated documents.

    Two lists of three have names of one label, the others of several labels. All labels are equally
    frequent, but dates and numbers are only among other names. Items begin with a bullet, or a
    comma or the like is between them, or nothing, as between lines. An item with a bullet is a
    sentence. So is each line of half of the lists without bullets and commas. All other lists are
    one sentence. Each name is an entity of its own. The relations are not annotated.

    docs (Sequence[Doc]): The documents, of one vocabulary. Mentions without a label are left out.
    number (int): The number of lists.
    choice (Random): Chooses the names, and how they are written.
    YIELDS (Doc): The lists; none if no mention has a label.
    """
    names = _names_by_label(docs)
    if not names:
        return
    listed = [label for label in names if label not in VALUES] or list(names)
    for index in range(number):
        length = choice.randint(*LENGTHS)
        if (index + 1) % CYCLE:
            labels = length * [choice.choice(listed)]
        else:
            # Two labels differ, if there are two.
            labels = choice.sample(list(names), min(2, len(names)))
            labels += choice.choices(list(names), k=length - len(labels))
            choice.shuffle(labels)
        items = [(choice.choice(names[label]), label) for label in labels]
        doc = _write(items, choice).to_doc(docs[0].vocab)
        doc.user_data["title"] = f"List {index + 1}"
        yield doc


def _names_by_label(docs: Sequence[Doc]) -> Dict[str, List[Name]]:
    """The distinct names of each label, in the order of the documents."""
    names: Dict[str, Dict[Name, None]] = {}
    for doc in docs:
        for mentions in gold_entities(doc):
            for mention in mentions:
                name = _name_of(mention)
                if mention.label_ and name:
                    names.setdefault(mention.label_, {})[name] = None
    return {label: list(found) for label, found in names.items()}


def _name_of(mention: Span) -> Name:
    words = list(filter(is_word, mention))
    spaces = [word.idx + len(word) < following.idx for word, following in pairwise(words)]
    return tuple(zip([word.text for word in words], [*spaces, True], strict=False))


@dataclass
class _Text:
    """The words of a list, and its mentions."""

    words: List[str] = field(default_factory=list)
    spaces: List[bool] = field(default_factory=list)
    starts: List[bool] = field(default_factory=list)
    mentions: List[Mention] = field(default_factory=list)

    def add_name(self, name: Name, label: str) -> None:
        self.mentions.append((len(self.words), len(self.words) + len(name), label))
        for word, space in name:
            self.add(word)
            self.spaces[-1] = space

    def add(self, *words: str) -> None:
        self.words += words
        self.spaces += len(words) * [True]
        self.starts += len(words) * [False]

    def add_close(self, mark: str) -> None:
        """Add a mark without a space before it."""
        self.spaces[-1] = False
        self.add(mark)

    def to_doc(self, vocab: Vocab) -> Doc:
        doc = Doc(vocab, words=self.words, spaces=self.spaces, sent_starts=[*self.starts])
        set_gold_annotations(doc, [[mention] for mention in self.mentions], None)
        return doc


def _write(items: Sequence[Tuple[Name, str]], choice: Random) -> _Text:
    """Write names and their labels as a list, in one of the ways that `make_lists` tells."""
    text = _Text()
    bullet, separator = choice.choice(
        [("", ""), (choice.choice(BULLETS), ""), ("", choice.choice(SEPARATORS))]
    )
    are_sentences = bool(bullet) or (not separator and choice.random() < 0.5)
    if choice.random() < HEADED:
        text.add(*choice.choice(HEADINGS).split())
        if choice.random() < 0.5:
            text.add_close(":")
    for number, (name, label) in enumerate(items, 1):
        start = len(text.words)
        if bullet == NUMBERED:
            text.add(str(number))
            text.add_close(".")
        elif bullet:
            text.add(bullet)
        text.add_name(name, label)
        text.starts[start] = are_sentences
        if separator and number < len(items):
            if separator == "|":
                text.add(separator)
            else:
                text.add_close(separator)
    text.starts[0] = True
    return text
