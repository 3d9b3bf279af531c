"""`python -m spacy docre serve`: serve a pipeline on a local page."""

import socket
import sys
from typing import Annotated, List, Optional, Set

from spacy.cli._util import Opt, import_code

from ._options import Code, Gpu, Model, Threshold
from ._shared import exit_on_error, load_extracting_pipeline, use_gpu
from ._terminal import msg

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_Host = Annotated[str, Opt("--host", help="Address to serve at")]
_Port = Annotated[int, Opt("--port", "-p", min=1, max=65535, help="Port to serve at")]
_MaxLength = Annotated[
    int, Opt("--max-length", min=1, help="Largest number of characters in a text")
]
_MaxEntities = Annotated[
    int, Opt("--max-entities", min=1, help="Largest number of entities in a text")
]
_HostNames = Annotated[
    Optional[List[str]],
    Opt("--name", help="Another host name that browsers may use. May be repeated"),
]


def serve_cli(
    model: Model,
    host: _Host = _LOOPBACK[0],
    port: _Port = 5000,
    max_length: _MaxLength = 20_000,
    max_entities: _MaxEntities = 300,
    host_names: _HostNames = None,
    threshold: Threshold = None,
    gpu: Gpu = -1,
    code: Code = None,
) -> None:
    """
    Show the relations that a pipeline finds in texts, on a page with a text box, or as JSON.

    Programs send texts to /api/relations, which /openapi.json describes. By default, the server
    can be reached from this machine only.
    """
    from ..extras import import_extra

    with exit_on_error("Cannot serve"):
        for package in ("waitress", "flask"):
            import_extra(package)
    from ..display.connections import make_server
    from ..display.server import make_app

    use_gpu(gpu)
    import_code(code)
    nlp = load_extracting_pipeline(model, threshold)
    title = f"{nlp.meta['lang']}_{nlp.meta['name']}"
    names = _names(host) | {name.lower() for name in host_names or ()}
    app = make_app(nlp, title=title, max_length=max_length, max_entities=max_entities, names=names)
    with exit_on_error(f"Cannot serve at {host}, port {port}", ". Choose another --port."):
        server = make_server(app, host, port)
    msg.good(f"http://{_in_address(host)}:{port}", "Stop with Ctrl+C.")
    # If the output is a pipe, its reader waits for the address.
    sys.stdout.flush()
    server.run()


def _names(host: str) -> Set[str]:
    """List the host names that browsers may use. The names of this machine are among them only if
    the server can be reached from outside."""
    own = set() if host in _LOOPBACK else {socket.gethostname(), socket.getfqdn()}
    return {name.lower() for name in (host, "localhost", *own)}


def _in_address(host: str) -> str:
    host = host.strip("[]")
    return f"[{host}]" if ":" in host else host
