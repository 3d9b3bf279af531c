"""Decode text: UTF-8, or another encoding that is declared or guessed."""

import codecs
import json
import warnings
from pathlib import Path
from typing import Iterable, Optional

from charset_normalizer import CharsetMatch, from_bytes

from .packed_files import unpacked

# The encodings to guess from, the most frequent first. Among all encodings that Python knows, rare
# ones would fit short texts as well: "est née à" would be Dutch in an encoding of DOS.
_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("iso8859_2", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949"),
)
_MARKS = {
    # UTF-32 first: its mark begins with the mark of UTF-16.
    **dict.fromkeys((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    **dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
}
# Bytes of a file from which the encoding of its lines is guessed.
_SAMPLE = 2**20
# Coherence is the share of letters that fit a language. If the coherence of two encodings differs
# by no more than this, the more frequent encoding is chosen.
_CLOSE = 0.1


def decode(data: bytes, where: str) -> str:
    """Decode text.

    data (bytes): The text in UTF-8, with a byte order mark or without.
    where (str): The name of the text in errors.
    RETURNS (str): The text.
    RAISES (ValueError): If the text is not UTF-8.
    """
    refuse_wide(data[:4], where)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(where, f"{error.reason} at byte {error.start}") from None


def refuse_wide(first: bytes, where: str) -> None:
    """Raise an error for UTF-16 and UTF-32.

    Most text in these encodings could be read as UTF-8, with null characters.

    first (bytes): The first four bytes.
    where (str): The name of the text in errors.
    RAISES (ValueError): If the text is UTF-16 or UTF-32.
    """
    if encoding := _wide(first):
        raise not_utf8(where, f"it looks like {encoding[:6].upper()}")


def _wide(first: bytes) -> Optional[str]:
    encoding = json.detect_encoding(first)
    return encoding if encoding.startswith(("utf-16", "utf-32")) else None


def not_utf8(where: str, problem: str) -> ValueError:
    """Make the error for text that is not UTF-8.

    where (str): The name of the text.
    problem (str): What is wrong.
    RETURNS (ValueError): The error, to be raised.
    """
    return ValueError(f"{where} is not UTF-8: {problem}. Save it as UTF-8.")


def decode_any(data: bytes, where: str, declared: Optional[str] = None) -> str:
    """Decode text that should be UTF-8 and may have another encoding.

    data (bytes): The text. A byte order mark decides the encoding.
    where (str): The name of the text in errors.
    declared (Optional[str]): The encoding that the text itself names, as in HTML. It is used if
        the text is not UTF-8.
    RETURNS (str): The text. A warning names the encoding if it is a guess.
    RAISES (ValueError): If the text is not UTF-8, and its encoding is not clear.
    """
    for mark, marked in _MARKS.items():
        if data.startswith(mark):
            return _decoded(data, marked, where)
    try:
        return decode(data, where)
    except ValueError:
        known = _wide(data[:4]) or _declared(data, declared)
        encoding = known or guess_encoding(data)
        if encoding is None:
            raise
    text = _decoded(data, encoding, where)
    if known is None:
        _warn_of_guess(where, encoding)
    return text


def _declared(data: bytes, name: Optional[str]) -> Optional[str]:
    """The encoding with this name, if it can decode the text."""
    try:
        encoding = codecs.lookup(name or "").name
        # Browsers read these names in the same way.
        encoding = "cp1252" if encoding in ("ascii", "iso8859-1") else encoding
        data.decode(encoding)
    except (LookupError, UnicodeError):
        return None
    return encoding


def _decoded(data: bytes, encoding: str, where: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise not_utf8(where, f"it looks like {encoding.upper()}, but {error}") from None


def guess_encoding(data: bytes) -> Optional[str]:
    """Guess the encoding of text that is not UTF-8.

    data (bytes): The text.
    RETURNS (Optional[str]): The encoding. None if no encoding is likely, if several are equally
        likely, or if the text is UTF-8 with some wrong bytes.
    """
    text = data.decode("utf8", errors="replace")
    wrong = text.count("\ufffd")
    if sum(not character.isascii() for character in text) > 2 * wrong:
        return None
    found = from_bytes(data, cp_isolation=list(_ENCODINGS))
    if not found:
        return None
    best = found[0]
    likely = [match for match in found if _is_close(match, best)]
    if len(likely) > 1 and not best.coherence:
        # The text resembles no language, so nothing favours one encoding.
        return None
    names = {name for match in likely for name in match.could_be_from_charset}
    return next(name for name in _ENCODINGS if name in names)


def _is_close(match: CharsetMatch, best: CharsetMatch) -> bool:
    """Whether one letter more or less could have made this match the best one."""
    return match.chaos <= best.chaos + 0.01 and match.coherence >= best.coherence - _CLOSE


def _warn_of_guess(where: str, encoding: str) -> None:
    warnings.warn(
        f"{where} is not UTF-8: it is read as {encoding}, which is a guess. If the guess is wrong, "
        "save it as UTF-8.",
        stacklevel=3,
    )


class LineDecoder:
    """Decodes the lines of a file.

    The encoding of lines that are not UTF-8 is guessed once, from all such lines near the start of
    the file.

    file (Path): The file, which may be packed.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._guess: Optional[str] = None
        self._has_guessed = False

    def __call__(self, line: bytes, where: str) -> str:
        """Decode a line.

        line (bytes): The line.
        where (str): The name of the line in errors.
        RETURNS (str): The line as text.
        RAISES (ValueError): If the line is not UTF-8, and its encoding is not clear.
        """
        try:
            return decode(line, where)
        except ValueError:
            if not self._has_guessed:
                self._guess = guess_encoding(b"".join([line, *self._others()]))
                self._has_guessed = True
                if self._guess is not None:
                    _warn_of_guess(str(self.file), self._guess)
            if self._guess is None:
                raise
            return _decoded(line, self._guess, where)

    def _others(self) -> Iterable[bytes]:
        with unpacked(self.file) as stream:
            # The last line may be cut off within a character.
            lines = stream.read(_SAMPLE).splitlines(keepends=True)[:-1]
        return (line for line in lines if not _is_utf8(line))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
