"""Text in other encodings."""

import warnings
from pathlib import Path

import pytest

from spacy_docre.data.encodings import LineDecoder, decode_any

FRENCH = "Marie Curie est née à Varsovie. Elle a été la première femme à recevoir le prix Nobel."
RUSSIAN = "Мария Кюри родилась в Варшаве и училась в Париже."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_what_is_certain(encoding: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_any(FRENCH.encode(encoding), "a.txt") == FRENCH


@pytest.mark.parametrize("text, encoding", [(FRENCH, "cp1252"), (RUSSIAN, "cp1251")])
def test_guesses_are_told(text: str, encoding: str) -> None:
    with pytest.warns(UserWarning, match=f"a.txt is not UTF-8: it is read as {encoding}"):
        assert decode_any(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize("data", [b"\xff", bytes(range(256)), "Åbo".encode("cp1252")])
def test_what_is_not_clear(data: bytes) -> None:
    with pytest.raises(ValueError, match="a.txt is not UTF-8"):
        decode_any(data, "a.txt")


def test_lines_are_guessed_together(tmp_path: Path) -> None:
    """A short one alone would not be clear, and one warning is for all."""
    lines = [b"Ada\n", "я\n".encode("cp1251"), RUSSIAN.encode("cp1251") + b"\n", "я\n".encode()]
    (tmp_path / "a.txt").write_bytes(b"".join(lines))
    decode = LineDecoder(tmp_path / "a.txt")
    with pytest.warns(UserWarning, match="cp1251") as caught:
        found = [decode(line, "a line") for line in lines]
    assert found == ["Ada\n", "я\n", f"{RUSSIAN}\n", "я\n"] and len(caught) == 1


@pytest.mark.parametrize("damage", [b"\xff end", b" caf\xe9", b"\xc3"])
def test_utf8_that_is_damaged(damage: bytes) -> None:
    """No other encoding is guessed, which would change all its letters."""
    text = 5 * "Übersicht: José lebt in Zürich und in Łódź. "
    with pytest.raises(ValueError, match="a.txt is not UTF-8: .* at byte 2[0-9]{2}"):
        decode_any(text.encode() + damage, "a.txt")
