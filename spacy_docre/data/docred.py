"""The JSON format of DocRED and Re-DocRED."""

from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from pydantic import BaseModel, StrictInt, TypeAdapter, ValidationError
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotations import Triple
from .detokenization import detokenize
from .doubts import Doubts, same_text
from .gold_annotations import set_gold_annotations, set_mention_names
from .json_files import parse_json, parse_json_items, read_text
from .sentences import set_sentence_numbers
from .validation import FieldPath, Label, Text, invalid, validate

_FIELDS = {
    "title": "the document's title, a string",
    "sents": "a list of sentences, each a list of tokens (strings that are not empty)",
    "vertexSet": "a list of entities, each a list of one mention or more",
    "pos": "[first token, end token], counted within the sentence",
    "sent_id": "the index of the mention's sentence in sents",
    "type": "the mention's label, a string",
    "name": "the mention's name, a string, as in the text; it may be left out",
    "labels": "a list of relations; leave it out if the relations are unknown",
    "h": "the index of the head entity in vertexSet",
    "t": "the index of the tail entity in vertexSet; it is not the head",
    "r": "the relation's label, a string of one character or more",
    "evidence": "a list of indices of sentences in sents",
}


_NAME: TypeAdapter = TypeAdapter(Text)


class MentionRecord(BaseModel):
    pos: Tuple[StrictInt, StrictInt]
    sent_id: StrictInt
    type: Text
    name: Optional[Text] = None
    # Some files repeat pos here, counted in the document.
    global_pos: Any = None


class LabelRecord(BaseModel):
    h: StrictInt
    t: StrictInt
    r: Label
    evidence: List[StrictInt] = []


class DocumentRecord(BaseModel):
    title: Text
    sents: List[List[Text]]
    vertexSet: List[List[MentionRecord]]
    labels: Optional[List[LabelRecord]] = None


def read_docred(
    path: Union[str, Path],
    vocab: Vocab,
    *,
    names: Mapping[str, str] = {},
    lang: str = "en",
    start: int = 0,
) -> Iterator[Doc]:
    """Read documents in DocRED's format, one after the other.

    The tokens are those of the file, with spaces as in prose. `doc._.entities` has the order of
    the file's vertexSet. The title is in `doc.user_data["title"]`. Names of mentions are stored by
    `set_mention_names`.

    path (Union[str, Path]): The JSON file.
    vocab (Vocab): The vocabulary of the documents.
    names (Mapping[str, str]): Readable names of the relations, by label.
    lang (str): The language, as a two-letter code.
    start (int): The number of the first document to read.
    YIELDS (Doc): The documents, with gold entities and relations.
    RAISES (ValueError): If the file is malformed.
    """
    for record in read_records(Path(path), start):
        yield make_doc(record, vocab, detokenize(record.sents, lang), names)


def try_docred(path: Path, vocab: Vocab, *, lang: str = "en") -> Iterator[Union[Doc, ValueError]]:
    """Read documents in DocRED's format, one after the other, even if some are malformed.

    The relations of the documents are left out.

    path (Path): The JSON file.
    vocab (Vocab): The vocabulary of the documents.
    lang (str): The language, as a two-letter code.
    YIELDS (Union[Doc, ValueError]): Each document with its entities, or the error that it raises.
    RAISES (ValueError): If the file is not JSON, or not in DocRED's format.
    """
    check = DocumentCheck(path)
    for index, data in enumerate(parse_json_items(path)):
        if index == 0 and not (isinstance(data, dict) and {"sents", "vertexSet"} <= data.keys()):
            raise ValueError(
                f"{path} is not in DocRED's format, a list of documents with title, sents and "
                "vertexSet. Give texts in other JSON as .jsonl, with one document in each line."
            )
        try:
            record = check(data, _where(path, index, data))
        except ValueError as error:
            yield error
        else:
            bare = record.model_copy(update={"labels": None})
            yield make_doc(bare, vocab, detokenize(record.sents, lang), {})
    # Not `finish`: it could raise an error for the file, but malformed documents have theirs.
    check.doubts.warn()


def read_records(path: Path, start: int = 0) -> Iterator[DocumentRecord]:
    """Read and check documents in DocRED's format, one after the other.

    path (Path): The JSON file.
    start (int): The number of the first document to read.
    YIELDS (DocumentRecord): The documents.
    RAISES (ValueError): If the file is malformed, or most names differ from the text.
    """
    check = DocumentCheck(path)
    for index, data in islice(enumerate(parse_json_items(path)), start, None):
        yield check(data, _where(path, index, data))
    check.finish()


