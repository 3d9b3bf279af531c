"""Write the texts on the pages of a PDF, box by box, as JSON Lines: a program of its own.

`pdf.py` runs it, and ends it if it takes too much memory or time. It does not import the package,
so that it starts quickly.
"""

import json
import logging
import os
import sys
import time
from threading import Thread
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List

from pdfminer.converter import PDFPageAggregator
from pdfminer.layout import LAParams, LTFigure, LTTextBox
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage

# The most boxes of a page whose distances are all compared. So many take about ten seconds.
_MOST_BOXES = 1000


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

    most_characters (int): The most characters of text. If the text is longer, one more is written,
        so that the caller notices.
    """
    left = most_characters + 1
    try:
        for boxes in filter(None, read_pages(sys.stdin.buffer)):
            for box in boxes:
                _write({"box": box[:left]})
                left -= len(box)
                if left <= 0:
                    return
            sys.stdout.flush()
    except Exception as error:
        _write({"error": repr(error)})


def _write(record: Dict[str, str]) -> None:
    sys.stdout.buffer.write(json.dumps(record).encode() + b"\n")


def _end_with(parent: int) -> None:
    """End this process when its parent has ended: nothing bounds it then."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    # pdfminer warns of each fault in a file. There may be billions.
    logging.disable()
    limit, caller = map(int, sys.argv[1:])
    Thread(target=_end_with, args=(caller,), daemon=True).start()
    main(limit)
