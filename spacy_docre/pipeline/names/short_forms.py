"""How a full name is shortened in later mentions: one function for each rule."""

from typing import Callable, Dict, FrozenSet, Set, Tuple

Name = Tuple[str, ...]
ShortForm = Callable[[Name, FrozenSet[str]], Set[Name]]


def last_words(name: Name, small_words: FrozenSet[str]) -> Set[Name]:
    """Fradique de Menezes: "Menezes", "de Menezes"."""
    return {name[start:] for start in range(1, len(name))}


def first_word(name: Name, small_words: FrozenSet[str]) -> Set[Name]:
    """Michel Ancel: "Michel"."""
    return {name[:1]}


def first_words(name: Name, small_words: FrozenSet[str]) -> Set[Name]:
    """Berenguer Ramon II: "Berenguer", "Berenguer Ramon"."""
    return {name[:end] for end in range(1, len(name))}


def inner_word(name: Name, small_words: FrozenSet[str]) -> Set[Name]:
    """Christian Atsu Twasam: "Atsu"."""
    return {(word,) for word in name[1:-1]}


def first_and_last(name: Name, small_words: FrozenSet[str]) -> Set[Name]:
    """Luis Armando Roche: "Luis Roche"."""
    return {(name[0], name[-1])}


def initials(name: Name, small_words: FrozenSet[str]) -> Set[Name]:
    """John Henry Dearle: "J. H. Dearle", "J. Dearle", "John H. Dearle"."""
    first, *middle = (word[0] for word in name[:-1])
    return {
        (first, *middle, name[-1]),
        (first, name[-1]),
        (name[0], *middle, name[-1]),
    }


def acronym(name: Name, small_words: FrozenSet[str]) -> Set[Name]:
    """Bank of New South Wales: "BNSW", "BoNSW"; U.S. Office of Management and Budget: "OMB"."""
    large = [word for word in name if word not in small_words]
    forms: Set[Name] = set()
    for words in (name, large, large[1:], large[2:]):
        if len(words) > 1:
            forms.add(("".join(word[0] for word in words),))
    return forms


SHORT_FORMS: Dict[str, ShortForm] = {
    rule.__name__: rule
    for rule in (
        last_words,
        first_word,
        first_words,
        inner_word,
        first_and_last,
        initials,
        acronym,
    )
}

# An abbreviation may come before the full name. Other short forms may not.
ABBREVIATIONS = frozenset({acronym, initials})
