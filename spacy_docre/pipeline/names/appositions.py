"""Two names that a text says to be of the same: "World Health Organization (WHO)"."""

import re
from dataclasses import dataclass
from typing import FrozenSet, Optional

from .name_words import split_words

# What stands between the names: at most one bracket that opens, and no end of a sentence.
_BETWEEN = re.compile(r"[^.!?()]*(\(?)[^.!?()]*")


@dataclass(frozen=True)
class Appositions:
    """What is said by the words between two names.

    alias_words, or_words, fillers, bracketed (FrozenSet[str]): As in `NameTables`, and `fillers`
        with its determiners.
    """

    alias_words: FrozenSet[str]
    or_words: FrozenSet[str]
    fillers: FrozenSet[str]
    bracketed: FrozenSet[str]

    def hold(self, kind: str, between: str, following: str, same_initial: bool) -> bool:
        """Tell whether two names are of the same, as far as the text between them says so.

        kind (str): The kind of both.
        between (str): The text between them.
        following (str): The text after the second. A colon says that it is no name: "(French: ...".
        same_initial (bool): Whether they begin with the same letter.
        RETURNS (bool): Whether they are.
        """
        form: Optional[re.Match[str]] = _BETWEEN.fullmatch(between)
        words = set(split_words(between))
        if form is None or following.lstrip().startswith(":"):
            return False
        if not words <= self.alias_words | self.or_words | self.fillers:
            return False
        if words & self.alias_words:
            return True
        in_brackets = bool(form[1])
        return (in_brackets and kind in self.bracketed) or (
            same_initial and (in_brackets or bool(words & self.or_words))
        )
