"""Two names that a text gives for one entity: "World Health Organization (WHO)"."""

import re
from dataclasses import dataclass
from typing import FrozenSet, Optional

from .name_words import split_words

# The text between the names: at most one opening bracket, and no end of a sentence.
_BETWEEN = re.compile(r"[^.!?()]*(\(?)[^.!?()]*")


@dataclass(frozen=True)
class Appositions:
    """The words between two names that make them names of one entity.

    alias_words, or_words, fillers, bracketed (FrozenSet[str]): As in `NameTables`. `fillers` holds
        its `alias_fillers` and its determiners.
    """

    alias_words: FrozenSet[str]
    or_words: FrozenSet[str]
    fillers: FrozenSet[str]
    bracketed: FrozenSet[str]

    def hold(self, kind: str, between: str, following: str, same_initial: bool) -> bool:
        """Tell whether the text between two names gives them for one entity.

        kind (str): The kind of both names.
        between (str): The text between them.
        following (str): The text after the second name. A colon there means that the second is
            not another name: "(French: ...".
        same_initial (bool): Whether both names begin with the same letter.
        RETURNS (bool): Whether both are names of one entity.
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
