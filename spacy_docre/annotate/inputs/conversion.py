"""Readers that turn documents with a layout into prose: HTML, Markdown, .docx and .pdf.

All formats but .pdf become HTML first. A heading, an item of a list, a cell of a table, and
anything else that stands alone on a page becomes a separate paragraph, with a blank line before and
after it.
"""

import re
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator, List, Mapping

from ...data.encodings import decode_any
from ...data.packed_files import unpacked
from ...extras import import_extra
from ...files import path_text, read_bounded, too_long
from .documents import InputDocument, Items, Settings, damaged
from .pdf import read_boxes

# Elements of HTML that stay within a line. All others end the paragraph.
_INLINE = set(
    "a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark nobr "
    "q ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
# Elements that a browser does not show, or shows as choices.
_NOT_SHOWN = set(
    "title script style template noscript noembed noframes svg rp rt select option optgroup "
    "datalist".split()
)
# Elements without content, which have no end.
_EMPTY = set("area base br col embed hr img input link meta param source track wbr".split())
_HIDING_STYLE = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)(?![\w-])", re.IGNORECASE
)
_DECLARED = re.compile(
    rb"""<(?:meta[^>]{0,200}charset|\?xml[^>]{0,200}encoding)\s*=\s*["']?\s*([\w.:-]+)""",
    re.IGNORECASE,
)
# Bytes at the start of a page in which its encoding may be named.
_START = 2**12
# Marks of the ends of blocks and lines while a text is made. The text itself has no such marks.
_BLOCK, _LINE = "\x1d", "\x1e"
_SOFT_HYPHEN = "\xad"
# YAML at the start of Markdown.
_METADATA = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
# The most bytes of XML for each byte of text.
_MARKUP_TIMES = 16
# What pdfminer writes for a glyph whose character the font does not give.
_NO_CHARACTER = re.compile(r"\(cid:\d+\)")


def read_html(file: Path, settings: Settings) -> Items:
    """Read a page of HTML as one text. Arguments as in `read_text`."""
    data = _read(file, settings)
    declared = _DECLARED.search(data[:_START])
    html = decode_any(data, path_text(file), declared and declared[1].decode("ascii"))
    yield _document(file, html_to_text(html), settings)


def read_markdown(file: Path, settings: Settings) -> Items:
    """Read Markdown as one text. Its marks are removed if [convert] is installed. Arguments as in
    `read_text`."""
    name = path_text(file)
    text = decode_any(_read(file, settings), name)
    try:
        text = markdown_to_text(text)
    except ImportError as error:
        warnings.warn(f"{name} keeps the marks of Markdown: {error}", stacklevel=2)
    yield InputDocument(name, text)


def read_docx(file: Path, settings: Settings) -> Items:
    """Read a .docx file as one text. Arguments as in `read_text`."""
    mammoth = import_extra("mammoth")
    name = path_text(file)
    with _converting(name), zipfile.ZipFile(file) as parts:
        sizes = [part.file_size for part in parts.infolist() if part.filename.endswith(".xml")]
    if sum(sizes) > _MARKUP_TIMES * settings.max_bytes:
        raise ValueError(too_long(name, settings.max_bytes))
    with _converting(name), file.open("rb") as stream:
        images = mammoth.images.img_element(lambda image: {"src": ""})
        html = mammoth.convert_to_html(stream, convert_image=images).value
    yield _document(file, html_to_text(html), settings)


def read_pdf(file: Path, settings: Settings) -> Items:
    """Read a .pdf file as one text. Arguments as in `read_text`."""
    name = path_text(file)
    boxes = read_boxes(file, name, settings.max_bytes)
    text = "\n\n".join(_paragraphs(boxes))
    if 10 * sum(map(len, _NO_CHARACTER.findall(text))) > len(text):
        raise ValueError(
            f"{name} does not say which characters its glyphs are. Read it with an OCR program "
            "first."
        )
    yield _document(file, text, settings)


def _read(file: Path, settings: Settings) -> bytes:
    with unpacked(file) as stream:
        return read_bounded(stream, path_text(file), settings.max_bytes)


def _document(file: Path, text: str, settings: Settings) -> InputDocument:
    name = path_text(file)
    if not text:
        raise ValueError(
            f"{name} holds no text. If it is a scan, add the text with an OCR program first."
        )
    if len(text.encode()) > settings.max_bytes:
        raise ValueError(too_long(name, settings.max_bytes))
    return InputDocument(name, text)


