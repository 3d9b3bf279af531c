"""PDFs that have no end when they are read."""

import base64
import tracemalloc
import zlib
from hashlib import md5
from itertools import product
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest
from pdfminer.arcfour import Arcfour
from pdfminer.pdfdocument import PDFStandardSecurityHandler

from spacy_docre.annotate.inputs import pdf
from spacy_docre.annotate.inputs.pdf import read_boxes
from spacy_docre.data import packed_files
from spacy_docre.data.packed_files import TooLarge

_FORM = b"/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X %d 0 R>>>>/Filter/FlateDecode"


def forms(*contents: bytes) -> List[Tuple[bytes, bytes]]:
    """Each can draw the next one."""
    return [(zlib.compress(part), _FORM % number) for number, part in enumerate(contents, start=7)]


def write_pdf(
    file: Path,
    content: bytes,
    more: bytes = b"",
    streams: List[Tuple[bytes, bytes]] = [],
    more_of_file: bytes = b"",
) -> Path:
    """A page with one stream, which `more` says how to read, and other streams, from number 6 on.
    The page can draw the first of these."""
    page = b"/Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
    objects: Dict[int, bytes] = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<<" + page + b"/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>",
        5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for number, (part, own) in zip(
        [4, *range(6, 6 + len(streams))], [(content, more), *streams], strict=True
    ):
        objects[number] = b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(part), own, part)
    data, places = b"%PDF-1.4\n", []
    for number, item in sorted(objects.items()):
        places.append(b"%010d 00000 n \n" % len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, b"".join(places))
    trailer = b"trailer\n<</Size %d/Root 1 0 R%s>>" % (len(objects) + 1, more_of_file)
    file.write_bytes(b"%s%s%s\nstartxref\n%d\n%%%%EOF" % (data, table, trailer, len(data)))
    return file


def text(characters: bytes) -> bytes:
    return b"BT /F 12 Tf 50 700 Td (%s) Tj ET" % characters


