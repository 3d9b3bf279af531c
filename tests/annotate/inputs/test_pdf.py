"""PDFs that have no end when they are read, and what may happen to the process that reads them."""

import base64
import sys
import time
import zlib
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import psutil
import pytest

from spacy_docre.annotate.inputs import pdf, pdf_pages
from spacy_docre.annotate.inputs.conversion import _paragraphs
from spacy_docre.annotate.inputs.pdf import read_boxes

_FORM = b"/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X %d 0 R>>>>/Filter/FlateDecode"


def forms(*contents: bytes) -> List[Tuple[bytes, bytes]]:
    """Each can draw the next one."""
    return [(zlib.compress(part), _FORM % number) for number, part in enumerate(contents, start=7)]


def write_pdf(
    file: Path,
    content: bytes,
    more: bytes = b"",
    streams: List[Tuple[bytes, bytes]] = [],
    objects: Dict[int, bytes] = {},
) -> Path:
    """A page with one stream, which `more` says how to read, other streams, from number 6 on, and
    other objects, which may replace these. The page can draw the first of the other streams."""
    page = b"/Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
    all_objects: Dict[int, bytes] = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<<" + page + b"/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>",
        5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for number, (part, own) in zip(
        [4, *range(6, 6 + len(streams))], [(content, more), *streams], strict=True
    ):
        all_objects[number] = b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(part), own, part)
    all_objects.update(objects)
    data, places = b"%PDF-1.4\n", []
    for number, item in sorted(all_objects.items()):
        places.append(b"%010d 00000 n \n" % len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    size = len(all_objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, b"".join(places))
    end = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(data))
    file.write_bytes(data + table + end)
    return file


def text(characters: bytes) -> bytes:
    return b"BT /F 12 Tf 50 700 Td (%s) Tj ET" % characters


def packed_page(file: Path, filters: bytes, data: bytes) -> Path:
    """A page whose operators are packed."""
    return write_pdf(file, data, b"/Filter[%s]" % filters)


def deflated(size: int) -> bytes:
    """So many spaces."""
    packer = zlib.compressobj()
    parts = [packer.compress(b" " * 2**20) for _ in range(size // 2**20)]
    return b"".join(parts) + packer.flush()


LETTER = b"BT /F 12 Tf 50 700 Td <0041> Tj ET"


def page_with_font(file: Path, more: bytes, table: bytes, content: bytes = LETTER) -> Path:
    """A page with a letter in a font of many characters, and the table of its characters."""
    objects = {
        5: b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/ToUnicode 6 0 R"
        b"/DescendantFonts[7 0 R]>>",
        7: b"<</Type/Font/Subtype/CIDFontType2/BaseFont/A/CIDSystemInfo<<>>/FontDescriptor<<>>%s>>"
        % more,
    }
    return write_pdf(file, content, streams=[(table, b"")], objects=objects)


def characters(first: bytes, last: bytes) -> bytes:
    return b"1 begincodespacerange\n1 beginbfrange\n<%s><%s><%s>\nendbfrange" % (first, last, first)


def table_of_many_objects(file: Path) -> Path:
    content = zlib.compress(bytes(8))
    table = b"<</Type/XRef/Size 3/Root 2 0 R/W[1 2 1]/Index[0 4294967295]/Length %d" % len(content)
    file.write_bytes(
        b"%%PDF-1.5\n1 0 obj\n%s/Filter/FlateDecode>>\nstream\n%s\nendstream\nendobj\n2 0 obj\n"
        b"<</Type/Catalog>>\nendobj\nstartxref\n9\n%%%%EOF" % (table, content)
    )
    return file


FORMS = forms(*[b"/X Do " * 10] * 9, b"")
FLATE, RUNS = b"/FlateDecode", b"/RunLengthDecode"
TABLE = b"/FlateDecode]/DecodeParms[<</Predictor 12/Columns 1000000000>>"
TRAPS: Dict[str, Callable[[Path], Path]] = {
    "flate": lambda file: packed_page(file, FLATE, deflated(2**29)),
    "flate of flate": lambda file: packed_page(file, FLATE * 2, zlib.compress(deflated(2**29))),
    "columns": lambda file: packed_page(file, TABLE, zlib.compress(bytes(99))),
    "runs": lambda file: packed_page(file, FLATE + RUNS, zlib.compress(b"\x81 " * 2**24)),
    "text": lambda file: packed_page(file, FLATE, zlib.compress(text(b"Ada " * 2**22))),
    "forms": lambda file: write_pdf(file, b"/X Do", streams=FORMS),
    "characters": lambda file: page_with_font(file, b"", characters(b"00000000", b"7fffffff")),
    "widths": lambda file: page_with_font(file, b"/W[0 4294967295 500]", b""),
    "table of objects": table_of_many_objects,
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str) -> None:
    monkeypatch.setattr(pdf, "_MOST_MEMORY", 2**28)
    monkeypatch.setattr(pdf, "_MOST_SECONDS", 1)
    file = TRAPS[trap](tmp_path / "a.pdf")
    with pytest.raises(ValueError, match="a.pdf takes more than .* (MB of memory|seconds).*a trap"):
        read_boxes(file, "a.pdf", 2**24)


def test_the_traps_are_harmless_when_they_are_small(tmp_path: Path) -> None:
    """So it is their size that ends them."""
    file = packed_page(tmp_path / "a.pdf", FLATE + RUNS, zlib.compress(b"\x81 " * 4))
    assert read_boxes(file, "a.pdf", 2**24) == []
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada") + b" /X Do", streams=FORMS[-2:])
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]
    file = page_with_font(tmp_path / "a.pdf", b"/W[0 255 500]", characters(b"0000", b"00ff"))
    assert read_boxes(file, "a.pdf", 2**24) == ["A\n"]


def test_packed_pages(tmp_path: Path) -> None:
    data = base64.a85encode(zlib.compress(text(b"Ada"))) + b"~>"
    file = write_pdf(tmp_path / "a.pdf", data, b"/Filter[/ASCII85Decode/FlateDecode]")
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]