def record_names(record: DocumentRecord) -> List[Set[str]]:
    """Return the names of each entity's mentions, as `entity_names` does for a Doc.

    record (DocumentRecord): The document.
    RETURNS (List[Set[str]]): The names.
    """
    return [
        {
            mention.name or " ".join(record.sents[mention.sent_id][slice(*mention.pos)])
            for mention in mentions
        }
        for mentions in record.vertexSet
    ]


class DocumentCheck:
    """Checks the documents of a file.

    path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        self.doubts = Doubts(path)
        self.num_names = 0

    def __call__(self, data: Any, where: str) -> DocumentRecord:
        """Check a document.

        data (Any): The document, as parsed from JSON.
        where (str): The name of the document in errors.
        RETURNS (DocumentRecord): The document.
        RAISES (ValueError): If it is malformed, or most of its names differ from the text.
        """
        record = validate(DocumentRecord, data, where, _FIELDS)
        for field, problem in _problems(record):
            raise invalid(where, field, problem, _FIELDS)
        others = list(_other_names(record))
        named = sum(bool(mention.name) for mentions in record.vertexSet for mention in mentions)
        for field, problem in others:
            if len(others) >= _MANY and 2 * len(others) > named:
                of = f" ({len(others)} of the document's {named} names differ)"
                raise invalid(where, field, problem + of, _FIELDS)
            self.doubts.add(_NAMES, f"{where}: {problem}")
        self.num_names += named
        for kind, problem in _doubts(record):
            self.doubts.add(kind, f"{where}: {problem}")
        return record

    def finish(self) -> None:
        """Warn of what is doubtful in the file.

        RAISES (ValueError): If most names of the file differ from the text.
        """
        if 2 * self.doubts.found[_NAMES] > self.num_names:
            raise ValueError(
                f"{self.doubts.path}: of {self.num_names} names, {self.doubts.tell(_NAMES)}. "
                "Correct pos, which counts from 0 to the token after the last, or leave name out."
            )
        self.doubts.warn()


_NAMES = "names differ from the text at pos, and the text is kept"
# So many differing names in a document are no slip, if most of its names differ.
_MANY = 3


def _other_names(record: DocumentRecord) -> Iterator[Tuple[FieldPath, str]]:
    """The mentions whose name differs from the text."""
    for i, mentions in enumerate(record.vertexSet):
        for j, mention in enumerate(mentions):
            words = " ".join(record.sents[mention.sent_id][slice(*mention.pos)])
            if mention.name and not same_text(mention.name, words):
                yield (
                    ("vertexSet", i, j, "name"),
                    f"it is {mention.name!r}, but the text at pos {list(mention.pos)} of sentence "
                    f"{mention.sent_id} is {words!r}",
                )


def _doubts(record: DocumentRecord) -> Iterator[Tuple[str, str]]:
    """Other cases that are doubtful: the kind, and the case."""
    starts = [0, *accumulate(map(len, record.sents))]
    holders: Dict[Tuple[int, int, int], int] = {}
    for i, mentions in enumerate(record.vertexSet):
        types = list(dict.fromkeys(mention.type for mention in mentions if mention.type))
        if len(types) > 1:
            yield "entities have mentions of several types", f"entity {i} has {', '.join(types)}"
        for mention in mentions:
            start, end = mention.pos
            holder = holders.setdefault((mention.sent_id, start, end), i)
            if holder != i:
                words = " ".join(record.sents[mention.sent_id][start:end])
                yield (
                    "mentions belong to several entities",
                    f"{words!r} to entities {holder} and {i}",
                )
            first, last = starts[mention.sent_id] + start, starts[mention.sent_id] + end
            # Re-DocRED has the first token twice here.
            if mention.global_pos not in (None, [first, last], [first, first]):
                yield (
                    "mentions have a global_pos that differs from pos of sent_id, and pos is used",
                    f"{mention.global_pos} for {[first, last]}",
                )


def read_relation_names(path: Union[str, Path]) -> Dict[str, str]:
    """Read the readable names of relations.

    path (Union[str, Path]): A JSON file, {"P19": {"name": "place of birth"}} or
        {"P19": "place of birth"}.
    RETURNS (Dict[str, str]): The names, by label.
    RAISES (ValueError): If the file is malformed.
    """
    path = Path(path)
    data = parse_json(read_text(path), str(path))
    if not isinstance(data, dict):
        raise ValueError(f'{path} should be an object: {{"P19": "place of birth"}}.')
    names = {}
    for label, entry in data.items():
        name = entry.get("name") if isinstance(entry, dict) else entry
        try:
            names[label] = _NAME.validate_python(name)
        except ValidationError:
            raise ValueError(
                f"{path}, field {label}: it should be the relation's name, or an object with the "
                'field "name".'
            ) from None
    return names


def make_doc(
    record: DocumentRecord, vocab: Vocab, spaces: List[bool], names: Mapping[str, str]
) -> Doc:
    """Make a Doc of a document.

    record (DocumentRecord): The document.
    vocab (Vocab): The vocabulary.
    spaces (List[bool]): For each token, whether a space follows.
    names (Mapping[str, str]): Readable names of the relations, by label.
    RETURNS (Doc): The Doc, with gold entities and relations.
    """
    doc = Doc(
        vocab,
        words=[token for tokens in record.sents for token in tokens],
        spaces=spaces,
        sent_starts=[index == 0 for tokens in record.sents for index in range(len(tokens))],
        user_data={"title": record.title},
    )
    ends = list(accumulate(map(len, record.sents)))
    bounds = list(pairwise([0, *ends]))
    entities = [
        [
            (bounds[mention.sent_id][0] + start, bounds[mention.sent_id][0] + end, mention.type)
            for mention in mentions
            for start, end in [mention.pos]
        ]
        for mentions in record.vertexSet
    ]
    relations = None if record.labels is None else _triples(record.labels, bounds, names)
    set_gold_annotations(doc, entities, relations)
    set_sentence_numbers(doc, [index for index, tokens in enumerate(record.sents) if tokens])
    set_mention_names(
        doc,
        (
            (index, start, end, mention.name)
            for index, mentions in enumerate(record.vertexSet)
            for (start, end, _), mention in zip(entities[index], mentions, strict=True)
            if mention.name
        ),
    )
    return doc


def _triples(
    labels: Iterable[LabelRecord], bounds: Sequence[Tuple[int, int]], names: Mapping[str, str]
) -> List[Triple]:
    """The relations; `bounds` has first token and end token of each sentence. A relation that
    occurs twice gets the evidence of both. Evidence sentences without tokens are left out."""
    evidence: Dict[Tuple[int, int, str], List[int]] = {}
    for label in labels:
        evidence.setdefault((label.h, label.t, label.r), []).extend(label.evidence)
    return [
        Triple(
            head,
            tail,
            label,
            name=names.get(label, ""),
            evidence=tuple(
                (start, end)
                for start, end in map(bounds.__getitem__, dict.fromkeys(sentences))
                if start < end
            ),
        )
        for (head, tail, label), sentences in evidence.items()
    ]


def _where(path: Path, index: int, data: Any) -> str:
    """The name of a document in errors."""
    title = data.get("title") if isinstance(data, dict) else None
    named = repr(title) if isinstance(title, str) else "without a title"
    return f"{path}, document {index} ({named})"


def _problems(record: DocumentRecord) -> Iterator[Tuple[FieldPath, str]]:
    """The fields that have the right type and still cannot be right."""
    for i, tokens in enumerate(record.sents):
        for j, token in enumerate(tokens):
            if not token:
                yield ("sents", i, j), "the token is empty"
    for i, mentions in enumerate(record.vertexSet):
        if not mentions:
            yield ("vertexSet", i), "the entity has no mention"
        for j, mention in enumerate(mentions):
            if not 0 <= mention.sent_id < len(record.sents):
                yield ("vertexSet", i, j, "sent_id"), _outside(mention.sent_id, record.sents)
                continue
            start, end = mention.pos
            length = len(record.sents[mention.sent_id])
            if not 0 <= start < end <= length:
                yield (
                    ("vertexSet", i, j, "pos"),
                    f"{[start, end]} is not in sentence {mention.sent_id}, which has "
                    f"{length} tokens",
                )
    for i, label in enumerate(record.labels or ()):
        for role, index in (("h", label.h), ("t", label.t)):
            if not 0 <= index < len(record.vertexSet):
                yield ("labels", i, role), _outside(index, record.vertexSet)
        if label.h == label.t:
            yield ("labels", i, "t"), f"head and tail are the same entity, {label.t}"
        for j, index in enumerate(label.evidence):
            if not 0 <= index < len(record.sents):
                yield ("labels", i, "evidence", j), _outside(index, record.sents)


def _outside(index: int, items: Sequence[object]) -> str:
    return f"there is no index {index} in a list of {len(items)}"
