"""Annotated documents as tables with nested columns: in Parquet, and in batches of engines."""

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

# Bytes of rows that are held in memory until they are written as a row group.
_GROUP_BYTES = 2**25


@cache
def column_types() -> Dict[str, Any]:
    """Return the types of the columns that hold a document's annotation.

    RETURNS (Dict[str, pyarrow.DataType]): The types of "entities" and "relations".
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
    """Return the schema of a file. Other fields of the input are stored as JSON, since their types
    may differ from document to document."""
    pyarrow = import_extra("pyarrow")
    string = pyarrow.string()
    return pyarrow.schema({"id": string, "text": string, "fields": string, **column_types()})


class Parquet(Output):
    """A table with one row a document: id, text, other fields of the input (`fields`, a JSON
    object), and lists of entities and relations. The table is written in row groups."""

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
        # A batch for each row, so that a value that cannot be stored is found now.
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
    """Make an SQL query for DuckDB: the relations of all documents, one row each.

    path (Path): A `.parquet` file that `docre annotate` wrote, or a folder of such files.
    RETURNS (str): The query. Its columns are document, head, head_label, head_kb_id, relation,
        name, tail, tail_label, tail_kb_id, score, and evidence (a list of sentences).
    """
    # DuckDB reads file names as patterns.
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
