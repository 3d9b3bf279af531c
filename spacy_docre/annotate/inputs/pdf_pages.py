"""Write the texts on the pages of a PDF, as JSON Lines: a program of its own.

`pdf.py` runs it, and ends it if it takes too much memory or time. It does not import the package,
so that it starts quickly.
"""

import json
import sys
from typing import Any, BinaryIO, Iterable, Iterator, List

from pdfminer.converter import PDFPageAggregator
from pdfminer.layout import LAParams, LTFigure, LTTextBox
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage

# The most boxes of a page whose distances are all compared. Each pair takes some 100 bytes.
_MOST_BOXES = 2000


class _Device(PDFPageAggregator):
    """Gathers the text of a page. Paths and images are no text, and would only take memory."""

    def begin_page(self, *arguments: Any) -> None:
        super().begin_page(*arguments)
        _bound_boxes(self.cur_item)

    def begin_figure(self, *arguments: Any) -> None:
        super().begin_figure(*arguments)
        _bound_boxes(self.cur_item)

    def paint_path(self, *arguments: Any) -> None:
        pass

    def render_image(self, *arguments: Any) -> None:
        pass


def _bound_boxes(page: Any) -> None:
    """Order the boxes of a page as pdfminer does. Too many boxes are ordered from the top."""
    group = page.group_textboxes

    def group_textboxes(settings: Any, boxes: List[Any]) -> List[Any]:
        if len(boxes) > _MOST_BOXES:
            return sorted(boxes, key=lambda box: (-box.y1, box.x0))
        return list(group(settings, boxes))

    page.group_textboxes = group_textboxes


def _boxes(items: Iterable[Any]) -> Iterator[str]:
    """Yield the texts of a page's boxes, also of boxes in figures. A whole page may be a figure."""
    for item in items:
        if isinstance(item, LTTextBox):
            yield item.get_text()
        elif isinstance(item, LTFigure):
            yield from _boxes(item)


def read_pages(file: BinaryIO) -> Iterator[List[str]]:
    """Read a PDF.

    file (BinaryIO): The file.
    YIELDS (List[str]): The text of each box of a page.
    RAISES (Exception): Any error of pdfminer for a damaged file.
    """
    resources = PDFResourceManager()
    device = _Device(resources, laparams=LAParams(all_texts=True))
    interpreter = PDFPageInterpreter(resources, device)
    for page in PDFPage.get_pages(file):
        interpreter.process_page(page)
        yield list(_boxes(device.get_result()))


def main(most_characters: int) -> None:
    """Read a PDF from standard input. Write the boxes of each page that has any, and the error that
    ends the file, if there is one.

    most_characters (int): The most characters of text. After more, no further page is read.
    """
    characters = 0
    try:
        for boxes in filter(None, read_pages(sys.stdin.buffer)):
            print(json.dumps({"boxes": boxes}), flush=True)
            characters += sum(map(len, boxes))
            if characters > most_characters:
                return
    except Exception as error:
        print(json.dumps({"error": repr(error)}), flush=True)


if __name__ == "__main__":
    # Its own folder is no place for other packages to look for theirs.
    del sys.path[0]
    main(int(sys.argv[1]))
