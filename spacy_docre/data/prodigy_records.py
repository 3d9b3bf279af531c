"""Read and check one example of Prodigy: its tokens, spans and relations."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from pydantic import BaseModel, StrictBool, StrictInt

from .divided_text import trimmed
from .doubts import same_text
from .validation import FieldPath, Label, Text, invalid, validate

FIELDS = {
    "text": "a string that agrees with the example's text; for a token, not empty",
    "tokens": "a list of tokens, each with text, start and end, that leave out white space only; "
    "it may be left out",
    "id": "the token's index",
    "start": "the index of the first character in the text",
    "end": "the index after the last character in the text",
    "ws": "true if a space follows the token, else false",
    "spans": "a list of mentions, each with label, and token_start and token_end, or start and end",
    "token_start": "the index of the mention's first token in tokens",
    "token_end": "the index of the mention's last token in tokens",
    "label": "a string; for a relation, not empty; for a span, the same in spans and relations",
    "relations": "a list of relations, each with label, and head_span and child_span, or head and "
    "child; leave it out if the relations are unknown",
    "head_span": "one of the example's spans, or words outside all spans",
    "child_span": "one of the example's spans, or words outside all spans; its entity is not the "
    "head's",
    "head": "the index of the last token of head_span",
    "child": "the index of the last token of child_span; its entity is not the head's",
    "answer": '"accept", "reject" or "ignore"',
}

# First token, end token, label.
TokenSpan = Tuple[int, int, Optional[str]]


class TokenRecord(BaseModel):
    text: Text
    start: StrictInt
    end: StrictInt
    id: Optional[StrictInt] = None
    ws: Optional[StrictBool] = None


class SpanRecord(BaseModel):
    start: Optional[StrictInt] = None
    end: Optional[StrictInt] = None
    token_start: Optional[StrictInt] = None
    token_end: Optional[StrictInt] = None
    label: Optional[Text] = None
    text: Optional[Text] = None


class RelationRecord(BaseModel):
    label: Label
    head: Optional[StrictInt] = None
    child: Optional[StrictInt] = None
    head_span: Optional[SpanRecord] = None
    child_span: Optional[SpanRecord] = None


class ExampleRecord(BaseModel):
    text: Text
    tokens: Optional[List[TokenRecord]] = None
    spans: Optional[List[SpanRecord]] = None
    relations: Optional[List[RelationRecord]] = None


@dataclass
class Link:
    """A relation of an example.

    head (int): The index of its head in the spans.
    child (int): The index of its tail in the spans.
    label (str): Its label.
    child_field (FieldPath): The field that names its tail.
    """

    head: int
    child: int
    label: str
    child_field: FieldPath


@dataclass
class Example:
    """An example.

    where (str): Its name in errors.
    text (str): Its text.
    tokens (List[TokenRecord]): Its tokens, which leave out white space only.
    spans (List[TokenSpan]): Its spans, and the words outside all spans that relations connect.
    links (List[Link]): Its relations.
    has_spans (bool): Whether spans were annotated.
    has_relations (bool): Whether relations were annotated.
    """

    where: str
    text: str
    tokens: List[TokenRecord]
    spans: List[TokenSpan]
    links: List[Link]
    has_spans: bool
    has_relations: bool


def read_example(data: Any, where: str, tokenize: Callable[[str], List[TokenRecord]]) -> Example:
    """Read and check an example. Fields with the same meaning must agree.

    data (Any): The example, as parsed from JSON.
    where (str): The name of the example in errors.
    tokenize (Callable[[str], List[TokenRecord]]): Tokenizes a text without tokens.
    RETURNS (Example): The example.
    RAISES (ValueError): If the example is malformed, or contradicts itself.
    """
    record = validate(ExampleRecord, data, where, FIELDS)
    return _Reader(record, where, tokenize).read()


class _Reader:
    def __init__(
        self,
        record: ExampleRecord,
        where: str,
        tokenize: Callable[[str], List[TokenRecord]],
    ) -> None:
        self.record = record
        self.where = where
        self.text = record.text
        self.has_tokens = record.tokens is not None
        self.tokens = (
            _cut(tokenize(record.text), self._ends()) if record.tokens is None else record.tokens
        )
        for field, problem in _token_problems(self.text, self.tokens):
            raise self.invalid(field, problem)
        self.starts = {token.start: index for index, token in enumerate(self.tokens)}
        self.ends = {token.end: index for index, token in enumerate(self.tokens)}

    def invalid(self, field: FieldPath, problem: str) -> ValueError:
        return invalid(self.where, field, problem, FIELDS)

    def read(self) -> Example:
        record = self.record
        spans = [
            self._locate(span, ("spans", index)) for index, span in enumerate(record.spans or ())
        ]
        links = []
        given = len(spans)
        for index, relation in enumerate(record.relations or ()):
            ends = []
            for role in ("head", "child"):
                found, field = self._end(relation, role, ("relations", index), spans, given)
                if found not in spans:
                    spans.append(found)
                ends.append(spans.index(found))
            links.append(Link(ends[0], ends[1], relation.label, field))
        return Example(
            self.where,
            self.text,
            self.tokens,
            spans,
            links,
            record.spans is not None,
            record.relations is not None,
        )

    def _ends(self) -> List[int]:
        """The characters where spans begin and end."""
        relations = self.record.relations or ()
        spans = [
            *(self.record.spans or ()),
            *(relation.head_span for relation in relations),
            *(relation.child_span for relation in relations),
        ]
        return [
            offset
            for span in spans
            if span is not None and span.start is not None and span.end is not None
            for offset in trimmed(self.text, span.start, span.end)
        ]

    def _locate(self, span: SpanRecord, field: FieldPath) -> TokenSpan:
        """Find the tokens of a span. The span names its tokens, its characters, or both."""
        by_tokens = self._by_tokens(span, field) if self.has_tokens else None
        by_characters = self._by_characters(span, field)
        found = by_characters if by_tokens is None else by_tokens
        if found is None:
            tokens_or_characters = (
                ("token_start", "token_end") if self.has_tokens else ("start", "end")
            )
            missing = next(name for name in tokens_or_characters if getattr(span, name) is None)
            raise self.invalid((*field, missing), "Field required")
        said = {"token_start": found[0], "token_end": found[1] - 1} if self.has_tokens else {}
        if by_characters != found:
            said["start"] = self.tokens[found[0]].start
            said["end"] = self.tokens[found[1] - 1].end
        for name, value in said.items():
            if getattr(span, name) not in (None, value):
                raise self.invalid(
                    (*field, name),
                    f"it is {getattr(span, name)}, but by the other fields the span is "
                    f"{self._words(found)!r}, for which it should be {value}",
                )
        if span.text is not None and not same_text(span.text, self._words(found)):
            raise self.invalid(
                (*field, "text"), f"it is {span.text!r}, but the span is {self._words(found)!r}"
            )
        return (*found, span.label)

    def _words(self, span: Sequence[Any]) -> str:
        return self.text[self.tokens[span[0]].start : self.tokens[span[1] - 1].end]

    def _by_tokens(self, span: SpanRecord, field: FieldPath) -> Optional[Tuple[int, int]]:
        first, last = span.token_start, span.token_end
        if first is not None and not 0 <= first < len(self.tokens):
            raise self.invalid(
                (*field, "token_start"),
                f"there is no token {first} in a text of {len(self.tokens)} tokens",
            )
        if first is None or last is None:
            return None
        if not first <= last < len(self.tokens):
            raise self.invalid(
                (*field, "token_end"),
                f"{last} cannot end a mention that begins at token {first} of {len(self.tokens)}",
            )
        return first, last + 1

    def _by_characters(self, span: SpanRecord, field: FieldPath) -> Optional[Tuple[int, int]]:
        if span.start is None or span.end is None:
            return None
        if not 0 <= span.start < span.end <= len(self.text):
            raise self.invalid(
                (*field, "end"),
                f"{span.start} to {span.end} is not in a text of {len(self.text)} characters",
            )
        start, end = span.start, span.end
        if not (start in self.starts and end in self.ends):
            start, end = trimmed(self.text, start, end)
        for name, offset, known in (("start", start, self.starts), ("end", end, self.ends)):
            if offset not in known:
                raise self.invalid((*field, name), f"no token has its {name} at character {offset}")
        return self.starts[start], self.ends[end] + 1

    def _end(
        self,
        relation: RelationRecord,
        role: str,
        field: FieldPath,
        spans: List[TokenSpan],
        given: int,
    ) -> Tuple[TokenSpan, FieldPath]:
        """The head or child of a relation, and the field that names it."""
        number: Optional[int] = getattr(relation, role)
        record: Optional[SpanRecord] = getattr(relation, f"{role}_span")
        field = (*field, role if record is None else f"{role}_span")
        if record is None:
            return self._end_at(number, field, spans), field
        wanted = self._locate(record, field)
        if number is not None and self.has_tokens and not wanted[0] <= number < wanted[1]:
            raise self.invalid(
                (*field[:-1], role),
                f"it is {number}, but {role}_span has the tokens {wanted[0]} to {wanted[1] - 1}",
            )
        same = [span for span in spans if span[:2] == wanted[:2]]
        if same and wanted[2] is not None and wanted not in same:
            raise self.invalid(
                (*field, "label"), f"it is {wanted[2]!r}, but in spans it is {same[0][2]!r}"
            )
        if same:
            return (wanted if wanted in same else same[0]), field
        for span in spans[:given]:
            if span[0] < wanted[1] and wanted[0] < span[1]:
                raise self.invalid(
                    field,
                    f"there is no such span: {self._words(wanted)!r} overlaps "
                    f"{self._words(span)!r}",
                )
        return wanted, field

    def _end_at(self, number: Optional[int], field: FieldPath, spans: List[TokenSpan]) -> TokenSpan:
        """Find the span of a token: the span that ends there, else the only span that holds the
        token, else the token alone."""
        if number is None:
            raise self.invalid(field, "it is missing")
        if not self.has_tokens or not 0 <= number < len(self.tokens):
            tokens = len(self.tokens) if self.has_tokens else "no"
            raise self.invalid(
                field, f"there is no token {number} in an example of {tokens} tokens"
            )
        holding = [span for span in spans if span[0] <= number < span[1]]
        found = [span for span in holding if span[1] == number + 1] or holding
        if len(set(found)) > 1:
            raise self.invalid(
                field,
                f"token {number} is in several spans, and head_span or child_span is missing",
            )
        return found[0] if found else (number, number + 1, None)


def _cut(tokens: List[TokenRecord], offsets: List[int]) -> List[TokenRecord]:
    """Cut tokens where spans begin or end within them."""
    cut = []
    for token in tokens:
        inside = sorted({offset for offset in offsets if token.start < offset < token.end})
        bounds = [token.start, *inside, token.end]
        for start, end in pairwise(bounds):
            text = token.text[start - token.start : end - token.start]
            cut.append(TokenRecord(text=text, start=start, end=end))
    return cut


def _token_problems(text: str, tokens: List[TokenRecord]) -> Iterator[Tuple[FieldPath, str]]:
    """Find the tokens that do not agree with the text."""
    end = 0
    for i, token in enumerate(tokens):
        if not token.text:
            yield ("tokens", i, "text"), "it is empty"
        if token.id not in (None, i):
            yield ("tokens", i, "id"), f"it is {token.id}, but the token is number {i}"
        if text[token.start : token.end] != token.text or token.start < 0:
            yield (
                ("tokens", i, "start"),
                f"the text holds {text[token.start : token.end]!r} from {token.start} to "
                f"{token.end}, but the token is {token.text!r}",
            )
        if token.start < end:
            yield ("tokens", i, "start"), f"the token before ends at {end}"
        yield from _gap_problems(text[end : token.start], tokens, i)
        end = token.end
    yield from _gap_problems(text[end:], tokens, len(tokens))


def _gap_problems(
    gap: str, tokens: List[TokenRecord], index: int
) -> Iterator[Tuple[FieldPath, str]]:
    """Find what is wrong between a token and the token before."""
    if gap.strip():
        yield ("tokens",), f"no token has the {gap.strip()!r} before token {index}"
    # Some tools say of the last token that a space follows.
    if 0 < index < len(tokens) and tokens[index - 1].ws not in (None, bool(gap)):
        yield (
            ("tokens", index - 1, "ws"),
            f"it is {str(tokens[index - 1].ws).lower()}, but the text has {gap!r} before the next "
            "token",
        )
