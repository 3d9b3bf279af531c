"""PDFs that have no end when they are read."""

import tracemalloc
import zlib
from pathlib import Path
from typing import Dict, List

import pytest

from spacy_docre.annotate.inputs import pdf
from spacy_docre.annotate.inputs.pdf import read_boxes
from spacy_docre.data.packed_files import TooLarge

_FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X %d 0 R>>>>"


def write_pdf(file: Path, content: bytes, more: bytes = b"", forms: List[bytes] = []) -> Path:
    """A page with one stream, which `more` says how to read, and forms, from number 6 on."""
    page = b"/Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
    objects: Dict[int, bytes] = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<<" + page + b"/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>",
        4: b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content), more, content),
        5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for number, form in enumerate(forms, start=6):
        own = _FORM % (number + 1)
        objects[number] = b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(form), own, form)
    data, places = b"%PDF-1.4\n", []
    for number, item in objects.items():
        places.append(b"%010d 00000 n \n" % len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, b"".join(places))
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>" % (len(objects) + 1)
    file.write_bytes(b"%s%s%s\nstartxref\n%d\n%%%%EOF" % (data, table, trailer, len(data)))
    return file


def text(characters: bytes) -> bytes:
    return b"BT /F 12 Tf 50 700 Td (%s) Tj ET" % characters


@pytest.mark.parametrize("levels", [1, 2])
def test_packed_pages(tmp_path: Path, levels: int) -> None:
    content = text(b"Ada")
    for _ in range(levels):
        content = zlib.compress(content)
    filters = b"/Filter[%s]" % (b"/FlateDecode" * levels)
    file = write_pdf(tmp_path / "a.pdf", content, filters)
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_bombs(tmp_path: Path, levels: int) -> None:
    """They are not unpacked, however often they are packed."""
    packer = zlib.compressobj(9)
    content = b"".join(packer.compress(b" " * 2**20) for _ in range(200)) + packer.flush()
    for _ in range(levels - 1):
        content = zlib.compress(content, 9)
    assert len(content) < 2**18
    filters = b"/Filter[%s]" % (b"/FlateDecode" * levels)
    file = write_pdf(tmp_path / "a.pdf", content, filters)
    tracemalloc.start()
    with pytest.raises(TooLarge, match="a.pdf becomes more than 1.. MB.*a trap"):
        read_boxes(file, "a.pdf", 2**24)
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


def test_pages_of_too_many_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "_MOST_CHARACTERS", 1000)
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada " * 250))
    assert read_boxes(file, "a.pdf", 2**24)
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada " * 251))
    with pytest.raises(TooLarge, match="A page of a.pdf has more than 1,000 characters"):
        read_boxes(file, "a.pdf", 2**24)


def test_forms_of_forms(tmp_path: Path) -> None:
    """Ten times ten times ten: a billion, and none of them has a text."""
    forms = [b"/X Do " * 10] * 9 + [b""]
    file = write_pdf(tmp_path / "a.pdf", b"/X Do", forms=forms[:1] + [b""])
    assert read_boxes(file, "a.pdf", 2**14) == []
    file = write_pdf(tmp_path / "a.pdf", b"/X Do", forms=forms)
    with pytest.raises(TooLarge, match="The pages of a.pdf have no end"):
        read_boxes(file, "a.pdf", 2**14)


def test_many_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their order is that of the page, from its top; no pairs are compared."""
    lines = [
        b"BT /F 9 Tf %d %d Td (%d) Tj ET" % (10 + 180 * (n % 3), 780 - 40 * (n // 3), n)
        for n in range(48)
    ]
    file = write_pdf(tmp_path / "a.pdf", b"\n".join(reversed(lines)))
    assert len(read_boxes(file, "a.pdf", 2**24)) == 48
    monkeypatch.setattr(pdf, "_MOST_BOXES", 40)
    assert read_boxes(file, "a.pdf", 2**24) == [f"{n}\n" for n in range(48)]


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    with pytest.raises(Exception, match="No /Root object"):
        read_boxes(tmp_path / "a.pdf", "a.pdf", 2**24)
