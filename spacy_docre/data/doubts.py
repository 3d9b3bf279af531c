"""Count what is doubtful in an annotated file, and warn of it once, at the end of the file."""

import unicodedata
import warnings
from collections import Counter
from pathlib import Path
from typing import Counter as CounterType
from typing import Dict, List, Sequence

# The number of cases of a kind that a warning shows.
_TOLD = 3


def first_few(cases: Sequence[str]) -> str:
    """Join the first few of many cases, for a warning.

    cases (Sequence[str]): The cases.
    RETURNS (str): The first three; "..." stands for the others.
    """
    return "; ".join([*cases[:_TOLD], *(["..."] if len(cases) > _TOLD else [])])


class Doubts:
    """The doubtful cases of a file.

    path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: CounterType[str] = Counter()
        self._cases: Dict[str, List[str]] = {}

    def add(self, kind: str, case: str) -> None:
        """Add a case.

        kind (str): What is doubtful, as it stands after a number: "names are not their tokens".
        case (str): The place, and what stands there.
        """
        self.found[kind] += 1
        cases = self._cases.setdefault(kind, [])
        # One more than a warning shows, so that it tells that there are more.
        if len(cases) <= _TOLD:
            cases.append(case.removeprefix(f"{self.path}, "))

    def tell(self, kind: str) -> str:
        """Describe the cases of a kind.

        kind (str): The kind.
        RETURNS (str): The number of cases, and the first few cases.
        """
        return f"{self.found[kind]} {kind} ({first_few(self._cases[kind])})"

    def warn(self) -> None:
        """Warn of all cases, if there are any."""
        if self.found:
            told = ". ".join(map(self.tell, self.found))
            warnings.warn(f"{self.path}: {told}.", stacklevel=3)


def same_text(text: str, other: str) -> bool:
    """Check whether two texts are the same. White space, case and Unicode form (NFKC) do not count.

    text (str): A text.
    other (str): Another text.
    RETURNS (bool): Whether the texts are the same.
    """
    return text == other or _plain(text) == _plain(other)


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
