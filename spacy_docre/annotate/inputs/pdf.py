"""The texts on the pages of a PDF, by pdfminer, in bounded memory."""

import mmap
import re
import zlib
from functools import cache, partial
from pathlib import Path
from typing import Any, Iterable, Iterator, List

from ...data.packed_files import TooLarge, inflated
from ...extras import import_extra

# Of the operators of all pages, so many bytes a byte of text; to run a stream of them, at least
# so many.
_CONTENT_TIMES, _CONTENT_LEAST = 16, 2**10
# Each is some 1 kB in memory.
_MOST_CHARACTERS = 2**18
# Boxes of one page whose distances are all compared, which is some 100 bytes a pair.
_MOST_BOXES = 2000
_STREAM = re.compile(rb"(?<!end)stream[ \t]*\r?\n")
# How often a stream may be packed within itself.
_LEVELS = 3
_PART = 2**16


def read_boxes(file: Path, name: str, max_bytes: int) -> List[str]:
    """Read the boxes of text that are on the pages.

    file (Path): The file.
    name (str): What to call it in an error.
    max_bytes (int): The most bytes of text; what goes on after it is not read to the end.
    RETURNS (List[str]): The text of each box, page after page.
    RAISES (TooLarge): If it becomes too large when it is unpacked, or a page has no end.
    RAISES (Exception): Whatever pdfminer raises where it is damaged.
    """
    _check_streams(file, name)
    interp = import_extra("pdfminer.pdfinterp")
    layout = import_extra("pdfminer.layout")
    pages = import_extra("pdfminer.pdfpage").PDFPage
    device_class, interpreter_class = _bounded_classes()
    resources = interp.PDFResourceManager()
    device = device_class(resources, laparams=layout.LAParams(all_texts=True))
    device.name, device.content_left = name, _CONTENT_TIMES * max_bytes
    interpreter = interpreter_class(resources, device)
    boxes: List[str] = []
    with file.open("rb") as stream:
        for page in pages.get_pages(stream):
            interpreter.process_page(page)
            boxes += _boxes(device.get_result())
            if sum(map(len, boxes)) > max_bytes:
                break
    return boxes


def _check_streams(file: Path, name: str) -> None:
    """Refuse streams that become too large: pdfminer unpacks each at once."""
    remedy = "Save it again with another program."
    if not file.stat().st_size:
        # It could not be mapped.
        return
    with file.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        for match in _STREAM.finditer(data):
            for level in range(1, _LEVELS + 1):
                places = range(match.end(), len(data), _PART)
                parts: Iterable[bytes] = (data[place : place + _PART] for place in places)
                for _ in range(level):
                    parts = inflated(parts, name, remedy)
                try:
                    for _ in parts:
                        pass
                except (zlib.error, EOFError):
                    # It is not packed, or not once more.
                    break
            else:
                raise TooLarge(f"{name} is packed {_LEVELS} times: it may be a trap. {remedy}")


@cache
def _bounded_classes() -> Any:
    """Device and interpreter of pdfminer, which end where a page does not."""
    converter = import_extra("pdfminer.converter")
    interp = import_extra("pdfminer.pdfinterp")
    types = import_extra("pdfminer.pdftypes")

    class Device(converter.PDFPageAggregator):  # type: ignore[name-defined]
        name: str
        content_left: int
        characters = 0

        def begin_page(self, *arguments: Any) -> None:
            super().begin_page(*arguments)
            self.characters = 0
            self.cur_item.group_textboxes = partial(_group_boxes, self.cur_item)

        def begin_figure(self, *arguments: Any) -> None:
            super().begin_figure(*arguments)
            self.cur_item.group_textboxes = partial(_group_boxes, self.cur_item)

        def render_char(self, *arguments: Any) -> Any:
            self.characters += 1
            if self.characters > _MOST_CHARACTERS:
                raise TooLarge(
                    f"A page of {self.name} has more than {_MOST_CHARACTERS:,} characters: it may "
                    "be a trap. Divide it into pages."
                )
            return super().render_char(*arguments)

        # What is no text would only take memory.
        def paint_path(self, *arguments: Any) -> None:
            pass

        def render_image(self, *arguments: Any) -> None:
            pass

    class Interpreter(interp.PDFPageInterpreter):  # type: ignore[name-defined]
        def execute(self, streams: Any) -> None:
            for stream in streams:
                size = len(types.stream_value(stream).get_data())
                self.device.content_left -= max(size, _CONTENT_LEAST)
            if self.device.content_left < 0:
                raise TooLarge(
                    f"What {self.device.name} draws has no end, or is far more than a text: it may "
                    "be a trap. Let a program for OCR read its pages."
                )
            super().execute(streams)

    return Device, Interpreter


def _group_boxes(page: Any, settings: Any, boxes: List[Any]) -> List[Any]:
    """As pdfminer groups the boxes of a page, for their order; many are read from the top."""
    if len(boxes) > _MOST_BOXES:
        return sorted(boxes, key=lambda box: (-box.y1, box.x0))
    return list(type(page).group_textboxes(page, settings, boxes))


def _boxes(items: Iterable[Any]) -> Iterator[str]:
    """The texts of a page's boxes, also of those in figures, as whole pages may be."""
    layout = import_extra("pdfminer.layout")
    for item in items:
        if isinstance(item, layout.LTTextBox):
            yield item.get_text()
        elif isinstance(item, layout.LTFigure):
            yield from _boxes(item)
