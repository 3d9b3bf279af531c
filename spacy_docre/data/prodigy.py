"""The JSONL format of Prodigy's rel.manual."""

from collections import Counter
from pathlib import Path
from typing import Counter as CounterType
from typing import Hashable, Iterator, List, Mapping, Optional, Tuple, Union

from pydantic import BaseModel, StrictBool, StrictInt
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotations import Triple
from .gold_annotations import Mention, set_gold_annotations
from .json_files import parse_json_lines
from .validation import FieldPath, Label, Text, invalid, validate

_FIELDS = {
    "text": "a string, of one character or more for a token",
    "tokens": "a list of tokens, each with text, start and end",
    "start": "the index of the token's first character in the text",
    "end": "the index behind the token's last character in the text",
    "ws": "true where a space follows the token, else false",
    "spans": "a list of mentions, each with token_start, token_end and label",
    "token_start": "the index of the mention's first token in tokens",
    "token_end": "the index of the mention's last token in tokens",
    "label": "a string; of one character or more for a relation",
    "relations": "a list of relations, each with head_span, child_span and label",
    "head_span": "one of the example's spans",
    "child_span": "one of the example's spans, of another entity than the head's",
    "head": "the index of the last token of one of the example's spans",
    "child": "the index of the last token of a span of another entity than the head's",
    "answer": '"accept", "reject" or "ignore"',
}
ACCEPT = "accept"


class TokenRecord(BaseModel):
    text: Text
    start: StrictInt
    end: StrictInt
    ws: Optional[StrictBool] = None


class SpanRecord(BaseModel):
    token_start: StrictInt
    token_end: StrictInt
    label: Optional[Text] = None


class RelationRecord(BaseModel):
    label: Label
    head: Optional[StrictInt] = None
    child: Optional[StrictInt] = None
    head_span: Optional[SpanRecord] = None
    child_span: Optional[SpanRecord] = None


class ExampleRecord(BaseModel):
    text: Text
    tokens: List[TokenRecord]
    spans: List[SpanRecord] = []
    relations: List[RelationRecord] = []


def read_prodigy(
    path: Union[str, Path],
    vocab: Vocab,
    *,
    names: Mapping[str, str] = {},
    coref_label: str = "COREF",
    answers: Optional[CounterType[str]] = None,
) -> Iterator[Doc]:
    """Read the accepted examples of a Prodigy dataset.

    Spans of the same text and label, whatever their case, are mentions of one entity, and
    so are spans that a coreference relation connects.

    path (Union[str, Path]): The JSONL file.
    vocab (Vocab): The vocabulary of the documents.
    names (Mapping[str, str]): Readable names of the relations, by label.
    coref_label (str): The label of the relations that are coreference; they are not
        relations of the document.
    answers (Optional[Counter[str]]): Is told how many examples there are of each answer;
        those that are not "accept" are skipped.
    YIELDS (Doc): The documents, with gold entities and relations.
    RAISES (ValueError): If the file is malformed.
    """
    path = Path(path)
    answers = Counter() if answers is None else answers
    for where, data in parse_json_lines(path):
        answer = data.get("answer", ACCEPT) if isinstance(data, dict) else ACCEPT
        if not isinstance(answer, str):
            raise invalid(where, ("answer",), f"it is {answer!r}", _FIELDS)
        answers[answer] += 1
        if answer == ACCEPT:
            record = validate(ExampleRecord, data, where, _FIELDS)
            for field, problem in _problems(record):
                raise invalid(where, field, problem, _FIELDS)
            doc = _make_doc(record, vocab)
            _annotate(doc, record, where, names, coref_label)
            yield doc


def _make_doc(record: ExampleRecord, vocab: Vocab) -> Doc:
    starts = [*(token.start for token in record.tokens), len(record.text)]
    return Doc(
        vocab,
        words=[token.text for token in record.tokens],
        spaces=[
            token.end < start if token.ws is None else token.ws
            for token, start in zip(record.tokens, starts[1:], strict=True)
        ],
    )


def _annotate(
    doc: Doc, record: ExampleRecord, where: str, names: Mapping[str, str], coref_label: str
) -> None:
    links = [
        (_find_span(record, index, "head", where), _find_span(record, index, "child", where))
        for index in range(len(record.relations))
    ]
    # The spans of one entity have equal identities.
    identities: List[Hashable] = [
        (doc[span.token_start : span.token_end + 1].text.casefold(), span.label)
        for span in record.spans
    ]
    for relation, (head, child) in zip(record.relations, links, strict=True):
        if relation.label == coref_label:
            kept, merged = identities[head], identities[child]
            identities = [kept if identity == merged else identity for identity in identities]
    indices = {identity: index for index, identity in enumerate(dict.fromkeys(identities))}
    entities: List[List[Mention]] = [[] for _ in indices]
    for span, identity in zip(record.spans, identities, strict=True):
        entities[indices[identity]].append((span.token_start, span.token_end + 1, span.label or ""))
    triples = []
    for index, (relation, (head, child)) in enumerate(zip(record.relations, links, strict=True)):
        if relation.label == coref_label:
            continue
        if identities[head] == identities[child]:
            raise invalid(
                where,
                ("relations", index, _reference(relation, "child")),
                "head and child are the same entity: they have the same text and label, or "
                f"{coref_label} connects them",
                _FIELDS,
            )
        triples.append(
            Triple(
                indices[identities[head]],
                indices[identities[child]],
                relation.label,
                name=names.get(relation.label, ""),
            )
        )
    # Relations of the same two entities between other mentions are one.
    set_gold_annotations(doc, entities, dict.fromkeys(triples))


def _problems(record: ExampleRecord) -> Iterator[Tuple[FieldPath, str]]:
    """The fields that are of the right type and still cannot be right."""
    for i, token in enumerate(record.tokens):
        if not token.text:
            yield ("tokens", i, "text"), "it is empty"
        if record.text[token.start : token.end] != token.text:
            yield (
                ("tokens", i, "start"),
                f"the text holds {record.text[token.start : token.end]!r} from {token.start} to "
                f"{token.end}, and the token is {token.text!r}",
            )
    for i, span in enumerate(record.spans):
        if not 0 <= span.token_start < len(record.tokens):
            yield (
                ("spans", i, "token_start"),
                f"there is no token {span.token_start} in a text of {len(record.tokens)}",
            )
        if not span.token_start <= span.token_end < len(record.tokens):
            yield (
                ("spans", i, "token_end"),
                f"{span.token_end} is no end of a mention that begins at token "
                f"{span.token_start} of {len(record.tokens)}",
            )


def _reference(relation: RelationRecord, role: str) -> str:
    """The field that says which span is the head or child."""
    return role if getattr(relation, f"{role}_span") is None else f"{role}_span"


def _find_span(record: ExampleRecord, index: int, role: str, where: str) -> int:
    """The index of the span that is the head or child of a relation."""
    field = _reference(record.relations[index], role)
    wanted = getattr(record.relations[index], field)
    for found, span in enumerate(record.spans):
        same = span.token_end == wanted
        if isinstance(wanted, SpanRecord):
            same = (span.token_start, span.token_end) == (wanted.token_start, wanted.token_end)
        if same:
            return found
    problem = "it is missing" if wanted is None else "there is no such span"
    raise invalid(where, ("relations", index, field), problem, _FIELDS)