def run_lengths(size: int) -> bytes:
    """So many spaces in runs of 128."""
    return b"\x81 " * (size // 128) + b"\x80"


def lzw(size: int) -> bytes:
    """At least so many spaces, by codes that are longer and longer strings of them, up to the
    largest code, again and again."""
    # Codes have 9 bits, and more from the 511th, 1023rd and 2047th entry of the table on.
    widths = [
        9 if code < 511 else 10 if code < 1023 else 11 if code < 2047 else 12
        for code in range(4095)
    ]
    strings = "".join(f"{code:0{widths[code]}b}" for code in range(258, 4095))
    spaces = sum(range(1, 4095 - 258 + 2))
    again = f"{256:012b}{32:09b}{strings}"
    bits = f"{256:09b}{32:09b}{strings}{again * (size // spaces)}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def zeros85(size: int) -> bytes:
    """So many zeros in ASCII85."""
    return b"z" * (size // 4) + b"~>"


def deflated(size: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(b" " * 2**20) for _ in range(-(-size // 2**20))]
    return b"".join(parts) + packer.flush()


HEX, ASCII85, FLATE = b"/ASCIIHexDecode", b"/ASCII85Decode", b"/FlateDecode"
LZW, RUNS = b"/LZWDecode", b"/RunLengthDecode"
ENCODE: Dict[bytes, Callable[[bytes], bytes]] = {
    HEX: lambda data: data.hex().encode() + b">",
    ASCII85: lambda data: base64.a85encode(data) + b"~>",
    FLATE: lambda data: zlib.compress(data, 9),
}


def filtered(data: bytes, *filters: bytes) -> Tuple[bytes, bytes]:
    """The data as these filters read it, the last of them first, and the names of the filters."""
    for name in reversed(filters):
        data = ENCODE[name](data)
    return data, b"/Filter[%s]" % b"".join(filters)


@pytest.mark.parametrize(
    "filters", [[], [FLATE], [FLATE, FLATE], [ASCII85, FLATE], [HEX, FLATE], [FLATE, HEX, ASCII85]]
)
def test_packed_pages(tmp_path: Path, filters: List[bytes]) -> None:
    file = write_pdf(tmp_path / "a.pdf", *filtered(text(b"Ada"), *filters))
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]


BOMBS = {FLATE: deflated, LZW: lzw, RUNS: run_lengths, ASCII85: zeros85}


AROUND: List[List[bytes]] = [[FLATE], [FLATE, FLATE], [HEX, FLATE], [], [ASCII85]]


@pytest.mark.parametrize(
    "last, filters",
    # Runs and zeros alone are never a hundred times as large as their data.
    [*product([FLATE, LZW], AROUND), *product([RUNS, ASCII85], AROUND[:3])],
)
def test_bombs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bytes, filters: List[bytes]
) -> None:
    """They are not unpacked, whatever they are packed in."""
    monkeypatch.setattr(packed_files, "_UNPACKED_BYTES", 2**22)
    content, names = filtered(BOMBS[last](2**25), *filters)
    file = write_pdf(tmp_path / "a.pdf", content, names[:-1] + last + b"]")
    tracemalloc.start()
    with pytest.raises(TooLarge, match="a.pdf becomes more than .* MB.*a trap"):
        read_boxes(file, "a.pdf", 2**24)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def encrypted(data: bytes) -> Tuple[bytes, bytes]:
    """The data of object 4, and what the file says, where no password is needed to read it."""
    padding, owner = PDFStandardSecurityHandler.PASSWORD_PADDING, b"o" * 32
    key = md5(padding + owner + (2**32 - 4).to_bytes(4, "little") + b"i" * 16).digest()[:5]
    user = Arcfour(key).encrypt(padding).hex().encode()
    says = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>" % (owner.hex().encode(), user)
    own_key = md5(key + (4).to_bytes(3, "little") + b"\0\0").digest()[:10]
    return Arcfour(own_key).encrypt(data), says + b"/ID[<%s>]" % (b"i" * 16).hex().encode()


def test_encrypted_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_files, "_UNPACKED_BYTES", 2**22)
    names = b"/Filter/FlateDecode"
    content, says = encrypted(zlib.compress(text(b"Ada")))
    file = write_pdf(tmp_path / "a.pdf", content, names, more_of_file=says)
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]
    content, says = encrypted(deflated(2**25))
    file = write_pdf(tmp_path / "a.pdf", content, names, more_of_file=says)
    with pytest.raises(TooLarge, match="a.pdf becomes more than . MB"):
        read_boxes(file, "a.pdf", 2**24)


def test_many_streams_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_files, "_UNPACKED_BYTES", 2**20)
    form = b"/X Do" + b" " * 2**18
    file = write_pdf(tmp_path / "a.pdf", b"/X Do", streams=forms(*[form] * 3, b""))
    assert read_boxes(file, "a.pdf", 2**24) == []
    file = write_pdf(tmp_path / "a.pdf", b"/X Do", streams=forms(*[form] * 4, b""))
    with pytest.raises(TooLarge, match="a.pdf becomes more than 1 MB"):
        read_boxes(file, "a.pdf", 2**24)


def test_rows_of_too_many_columns(tmp_path: Path) -> None:
    content, names = filtered(b"\0" + text(b"Ada"), FLATE)
    for columns in (len(text(b"Ada")), 10**12):
        settings = b"/DecodeParms<</Predictor 12/Columns %d>>" % columns
        file = write_pdf(tmp_path / "a.pdf", content, names + settings)
        if columns < 100:
            assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]
    with pytest.raises(TooLarge, match="a.pdf has a table of more than 1,048,576 columns"):
        read_boxes(file, "a.pdf", 2**24)
    file = write_pdf(tmp_path / "a.pdf", deflated(2**25), names + b"/DecodeParms<</Predictor 12>>")
    with pytest.raises(TooLarge, match="or of more than 16 MB"):
        read_boxes(file, "a.pdf", 2**24)


