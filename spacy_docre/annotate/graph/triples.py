"""Load the triples of annotated documents from files into the tables of a database.

The tables are `documents` (number, file, place, id, content), `found` (document, index, text,
label, kb_id) and `stated` (document, head, tail, label, name, score, evidence). Rows with the same
id and the same content are one document that was annotated twice. Rows with the same id and
different contents are documents of different runs.
"""

import os
from glob import escape
from pathlib import Path
from typing import Any, Dict, List, Sequence

from ...data.annotated_records import check_annotated
from ...data.encodings import decode
from ...data.json_files import parse_json
from ...extras import import_extra
from ...files import MAX_BYTES, find_files, path_text, read_lines, too_long

SUFFIXES = (".jsonl", ".parquet")

_ENTITIES = "STRUCT(id BIGINT, text VARCHAR, label VARCHAR, kb_id VARCHAR)[]"
_RELATIONS = (
    "STRUCT(head BIGINT, tail BIGINT, label VARCHAR, name VARCHAR, score DOUBLE, "
    "evidence STRUCT(text VARCHAR)[])[]"
)
# A line has a text and its annotation. DuckDB reserves memory for two lines in each thread.
_LONGEST_LINE = 2 * MAX_BYTES

# Each query finds one kind of damage. It selects file and id of the document, and the problem.
_PROBLEMS = (
    "SELECT file, id, 'it has no id' FROM documents WHERE id IS NULL",
    "SELECT file, id, 'it occurs twice, with two texts. Put each run into a separate file, or "
    "give each document a unique id' "
    "FROM documents GROUP BY file, id HAVING count(DISTINCT content) > 1",
    "SELECT file, id, 'it has no entities or no relations. Give files that docre annotate wrote' "
    "FROM documents WHERE entities IS NULL OR relations IS NULL",
    "SELECT file, documents.id, 'an entity has no id or no text' "
    "FROM found JOIN documents ON number = document WHERE index IS NULL OR text IS NULL",
    "SELECT file, documents.id, 'two entities have the id ' || index FROM found JOIN documents "
    "ON number = document GROUP BY file, documents.id, document, index HAVING count(*) > 1",
    "SELECT file, documents.id, 'a relation has no label, or no score from 0 to 1' "
    "FROM stated JOIN documents ON number = document "
    "WHERE coalesce(label, '') = '' OR coalesce(score, -1) NOT BETWEEN 0 AND 1",
    "SELECT file, documents.id, 'a relation names an entity that the document does not have: ' "
    "|| coalesce(stated.head, -1) || ' or ' || coalesce(stated.tail, -1) "
    "FROM stated JOIN documents ON number = stated.document "
    "LEFT JOIN found h ON h.document = stated.document AND h.index = stated.head "
    "LEFT JOIN found t ON t.document = stated.document AND t.index = stated.tail "
    "WHERE h.index IS NULL OR t.index IS NULL",
)


def list_triples(paths: Sequence[Path]) -> List[Path]:
    """Find the files of triples.

    paths (Sequence[Path]): Files, and folders with files. Files of another kind in a folder, such
        as its manifest, are ignored.
    RETURNS (List[Path]): The files, each once.
    RAISES (ValueError): If a path does not exist, or has no triples.
    """
    files: Dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path_text(path)} does not exist. Check the path.")
        found = find_files(path).files if path.is_dir() else [path]
        own = [file for file in found if file.suffix in SUFFIXES]
        if not own:
            raise ValueError(
                f"{path_text(path)} has no triples. Give {' or '.join(SUFFIXES)} files that docre "
                "annotate wrote, or folders with such files."
            )
        files.update(dict.fromkeys(file.resolve() for file in own))
    return list(files)


