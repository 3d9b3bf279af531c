"""The local page of `docre serve`: a text box, and what a pipeline finds in the text."""

from typing import List, Optional, Tuple

from flask import Flask, Response, request
from spacy.language import Language

from .options import Options
from .render import fill_template
from .view import DocumentView, view_document

# More than this cannot be a text of the allowed length: UTF-8, percent-encoded, has up to
# twelve bytes a character.
_BYTES_PER_CHARACTER = 12


def make_app(
    nlp: Language, *, title: str, max_length: int, hosts: Optional[List[str]] = None
) -> Flask:
    """Make the page.

    nlp (Language): The pipeline.
    title (str): What the page calls it.
    max_length (int): The most characters of a text.
    hosts (Optional[List[str]]): The names by which the server may be called, so that no page
        from elsewhere can read it under a name of its own; None for any.
    RETURNS (Flask): The WSGI application.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _BYTES_PER_CHARACTER * max_length + 1000
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]
    app.config["TRUSTED_HOSTS"] = hosts

    def page(text: str = "", problem: str = "", status: int = 200) -> Tuple[str, int]:
        view: Optional[DocumentView] = None
        if text and not problem:
            view = view_document(nlp(text), "Text", Options())
        html = fill_template(
            "serve.html",
            documents=[] if view is None else [view],
            text=text,
            problem=problem,
            title=title,
            max_length=max_length,
        )
        return html, status

    too_long = f"The text is longer than {max_length:,} characters: give a part of it."

    @app.get("/")
    def show_form() -> Tuple[str, int]:
        return page()

    @app.post("/")
    def annotate() -> Tuple[str, int]:
        # Browsers send the line breaks of forms as two characters.
        text = request.form.get("text", "").replace("\r\n", "\n")
        if not text.strip():
            return page(problem="There is no text yet: write or paste one.", status=400)
        if len(text) > max_length:
            return page(text, too_long, status=413)
        return page(text)

    @app.errorhandler(413)
    def refuse(error: Exception) -> Tuple[str, int]:
        return page(problem=too_long, status=413)

    app.after_request(_restrict)
    return app


def _restrict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return response
