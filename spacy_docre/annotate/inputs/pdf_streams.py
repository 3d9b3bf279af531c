"""Read the streams of a PDF with pdfminer, in bounded memory.

pdfminer unpacks a whole stream at once. Here Flate and LZW are unpacked part by part, and the other
filters are checked before pdfminer applies them.
"""

import io
import zlib
from contextlib import suppress
from functools import cache
from typing import Any, BinaryIO, Iterator, Optional, cast

from ...data.packed_files import TooLarge, check_growth
from ...extras import import_extra

# The most filters of a stream: it can be packed within itself.
_FILTERS = 4
# The most bytes that the run-length filter makes of one byte.
_RUN_TIMES = 64
# The most columns, and bytes, of a table that is stored as differences of rows. pdfminer makes
# lists of numbers of it.
_COLUMNS = 2**20
_ROWS_BYTES = 2**24
# An LZW table has at most 4096 entries. This is lenient with encoders that clear it later.
_LZW_TABLE = 2**13
# Packed bytes that are read at once. They become some 1 MB at most.
_PACKED = 2**10
_FILTER_KEYS = ("F", "Filter", "DP", "DecodeParms", "FDecodeParms")
_REMEDY = "Save it again with another program."


def open_document(file: BinaryIO, name: str) -> Any:
    """Open a PDF. Its streams are read when they are needed.

    file (BinaryIO): The file.
    name (str): The name of the file in errors.
    RETURNS (pdfminer.pdfdocument.PDFDocument): The document. Its streams raise `TooLarge` if their
        unpacked data is far larger than the file.
    RAISES (TooLarge): If the tables of its objects are too large.
    RAISES (Exception): Any error of pdfminer for a damaged file.
    """
    return import_extra("pdfminer.pdfdocument").PDFDocument(_parser_class()(file, name))


@cache
def _parser_class() -> Any:
    """Return a parser of pdfminer whose streams are bounded, each and together."""
    types = import_extra("pdfminer.pdftypes")
    base = import_extra("pdfminer.pdfparser").PDFParser

    class Stream(types.PDFStream):  # type: ignore[name-defined]
        data: Any
        rawdata: Any

        def __init__(self, stream: Any, parser: "Parser") -> None:
            super().__init__(stream.attrs, stream.rawdata, stream.decipher)
            self.parser = parser

        def decode(self) -> None:
            attributes = {key: self.attrs[key] for key in self.attrs if key not in _FILTER_KEYS}
            stream = types.PDFStream(attributes, self.rawdata, self.decipher)
            stream.set_objid(self.objid, self.genno)
            data = stream.get_data()
            filters = self.get_filters()
            if len(filters) > _FILTERS:
                raise TooLarge(
                    f"{self.parser.name} is packed {len(filters)} times: it may be a trap. "
                    f"{_REMEDY}"
                )
            for filter_name, settings in filters:
                data = _apply(self.parser, filter_name, settings, data)
            self.data, self.rawdata = data, None

    class Parser(base):  # type: ignore[misc, valid-type]
        def __init__(self, file: BinaryIO, name: str) -> None:
            self.name = name
            self.size = file.seek(0, io.SEEK_END)
            self.unpacked = 0
            super().__init__(file)

        def push(self, *items: Any) -> None:
            for place, item in items:
                is_stream = isinstance(item, types.PDFStream)
                super().push((place, Stream(item, self) if is_stream else item))

        def count(self, size: int) -> None:
            self.unpacked += size
            check_growth(self.unpacked, self.size, self.name, _REMEDY)

        def counted(self, part: bytes) -> bytes:
            self.count(len(part))
            return part

    return Parser


def _apply(parser: Any, filter_name: Any, settings: Any, data: bytes) -> bytes:
    """Apply a filter, if it does not make too much of its data."""
    types = import_extra("pdfminer.pdftypes")
    settings = settings if isinstance(settings, dict) else {}
    parts = _unpacked_parts(filter_name, data, parser.name)
    if parts is None:
        parser.count(_most_bytes(filter_name, data, parser.name))
    else:
        data = b"".join(map(parser.counted, parts))
        # Only what the settings say is left to do.
        (filter_name, *_) = types.LITERALS_DCT_DECODE
    if types.int_value(settings.get("Predictor", 1)) > 1:
        rows_are_long = types.int_value(settings.get("Columns", 1)) > _COLUMNS
        if rows_are_long or len(data) > _ROWS_BYTES:
            raise TooLarge(
                f"{parser.name} has a table of more than {_COLUMNS:,} columns, or of more "
                f"than {_ROWS_BYTES // 2**20} MB: it may be a trap. {_REMEDY}"
            )
    stream = types.PDFStream({"Filter": filter_name, "DecodeParms": settings}, data)
    return cast(bytes, stream.get_data())


def _unpacked_parts(filter_name: Any, data: bytes, name: str) -> Optional[Iterator[bytes]]:
    """Unpack data, part by part; None if the filter does not pack. Where the data is damaged, it
    ends."""
    types = import_extra("pdfminer.pdftypes")
    if filter_name in types.LITERALS_FLATE_DECODE:
        return _inflated(data)
    if filter_name in types.LITERALS_LZW_DECODE:
        return _lzw_parts(data, name)
    return None


def _inflated(data: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for start in range(0, len(data), _PACKED):
        part, before = data[start : start + _PACKED], unpacker.copy()
        try:
            yield unpacker.decompress(part)
        except zlib.error:
            # Some of this part may come before the damage.
            with suppress(zlib.error):
                for byte in part:
                    yield before.decompress(bytes([byte]))
            return


def _lzw_parts(data: bytes, name: str) -> Iterator[bytes]:
    decoder = import_extra("pdfminer.lzw").LZWDecoder(io.BytesIO(data))
    for part in decoder.run():
        # pdfminer copies the table with each code.
        if len(decoder.table) > _LZW_TABLE:
            raise TooLarge(f"{name} has a text with an endless table: it may be a trap. {_REMEDY}")
        yield part


def _most_bytes(filter_name: Any, data: bytes, name: str) -> int:
    """The most bytes that a filter that does not pack makes of its data."""
    types = import_extra("pdfminer.pdftypes")
    if not isinstance(filter_name, import_extra("pdfminer.psparser").PSLiteral):
        # pdfminer would take a list for several filters.
        raise ValueError(f"{name} has a filter that is no name: {filter_name!r}.")
    if filter_name in types.LITERALS_CCITTFAX_DECODE:
        raise TooLarge(f"{name} has a text that is stored as a fax: it may be a trap. {_REMEDY}")
    if filter_name in types.LITERALS_RUNLENGTH_DECODE:
        return _RUN_TIMES * len(data)
    if filter_name in types.LITERALS_ASCII85_DECODE:
        # "z" stands for four bytes.
        return len(data) + 4 * data.count(b"z")
    return len(data)
