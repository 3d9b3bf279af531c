"""Read the texts on the pages of a PDF with pdfminer, in bounded memory."""

from functools import cache, partial
from pathlib import Path
from typing import Any, Iterable, Iterator, List

from ...data.packed_files import TooLarge
from ...extras import import_extra
from .pdf_streams import open_document

# The most bytes of page operators for each byte of text. A stream of operators counts as at least
# `_CONTENT_LEAST` bytes.
_CONTENT_TIMES, _CONTENT_LEAST = 16, 2**10
# The most characters of a page. Each character takes some 1 kB of memory.
_MOST_CHARACTERS = 2**18
# The most boxes of a page whose distances are all compared. Each pair takes some 100 bytes.
_MOST_BOXES = 2000


def read_boxes(file: Path, name: str, max_bytes: int) -> List[str]:
    """Read the boxes of text on the pages.

    file (Path): The file.
    name (str): The name of the file in errors.
    max_bytes (int): The most bytes of text. After more, no further page is read.
    RETURNS (List[str]): The text of each box, page after page.
    RAISES (TooLarge): If the unpacked file is too large, or a page has no end.
    RAISES (Exception): Any error of pdfminer for a damaged file.
    """
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
        for page in pages.create_pages(open_document(stream, name)):
            interpreter.process_page(page)
            boxes += _boxes(device.get_result())
            if sum(map(len, boxes)) > max_bytes:
                break
    return boxes


@cache
def _bounded_classes() -> Any:
    """Return a device and an interpreter of pdfminer that stop at a page without an end."""
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
                    "be a trap. Divide the page into several pages."
                )
            return super().render_char(*arguments)

        # Paths and images are no text, and would only take memory.
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
                    f"The pages of {self.device.name} have no end, or draw far more than a text: "
                    "the file may be a trap. Read the pages with an OCR program."
                )
            super().execute(streams)

    return Device, Interpreter


def _group_boxes(page: Any, settings: Any, boxes: List[Any]) -> List[Any]:
    """Order the boxes of a page as pdfminer does. Too many boxes are ordered from the top."""
    if len(boxes) > _MOST_BOXES:
        return sorted(boxes, key=lambda box: (-box.y1, box.x0))
    return list(type(page).group_textboxes(page, settings, boxes))


def _boxes(items: Iterable[Any]) -> Iterator[str]:
    """Yield the texts of a page's boxes, also of boxes in figures. A whole page may be a figure."""
    layout = import_extra("pdfminer.layout")
    for item in items:
        if isinstance(item, layout.LTTextBox):
            yield item.get_text()
        elif isinstance(item, layout.LTFigure):
            yield from _boxes(item)