@contextmanager
def _converting(name: str) -> Iterator[None]:
    """Turn the errors of a converter into one: for a damaged file, it may raise any."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise ValueError(damaged(name, repr(error))) from error


def markdown_to_text(text: str) -> str:
    """Take the text out of Markdown (CommonMark, with tables).

    text (str): The Markdown. Metadata at its start (YAML) are left out.
    RETURNS (str): The text, in the form of `html_to_text`.
    RAISES (ImportError): If markdown-it-py is not installed.
    """
    parser = import_extra("markdown_it").MarkdownIt().enable(["table", "strikethrough"])
    return html_to_text(parser.render(_METADATA.sub("", text.replace("\r\n", "\n"))))


def html_to_text(html: str) -> str:
    """Take the text out of HTML.

    html (str): The page.
    RETURNS (str): The text that the page shows. Each element that is not within a line becomes a
        paragraph. Links to notes ("[1]") are left out.
    RAISES (ImportError): If lxml is not installed.
    """
    etree = import_extra("lxml.etree")
    parser = etree.HTMLParser(target=_ShownText(), encoding="utf-8", huge_tree=True)
    # The tag makes an empty page a page for lxml.
    parser.feed(f"<p>{html}".encode())
    blocks = parser.close().split(_BLOCK)
    return "\n\n".join(filter(None, map(_lines, blocks)))


def _lines(block: str) -> str:
    """Return the lines of a block, with white space as a browser shows it."""
    lines = [" ".join(line.split()) for line in block.replace(_SOFT_HYPHEN, "").split(_LINE)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip("\n"))


def _is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    """Whether an element hides its content. An element that only waits to be found or unfolded does
    not, such as a section on a small screen."""
    return tag not in _EMPTY and (
        tag in _NOT_SHOWN
        or attributes.get("hidden", "until-found").lower() != "until-found"
        or (tag == "dialog" and "open" not in attributes)
        or _HIDING_STYLE.search(attributes.get("style", "")) is not None
    )


class _ShownText:
    """A target of lxml's parser. It gathers the text of a page, with marks at the ends of lines and
    blocks."""

    def __init__(self) -> None:
        self._parts: List[str] = []
        # The element that hides its content, and how many elements of its kind are open.
        self._hiding = ""
        self._open = 0
        self._superscripts = self._preformatted = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._hiding:
            self._open += tag == self._hiding
        elif _is_hidden(tag, attributes) or (tag == "a" and self._superscripts):
            self._hiding, self._open = tag, 1
        else:
            self._superscripts += tag == "sup"
            self._preformatted += tag == "pre"
            self._parts.append(_LINE if tag == "br" else "")
            self._end_block(tag)

    def end(self, tag: str) -> None:
        if self._hiding:
            self._open -= tag == self._hiding
            self._hiding = self._hiding if self._open else ""
        else:
            self._superscripts -= tag == "sup"
            self._preformatted -= tag == "pre"
            self._end_block(tag)

    def _end_block(self, tag: str) -> None:
        if tag not in _INLINE:
            self._parts.append(_BLOCK)

    def data(self, text: str) -> None:
        if not self._hiding:
            text = text.replace(_BLOCK, " ").replace(_LINE, " ")
            self._parts.append(text.replace("\n", _LINE) if self._preformatted else text)

    def close(self) -> str:
        return "".join(self._parts)


def _paragraphs(boxes: Iterable[str]) -> Iterator[str]:
    """Join the lines of each box. A box that continues a sentence joins the box before it."""
    paragraph: List[str] = []
    for box in boxes:
        lines = [" ".join(line.split()) for line in box.replace(_SOFT_HYPHEN, "-").splitlines()]
        lines = list(filter(None, lines))
        if not lines:
            continue
        continues = lines[0][0].islower() and paragraph and paragraph[-1][-1] not in ".!?:"
        if paragraph and not continues:
            yield _join(paragraph)
            paragraph = []
        paragraph += lines
    if paragraph:
        yield _join(paragraph)


def _join(lines: Iterable[str]) -> str:
    """Join lines. A divided word loses its hyphen; "Austria-" and "Hungary" keep theirs."""
    parts: List[str] = []
    for line in lines:
        last = parts[-1] if parts else ""
        if last[-1:] == "-" and last[-2:-1].isalpha():
            parts[-1] = last[:-1] if line[0].islower() else last
        elif last:
            parts.append(" ")
        parts.append(line)
    return "".join(parts)
