"""The local page of `docre serve`: a text box, and what a pipeline finds in the text."""

import logging
from functools import partial
from ipaddress import ip_address
from threading import BoundedSemaphore
from typing import AbstractSet, Optional, Tuple
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from spacy.language import Language
from spacy.tokens import Doc

from ..pipeline.doc_relation_extractor import DocRelationExtractor
from .options import Options
from .render import fill_template
from .view import DocumentView, view_document

# More than this cannot be a text of the allowed length: UTF-8, percent-encoded, has up to
# twelve bytes a character.
_BYTES_PER_CHARACTER = 12
# So many texts are annotated at once, and so many more may wait: the memory for them is bounded.
AT_ONCE = 2
WAITING = 6
_LOGGER = logging.getLogger(__name__)
_BUSY = "The server is busy with other texts: try again in a moment."
_NO_TEXT = "There is no text yet: write or paste one."
# The time that spaCy's tokenizer takes grows with the square of a word's length.
_LONGEST_WORD = 1000
_LONG_WORD = f"A word of the text is longer than {_LONGEST_WORD:,} characters: put spaces into it."
_TOO_LARGE = "This text needs more memory than there is: give a part of it."


class _TooManyEntities(ValueError):
    """A text has more entities than are scored."""


def make_app(
    nlp: Language,
    *,
    title: str,
    max_length: int,
    max_entities: int = 300,
    names: AbstractSet[str] = frozenset({"localhost"}),
) -> Flask:
    """Make the page.

    nlp (Language): The pipeline.
    title (str): What the page calls it.
    max_length (int): The most characters of a text.
    max_entities (int): The most entities of a text, whose pairs have to fit in memory.
    names (AbstractSet[str]): The names by which the server may be called, beside addresses: no
        page from elsewhere can read it under a name of its own.
    RETURNS (Flask): The WSGI application.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _BYTES_PER_CHARACTER * max_length + 1000
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]
    annotator = _Annotator(nlp, max_entities)

    page = partial(_page, title, max_length)
    too_long = f"The text is longer than {max_length:,} characters: give a part of it."

    @app.before_request
    def check_caller() -> None:
        _check_host(names)
        if request.method == "POST":
            _check_origin()

    @app.get("/")
    def show_form() -> Tuple[str, int]:
        return page()

    @app.post("/")
    def annotate() -> Tuple[str, int]:
        # Browsers send the line breaks of forms as two characters.
        text = request.form.get("text", "").replace("\r\n", "\n")
        if not text.strip():
            return page(problem=_NO_TEXT, status=400)
        if len(text) > max_length:
            return page(text, too_long, status=413)
        if max(map(len, text.split())) > _LONGEST_WORD:
            return page(text, _LONG_WORD, status=413)
        view, problem, status = annotator.answer(text)
        return page(text, problem, status, view)

    @app.errorhandler(413)
    def refuse(error: Exception) -> Tuple[str, int]:
        return page(problem=too_long, status=413)

    app.after_request(_restrict)
    return app


def _page(
    title: str,
    max_length: int,
    text: str = "",
    problem: str = "",
    status: int = 200,
    view: Optional[DocumentView] = None,
) -> Tuple[str, int]:
    html = fill_template(
        "serve.html",
        documents=[] if view is None else [view],
        text=text,
        problem=problem,
        title=title,
        max_length=max_length,
    )
    return html, status


class _Annotator:
    """Annotates texts, of several callers at once. A text's failure is not the server's.

    nlp (Language): The pipeline.
    max_entities (int): The most entities of a text.
    """

    def __init__(self, nlp: Language, max_entities: int) -> None:
        self.nlp = nlp
        self.max_entities = max_entities
        self.room, self.turn = BoundedSemaphore(AT_ONCE + WAITING), BoundedSemaphore(AT_ONCE)

    def answer(self, text: str) -> Tuple[Optional[DocumentView], str, int]:
        """What to show of a text, or the problem with it; and the status of the answer."""
        if not self.room.acquire(blocking=False):
            return None, _BUSY, 503
        try:
            with self.turn:
                return view_document(self._annotate(text), "Text", Options()), "", 200
        except _TooManyEntities as error:
            return None, str(error), 422
        except Exception as error:
            _LOGGER.exception("A text cannot be annotated")
            if isinstance(error, MemoryError) or "memory" in str(error):
                return None, _TOO_LARGE, 413
            return None, f"This text cannot be annotated: {error}", 500
        finally:
            self.room.release()

    def _annotate(self, text: str) -> Doc:
        """As `nlp(text)`, with a look at the number of entities before their pairs are scored."""
        doc = self.nlp.make_doc(text)
        for _, component in self.nlp.pipeline:
            if isinstance(component, DocRelationExtractor):
                number = len(component.entity_policy.choose(doc).entities)
                if number > self.max_entities:
                    raise _TooManyEntities(
                        f"The text has {number:,} entities, and the most is "
                        f"{self.max_entities:,}: give a part of it."
                    )
            doc = component(doc)
        return doc


def _check_host(names: AbstractSet[str]) -> None:
    """Refuse a name that a page elsewhere could have given this machine's address (DNS
    rebinding). An address cannot be given to another machine."""
    try:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        host = ""
    if host.rstrip(".") not in names and not _is_address(host):
        abort(400, "The server is not called by this name. See --name of 'docre serve'.")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _check_origin() -> None:
    """Refuse what a page of another origin sends. Programs that are no browsers say nothing of
    origins."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        trusted = site in ("same-origin", "none")
    else:
        trusted = origin is None or _netloc(origin) == request.headers["Host"].lower()
    if not trusted:
        abort(403, "Texts are taken from this server's own page, not from pages elsewhere.")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _restrict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return response
