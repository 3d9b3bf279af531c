"""Tokens for a text whose annotations are given in characters."""

from itertools import pairwise
from typing import Callable, Dict, Iterable, List, Tuple

from spacy.tokens import Doc


def trimmed(text: str, start: int, end: int) -> Tuple[int, int]:
    """Leave out white space at the ends of a span.

    text (str): The text.
    start (int): The first character of the span.
    end (int): Its end character.
    RETURNS (Tuple[int, int]): The characters without white space at the ends. A span of only white
        space stays as it is.
    """
    part = text[max(start, 0) : max(end, 0)]
    words = part.strip()
    if not words:
        return start, end
    start = max(start, 0) + len(part) - len(part.lstrip())
    return start, start + len(words)


class DividedText:
    """The words of a text: a tokenizer's tokens, divided where spans begin and end.

    text (str): The text.
    tokenize (Callable[[str], Doc]): Tokenizes a text.
    spans (Iterable[Tuple[int, int]]): First and end character of each span. No span is empty.
    """

    def __init__(
        self, text: str, tokenize: Callable[[str], Doc], spans: Iterable[Tuple[int, int]]
    ) -> None:
        token_starts = [token.idx for token in tokenize(text)]
        spans = list(spans)
        span_starts = {start for start, _ in spans}
        span_ends = {end for _, end in spans}
        spaces_before = (
            start - 1 for start in [*token_starts, len(text)] if text[start - 1 : start] == " "
        )
        cuts = sorted({0, len(text), *token_starts, *spaces_before, *span_starts, *span_ends})
        self.words: List[str] = []
        self.spaces: List[bool] = []
        self._first: Dict[int, int] = {}
        self._end: Dict[int, int] = {}
        for start, end in pairwise(cuts):
            is_within = start in span_starts or end in span_ends
            if text[start:end] == " " and self.words and not self.spaces[-1] and not is_within:
                self.spaces[-1] = True
                continue
            self._first[start] = len(self.words)
            self.words.append(text[start:end])
            self.spaces.append(False)
            self._end[end] = len(self.words)

    def tokens(self, start: int, end: int) -> Tuple[int, int]:
        """Find the tokens of a span.

        start (int): Its first character.
        end (int): Its end character.
        RETURNS (Tuple[int, int]): Its first token and its end token.
        """
        return self._first[start], self._end[end]
