"""Write documents as examples for Prodigy's rel.manual, so that they can be corrected there."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, List

from spacy.tokens import Doc

from ..files import written_whole
from .doubts import Doubts
from .text_documents import TextDocument, text_documents, with_coreference


def write_prodigy(path: Path, docs: Iterable[Doc], coref_label: str) -> None:
    """Write documents as examples for Prodigy, with their tokens.

    Of mentions that overlap, the longest is kept. A warning lists what Prodigy cannot hold.

    path (Path): The JSONL file.
    docs (Iterable[Doc]): The documents, with entities and relations.
    coref_label (str): The label of the relations that connect mentions of one entity.
    RAISES (ValueError): If a relation of a document has this label.
    """
    with written_whole([path]) as written, written[path].open("w", encoding="utf-8") as file:
        for doc, document in text_documents(docs, Doubts(path), may_overlap=False):
            file.write(f"{json.dumps(_example(doc, document, coref_label), ensure_ascii=False)}\n")


def _example(doc: Doc, document: TextDocument, coref_label: str) -> Dict[str, Any]:
    first = {token.idx: token.i for token in doc}
    last = {token.idx + len(token): token.i for token in doc}
    spans: List[Dict[str, Any]] = [
        {
            "start": mention.start,
            "end": mention.end,
            "token_start": first[mention.start],
            "token_end": last[mention.end],
            "label": mention.label,
        }
        for mention in document.mentions
    ]
    links = with_coreference(document, coref_label)
    example = {
        "text": document.text,
        "tokens": [
            {
                "text": token.text,
                "start": token.idx,
                "end": token.idx + len(token),
                "id": token.i,
                "ws": bool(token.whitespace_),
            }
            for token in doc
        ],
        "spans": spans,
        "relations": [
            {
                "head": spans[link.head]["token_end"],
                "child": spans[link.tail]["token_end"],
                "head_span": spans[link.head],
                "child_span": spans[link.tail],
                "label": link.label,
            }
            for link in links
        ],
        "meta": document.names,
    }
    if document.links is None and not links:
        # Nobody has annotated relations.
        del example["relations"]
    return example
