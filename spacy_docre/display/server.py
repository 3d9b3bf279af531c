"""What `docre serve` answers: a page with a text box, and JSON to programs."""

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

# More than this cannot be a text of the allowed length: UTF-8, percent-encoded, has up to
# twelve bytes a character, and so has JSON.
_BYTES_PER_CHARACTER = 12
# Of English, as are the pipelines that it is offered for.
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
            abort(415, "Send JSON, and say so: Content-Type: application/json.")
        wanted = _read(api.Request.model_validate_json, request.get_data())
        return document_record(annotator.annotate(wanted.text, wanted.threshold)), 200

    @app.get(api.DESCRIPTION)
    def describe() -> Answer:
        return description, 200

    _tell_errors(app, page)
    app.after_request(_restrict)
    return app


def _tell_errors(app: Flask, page: "_Page") -> None:
    """People are told on the page, programs in JSON."""

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

    annotator (Annotator): Annotates its texts.
    title (str): What the page calls the pipeline.
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
        """The page, with what has been entered."""
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
        """The page of the text that was sent."""
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
        raise Refusal(f"This cannot be read: {tell_problems(error)}.", 400) from None


def _number(text: str) -> Union[float, str, None]:
    """The number in a field; what is none is left for the check."""
    try:
        return float(text) if text else None
    except ValueError:
        return text


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
