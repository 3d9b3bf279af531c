"""The server's connections: slow, large and many requests, over real sockets."""

import socket
import time
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Any, Callable, Iterator, List, Tuple

import pytest
from spacy.language import Language

from spacy_docre.display.annotator import AT_ONCE, WAITING
from spacy_docre.display.connections import make_server
from spacy_docre.display.server import make_app

MAX_LENGTH = 200
PATIENCE = 20.0

Address = Tuple[str, int]


@contextmanager
def serving(nlp: Language, host: str = "127.0.0.1", **settings: Any) -> Iterator[Address]:
    """Serves a pipeline in a thread, and gives its address."""
    server = make_server(make_app(nlp, title="", max_length=MAX_LENGTH), host, 0, **settings)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    (address,) = server.effective_listen
    yield address[0], int(address[1])
    server.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE)


def post_of(text: str) -> bytes:
    body = f"text={text}".encode()
    return (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def answer_to(address: Address, request: bytes) -> str:
    with closing(connect(address)) as connection:
        connection.sendall(request)
        return read(connection)


def read(connection: socket.socket) -> str:
    with connection.makefile("rb") as file:
        return file.read().decode("utf8")


def status_of(answer: str) -> int:
    return int(answer.split()[1])


def get(address: Address) -> int:
    host, port = address
    name = f"[{host}]" if ":" in host else host
    request = f"GET / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"
    return status_of(answer_to(address, request.encode()))


class Slow(Language):
    """A pipeline that takes its time: until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go, self.asked = Event(), 0

        def wait(doc: Any) -> Any:
            self.asked += 1
            assert self.let_go.wait(PATIENCE)
            return doc

        self._components.append(("wait", wait))


@pytest.fixture
def slow() -> Iterator[Slow]:
    nlp = Slow()
    yield nlp
    nlp.let_go.set()


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.time() + PATIENCE
    while not happened():
        assert time.time() < end
        time.sleep(0.01)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]"])
def test_addresses(nlp: Language, host: str) -> None:
    with serving(nlp, host) as address:
        assert get(address) == 200


def test_the_page_is_shown_while_texts_are_annotated(slow: Slow) -> None:
    """However many they are: those for whom there is no room are told."""
    answers: List[str] = []
    with serving(slow) as address:
        callers = [
            Thread(target=lambda: answers.append(answer_to(address, post_of("Oslo"))))
            for _ in range(AT_ONCE + WAITING + 30)
        ]
        for caller in callers:
            caller.start()
        wait_for(lambda: len(answers) == 30)
        assert get(address) == 200
        assert {status_of(answer) for answer in answers} == {503}
        assert all("busy" in answer for answer in answers)
        assert slow.asked == AT_ONCE
        slow.let_go.set()
        for caller in callers:
            caller.join(PATIENCE)
    assert [status_of(answer) for answer in answers].count(200) == AT_ONCE + WAITING


def test_a_body_that_is_announced_as_large_is_not_read(nlp: Language) -> None:
    with serving(nlp) as address, closing(connect(address)) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000000\r\n\r\n"
        )
        assert status_of(read(connection)) == 413


def test_a_body_of_unknown_length_is_read_to_a_limit(nlp: Language) -> None:
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    sent = 0
    with serving(nlp) as address, closing(connect(address)) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with pytest.raises(ConnectionError):
            # Without a limit this would be 400 MB.
            for _ in range(100_000):
                connection.sendall(chunk)
                sent += len(chunk)
    assert 0 < sent < 20_000_000


@pytest.mark.parametrize("begin", [b"", b"GET / HT", post_of("x" * 50)[:-40]])
def test_requests_that_drip_are_closed(nlp: Language, begin: bytes) -> None:
    """Each byte in time is not enough: the whole request has to be there in time."""
    with serving(nlp, channel_timeout=1, cleanup_interval=1) as address:
        with closing(connect(address)) as connection:
            connection.sendall(begin)
            connection.settimeout(0.2)
            end = time.time() + PATIENCE
            with pytest.raises(ConnectionError):
                while time.time() < end:
                    connection.sendall(b"x")
                    try:
                        if not connection.recv(1):
                            raise ConnectionError
                    except TimeoutError:
                        pass
        assert get(address) == 200


def test_slow_requests_do_not_starve_others(nlp: Language) -> None:
    settings = {"channel_timeout": 1, "cleanup_interval": 1, "connection_limit": 20}
    with serving(nlp, **settings) as address:
        slow = [connect(address) for _ in range(40)]
        for connection in slow:
            connection.sendall(b"POST / HTTP/1.1\r\n")
        assert get(address) == 200
        for connection in slow:
            connection.close()


def test_one_connection_for_several_requests(nlp: Language) -> None:
    """Its time begins anew with each."""
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(nlp, channel_timeout=2, cleanup_interval=1) as address:
        with closing(connect(address)) as connection:
            for _ in range(4):
                connection.sendall(request)
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
                wait_for_all(connection)
                time.sleep(1)


def wait_for_all(connection: socket.socket) -> None:
    connection.settimeout(0.3)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        pass
    connection.settimeout(PATIENCE)
