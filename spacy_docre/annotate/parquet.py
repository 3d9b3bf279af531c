"""Annotated documents as tables of nested columns: Parquet, and what engines pass on."""

import json
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any, Dict, List

from spacy.tokens import Doc

from ..extras import import_extra
from ..records import document_record
from .inputs import InputDocument
from .output_file import Output

# What is held of a file until it becomes a row group, in bytes.
_GROUP_BYTES = 2**25


@cache
def column_types() -> Dict[str, Any]:
    """The types of the columns that hold a document's annotation.

    RETURNS (Dict[str, pyarrow.DataType]): Those of "entities" and "relations".
    RAISES (ImportError): If pyarrow is not installed.
    """
    pyarrow = import_extra("pyarrow")
    string, index = pyarrow.string(), pyarrow.int32()
    spans = pyarrow.list_(pyarrow.struct({"start": index, "end": index, "text": string}))
    entity = {"id": index, "text": string, "label": string, "kb_id": string, "mentions": spans}
    relation = {
        "head": index,
        "tail": index,
        "label": string,
        "name": string,
        "score": pyarrow.float64(),
        "evidence": spans,
    }
    return {
        "entities": pyarrow.list_(pyarrow.struct(entity)),
        "relations": pyarrow.list_(pyarrow.struct(relation)),
    }


@cache
def _schema() -> Any:
    """That of a file. What else is known of a document may be of any kind, and of another in the
    next one: it is JSON."""
    pyarrow = import_extra("pyarrow")
    string = pyarrow.string()
    return pyarrow.schema({"id": string, "text": string, "fields": string, **column_types()})


class Parquet(Output):
    """A table with a row a document: its id, its text, what else was known of it (`fields`, an
    object of JSON), and lists of its entities and relations. It is written in row groups."""

    needs = "pyarrow"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._rows: List[Any] = []
        self._bytes = 0
        self._writer = import_extra("pyarrow.parquet").ParquetWriter(
            path, _schema(), compression="zstd"
        )

    def write(self, doc: Doc, source: InputDocument) -> None:
        fields = json.dumps(source.fields, ensure_ascii=False, allow_nan=False)
        row = {"id": source.id, "fields": fields, **document_record(doc)}
        # By itself, so that what it cannot hold is found now.
        batch = import_extra("pyarrow").RecordBatch.from_pylist([row], schema=_schema())
        self._rows.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= _GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        with self._writer:
            self._write_group()

    def _write_group(self) -> None:
        table = import_extra("pyarrow").Table.from_batches(self._rows, schema=_schema())
        if len(table):
            self._writer.write_table(table.combine_chunks(), row_group_size=len(table))
        self._rows, self._bytes = [], 0


def triples_query(path: Path) -> str:
    """The relations of all documents as a flat table, a row each, as SQL for DuckDB.

    path (Path): A `.parquet` file that `docre annotate` has written, or a folder of them.
    RETURNS (str): The query. Its columns are document, head, head_label, head_kb_id, relation,
        name, tail, tail_label, tail_kb_id, score, and evidence, a list of sentences.
    """
    # DuckDB takes names for patterns.
    name = escape(str(path)) + ("/*.parquet" if path.is_dir() else "")
    files = name.replace("'", "''")
    return f"""\
SELECT
    id AS document,
    entities[relation.head + 1].text AS head,
    entities[relation.head + 1].label AS head_label,
    entities[relation.head + 1].kb_id AS head_kb_id,
    relation.label AS relation,
    relation.name AS name,
    entities[relation.tail + 1].text AS tail,
    entities[relation.tail + 1].label AS tail_label,
    entities[relation.tail + 1].kb_id AS tail_kb_id,
    relation.score AS score,
    [sentence.text FOR sentence IN relation.evidence] AS evidence
FROM (SELECT id, entities, unnest(relations) AS relation FROM read_parquet('{files}'))
"""
