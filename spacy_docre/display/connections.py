"""How `docre serve` is reached: waitress, with a time in which a request has to arrive."""

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

# A thread is left for the page itself, whatever is annotated.
_THREADS = AT_ONCE + WAITING + 2
# Within what a process may open on most systems.
_CONNECTIONS = 500
# In which a request has to arrive, or its answer has to be taken.
_SECONDS = 30


class Channel(HTTPChannel):
    """A connection that knows since when its present request is awaited."""

    def service(self) -> None:
        """Answer a request."""
        super().service()
        self.creation_time = time()


class Server(TcpWSGIServer):
    """Closes connections whose request is not there in time. waitress by itself counts the time
    since the last byte, and bytes that drip would hold a connection for ever."""

    channel_class = Channel

    def maintenance(self, now: float) -> None:
        """Close what has taken too long.

        now (float): The time.
        """
        for channel in self.active_channels.values():
            if not channel.requests and channel.creation_time < now - self.adj.channel_timeout:
                channel.will_close = True
                with suppress(OSError):
                    # A caller who takes no answer is not waited for.
                    channel.socket.shutdown(socket.SHUT_RDWR)


def make_server(app: Flask, host: str, port: int, **settings: Any) -> MultiSocketServer:
    """Make a server, which answers once `run` is called.

    app (Flask): The page.
    host (str): The name or address to serve at.
    port (int): The port.
    **settings (Any): Settings of waitress, instead of those that are right for the page.
    RETURNS (MultiSocketServer): The server.
    RAISES (OSError, ValueError): If it cannot be at this address.
    """
    usual = {
        "threads": _THREADS,
        "connection_limit": _CONNECTIONS,
        "asyncore_use_poll": True,
        "channel_timeout": _SECONDS,
        "cleanup_interval": 5,
        # The page itself answers what is a little too long.
        "max_request_body_size": 2 * app.config["MAX_CONTENT_LENGTH"],
        "ident": None,
    }
    adjustments = Adjustments(host=host.strip("[]"), port=port, **{**usual, **settings})
    dispatcher = ThreadedTaskDispatcher()
    sockets: Dict[int, Any] = {}
    # A name may be of several addresses.
    servers = [
        Server(app, sockets, dispatcher=dispatcher, adj=adjustments, sockinfo=info)
        for info in adjustments.listen
    ]
    dispatcher.set_thread_count(adjustments.threads)
    addresses = [(server.effective_host, server.effective_port) for server in servers]
    return MultiSocketServer(sockets, adjustments, addresses, dispatcher)
