"""What readers give: documents to annotate, and what cannot be read."""

import json
import warnings
from dataclasses import dataclass, field
from reprlib import repr as shortened
from typing import Any, Dict, Iterable, Iterator, NamedTuple, Tuple, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ...errors import describe_error
from ...files import MAX_BYTES

TEXT_FIELD, ID_FIELD = "text", "id"


class Place(NamedTuple):
    """How far inputs have been read.

    file (int): The number of the file; 0 for those that are none, and cannot be read.
    items (int): How many documents and failures of it have been read.
    """

    file: int = 0
    items: int = 0


START = Place()


@dataclass
class InputDocument:
    """A document to annotate.

    id (str): What names it in the output.
    content (Union[str, Doc]): Its text, or what is stored of it already.
    fields (Dict[str, Any]): What else is known of it, to be kept.
    place (Place): How far the inputs have been read with it.
    """

    id: str
    content: Union[str, Doc]
    fields: Dict[str, Any] = field(default_factory=dict)
    place: Place = field(default=START, compare=False, repr=False)


@dataclass
class Failure:
    """A document that cannot be annotated.

    id (str): What names it.
    problem (str): Why.
    place (Place): How far the inputs have been read with it.
    """

    id: str
    problem: str
    place: Place = field(default=START, compare=False, repr=False)


Items = Iterator[Union[InputDocument, Failure]]


@dataclass(frozen=True)
class Settings:
    """What readers are told.

    vocab (Vocab): The vocabulary of documents that come with tokens.
    text_field (str): The field of the text, where documents have fields.
    id_field (str): The field of the document's id.
    max_bytes (int): The most bytes of a text, of a line, or of a row.
    """

    vocab: Vocab
    text_field: str = TEXT_FIELD
    id_field: str = ID_FIELD
    max_bytes: int = MAX_BYTES


def document_id(given: Any, where: str) -> str:
    """What names a document.

    given (Any): Its id, where it has one.
    where (str): Where it is.
    RETURNS (str): The id, else where it is.
    """
    return where if given in (None, "") else str(given)


def read_records(records: Iterable[Tuple[str, Any]], name: str, settings: Settings) -> Items:
    """Take documents out of their records: text, id and other fields.

    records (Iterable[Tuple[str, Any]]): Where each is, and the record, or the error that it gave.
    name (str): The file.
    settings (Settings): The names of the fields.
    YIELDS (Union[InputDocument, Failure]): The documents, and those that cannot be read.
    """
    documents = named = 0
    for where, record in records:
        try:
            item: Union[InputDocument, Failure] = _document(record, where, settings)
        except Exception as error:
            item = Failure(where, describe_error(error))
        documents += isinstance(item, InputDocument)
        named += item.id != where
        yield item
    if documents and not named and settings.id_field != ID_FIELD:
        warnings.warn(
            f"No document of {name} has an id in the field {settings.id_field!r}: each is named "
            "after its place in the file. Name another field with --id-field.",
            stacklevel=2,
        )


def _document(record: Any, where: str, settings: Settings) -> InputDocument:
    if isinstance(record, Exception):
        raise record
    _check_json(record)
    text_field, id_field = settings.text_field, settings.id_field
    text = record.get(text_field) if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise ValueError(
            f"There should be text in the field {text_field!r}, and there is {shortened(text)}. "
            "Name another field with --text-field."
        )
    fields = {key: value for key, value in record.items() if key not in (text_field, id_field)}
    return InputDocument(document_id(record.get(id_field), where), text, fields)


def _check_json(record: Any) -> None:
    """Python reads what JSON in a file cannot hold."""
    try:
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf8")
    except UnicodeEncodeError:
        raise ValueError("It holds half of a surrogate pair, which is no character.") from None
    except ValueError:
        raise ValueError(
            "It holds a number that JSON cannot: NaN, infinity, or one beyond 1.8e308. Write null."
        ) from None
