"""What is doubtful in an annotated file: counted, and told in one warning at its end."""

import unicodedata
import warnings
from collections import Counter
from pathlib import Path
from typing import Counter as CounterType
from typing import Dict, List

# So many cases of a kind are told.
_TOLD = 3


class Doubts:
    """What is doubtful in a file.

    path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: CounterType[str] = Counter()
        self._cases: Dict[str, List[str]] = {}

    def add(self, kind: str, case: str) -> None:
        """Add a case.

        kind (str): What is doubtful, after a number: "names are not their tokens".
        case (str): Where, and what is there.
        """
        self.found[kind] += 1
        cases = self._cases.setdefault(kind, [])
        if len(cases) < _TOLD:
            cases.append(case.removeprefix(f"{self.path}, "))

    def tell(self, kind: str) -> str:
        """Tell of a kind.

        kind (str): The kind.
        RETURNS (str): How many cases there are, and the first of them.
        """
        cases = self._cases[kind]
        more = "; ..." if self.found[kind] > len(cases) else ""
        return f"{self.found[kind]} {kind} ({'; '.join(cases)}{more})"

    def warn(self) -> None:
        """Warn of all there is, if there is anything."""
        if self.found:
            told = ". ".join(map(self.tell, self.found))
            warnings.warn(f"{self.path}: {told}.", stacklevel=3)


def same_text(text: str, other: str) -> bool:
    """Tell whether two texts say the same: white space, case and ways to write a letter aside.

    text (str): A text.
    other (str): Another.
    RETURNS (bool): Whether they do.
    """
    return text == other or _plain(text) == _plain(other)


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