def test_a_damaged_stream_is_read_up_to_the_damage(tmp_path: Path) -> None:
    content = zlib.compress(text(b"Ada"))[:-2] + b"xx"
    file = write_pdf(tmp_path / "a.pdf", content, b"/Filter/FlateDecode")
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]


def test_images_are_not_read(tmp_path: Path) -> None:
    """An image may be larger than any text, and packed in any way."""
    image = b"/Subtype/Image/Filter/CCITTFaxDecode/DecodeParms<</Columns 1000000000000>>"
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada") + b" /X Do", streams=[(b"", image)])
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]


def test_many_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their order is that of the page, from its top; no pairs are compared."""
    lines = [
        b"BT /F 9 Tf %d %d Td (%d) Tj ET" % (10 + 180 * (n % 3), 780 - 40 * (n // 3), n)
        for n in range(48)
    ]
    file = write_pdf(tmp_path / "a.pdf", b"\n".join(reversed(lines)))
    assert len(read_boxes(file, "a.pdf", 2**24)) == 48
    monkeypatch.setattr(pdf_pages, "_MOST_BOXES", 40)
    with file.open("rb") as stream:
        assert list(pdf_pages.read_pages(stream)) == [[f"{n}\n" for n in range(48)]]


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    with pytest.raises(ValueError, match="a.pdf is damaged.*No /Root object"):
        read_boxes(tmp_path / "a.pdf", "a.pdf", 2**24)


# A reader that takes half a second for each of four pages.
SLOW = """
import json, time
for number in range(4):
    start = time.process_time()
    while time.process_time() - start < 0.5: sum(range(10**5))
    if %s: print(json.dumps({"box": str(number)}), flush=True)
"""


def test_the_time_of_a_page_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the file is not: it may have many pages."""
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada"))
    monkeypatch.setattr(pdf, "_PROGRAM", tmp_path / "reader.py")
    monkeypatch.setattr(pdf, "_MOST_SECONDS", 1.2)
    monkeypatch.setattr(pdf, "_SECONDS_PER_MB", 10**6)
    (tmp_path / "reader.py").write_text(SLOW % "True")
    assert read_boxes(file, "a.pdf", 2**24) == ["0", "1", "2", "3"]
    (tmp_path / "reader.py").write_text(SLOW % "number == 3")
    with pytest.raises(ValueError, match="a.pdf takes more than .* seconds for a page"):
        read_boxes(file, "a.pdf", 2**24)


