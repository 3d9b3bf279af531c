"""The JSON of `docre serve`, with the real pipeline."""

from typing import Any, Dict, Iterator

import pytest
from flask.testing import FlaskClient
from spacy.language import Language

from spacy_docre.data.annotated_records import DocumentRecord
from spacy_docre.display import api
from spacy_docre.display.server import make_app
from spacy_docre.records import document_record

TEXT = "Ada Lane was born in Oslo . \U0001f600 Ada Lane <b> ."


@pytest.fixture(scope="module")
def client(nlp: Language) -> FlaskClient:
    return make_app(nlp, title="a pipeline", max_length=200, max_entities=2).test_client()


@pytest.fixture(scope="module")
def description(client: FlaskClient) -> Any:
    return client.get(api.DESCRIPTION).json


def test_relations(client: FlaskClient, nlp: Language) -> None:
    answer = client.post(api.PATH, json={"text": TEXT})
    assert answer.status_code == 200 and answer.mimetype == "application/json"
    assert answer.json == document_record(nlp(TEXT)) and answer.json["relations"]
    for entity in answer.json["entities"]:
        for mention in entity["mentions"]:
            assert TEXT[mention["start"] : mention["end"]] == mention["text"]


def test_threshold(client: FlaskClient) -> None:
    every = client.post(api.PATH, json={"text": TEXT, "threshold": None}).json["relations"]
    middle = every[0]["score"] - 1e-6
    some = client.post(api.PATH, json={"text": TEXT, "threshold": middle}).json["relations"]
    assert some == [relation for relation in every if relation["score"] > middle] and some != every
    assert client.post(api.PATH, json={"text": TEXT, "threshold": 1}).json["relations"] == []
    # It is that of one text.
    assert client.post(api.PATH, json={"text": TEXT}).json["relations"] == every


@pytest.mark.parametrize(
    "request_, status, problem",
    [
        ({"json": {"text": ""}}, 400, "no text"),
        ({"json": {}}, 400, "text: Field required"),
        ({"json": {"text": 3}}, 400, "text: Input should be a valid string"),
        ({"json": {"text": "\ud800"}}, 400, "Invalid JSON"),
        ({"json": {"text": "a", "treshold": 0.5}}, 400, "treshold: Extra inputs"),
        (
            {"json": {"text": "a", "threshold": "0.5"}},
            400,
            "threshold: Input should be a valid num",
        ),
        ({"json": {"text": "a", "threshold": True}}, 400, "threshold: Input should be a valid num"),
        ({"json": {"text": "a", "threshold": 0}}, 400, "threshold: Input should be greater"),
        ({"json": {"text": "a", "threshold": 1.5}}, 400, "threshold: Input should be less"),
        ({"json": {"text": "a", "threshold": float("nan")}}, 400, "threshold: Input should be"),
        ({"json": ["a"]}, 400, "Input should be an object"),
        *(
            ({"data": data, "content_type": "application/json"}, 400, "Invalid JSON")
            for data in (b"", b"{", b'{"text": "\xff"}', b"[" * 1000)
        ),
        ({"data": b'{"text": "a"}', "content_type": "text/plain"}, 415, "application/json"),
        ({"data": {"text": "a"}}, 415, "application/json"),
        ({"json": {"text": "x" * 201}}, 413, "longer than 200 characters"),
        ({"json": {"text": "Ada Lane Oslo . Oslo", "threshold": 0.5}}, 200, ""),
    ],
)
def test_requests(
    client: FlaskClient, request_: Dict[str, Any], status: int, problem: str, description: Any
) -> None:
    answer = client.post(api.PATH, **request_)
    assert answer.status_code == status, answer.text
    assert str(status) in description["paths"][api.PATH]["post"]["responses"]
    if status != 200:
        assert answer.json.keys() == {"error"} and problem in answer.json["error"]


def test_too_many_entities(nlp: Language) -> None:
    client = make_app(nlp, title="", max_length=200, max_entities=1).test_client()
    answer = client.post(api.PATH, json={"text": TEXT})
    assert answer.status_code == 422 and "the most is 1" in answer.json["error"]


def test_other_methods(client: FlaskClient) -> None:
    answer = client.get(api.PATH)
    assert answer.status_code == 405 and "not allowed" in answer.json["error"]


def references(value: Any) -> Iterator[str]:
    for key, part in value.items() if isinstance(value, dict) else ():
        if key == "$ref":
            yield part
        yield from references(part)
    for part in value if isinstance(value, list) else ():
        yield from references(part)


def test_description(description: Any) -> None:
    """In the form of OpenAPI 3.1: what it has to have, and no reference leads nowhere."""
    assert description["openapi"] == "3.1.0"
    assert description["info"].keys() == {"title", "version"}
    assert all(isinstance(value, str) for value in description["info"].values())
    (path,) = description["paths"]
    assert path == api.PATH
    operation = description["paths"][path]["post"]
    assert operation["requestBody"]["required"] is True
    for answer in (operation["requestBody"], *operation["responses"].values()):
        assert answer["description"]
        assert answer["content"]["application/json"]["schema"]["$ref"]
    schemas = description["components"]["schemas"]
    found = set(references(description))
    assert found <= {f"#/components/schemas/{name}" for name in schemas}
    assert {"Request", "DocumentRecord", "Problem"} <= schemas.keys()
    assert schemas["Request"]["properties"]["text"]["maxLength"] == 200
    assert schemas["Request"]["required"] == ["text"]


def test_answers_are_as_described(client: FlaskClient) -> None:
    answer = client.post(api.PATH, json={"text": TEXT})
    assert DocumentRecord.model_validate(answer.json).model_dump() == answer.json


def test_all_fields_of_answers_are_required(description: Any) -> None:
    """Those too that may be missing where what was written is read."""
    schemas = description["components"]["schemas"]
    for name in ("DocumentRecord", "EntityRecord", "RelationRecord", "SpanRecord"):
        assert set(schemas[name]["required"]) == schemas[name]["properties"].keys(), name
