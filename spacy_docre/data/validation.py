"""Check records of annotated files. An error says what is wrong, and what a field should hold."""

from typing import Annotated, Any, Mapping, Sequence, Type, TypeVar, Union

from pydantic import AfterValidator, BaseModel, Field, StrictStr, ValidationError

FieldPath = Sequence[Union[int, str]]
RecordT = TypeVar("RecordT", bound=BaseModel)


def _encodable(text: str) -> str:
    # JSON can hold half of a surrogate pair, but UTF-8 cannot.
    text.encode("utf-8")
    return text


Text = Annotated[StrictStr, AfterValidator(_encodable)]
Label = Annotated[StrictStr, Field(min_length=1), AfterValidator(_encodable)]


def validate(schema: Type[RecordT], data: Any, where: str, fields: Mapping[str, str]) -> RecordT:
    """Check a record against its schema.

    schema (Type[RecordT]): The schema.
    data (Any): The record, as parsed from JSON.
    where (str): The name of the record in errors.
    fields (Mapping[str, str]): What each field should hold.
    RETURNS (RecordT): The record.
    RAISES (ValueError): If a field is missing or of the wrong type.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where} should be an object with the fields {', '.join(fields)}.")
    try:
        return schema(**data)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid(where, first["loc"], first["msg"], fields) from None


def invalid(where: str, field: FieldPath, problem: str, fields: Mapping[str, str]) -> ValueError:
    """Make the error for a field of a record. It says what is wrong, and what should be there.

    where (str): The name of the record.
    field (FieldPath): The path to the field, e.g. ("vertexSet", 2, 0, "pos").
    problem (str): What is wrong with the field.
    fields (Mapping[str, str]): What each field should hold.
    RETURNS (ValueError): The error, to be raised.
    """
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in field)
    name = [key for key in field if isinstance(key, str)][-1]
    return ValueError(
        f"{where}, field {path.lstrip('.')}: {problem}. {name} should be {fields[name]}."
    )
