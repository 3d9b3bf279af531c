"""The words of a name, as they are compared."""

import re
import unicodedata

from .short_forms import Name

_POSSESSIVE = re.compile(r"\s?['’]s?$")
_APOSTROPHE = re.compile(r"['’‘`]")
# Accents on Latin, Greek and Cyrillic letters do not tell names apart. In other scripts, marks are
# vowels and more.
_ACCENT = re.compile(r"(?<=[A-Za-z\u0370-\u052f])[\u0300-\u036f]+")


def split_words(text: str) -> Name:
    """Split a name into its words, without case, accents, possessive and punctuation. A name of
    single letters ("U.S.") is one word.

    text (str): The name.
    RETURNS (Name): Its words.
    """
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    plain = unicodedata.normalize("NFC", _ACCENT.sub("", decomposed))
    name = _APOSTROPHE.sub("", _POSSESSIVE.sub("", plain))
    return joined_letters(tuple("".join(map(_word_part, name)).split()))


def joined_letters(words: Name) -> Name:
    """Join single letters to one word.

    words (Name): The words of a name.
    RETURNS (Name): One word, if all words are single letters; else the words.
    """
    is_acronym = len(words) > 1 and all(len(word) == 1 for word in words)
    return ("".join(words),) if is_acronym else words


def _word_part(char: str) -> str:
    # Vowel signs and other marks belong to their word.
    if char.isalnum() or unicodedata.category(char).startswith("M"):
        return char
    return " & " if char == "&" else " "
