"""The JSON of `docre serve`, and its description."""

from typing import Any, Dict, List, Optional

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from .annotator import LOWEST_THRESHOLD

PATH = "/api/relations"
DESCRIPTION = "/openapi.json"

_PROBLEMS = {
    400: "There is no text, or the request is no JSON of this form.",
    403: "The request is from a page elsewhere.",
    413: "The text or a word of it is too long.",
    415: "The request does not say that it is JSON.",
    422: "The text has too many entities.",
    500: "This text cannot be annotated.",
    503: "The server is busy with other texts.",
}


class Request(BaseModel):
    """A text whose relations are wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(description="The text")
    threshold: Optional[float] = Field(
        default=None,
        ge=LOWEST_THRESHOLD,
        le=1,
        allow_inf_nan=False,
        description="Find relations of a higher probability, instead of the pipeline's threshold",
    )


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Span(_Answer):
    """A part of the text."""

    start: int = Field(description="Its first character")
    end: int = Field(description="The character after its last")
    text: str = Field(description="The part")


class Entity(_Answer):
    """What mentions refer to."""

    id: int = Field(description="Its number in this document")
    text: str = Field(description="Its best name")
    label: str = Field(description="Its label")
    kb_id: str = Field(
        description="Its linked id, such as Q7186; empty where nothing has linked it"
    )
    mentions: List[Span] = Field(description="Where it is mentioned")


class Relation(_Answer):
    """A relation of two entities."""

    head: int = Field(description="The id of the head entity")
    tail: int = Field(description="The id of the tail entity")
    label: str = Field(description="Its label, such as P19")
    name: str = Field(description="Its readable name")
    score: float = Field(description="Its probability", ge=0, le=1)
    evidence: List[Span] = Field(description="Sentences that say so, the strongest first")


class Document(_Answer):
    """A text with its entities, and its relations, the best first."""

    text: str
    entities: List[Entity]
    relations: List[Relation]


class Problem(_Answer):
    """Why there is no answer."""

    error: str


def describe(title: str, version: str, max_length: int) -> Dict[str, Any]:
    """Describe the JSON, in the form of OpenAPI 3.1.

    title (str): What the server is called.
    version (str): The version of its pipeline.
    max_length (int): The most characters of a text.
    RETURNS (Dict[str, Any]): The description.
    """
    _, schemas = models_json_schema(
        [(Request, "validation"), (Document, "serialization"), (Problem, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    schemas["$defs"]["Request"]["properties"]["text"]["maxLength"] = max_length
    problems = {str(status): _content(text, "Problem") for status, text in _PROBLEMS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": {
            PATH: {
                "post": {
                    "operationId": "findRelations",
                    "summary": "Find the relations of a text",
                    "requestBody": {"required": True, **_content("The text", "Request")},
                    "responses": {"200": _content("The text's relations", "Document"), **problems},
                }
            }
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _content(description: str, schema: str) -> Dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}
