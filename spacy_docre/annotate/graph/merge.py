"""The queries that merge the entities and relations of many documents.

Entities with the same linked id are one entity. An unlinked entity joins the linked entity of its
name and type, if there is exactly one. Otherwise all unlinked entities of this name and type are
one entity. Names are compared as in the entity clusterer, numbers with their signs, and dates by
their meaning. Short forms ("Curie") do not join entities across documents.
"""

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Iterator, List, Sequence, Tuple
from urllib.parse import quote

from ...extras import import_extra
from ...pipeline.names import NameRules
from ..dates import DATE_LABELS, parse_date, same_date
from .triples import load_triples

# Relations of Wikidata that can have only one value: place of birth and of death, father, mother,
# date of birth and of death, and the dates when something was founded and dissolved.
FUNCTIONAL = ("P19", "P20", "P22", "P25", "P569", "P570", "P571", "P576")
# The most threads of DuckDB. Each thread takes more memory.
_THREADS = 4
# Rows that are fetched at a time.
_ROWS = 2000


@dataclass(frozen=True)
class MergedEntity:
    """An entity of all documents.

    id (str): The unique id: the linked id, or "name:", type and name.
    name (str): The name that most documents give it.
    label (str): The type that most documents give it.
    kb_id (str): The linked id; "" for an unlinked entity.
    documents (int): The number of documents that have the entity.
    """

    id: str
    name: str
    label: str
    kb_id: str
    documents: int


@dataclass(frozen=True)
class MergedRelation:
    """A relation of all documents.

    head (MergedEntity): The head (subject).
    label (str): The relation, e.g. "P19".
    tail (MergedEntity): The tail (object).
    name (str): The readable name; the label if no name is known.
    documents (int): The number of documents that state the relation.
    best_score (float): The best probability in these documents.
    mean_score (float): The mean over these documents of the best probability in each.
    contradicted (bool): Whether the relation can have only one value, and documents state several.
    evidence (List[Tuple[str, str]]): Id and evidence sentences of documents, the best score first.
        If documents of several files share an id, the file follows the id.
    """

    head: MergedEntity
    label: str
    tail: MergedEntity
    name: str
    documents: int
    best_score: float
    mean_score: float
    contradicted: bool
    evidence: List[Tuple[str, str]]


@dataclass(frozen=True)
class MergeOptions:
    """The options of the merge.

    threshold (float): Leave out relations of a lower probability.
    min_documents (int): Leave out relations of fewer documents. Entities of fewer documents stay
        only if they have a relation.
    max_evidence (int): The most documents whose evidence a relation keeps, the best scores first.
    functional (Sequence[str]): Labels of relations that can have only one value.
    """

    threshold: float = 0.0
    min_documents: int = 1
    max_evidence: int = 10
    functional: Sequence[str] = FUNCTIONAL


