"""`python -m spacy docre serve`: a pipeline behind a local page."""

from typing import Annotated

from spacy.cli._util import Opt, setup_gpu
from wasabi import msg

from ._options import Gpu, Model, Threshold
from ._shared import exit_on_error, load_extracting_pipeline

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_Host = Annotated[str, Opt("--host", help="Address to serve at")]
_Port = Annotated[int, Opt("--port", "-p", min=1, max=65535, help="Port to serve at")]
_MaxLength = Annotated[int, Opt("--max-length", min=1, help="Most characters of a text")]


def serve_cli(
    model: Model,
    host: _Host = _LOOPBACK[0],
    port: _Port = 5000,
    max_length: _MaxLength = 20_000,
    threshold: Threshold = None,
    gpu: Gpu = -1,
) -> None:
    """
    Show what a pipeline finds in texts, on a page with a text box.

    By default the page can be reached from this machine only.
    """
    from ..extras import import_extra

    with exit_on_error("Cannot serve"):
        waitress, *_ = map(import_extra, ("waitress", "flask", "networkx"))
    from ..display.server import make_app

    setup_gpu(gpu, silent=True)
    nlp = load_extracting_pipeline(model, threshold)
    title = f"{nlp.meta['lang']}_{nlp.meta['name']}"
    hosts = [_in_address(name) for name in _LOOPBACK] if host in _LOOPBACK else None
    app = make_app(nlp, title=title, max_length=max_length, hosts=hosts)
    with exit_on_error(f"Cannot serve at {host}, port {port}", ". Name another: --port."):
        server = waitress.create_server(app, host=host, port=port, ident=None)
    msg.good(f"http://{_in_address(host)}:{port}", "Stop with Ctrl+C.")
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
