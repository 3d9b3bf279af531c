"""The page of `docre serve`, with the real pipeline."""

import pytest
from flask.testing import FlaskClient
from spacy.language import Language

from spacy_docre.display.server import make_app


@pytest.fixture(scope="module")
def client(nlp: Language) -> FlaskClient:
    app = make_app(nlp, title="a <pipeline>", max_length=200, hosts=["localhost"])
    return app.test_client()


def test_form(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<textarea" in answer.text and "a &lt;pipeline&gt;" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_relations_of_a_text(client: FlaskClient) -> None:
    answer = client.post("/", data={"text": "Ada Lane was born in Oslo .\r\nYes"})
    assert answer.status_code == 200
    assert "born in" in answer.text and 'class="mention"' in answer.text
    # The text stays in the box.
    assert "Ada Lane was born in Oslo .\nYes</textarea>" in answer.text


@pytest.mark.parametrize("text", ["", "  \r\n "])
def test_empty_text(client: FlaskClient, text: str) -> None:
    answer = client.post("/", data={"text": text})
    assert answer.status_code == 400 and "There is no text yet" in answer.text


@pytest.mark.parametrize("length", [201, 100_000])
def test_over_long_text(client: FlaskClient, length: int) -> None:
    answer = client.post("/", data={"text": "x" * length})
    assert answer.status_code == 413 and "longer than 200 characters" in answer.text


def test_longest_text_is_taken(client: FlaskClient) -> None:
    """Its limit is in characters, whatever they take in the request."""
    assert client.post("/", data={"text": "\U0001f600" * 200}).status_code == 200


def test_markup_is_text(client: FlaskClient) -> None:
    answer = client.post("/", data={"text": "</textarea><script>alert(1)</script>"})
    assert "<script>alert" not in answer.text


def test_other_hosts_are_refused(client: FlaskClient) -> None:
    """A page elsewhere could give its own name this machine's address."""
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
