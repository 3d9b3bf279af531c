"""The answers of `docre serve`: a page with a text box, and JSON for programs."""

from ipaddress import ip_address
from typing import AbstractSet, Any, Callable, Dict, Sequence, Tuple, Union
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from pydantic import ValidationError
from spacy.language import Language

from ..records import document_record
from . import api
from .annotator import LOWEST_THRESHOLD, Annotator, Refusal
from .options import Options, tell_problems
from .render import fill_template
from .view import DocumentView, view_document

# The most bytes of a character in a request: UTF-8, percent-encoded, has up to twelve, and so has
# JSON. A longer request cannot be a text of the allowed length.
_BYTES_PER_CHARACTER = 12
# In English: the page offers the example only for English pipelines.
_EXAMPLE = (
    "Marie Curie was born in Warsaw, the capital of Poland. She studied at the University of "
    "Paris, where she met Pierre Curie. They married in 1895, and shared the Nobel Prize in "
    "Physics in 1903. Their daughter Irène Joliot-Curie was born in Paris."
)

Answer = Tuple[Union[str, Dict[str, Any]], int]


def make_app(
    nlp: Language,
    *,
    title: str,
    max_length: int,
    max_entities: int = 300,
    names: AbstractSet[str] = frozenset({"localhost"}),
) -> Flask:
    """Make the server's page and its JSON.

    nlp (Language): The pipeline.
    title (str): The name of the pipeline on the page.
    max_length (int): The most characters of a text.
    max_entities (int): The most entities of a text. Their pairs must fit in memory.
    names (AbstractSet[str]): The host names that requests may use, in addition to addresses. So no
        page of another site can read the server under a name of that site.
    RETURNS (Flask): The WSGI application.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _BYTES_PER_CHARACTER * max_length + 1000
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]
    annotator = Annotator(nlp, max_length, max_entities)
    page = _Page(annotator, title)
    description = api.describe(title, nlp.meta.get("version", ""), max_length)

    @app.before_request
    def check_caller() -> None:
        _check_host(names)
        if request.method == "POST":
            _check_origin()

    @app.get("/")
    def show_form() -> Answer:
        return page.show(text=_EXAMPLE if page.has_example and "example" in request.args else "")

    @app.post("/")
    def show_relations() -> Answer:
        return page.answer()

    @app.post(api.PATH)
    def find_relations() -> Answer:
        if not request.is_json:
            abort(415, "Send JSON, with the header Content-Type: application/json.")
        wanted = _read(api.Request.model_validate_json, request.get_data())
        return document_record(annotator.annotate(wanted.text, wanted.threshold)), 200

    @app.get(api.DESCRIPTION)
    def describe() -> Answer:
        return description, 200

    _tell_errors(app, page)
    app.after_request(_restrict)
    return app


def _tell_errors(app: Flask, page: "_Page") -> None:
    """Tell errors to people on the page, and to programs in JSON."""

    @app.errorhandler(Refusal)
    def refuse(refusal: Refusal) -> Answer:
        if request.path == api.PATH:
            return {"error": str(refusal)}, refusal.status
        return page.show(problem=str(refusal), status=refusal.status)

    @app.errorhandler(413)
    def refuse_body(error: Any) -> Answer:
        return refuse(page.annotator.too_long())

    def fail(error: Any) -> Any:
        return ({"error": error.description}, error.code) if request.path == api.PATH else error

    for status in (400, 403, 405, 415):
        app.register_error_handler(status, fail)


class _Page:
    """The page with a text box.

    annotator (Annotator): The annotator of the texts.
    title (str): The name of the pipeline on the page.
    """

    def __init__(self, annotator: Annotator, title: str) -> None:
        self.annotator = annotator
        self.title = title
        self.has_example = annotator.nlp.lang == "en"

    def show(
        self,
        text: str = "",
        threshold: str = "",
        problem: str = "",
        status: int = 200,
        documents: Sequence[DocumentView] = (),
    ) -> Answer:
        """Return the page, with the values that were entered."""
        html = fill_template(
            "serve.html",
            documents=documents,
            text=text,
            threshold=threshold,
            problem=problem,
            title=self.title,
            max_length=self.annotator.max_length,
            own_threshold=self.annotator.threshold,
            lowest_threshold=LOWEST_THRESHOLD,
            has_example=self.has_example,
            description=api.DESCRIPTION,
        )
        return html, status

    def answer(self) -> Answer:
        """Return the page for the text that was sent."""
        # Browsers send the line breaks of forms as two characters.
        text = request.form.get("text", "").replace("\r\n", "\n")
        threshold = request.form.get("threshold", "")
        try:
            values = {"text": text, "threshold": _number(threshold)}
            wanted = _read(api.Request.model_validate, values)
            doc = self.annotator.annotate(wanted.text, wanted.threshold)
        except Refusal as refusal:
            return self.show(text, threshold, str(refusal), refusal.status)
        return self.show(text, threshold, documents=[view_document(doc, "Text", Options())])


def _read(check: Callable[[Any], api.Request], values: Any) -> api.Request:
    try:
        return check(values)
    except ValidationError as error:
        raise Refusal(f"The request cannot be read: {tell_problems(error)}.", 400) from None


def _number(text: str) -> Union[float, str, None]:
    """Return the number in a field. Text that is no number is left for the check."""
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _check_host(names: AbstractSet[str]) -> None:
    """Refuse unknown host names: another site could point its own name to this machine's address
    (DNS rebinding). An address cannot be pointed to another machine."""
    try:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        host = ""
    if host.rstrip(".") not in names and not _is_address(host):
        abort(400, "The server does not know this host name. Allow it with 'docre serve --name'.")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _check_origin() -> None:
    """Refuse requests from a page of another origin. Programs that are no browsers send no
    origin."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        trusted = site in ("same-origin", "none")
    else:
        trusted = origin is None or _netloc(origin) == request.headers["Host"].lower()
    if not trusted:
        abort(403, "The server takes texts from its own page, not from pages of other sites.")


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
