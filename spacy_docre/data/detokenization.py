"""Detokenization: find the tokens that a space follows in prose."""

import re
from itertools import pairwise
from typing import List, Sequence

# Moses pairs straight quotes only.
_STRAIGHT_QUOTES = str.maketrans("“”„‘’", '"""\'\'')
# Moses keeps these spaces: around a hyphen or slash within a word, around a dash between
# numbers, and before "n't". A hyphen between a letter and a digit is a dash between dates.
_SPACES_LEFT = re.compile(
    r"(?<=[^\W\d_]) ([-/]) (?=[^\W\d_])|(?<=\d) ([-–/]) (?=\d)|(?<=[^\W\d_]) (?=n't\b)"
)
# Languages that put no space between words.
_UNSPACED = {"zh", "ja", "th", "lo", "km", "my"}
# A foreign word in such a language: two or more letters of an alphabet.
_ALPHABETIC = re.compile(r"[A-Za-zÀ-ɏͰ-ӿ]{2,}")


def detokenize(sentences: Sequence[Sequence[str]], lang: str = "en") -> List[bool]:
    """Find the tokens that a space follows, so that a document reads as prose.

    The tokens themselves never change. If the detokeniser changes more than the spaces of a
    sentence, a space follows each token of this sentence.

    sentences (Sequence[Sequence[str]]): The tokens of each sentence.
    lang (str): The language, as a two-letter code.
    RETURNS (List[bool]): For each token of the document, whether a space follows.
    """
    if lang in _UNSPACED:
        return _space_foreign_words([token for tokens in sentences for token in tokens])
    # Imported late: the import takes half a second, and the languages above do not need it.
    from sacremoses import MosesDetokenizer

    detokenizer = MosesDetokenizer(lang=lang)
    spaces: List[bool] = []
    for tokens in sentences:
        plain = [token.translate(_STRAIGHT_QUOTES) for token in tokens]
        prose = detokenizer.detokenize(plain, unescape=False)
        spaces += _align(plain, _SPACES_LEFT.sub(r"\1\2", prose))
    if spaces:
        spaces[-1] = False
    return spaces


def _space_foreign_words(tokens: Sequence[str]) -> List[bool]:
    """Put a space between two neighbouring foreign words, and nowhere else."""
    foreign = [_ALPHABETIC.fullmatch(token) is not None for token in tokens]
    return [both == (True, True) for both in pairwise([*foreign, False])]


def _align(tokens: Sequence[str], text: str) -> List[bool]:
    """For each token, whether a space follows in the text of the sentence."""
    words = text.split()
    if "".join(words) != "".join("".join(tokens).split()):
        words = " ".join(tokens).split()
    # The ends of words, counted in characters that are not white space.
    word_ends = set()
    end = 0
    for word in words:
        end += len(word)
        word_ends.add(end)
    spaces = []
    end = 0
    for token, following in pairwise([*tokens, "."]):
        end += len("".join(token.split()))
        # A token of white space is a space itself.
        spaces.append(end in word_ends and not token.isspace() and not following.isspace())
    return spaces