class MergedGraph:
    """The merged graph, stored in a database on disk.

    database (DuckDBPyConnection): The database.
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    def entities(self) -> Iterator[MergedEntity]:
        """YIELDS (MergedEntity): The entities, sorted by their ids."""
        for row in self._rows("entities"):
            yield MergedEntity(*row)

    def relations(self) -> Iterator[MergedRelation]:
        """YIELDS (MergedRelation): The relations, sorted by head, label and tail."""
        return self._relations("relations")

    def contradictions(self) -> Iterator[List[MergedRelation]]:
        """YIELDS (List[MergedRelation]): The relations of one entity that contradict each other,
        e.g. two dates of birth. The best supported relation comes first."""
        group: List[MergedRelation] = []
        for relation in self._relations("contradicted"):
            if group and (group[0].head.id, group[0].label) != (relation.head.id, relation.label):
                yield _best_first(group)
                group = []
            group.append(relation)
        if group:
            yield _best_first(group)

    def count(self, table: str) -> int:
        """Count documents, or parts of the graph.

        table (str): What to count: "documents", "entities", "relations", "contradictions", "loops"
            (relations from an entity to itself), or "shared_ids" (ids of several documents).
        RETURNS (int): The number.
        """
        (number,) = self._database.execute(_COUNTS[table]).fetchone()
        return int(number)

    def _relations(self, view: str) -> Iterator[MergedRelation]:
        for row in self._rows(view):
            head, label, tail, name, documents, best, mean, contradicted, evidence = row
            yield MergedRelation(
                MergedEntity(*head.values()),
                label,
                MergedEntity(*tail.values()),
                name,
                documents,
                best,
                mean,
                contradicted,
                [(item["document"], item["text"]) for item in evidence],
            )

    def _rows(self, table: str) -> Iterator[Tuple[Any, ...]]:
        # A cursor streams its rows, and several cursors can stream at once.
        rows = self._database.cursor().execute(f"SELECT * FROM {table}")
        while part := rows.fetchmany(_ROWS):
            yield from part


def _best_first(relations: List[MergedRelation]) -> List[MergedRelation]:
    return sorted(relations, key=lambda item: (-item.documents, -item.best_score, item.tail.id))


@contextmanager
def merge_triples(
    files: Sequence[Path], rules: NameRules, options: MergeOptions, memory: int
) -> Iterator[MergedGraph]:
    """Merge the triples of many documents.

    files (Sequence[Path]): The `.jsonl` or `.parquet` files that `docre annotate` wrote.
    rules (NameRules): The rules by which names are compared.
    options (MergeOptions): The options of the merge.
    memory (int): The most MB of memory for the database. The rest goes to a temporary folder.
    YIELDS (MergedGraph): The graph. It is deleted at the end of the `with` block.
    RAISES (ValueError): If a file is damaged, or is no file of `docre annotate`.
    RAISES (ImportError): If DuckDB is not installed.
    """
    duckdb = import_extra("duckdb")
    with TemporaryDirectory(prefix="docre-graph-") as folder:
        settings = {
            "memory_limit": f"{memory}MB",
            "temp_directory": f"{folder}/spilled",
            "threads": min(_THREADS, os.cpu_count() or 1),
        }
        with duckdb.connect(f"{folder}/graph.duckdb", config=settings) as database:
            _add_functions(database, rules)
            database.execute("SET preserve_insertion_order = false")
            load_triples(database, files)
            for step in (_MERGE_ENTITIES, _MERGE_RELATIONS, _FIND_CONTRADICTIONS):
                for query in step.split(";"):
                    used = {
                        key: value for key, value in vars(options).items() if f"${key}" in query
                    }
                    database.execute(query, used)
            database.execute("SET preserve_insertion_order = true")
            yield MergedGraph(database)


def _add_functions(database: Any, rules: NameRules) -> None:
    """Register the Python functions that the queries call, with distinct values only."""

    def name_id(text: str, label: str) -> str:
        date = parse_date(text) if label in DATE_LABELS else None
        key = rules.normalize(text, label)
        return f"name:{quote(key.kind, safe='')}:{date or _exact_name(text, key.words)}"

    def contradict(names: List[str], labels: List[str]) -> bool:
        """Whether two of these different tails exclude each other. Two dates may be the same."""
        dates = [
            parse_date(name) if label in DATE_LABELS else None
            for name, label in zip(names, labels, strict=True)
        ]
        return any(
            first is None or second is None or not same_date(first, second)
            for first, second in combinations(dates, 2)
        )

    functions: List[Callable[..., Any]] = [name_id, contradict]
    for function, parameters, result in zip(
        functions,
        (["VARCHAR", "VARCHAR"], ["VARCHAR[]", "VARCHAR[]"]),
        ("VARCHAR", "BOOLEAN"),
        strict=True,
    ):
        database.create_function(function.__name__, function, parameters, result)


def _exact_name(text: str, words: Sequence[str]) -> str:
    """Return a name in the form in which names are compared. Numbers keep their signs, and "C++"
    and "C#" keep theirs."""
    if not any(character.isalpha() for character in text):
        return "".join(text.split())
    return " ".join(words) + "".join(re.findall(r"[+#]", text))


# A linked id may look like the id of a name. The prefix "id:" keeps the two apart.
_MERGE_ENTITIES = """
CREATE TABLE names AS
    SELECT text, label, name_id(text, label) AS name
    FROM (SELECT DISTINCT text, label FROM found);
CREATE TABLE sources AS
    SELECT id, content, row_number() OVER () AS source,
        CASE WHEN count(*) OVER (PARTITION BY id) = 1 THEN id ELSE id || ' (' || place || ')' END
            AS document
    FROM (SELECT id, content, min(place) AS place FROM documents GROUP BY ALL);