def test_the_time_of_a_file_grows_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada"))
    monkeypatch.setattr(pdf, "_PROGRAM", tmp_path / "reader.py")
    monkeypatch.setattr(pdf, "_MOST_SECONDS", 1.2)
    monkeypatch.setattr(pdf, "_SECONDS_PER_MB", 0)
    (tmp_path / "reader.py").write_text(SLOW % "True")
    with pytest.raises(ValueError, match="a.pdf takes more than 1 seconds, too many for its size"):
        read_boxes(file, "a.pdf", 2**24)


@pytest.mark.parametrize(
    "program, problem",
    [
        ("print('{\"bo', flush=True)\nimport os\nos._exit(7)", "exit code 7"),
        ("import no_package", "exit code 1. ModuleNotFoundError: No module named 'no_package'"),
        ("import os\nos.kill(os.getpid(), 9)", "exit code -9"),
    ],
)
def test_a_reader_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, problem: str
) -> None:
    """The PDF is not to blame, and half of a box is no box."""
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada"))
    monkeypatch.setattr(pdf, "_PROGRAM", tmp_path / "reader.py")
    (tmp_path / "reader.py").write_text(program)
    with pytest.raises(OSError, match=f"a.pdf cannot be read: its reader ended with {problem}"):
        read_boxes(file, "a.pdf", 2**24)


def test_the_reader_ends_with_its_parent(tmp_path: Path) -> None:
    """Nothing bounds it then."""
    file = TRAPS["forms"](tmp_path / "a.pdf")
    code = (
        "from pathlib import Path\nfrom spacy_docre.annotate.inputs.pdf import read_boxes\n"
        f"read_boxes(Path({str(file)!r}), 'a.pdf', 2**24)"
    )
    parent = psutil.Popen([sys.executable, "-c", code])
    while not (children := parent.children()):
        time.sleep(0.1)
    (child,) = children
    parent.kill()
    end = time.monotonic() + 30
    # A process that has ended is a zombie until its parent asks for its end. Nobody has to ask.
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.1)
    parent.wait()


def test_the_reader_finds_what_its_parent_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not look where the program is."""
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada"))
    for folder in ("path", "program"):
        (tmp_path / folder).mkdir()
    (tmp_path / "path" / "own.py").write_text("NAME = 'Bo'")
    (tmp_path / "program" / "json.py").write_text("1 / 0")
    program = tmp_path / "program" / "reader.py"
    program.write_text("import json, own\nprint(json.dumps({'box': own.NAME}))")
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.setattr(pdf, "_PROGRAM", program)
    assert read_boxes(file, "a.pdf", 2**24) == ["Bo"]


@pytest.mark.parametrize("letters", ["a", "a ", "a\n", "a-\n"])
def test_letters_that_are_long_texts(tmp_path: Path, letters: str) -> None:
    """A font may say that a glyph is a text. The limit holds for it, and lines are joined in
    linear time."""
    long = (letters * 100_000).encode("utf-16-be").hex().encode()
    table = b"1 begincodespacerange\n1 beginbfchar\n<0041><%s>\nendbfchar" % long
    glyphs = b"BT /F 12 Tf 50 700 Td <%s> Tj ET" % (b"0041" * 100)
    file = page_with_font(tmp_path / "a.pdf", b"", table, glyphs)
    boxes = read_boxes(file, "a.pdf", 2**20)
    assert sum(map(len, boxes)) == 2**20 + 1
    joined = "".join(_paragraphs(boxes))
    assert joined.count("a") == "".join(boxes).count("a")


def test_reading_ends_after_enough_text(tmp_path: Path) -> None:
    """The rest would be too long anyway."""
    page = (
        b"/Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>"
    )
    objects = {2: b"<</Type/Pages/Kids[3 0 R 6 0 R]/Count 2>>", 6: b"<<%s>>" % page}
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada"), objects=objects)
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n", "Ada\n"]
    assert read_boxes(file, "a.pdf", 3) == ["Ada\n"]
