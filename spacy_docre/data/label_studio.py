"""Label Studio's JSON: write tasks with predictions, and read exports with annotations."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from pydantic import BaseModel, StrictBool, StrictInt
from spacy.tokens import Doc

from ..files import written_whole
from .doubts import Doubts, same_text
from .json_files import parse_json_items
from .text_documents import Link, TextDocument, TextMention, text_documents, with_coreference
from .validation import Label, Text, invalid, validate

# The names of the tags in the labelling interface, as in Label Studio's own template.
_LABELS, _TEXT = "label", "text"
_IGNORED = "results are neither labels nor relations, and are ignored"
_FIELDS = {
    "data": "an object with the text in the field text, or in its only field that is a string",
    "annotations": "a list of annotations, each with result: export the project as JSON, not as "
    "JSON-MIN",
    "was_cancelled": "true or false",
    "result": "a list of mentions (type labels, with id and value) and relations (type relation)",
    "type": "a string",
    "id": "a string that no other mention has",
    "value": "an object with start, end and labels",
    "start": "the number of the first character",
    "end": "the number of the character after the last one",
    "text": "the text from start to end, a string",
    "labels": "a list of labels",
    "from_id": "the id of a mention",
    "to_id": "the id of a mention",
    "direction": '"right", "left" or "bi"',
}
# For each direction: whether a link is backward, from to_id to from_id.
_DIRECTIONS = {"right": (False,), "left": (True,), "bi": (False, True)}


class ValueRecord(BaseModel):
    start: StrictInt
    end: StrictInt
    text: Optional[Text] = None
    labels: List[Text] = []


class RegionRecord(BaseModel):
    id: Text
    value: ValueRecord


class RelationRecord(BaseModel):
    from_id: Text
    to_id: Text
    direction: Text = "right"
    labels: List[Label] = []


class AnnotationRecord(BaseModel):
    was_cancelled: StrictBool = False
    result: List[Dict[str, Any]]


class TaskRecord(BaseModel):
    id: Any = None
    data: Dict[str, Any]
    annotations: List[AnnotationRecord]


def parse_label_studio(path: Path, doubts: Doubts) -> Iterator[TextDocument]:
    """Read an export of Label Studio. Each annotation is a document.

    Predictions are not read: nobody has accepted them.

    path (Path): The JSON file.
    doubts (Doubts): Collects what is doubtful and what is left out.
    YIELDS (TextDocument): The documents.
    RAISES (ValueError): If the file is malformed.
    """
    for number, data in enumerate(parse_json_items(path)):
        where = f"{path}, task {number}"
        task = validate(TaskRecord, data, where, _FIELDS)
        text = _text(task, where)
        names = {"id": task.data.get("id", task.id), "title": task.data.get("title")}
        used = [item for item in enumerate(task.annotations) if not item[1].was_cancelled]
        for _ in range(len(task.annotations) - len(used)):
            doubts.add("annotations belong to tasks that were skipped, and are left out", where)
        if not task.annotations:
            doubts.add("tasks have no annotation, and are left out", where)
        if len(used) > 1:
            doubts.add("tasks have several annotations, and each is read as a document", where)
        for index, annotation in used:
            within = f"{where}, annotations[{index}]"
            document = _Reader(within, text, annotation.result, doubts).read()
            document.names = {key: value for key, value in names.items() if value}
            yield document


def _text(task: TaskRecord, where: str) -> str:
    texts = [value for value in task.data.values() if isinstance(value, str)]
    text = task.data.get("text", texts[0] if len(texts) == 1 else None)
    if not isinstance(text, str):
        raise invalid(where, ("data",), "it is not clear which field is the text", _FIELDS)
    return text


class _Reader:
    def __init__(self, where: str, text: str, result: List[Dict[str, Any]], doubts: Doubts) -> None:
        self.where = where
        self.text = text
        self.doubts = doubts
        self.regions: Dict[str, int] = {}
        self.mentions: List[TextMention] = []
        self.links: List[Link] = []
        self.by_type: Dict[str, List[Tuple[str, Dict[str, Any]]]] = {"labels": [], "relation": []}
        for number, item in enumerate(result):
            kind = str(item.get("type"))
            if kind in self.by_type:
                self.by_type[kind].append((f"{where}, result[{number}]", item))
            else:
                doubts.add(_IGNORED, f"{where}, {kind}")

    def read(self) -> TextDocument:
        # A relation may come before its mentions.
        for where, item in self.by_type["labels"]:
            self._add_mention(where, validate(RegionRecord, item, where, _FIELDS))
        for where, item in self.by_type["relation"]:
            self._add_links(where, validate(RelationRecord, item, where, _FIELDS))
        return TextDocument(self.where, self.text, self.mentions, self.links)

    def _add_mention(self, where: str, record: RegionRecord) -> None:
        value = record.value
        if self.regions.setdefault(record.id, len(self.mentions)) != len(self.mentions):
            raise invalid(where, ("id",), f"{record.id!r} occurs twice", _FIELDS)
        if len(value.labels) > 1:
            self.doubts.add("mentions have several labels, and the first is used", where)
        start, end = self._characters(where, value)
        self.mentions.append(TextMention(start, end, value.labels[0] if value.labels else ""))

    def _characters(self, where: str, value: ValueRecord) -> Tuple[int, int]:
        start, end = value.start, value.end
        # Label Studio writes a line break as a backslash and n.
        said = None if value.text is None else value.text.replace("\\n", "\n")
        if said is None or same_text(said, self.text[start:end]):
            return start, end
        # Earlier versions of it count like JavaScript: a character beyond the BMP counts as two.
        units = self.text.encode("utf-16-le")
        before, within = units[: 2 * start], units[2 * start : 2 * end]
        if within == said.encode("utf-16-le"):
            first = len(before.decode("utf-16-le"))
            return first, first + len(said)
        raise invalid(
            where,
            ("value", "text"),
            f"it is {value.text!r}, and the text has {self.text[start:end]!r} there",
            _FIELDS,
        )

    def _add_links(self, where: str, record: RelationRecord) -> None:
        for role in ("from_id", "to_id"):
            if getattr(record, role) not in self.regions:
                problem = f"no mention has the id {getattr(record, role)!r}"
                raise invalid(where, (role,), problem, _FIELDS)
        if record.direction not in _DIRECTIONS:
            raise invalid(where, ("direction",), f"it is {record.direction!r}", _FIELDS)
        if not record.labels:
            self.doubts.add("relations have no label, and are left out", where)
        ends = (self.regions[record.from_id], self.regions[record.to_id])
        for label in record.labels:
            for is_backward in _DIRECTIONS[record.direction]:
                head, tail = ends[::-1] if is_backward else ends
                self.links.append(Link(head, tail, label))


def write_label_studio(path: Path, docs: Iterable[Doc], coref_label: str) -> None:
    """Write documents as tasks for Label Studio.

    The entities and relations of a document are a prediction for its task. The prediction has the
    score of its least certain relation. A warning lists what a task cannot hold.

    path (Path): The JSON file.
    docs (Iterable[Doc]): The documents, with entities and relations.
    coref_label (str): The label of the relations that connect mentions of one entity.
    RAISES (ValueError): If a relation of a document has this label.
    """
    with written_whole([path]) as written, written[path].open("w", encoding="utf-8") as file:
        before = "[\n"
        told = text_documents(docs, Doubts(path), has_scores=True, has_unknown=False)
        for _, document in told:
            links = with_coreference(document, coref_label)
            prediction = {
                "model_version": "spacy-docre",
                "score": min((link.score for link in links), default=1.0),
                "result": [
                    *_region_records(document),
                    *(
                        {
                            "type": "relation",
                            "from_id": f"m{link.head}",
                            "to_id": f"m{link.tail}",
                            "direction": "right",
                            "labels": [link.label],
                            "score": link.score,
                        }
                        for link in links
                    ),
                ],
            }
            data = {**document.names, _TEXT: document.text}
            file.write(before + json.dumps({"data": data, "predictions": [prediction]}))
            before = ",\n"
        file.write("\n]\n" if before != "[\n" else "[]\n")


def _region_records(document: TextDocument) -> Iterator[Dict[str, Any]]:
    for number, mention in enumerate(document.mentions):
        yield {
            "id": f"m{number}",
            "type": "labels",
            "from_name": _LABELS,
            "to_name": _TEXT,
            "value": {
                "start": mention.start,
                "end": mention.end,
                "text": document.text[mention.start : mention.end],
                "labels": [mention.label],
            },
        }
