"""The results of readers: documents to annotate, and failures."""

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

    file (int): The number of the file, from 1; 0 for inputs that are no readable files.
    items (int): How many documents and failures of the file have been read.
    """

    file: int = 0
    items: int = 0


START = Place()


@dataclass
class InputDocument:
    """A document to annotate.

    id (str): The name of the document in the output.
    content (Union[str, Doc]): The text, or a Doc that was read.
    fields (Dict[str, Any]): Other fields of the input, which are kept.
    place (Place): How far the inputs have been read after this document.
    """

    id: str
    content: Union[str, Doc]
    fields: Dict[str, Any] = field(default_factory=dict)
    place: Place = field(default=START, compare=False, repr=False)


@dataclass
class Failure:
    """A document that cannot be annotated.

    id (str): The name of the document.
    problem (str): The reason.
    place (Place): How far the inputs have been read after this document.
    ends_file (bool): Whether the rest of its file cannot be read.
    """

    id: str
    problem: str
    place: Place = field(default=START, compare=False, repr=False)
    ends_file: bool = field(default=False, compare=False, repr=False)


def damaged(name: str, problem: str) -> str:
    """Make the error message for a file that its reader cannot read.

    name (str): The name of the file.
    problem (str): The error of the reader.
    RETURNS (str): The message.
    """
    return (
        f"{name} is damaged, protected by a password, or not what its ending says. Save it again "
        f"in the program that made it, without a password. ({problem})"
    )


Items = Iterator[Union[InputDocument, Failure]]


@dataclass(frozen=True)
class Settings:
    """The settings of readers.

    vocab (Vocab): The vocabulary of documents that come with tokens.
    text_field (str): The field of the text, if documents have fields.
    id_field (str): The field of the document's id.
    max_bytes (int): The most bytes of a text, of a line, or of a row.
    """

    vocab: Vocab
    text_field: str = TEXT_FIELD
    id_field: str = ID_FIELD
    max_bytes: int = MAX_BYTES


def document_id(given: Any, where: str) -> str:
    """Choose the name of a document.

    given (Any): The id, if the document has one.
    where (str): The place of the document.
    RETURNS (str): The id; without an id, the place.
    """
    return where if given in (None, "") else str(given)


def read_records(records: Iterable[Tuple[str, Any]], name: str, settings: Settings) -> Items:
    """Make documents from records: text, id and other fields.

    records (Iterable[Tuple[str, Any]]): The place of each record, and the record, or the error that
        it raised.
    name (str): The name of the file.
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
            f"No document of {name} has an id in the field {settings.id_field!r}. Each document "
            "is named after its place in the file. Name another field with --id-field.",
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
            f"The field {text_field!r} should have the text, but it has {shortened(text)}. Name "
            "another field with --text-field."
        )
    fields = {key: value for key, value in record.items() if key not in (text_field, id_field)}
    return InputDocument(document_id(record.get(id_field), where), text, fields)


def _check_json(record: Any) -> None:
    """Refuse values that Python can read, but that JSON in a file cannot hold."""
    try:
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf8")
    except UnicodeEncodeError:
        raise ValueError(
            "It holds half of a surrogate pair, which is no character. Remove it."
        ) from None
    except ValueError:
        raise ValueError(
            "It holds a number that JSON cannot hold: NaN, infinity, or one beyond 1.8e308. Write "
            "null instead."
        ) from None
