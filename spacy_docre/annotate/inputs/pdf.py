"""Read the texts on the pages of a PDF, in a process that ends if it takes too much memory or time.

A PDF of a few hundred bytes can keep a reader busy for ever, or fill the memory: its streams may
unpack without an end, its fonts may list billions of characters, its pages may draw each other.
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
# The most seconds for each MB of the file, in addition. An MB of packed text takes some 300.
_SECONDS_PER_MB = 1000
# Seconds between checks.
_INTERVAL = 0.02
_REMEDY = "Save it again with another program, or read its pages with an OCR program."


def read_boxes(file: Path, name: str, most_characters: int) -> List[str]:
    """Read the boxes of text on the pages.

    file (Path): The file.
    name (str): The name of the file in errors.
    most_characters (int): The most characters of text. If there are more, one more is read.
    RETURNS (List[str]): The text of each box, page after page.
    RAISES (ImportError): If pdfminer.six or psutil is not installed.
    RAISES (OSError): If the file cannot be opened, or the process fails.
    RAISES (ValueError): If the file takes too much memory or time, or is damaged.
    """
    for package in ("pdfminer", "psutil"):
        import_extra(package)
    # -P keeps the folder of the program off the path: its modules have the names of other packages.
    # The process finds the packages that this process finds.
    command = [sys.executable, "-P", str(_PROGRAM), str(most_characters), str(os.getpid())]
    path = os.pathsep.join(each for each in sys.path if each and isinstance(each, str))
    size = file.stat().st_size
    with (
        file.open("rb") as stream,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        with subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdin=stream,
            stdout=output,
            stderr=errors,
        ) as process:
            try:
                _wait(process, output, name, size)
            finally:
                process.kill()
        if process.returncode:
            errors.seek(0)
            (*_, last) = [b"", *errors.read().splitlines()]
            raise OSError(
                f"{name} cannot be read: its reader ended with exit code {process.returncode}. "
                f"{last.decode('utf8', 'replace')}"
            )
        output.seek(0)
        lines = [srsly.json_loads(line) for line in output]
    for line in lines:
        if "error" in line:
            raise ValueError(damaged(name, line["error"]))
    return [line["box"] for line in lines]


def _wait(process: subprocess.Popen, output: BinaryIO, name: str, size: int) -> None:
    """Wait until a process has read all pages.

    process (Popen): The process.
    output (BinaryIO): The file that the process writes to.
    name (str): The name of the PDF in errors.
    size (int): The size of the PDF, in bytes.
    RAISES (ValueError): If the file takes too much memory or time.
    """
    psutil = import_extra("psutil")
    usage = psutil.Process(process.pid)
    most_memory = _MOST_MEMORY + size
    most_seconds = _MOST_SECONDS + _SECONDS_PER_MB * size / 2**20
    written, start, now = 0, 0.0, 0.0
    while now < start + _MOST_SECONDS and now < most_seconds:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_INTERVAL)
            return
        # The process may end at any time.
        with suppress(psutil.NoSuchProcess):
            if usage.memory_info().rss > most_memory:
                raise ValueError(
                    f"{name} takes more than {most_memory // 2**20:,} MB of memory: it may be a "
                    f"trap. {_REMEDY}"
                )
            now = sum(usage.cpu_times()[:2])
        so_far = os.fstat(output.fileno()).st_size
        if so_far > written:
            written, start = so_far, now
    limit = f"{_MOST_SECONDS} seconds for a page with text"
    if now >= most_seconds:
        limit = f"{most_seconds:.0f} seconds, too many for its size"
    raise ValueError(f"{name} takes more than {limit}: it may be a trap. {_REMEDY}")
