"""The page of `docre serve`, with the real pipeline."""

from typing import Dict, List

import pytest
from flask.testing import FlaskClient
from spacy.language import Language
from spacy.tokens import Doc

from spacy_docre.display.annotator import AT_ONCE, WAITING
from spacy_docre.display.server import make_app

from .conftest import sent


@pytest.fixture(scope="module")
def client(nlp: Language) -> FlaskClient:
    app = make_app(nlp, title="a <pipeline>", max_length=200, names={"localhost", "my.name"})
    return app.test_client()


def test_form(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<textarea" in answer.text and "a &lt;pipeline&gt;" in answer.text


def test_relations_of_a_text(client: FlaskClient) -> None:
    answer = client.post("/", data={"text": "Ada Lane was born in Oslo .\r\nYes"})
    assert answer.status_code == 200
    (data,) = sent(answer.text)
    assert data["text"] == "Ada Lane was born in Oslo .\nYes"
    assert [label for label, *_ in data["types"]] and data["relations"]
    # The text stays in the box.
    assert "Ada Lane was born in Oslo .\nYes</textarea>" in answer.text


def test_example(client: FlaskClient) -> None:
    assert 'href="/?example"' in client.get("/").text
    assert "Marie Curie" not in client.get("/").text
    assert "Marie Curie was born" in client.get("/?example").text


def test_threshold(client: FlaskClient) -> None:
    """That of the pipeline, or another for one text."""

    def scores(threshold: str) -> List[float]:
        values = {"text": "Ada Lane was born in Oslo .", "threshold": threshold}
        answer = client.post("/", data=values)
        assert answer.status_code == 200 and f'value="{threshold}"' in answer.text
        return [relation[4] for relation in sent(answer.text)[0]["relations"]]

    own = scores("")
    assert len(own) > 1 and own[0] > own[1]
    assert scores(str(own[0] - 0.001)) == [score for score in own if score > own[0] - 0.001]
    assert scores("") == own


@pytest.mark.parametrize("threshold", ["0", "1.1", "nan", "high"])
def test_thresholds_that_are_none(client: FlaskClient, threshold: str) -> None:
    answer = client.post("/", data={"text": "Oslo", "threshold": threshold})
    assert answer.status_code == 400 and "threshold: Input should be" in answer.text


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


def test_a_long_body_of_a_program(client: FlaskClient) -> None:
    body = b'{"text": "' + b"x" * 100_000 + b'"}'
    answer = client.post("/api/relations", data=body, content_type="application/json")
    assert answer.status_code == 413 and "longer than 200" in answer.json["error"]


def test_a_word_that_takes_the_tokenizer_long(nlp: Language) -> None:
    client = make_app(nlp, title="a", max_length=20_000, names={"localhost"}).test_client()
    answer = client.post("/", data={"text": "well " + "\U0001f600" * 19_000})
    assert answer.status_code == 413 and "longer than 1,000 characters" in answer.text
    assert client.post("/", data={"text": "(" * 1000 + " " + ")" * 1000}).status_code == 200


def test_markup_is_text(client: FlaskClient) -> None:
    answer = client.post("/", data={"text": "</textarea><script>alert(1)</script>"})
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "path, method, status",
    [
        *(("/", "GET", 200), ("/", "POST", 400), ("/", "PUT", 405), ("/none", "GET", 404)),
        *(("/openapi.json", "GET", 200), ("/api/relations", "POST", 415)),
    ],
)
def test_no_page_loads_or_sends_anything(
    client: FlaskClient, path: str, method: str, status: int
) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:5000", "LOCALHOST", "localhost.", "my.name:80"),
        *("127.0.0.1", "127.0.0.1:5000", "[::1]", "[::1]:5000", "192.168.0.7:5000"),
    ],
)
def test_its_own_names(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:5000", "localhost.evil.example", "evil-localhost", ""),
        *("127.0.0.1.evil.example", "localhost@evil.example", "[::1", "[evil]", "::1", ".", "1"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/none", "/openapi.json"])
def test_other_hosts_are_refused(client: FlaskClient, path: str, host: str) -> None:
    """A page elsewhere could give its own name this machine's address."""
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 400 and "--name" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://LOCALHOST:5000", "Host": "localhost:5000"},
        {"Origin": "http://[::1]:5000", "Host": "[::1]:5000"},
        # Behind a proxy that has another name.
        {"Origin": "https://elsewhere", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_posts_of_its_own_page(client: FlaskClient, headers: Dict[str, str]) -> None:
    assert client.post("/", data={"text": "Oslo"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        # Another port of this machine.
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[evil"},
    ],
)
def test_posts_of_other_pages_are_refused(client: FlaskClient, headers: Dict[str, str]) -> None:
    answer = client.post("/", data={"text": "Oslo"}, headers=headers)
    assert answer.status_code == 403 and "own page" in answer.text
    answer = client.post("/api/relations", json={"text": "Oslo"}, headers=headers)
    assert answer.status_code == 403 and "own page" in answer.json["error"]


def test_a_text_of_too_many_entities(nlp: Language) -> None:
    client = make_app(nlp, title="", max_length=2000, max_entities=1).test_client()
    answer = client.post("/", data={"text": "Ada Lane went to Oslo ."})
    assert answer.status_code == 422
    assert "has 2 entities, and the most is 1" in answer.text and "Ada Lane" in answer.text
    assert client.post("/", data={"text": "Ada Lane went ."}).status_code == 200


@pytest.mark.parametrize(
    "error, status, problem",
    [
        (MemoryError(), 413, "more memory than the server has"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you"), 413, "more memory"),
        (ValueError("a <problem>"), 500, "cannot be annotated: a &lt;problem&gt;"),
    ],
)
def test_a_failure_is_that_of_one_text(
    error: Exception, status: int, problem: str, nlp: Language
) -> None:
    """Again and again: each leaves its place to others."""

    def fail_at(doc: Doc) -> Doc:
        if doc.text == "Fail":
            raise error
        return doc

    with_failures = Language(nlp.vocab)
    with_failures._components.append(("fail", fail_at))
    client = make_app(with_failures, title="", max_length=100).test_client()
    for _ in range(AT_ONCE + WAITING + 1):
        answer = client.post("/", data={"text": "Fail"})
        assert answer.status_code == status and problem in answer.text
    assert client.post("/", data={"text": "Oslo"}).status_code == 200
