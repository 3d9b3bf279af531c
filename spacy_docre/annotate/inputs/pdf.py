"""Read the texts on the pages of a PDF, in a process that ends if it takes too much memory or time.

A PDF of a few hundred bytes can keep a reader busy for ever, or fill the memory, in many ways: by
what its streams become, by its fonts, by pages without an end.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, List

import srsly

from ...extras import import_extra
from .documents import damaged

_PROGRAM = Path(__file__).with_name("pdf_pages.py")
# The most bytes of memory, in addition to those of the file. A page of text takes some 100 MB.
_MOST_MEMORY = 2**30
# The most seconds of computing from one page with text to the next. A page of text takes about one.
_MOST_SECONDS = 100
# Seconds between checks.
_INTERVAL = 0.02
_REMEDY = "Save it again with another program, or read its pages with an OCR program."


def read_boxes(file: Path, name: str, max_bytes: int) -> List[str]:
    """Read the boxes of text on the pages.

    file (Path): The file.
    name (str): The name of the file in errors.
    max_bytes (int): The most characters of text. After more, no further page is read.
    RETURNS (List[str]): The text of each box, page after page.
    RAISES (ImportError): If pdfminer.six or psutil is not installed.
    RAISES (OSError): If the file cannot be opened.
    RAISES (ValueError): If a page takes too much memory or time, or the file is damaged.
    """
    for package in ("pdfminer", "psutil"):
        import_extra(package)
    command = [sys.executable, str(_PROGRAM), str(max_bytes)]
    with file.open("rb") as stream, tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            command, stdin=stream, stdout=output, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _wait(process, output, name, _MOST_MEMORY + file.stat().st_size)
            finally:
                process.kill()
        if process.returncode:
            raise ValueError(damaged(name, f"its reader ended with code {process.returncode}"))
        output.seek(0)
        lines = [srsly.json_loads(line) for line in output]
    for line in lines:
        if "error" in line:
            raise ValueError(damaged(name, line["error"]))
    return [box for line in lines for box in line["boxes"]]


def _wait(process: subprocess.Popen, output: BinaryIO, name: str, most_memory: int) -> None:
    """Wait until a process has read all pages.

    process (Popen): The process.
    output (BinaryIO): The file that the process writes to.
    name (str): The name of the PDF in errors.
    most_memory (int): The most bytes of memory.
    RAISES (ValueError): If a page takes too much memory or time.
    """
    psutil = import_extra("psutil")
    usage = psutil.Process(process.pid)
    size, start, now = 0, 0.0, 0.0
    while now - start < _MOST_SECONDS:
        try:
            process.wait(_INTERVAL)
            return
        except subprocess.TimeoutExpired:
            pass
        # The process may end at any time.
        with suppress(psutil.NoSuchProcess):
            if usage.memory_info().rss > most_memory:
                raise ValueError(
                    f"{name} takes more than {most_memory // 2**20:,} MB of memory: it may be a "
                    f"trap. {_REMEDY}"
                )
            now = sum(usage.cpu_times()[:2])
        if os.fstat(output.fileno()).st_size > size:
            size, start = os.fstat(output.fileno()).st_size, now
    raise ValueError(
        f"A page of {name} takes more than {_MOST_SECONDS} seconds: it may be a trap. {_REMEDY}"
    )