@pytest.mark.parametrize("settings", [b"null", b"[null]", b"[[null]]", b"/None", b"5", b"<<>>"])
def test_settings_that_say_nothing(tmp_path: Path, settings: bytes) -> None:
    content, names = filtered(text(b"Ada"), FLATE)
    file = write_pdf(tmp_path / "a.pdf", content, names + b"/DecodeParms " + settings)
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]


def test_damaged_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read up to the damage, and count as whole ones do."""
    content = zlib.compress(text(b"Ada"))
    for damaged in (content[:-4], content[:-2], content[:-2] + b"xx", content + b"more"):
        file = write_pdf(tmp_path / "a.pdf", damaged, b"/Filter/FlateDecode")
        assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]
    # Stored as it is, in blocks of up to 64 kB: the second one is damaged.
    content = bytearray(zlib.compress(text(b"Ada") + b" " * 100_000, 0))
    content[2 + 5 + 65535 + 1] ^= 0xFF
    file = write_pdf(tmp_path / "a.pdf", bytes(content), b"/Filter/FlateDecode")
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]
    monkeypatch.setattr(packed_files, "_UNPACKED_BYTES", 2**22)
    file = write_pdf(tmp_path / "a.pdf", deflated(2**25)[:-9], b"/Filter/FlateDecode")
    with pytest.raises(TooLarge, match="a.pdf becomes more than . MB"):
        read_boxes(file, "a.pdf", 2**24)


@pytest.mark.parametrize(
    "names, message",
    [
        (b"/Filter[" + b"/FlateDecode" * 5 + b"]", "a.pdf is packed 5 times"),
        (b"/Filter/CCITTFaxDecode", "a.pdf has a text that is stored as a fax"),
        (b"/Filter[[/FlateDecode/FlateDecode]]", "a.pdf has a filter that is no name"),
        (b"/Filter[<</A/FlateDecode>>]", "a.pdf has a filter that is no name"),
    ],
)
def test_filters_that_no_text_has(tmp_path: Path, names: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_boxes(write_pdf(tmp_path / "a.pdf", b"", names), "a.pdf", 2**24)


def test_an_endless_table(tmp_path: Path) -> None:
    """Codes of 12 bits, and no code that clears the table."""
    bits = f"{256:09b}" + f"{32:09b}" * 254 + f"{32:010b}" * 512 + f"{32:011b}" * 1024
    bits += f"{32:012b}" * 10_000
    content = int(bits + "0" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8), "big")
    file = write_pdf(tmp_path / "a.pdf", content, b"/Filter/LZWDecode")
    with pytest.raises(TooLarge, match="endless table"):
        read_boxes(file, "a.pdf", 2**24)


@pytest.mark.parametrize("columns", [1, 10**12])
def test_images_are_not_read(tmp_path: Path, columns: int) -> None:
    """An image may be larger than any text, and packed in any way."""
    image = b"/Subtype/Image/Filter/CCITTFaxDecode/DecodeParms<</Columns %d>>" % columns
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada") + b" /X Do", streams=[(b"", image)])
    assert read_boxes(file, "a.pdf", 2**24) == ["Ada\n"]


def test_pages_of_too_many_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "_MOST_CHARACTERS", 1000)
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada " * 250))
    assert read_boxes(file, "a.pdf", 2**24)
    file = write_pdf(tmp_path / "a.pdf", text(b"Ada " * 251))
    with pytest.raises(TooLarge, match="A page of a.pdf has more than 1,000 characters"):
        read_boxes(file, "a.pdf", 2**24)


def test_forms_of_forms(tmp_path: Path) -> None:
    """Ten times ten times ten: a billion, and none of them has a text."""
    form = b"/X Do " * 10
    file = write_pdf(tmp_path / "a.pdf", b"/X Do", streams=forms(form, b""))
    assert read_boxes(file, "a.pdf", 2**14) == []
    file = write_pdf(tmp_path / "a.pdf", b"/X Do", streams=forms(*[form] * 9, b""))
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
