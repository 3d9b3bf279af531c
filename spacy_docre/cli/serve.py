"""`python -m spacy docre serve`: a pipeline behind a local page."""

from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt, setup_gpu
from wasabi import msg

from ..extras import import_extra
from ._shared import load_extracting_pipeline

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve_cli(
    model: Annotated[str, Arg(help="Pipeline: a package or a folder")],
    host: Annotated[str, Opt("--host", help="Address to serve at")] = _LOOPBACK[0],
    port: Annotated[int, Opt("--port", "-p", min=1, max=65535, help="Port to serve at")] = 5000,
    max_length: Annotated[
        int, Opt("--max-length", min=1, help="Most characters of a text")
    ] = 20_000,
    threshold: Annotated[
        Optional[float],
        Opt("--threshold", "-t", min=0, max=1, help="Annotate relations of a higher probability"),
    ] = None,
    device: Annotated[int, Opt("--device", "-g", help="Number of the GPU, -1 for the CPU")] = -1,
) -> None:
    """
    Show what a pipeline finds in texts, on a page with a text box.

    By default the page can be reached from this machine only.
    """
    try:
        waitress, *_ = map(import_extra, ("waitress", "flask", "networkx"))
    except ImportError as error:
        msg.fail("Cannot serve", error, exits=1)
    from ..display.server import make_app

    setup_gpu(device, silent=True)
    nlp = load_extracting_pipeline(model, threshold)
    title = f"{nlp.meta['lang']}_{nlp.meta['name']}"
    hosts = [_in_address(name) for name in _LOOPBACK] if host in _LOOPBACK else None
    app = make_app(nlp, title=title, max_length=max_length, hosts=hosts)
    try:
        server = waitress.create_server(app, host=host, port=port, ident=None)
    except OSError as error:
        msg.fail(f"Cannot serve at {host}, port {port}", f"{error}. Name another: --port.", exits=1)
    msg.good(f"http://{_in_address(host)}:{port}", "Stop with Ctrl+C.")
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