CREATE TABLE members AS
    WITH named AS (
        SELECT found.*, source, name, CASE
            WHEN kb_id = '' THEN NULL
            WHEN regexp_matches(kb_id, '^(id:)*name:') THEN 'id:' || kb_id
            ELSE kb_id
        END AS linked
        FROM found
        JOIN names USING (text, label)
        JOIN documents ON number = document
        JOIN sources ON sources.id = documents.id AND sources.content = documents.content
    ), known AS (
        SELECT name, min(linked) AS known FROM named
        WHERE linked IS NOT NULL GROUP BY name HAVING count(DISTINCT linked) = 1
    )
    SELECT document, index, source, text, label, kb_id, coalesce(linked, known, name) AS id
    FROM named LEFT JOIN known USING (name);
DROP TABLE found;
DROP TABLE names;
CREATE TABLE entities AS
    WITH texts AS (
        SELECT id, first(text ORDER BY number DESC, length(text) DESC, text) AS name
        FROM (SELECT id, text, count(DISTINCT source) AS number FROM members GROUP BY ALL)
        GROUP BY id
    ), labels AS (
        SELECT id, first(label ORDER BY number DESC, label) AS label
        FROM (SELECT id, label, count(DISTINCT source) AS number FROM members GROUP BY ALL)
        GROUP BY id
    ), facts AS (
        SELECT id, max(kb_id) AS kb_id, count(DISTINCT source) AS documents
        FROM members GROUP BY id
    )
    SELECT id, name, label, kb_id, documents
    FROM texts JOIN labels USING (id) JOIN facts USING (id) ORDER BY id
"""
_MERGE_RELATIONS = """
CREATE TABLE by_source AS
    SELECT h.id AS head, stated.label, t.id AS tail, h.source, max(score) AS score,
        first(evidence ORDER BY score DESC, evidence) AS evidence
    FROM stated
    JOIN members h ON h.document = stated.document AND h.index = stated.head
    JOIN members t ON t.document = stated.document AND t.index = stated.tail
    WHERE score >= $threshold
    GROUP BY ALL;
CREATE TABLE relation_names AS
    SELECT label, first(name ORDER BY number DESC, name) AS name
    FROM (SELECT label, name, count(*) AS number FROM stated WHERE name <> '' GROUP BY ALL)
    GROUP BY label;
DROP TABLE members;
DROP TABLE stated;
CREATE TABLE merged AS
    SELECT head, label, tail, count(*) AS documents, max(score) AS best_score,
        avg(score) AS mean_score
    FROM by_source GROUP BY ALL HAVING count(*) >= $min_documents;
DELETE FROM entities WHERE documents < $min_documents
    AND id NOT IN (SELECT head FROM merged UNION ALL SELECT tail FROM merged);
CREATE TABLE best_evidence AS
    SELECT head, label, tail,
        list({document: document, text: evidence} ORDER BY rank) AS evidence
    FROM (
        SELECT by_source.*, document, row_number() OVER (
            PARTITION BY head, label, tail ORDER BY score DESC, document
        ) AS rank
        FROM by_source JOIN sources USING (source)
    )
    WHERE rank <= $max_evidence GROUP BY ALL;
DROP TABLE by_source
"""
_FIND_CONTRADICTIONS = """
CREATE TABLE contradictions AS
    SELECT head, merged.label FROM merged JOIN entities ON id = tail
    WHERE merged.label IN (SELECT unnest($functional)) GROUP BY ALL
    HAVING count(*) > 1 AND contradict(list(entities.name), list(entities.label));
CREATE TABLE relations AS
    SELECT h AS head, m.label, t AS tail, coalesce(n.name, m.label) AS name, m.documents,
        best_score, mean_score, c.head IS NOT NULL AS contradicted, evidence
    FROM merged m
    JOIN entities h ON h.id = m.head
    JOIN entities t ON t.id = m.tail
    JOIN best_evidence e ON e.head = m.head AND e.label = m.label AND e.tail = m.tail
    LEFT JOIN relation_names n ON n.label = m.label
    LEFT JOIN contradictions c ON c.head = m.head AND c.label = m.label
    ORDER BY m.head, m.label, m.tail;
CREATE VIEW contradicted AS SELECT * FROM relations WHERE contradicted
"""
_COUNTS = {
    "documents": "SELECT count(*) FROM sources",
    "shared_ids": "SELECT count(*) FROM (SELECT id FROM sources GROUP BY id HAVING count(*) > 1)",
    "entities": "SELECT count(*) FROM entities",
    "relations": "SELECT count(*) FROM relations",
    "contradictions": "SELECT count(*) FROM contradictions",
    "loops": "SELECT count(*) FROM relations WHERE head.id = tail.id",
}
