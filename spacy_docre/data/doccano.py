"""doccano's JSONL with relations: read and write it."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional

from pydantic import BaseModel, StrictInt
from spacy.tokens import Doc

from ..files import written_whole
from .doubts import Doubts
from .json_files import parse_json_lines
from .text_documents import Link, TextDocument, TextMention, text_documents, with_coreference
from .validation import Label, Text, invalid, validate

_FIELDS = {
    "text": "a string",
    "entities": "a list of mentions, each with id, label, start_offset and end_offset: export the "
    "project with its relations",
    "relations": "a list of relations, each with from_id, to_id and type; leave it out if the "
    "relations are unknown",
    "id": "an integer that no other mention has",
    "label": "a string",
    "start_offset": "the number of the first character",
    "end_offset": "the number of the character after the last one",
    "from_id": "the id of a mention",
    "to_id": "the id of a mention",
    "type": "a string of one character or more",
}


class EntityRecord(BaseModel):
    id: StrictInt
    label: Text
    start_offset: StrictInt
    end_offset: StrictInt


class RelationRecord(BaseModel):
    from_id: StrictInt
    to_id: StrictInt
    type: Label


class DocumentRecord(BaseModel):
    id: Any = None
    title: Any = None
    text: Text
    entities: List[EntityRecord]
    relations: Optional[List[RelationRecord]] = None


def parse_doccano(path: Path, doubts: Doubts) -> Iterator[TextDocument]:
    """Read the documents of a doccano export. The offsets count characters.

    path (Path): The JSONL file.
    doubts (Doubts): Not used: this format has no doubtful cases.
    YIELDS (TextDocument): The documents. If a document has no `relations`, they are unknown.
    RAISES (ValueError): If the file is malformed.
    """
    for where, data in parse_json_lines(path):
        record = validate(DocumentRecord, data, where, _FIELDS)
        index: Dict[int, int] = {}
        for number, entity in enumerate(record.entities):
            if index.setdefault(entity.id, number) != number:
                problem = f"{entity.id} occurs twice"
                raise invalid(where, ("entities", number, "id"), problem, _FIELDS)
        for number, relation in enumerate(record.relations or ()):
            for role in ("from_id", "to_id"):
                if getattr(relation, role) not in index:
                    problem = f"no mention has the id {getattr(relation, role)}"
                    raise invalid(where, ("relations", number, role), problem, _FIELDS)
        mentions = [
            TextMention(item.start_offset, item.end_offset, item.label) for item in record.entities
        ]
        links = [
            Link(index[item.from_id], index[item.to_id], item.type)
            for item in record.relations or ()
        ]
        yield TextDocument(
            where,
            record.text,
            mentions,
            None if record.relations is None else links,
            names={key: value for key in ("id", "title") if (value := getattr(record, key))},
        )


def write_doccano(path: Path, docs: Iterable[Doc], coref_label: str) -> None:
    """Write documents for doccano. A warning lists what doccano cannot hold.

    path (Path): The JSONL file.
    docs (Iterable[Doc]): The documents, with entities and relations.
    coref_label (str): The label of the relations that connect mentions of one entity.
    RAISES (ValueError): If a relation of a document has this label.
    """
    with written_whole([path]) as written, written[path].open("w", encoding="utf-8") as file:
        # doccano numbers the mentions of a whole project.
        num_mentions = num_relations = 0
        for _, document in text_documents(docs, Doubts(path)):
            links = with_coreference(document, coref_label)
            record = {
                **document.names,
                "text": document.text,
                "entities": [
                    {
                        "id": number,
                        "label": mention.label,
                        "start_offset": mention.start,
                        "end_offset": mention.end,
                    }
                    for number, mention in enumerate(document.mentions, start=num_mentions)
                ],
                "relations": [
                    {
                        "id": number,
                        "from_id": num_mentions + link.head,
                        "to_id": num_mentions + link.tail,
                        "type": link.label,
                    }
                    for number, link in enumerate(links, start=num_relations)
                ],
            }
            if document.links is None and not links:
                # Nobody has annotated relations.
                del record["relations"]
            num_mentions += len(document.mentions)
            num_relations += len(links)
            file.write(f"{json.dumps(record, ensure_ascii=False)}\n")
