"""The connections of `docre serve`: waitress, with a time limit for each request."""

import socket
from contextlib import suppress
from time import time
from typing import Any, Dict

from flask import Flask
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from .annotator import AT_ONCE, WAITING

# Some threads stay free for the page itself, however many texts are annotated or wait.
_THREADS = AT_ONCE + WAITING + 2
# Fewer than a process may open on most systems.
_CONNECTIONS = 500
# The time in which a request must arrive, or its answer must be taken.
_SECONDS = 30


class Channel(HTTPChannel):
    """A connection that records since when it waits for a request."""

    def service(self) -> None:
        """Answer a request."""
        super().service()
        self.creation_time = time()


class Server(TcpWSGIServer):
    """A server that closes connections whose request does not arrive in time. waitress itself
    counts the time since the last byte, so slow single bytes would hold a connection for ever."""

    channel_class = Channel

    def maintenance(self, now: float) -> None:
        """Close connections that have taken too long.

        now (float): The current time.
        """
        for channel in self.active_channels.values():
            if not channel.requests and channel.creation_time < now - self.adj.channel_timeout:
                channel.will_close = True
                with suppress(OSError):
                    # The server does not wait for a caller who takes no answer.
                    channel.socket.shutdown(socket.SHUT_RDWR)


def make_server(app: Flask, host: str, port: int, **settings: Any) -> MultiSocketServer:
    """Make a server. It answers once `run` is called.

    app (Flask): The page.
    host (str): The name or address to serve at.
    port (int): The port.
    **settings (Any): Settings of waitress, which replace the settings for the page.
    RETURNS (MultiSocketServer): The server.
    RAISES (OSError, ValueError): If the server cannot use this address.
    """
    usual = {
        "threads": _THREADS,
        "connection_limit": _CONNECTIONS,
        "asyncore_use_poll": True,
        "channel_timeout": _SECONDS,
        "cleanup_interval": 5,
        # The page itself refuses a request that is only a little too long.
        "max_request_body_size": 2 * app.config["MAX_CONTENT_LENGTH"],
        "ident": None,
    }
    adjustments = Adjustments(host=host.strip("[]"), port=port, **{**usual, **settings})
    dispatcher = ThreadedTaskDispatcher()
    sockets: Dict[int, Any] = {}
    # A name may have several addresses.
    servers = [
        Server(app, sockets, dispatcher=dispatcher, adj=adjustments, sockinfo=info)
        for info in adjustments.listen
    ]
    dispatcher.set_thread_count(adjustments.threads)
    addresses = [(server.effective_host, server.effective_port) for server in servers]
    return MultiSocketServer(sockets, adjustments, addresses, dispatcher)