def load_triples(database: Any, files: Sequence[Path]) -> None:
    """Load triples into tables.

    database (DuckDBPyConnection): The database of the tables.
    files (Sequence[Path]): The files.
    RAISES (ValueError): If a file is damaged, or is no file of `docre annotate`. The error names
        the file, and the line or document.
    """
    duckdb = import_extra("duckdb")
    database.execute(
        f"CREATE TABLE records (file VARCHAR, id VARCHAR, content UBIGINT, entities {_ENTITIES}, "
        f"relations {_RELATIONS})"
    )
    for suffix, read in ((".jsonl", _READ_JSON), (".parquet", _READ_PARQUET)):
        names = [str(file) for file in files if file.suffix == suffix]
        if names:
            try:
                # DuckDB reads file names as patterns.
                database.execute(f"INSERT INTO records {read}", {"files": list(map(escape, names))})
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:
                raise ValueError(_problem_of(names, str(error))) from None
    # A file's `place` is its path within the folder that all files share.
    common = os.path.join(os.path.commonpath([file.parent for file in files]), "")
    database.execute(_DOCUMENTS, [len(common) + 1])
    database.execute(_TABLES)
    for query in _PROBLEMS:
        wrong = database.execute(f"{query} ORDER BY ALL LIMIT 1").fetchone()
        if wrong is not None:
            file, id_, problem = wrong
            raise ValueError(f"{file}, document {id_!r}: {problem}.")
    database.execute("ALTER TABLE documents DROP entities; ALTER TABLE documents DROP relations")


# If a text is missing, the file tells apart documents of the same id.
_CONTENT = "hash(coalesce(text, filename))"
_READ_JSON = (
    f"SELECT filename, id, {_CONTENT}, entities, relations FROM read_json($files, "
    f"format = 'newline_delimited', filename = true, maximum_object_size = {_LONGEST_LINE}, "
    f"columns = {{id: 'VARCHAR', text: 'VARCHAR', entities: '{_ENTITIES}', "
    f"relations: '{_RELATIONS}'}})"
)
_READ_PARQUET = (
    f"SELECT filename, id, {_CONTENT}, "
    "[{id: e.id, text: e.text, label: e.label, kb_id: e.kb_id} FOR e IN entities], "
    "[{head: r.head, tail: r.tail, label: r.label, name: r.name, score: r.score, "
    "evidence: [{text: s.text} FOR s IN r.evidence]} FOR r IN relations] "
    "FROM read_parquet($files, filename = true)"
)
_DOCUMENTS = (
    "CREATE TABLE documents AS SELECT rowid AS number, substr(file, ?) AS place, * FROM records"
)
# Names are on one line. Missing values become "". For "no link", spaCy's entity linker writes NIL.
_TABLES = r"""
DROP TABLE records;
CREATE TABLE found AS
    SELECT number AS document, e.id AS index,
        trim(regexp_replace(e.text, '\s+', ' ', 'g')) AS text, coalesce(e.label, '') AS label,
        CASE WHEN e.kb_id IS NULL OR e.kb_id = 'NIL' THEN '' ELSE e.kb_id END AS kb_id
    FROM (SELECT number, unnest(entities) AS e FROM documents);
CREATE TABLE stated AS
    SELECT number AS document, r.head, r.tail, r.label, coalesce(r.name, '') AS name, r.score,
        trim(regexp_replace(array_to_string([s.text FOR s IN r.evidence], ' '), '\s+', ' ', 'g'))
            AS evidence
    FROM (SELECT number, unnest(relations) AS r FROM documents);
"""


def _problem_of(names: Sequence[str], message: str) -> str:
    """Find the line at which DuckDB failed: DuckDB counts lines differently from editors."""
    for name in names if "JSON" in message else ():
        with open(name, "rb") as file:
            for number, line in enumerate(read_lines(file, _LONGEST_LINE), 1):
                where = f"{name}, line {number}"
                try:
                    if line is None:
                        raise ValueError(too_long(where, _LONGEST_LINE))
                    if line.strip():
                        check_annotated(parse_json(decode(line, where), where), where)
                except ValueError as error:
                    return str(error)
    return message.partition("\n")[0]
