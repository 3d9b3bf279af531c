"""The JSON interface of `docre serve`, and its description."""

from typing import Any, Dict, Optional

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from ..data.annotated_records import DocumentRecord
from .annotator import LOWEST_THRESHOLD

PATH = "/api/relations"
DESCRIPTION = "/openapi.json"

_PROBLEMS = {
    400: "There is no text, or the request is not JSON of this form.",
    403: "The request is from a page of another site.",
    413: "The text or a word of it is too long.",
    415: "The content type of the request is not JSON.",
    422: "The text has too many entities.",
    500: "This text cannot be annotated.",
    503: "The server is busy with other texts.",
}


class Request(BaseModel):
    """A text in which to find relations."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(description="The text")
    threshold: Optional[float] = Field(
        default=None,
        ge=LOWEST_THRESHOLD,
        le=1,
        allow_inf_nan=False,
        description=(
            "Find relations of a higher probability. The default is the threshold of the pipeline"
        ),
    )


class Problem(BaseModel):
    """The reason why a request has no answer."""

    error: str


def describe(title: str, version: str, max_length: int) -> Dict[str, Any]:
    """Describe the JSON interface, in the form of OpenAPI 3.1.

    title (str): The name of the server.
    version (str): The version of its pipeline.
    max_length (int): The most characters of a text.
    RETURNS (Dict[str, Any]): The description.
    """
    _, schemas = models_json_schema(
        [(Request, "validation"), (DocumentRecord, "serialization"), (Problem, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    schemas["$defs"]["Request"]["properties"]["text"]["maxLength"] = max_length
    answer = _content("The text's relations", "DocumentRecord")
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
                    "responses": {"200": answer, **problems},
                }
            }
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _content(description: str, schema: str) -> Dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}
