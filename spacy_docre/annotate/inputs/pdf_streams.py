"""Read the streams of a PDF with pdfminer, in bounded memory.

pdfminer unpacks a whole stream at once. Here each of its filters is checked before.
"""

import io
import zlib
from functools import cache
from typing import Any, BinaryIO, Iterator

from ...data.packed_files import TooLarge, check_growth, inflated
from ...extras import import_extra

# The most filters of a stream: it can be packed within itself.
_FILTERS = 4
# The most bytes that the run-length filter makes of one byte.
_RUN_TIMES = 64
# The most columns of data that is stored as differences to the row above. pdfminer makes a whole
# row at once.
_COLUMNS = 2**20
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
            for name, settings in filters:
                self.parser.check(name, settings, data)
                data = types.PDFStream({"Filter": name, "DecodeParms": settings}, data).get_data()
            self.parser.unpacked += len(data)
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

        def check(self, filter_name: Any, settings: Any, data: bytes) -> None:
            """Raise an error if a filter would make too much of its data."""
            unpacked = self.unpacked
            for size in _unpacked_sizes(filter_name, data, self.name):
                unpacked += size
                check_growth(unpacked, self.size, self.name, _REMEDY)
            if settings and types.int_value(settings.get("Columns", 1)) > _COLUMNS:
                raise TooLarge(
                    f"{self.name} has a table of more than {_COLUMNS:,} columns: it may be a trap. "
                    f"{_REMEDY}"
                )

    return Parser


def _unpacked_sizes(filter_name: Any, data: bytes, name: str) -> Iterator[int]:
    """Yield the sizes of the parts that a filter makes of its data."""
    types = import_extra("pdfminer.pdftypes")
    if filter_name in types.LITERALS_FLATE_DECODE:
        try:
            yield from map(len, inflated([data], name, _REMEDY))
        except (zlib.error, EOFError):
            # pdfminer takes what comes before the damage.
            pass
    elif filter_name in types.LITERALS_LZW_DECODE:
        yield from map(len, import_extra("pdfminer.lzw").LZWDecoder(io.BytesIO(data)).run())
    elif filter_name in types.LITERALS_RUNLENGTH_DECODE:
        yield _RUN_TIMES * len(data)
    elif filter_name in types.LITERALS_CCITTFAX_DECODE:
        raise TooLarge(f"{name} has a text that is stored as a fax: it may be a trap. {_REMEDY}")
