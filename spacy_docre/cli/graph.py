"""`python -m spacy docre graph`: merge all annotated documents to one graph."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Dict, List, Optional

from spacy.cli._util import Arg, Opt

from ._options import Force
from ._shared import exit_on_error, refuse_existing
from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.graph.merge import MergedGraph

# The largest number of contradictions that are printed.
_MOST = 10

_Triples = Annotated[
    List[Path], Arg(help=".jsonl or .parquet files of docre annotate, or folders of such files")
]
_Outputs = Annotated[
    List[Path],
    Opt(
        *("--output", "-o"),
        help="File to write. Its ending is the format: .ttl, .nt, .jsonld, .graphml, .cypher, .csv "
        "or .html. A name without an ending is a folder for neo4j-admin. May be repeated",
    ),
]
_Report = Annotated[
    Optional[Path],
    Opt("--report", "-r", help="JSONL file to write all contradictions to", dir_okay=False),
]
_Threshold = Annotated[
    float, Opt("--threshold", "-t", min=0, max=1, help="Leave out relations of lower probability")
]
_MinDocuments = Annotated[
    int,
    Opt(
        *("--min-documents", "-m"),
        min=1,
        help="Leave out relations that fewer documents state, and entities without relations",
    ),
]
_MaxEvidence = Annotated[
    int,
    Opt("--max-evidence", min=1, help="Number of documents whose evidence a relation keeps"),
]
_Functional = Annotated[
    Optional[List[str]],
    Opt(
        "--functional",
        help="Label of another relation that can have only one value, like P19, P20, P22, P25, "
        "P569, P570, P571 and P576, which are known. May be repeated",
    ),
]
_Memory = Annotated[
    int,
    Opt(
        "--memory",
        min=500,
        help="MB of memory for the database. The rest goes to a temporary folder",
    ),
]


def graph_cli(
    triples: _Triples,
    outputs: _Outputs,
    report: _Report = None,
    threshold: _Threshold = 0.0,
    min_documents: _MinDocuments = 1,
    max_evidence: _MaxEvidence = 10,
    functional: _Functional = None,
    memory: _Memory = 1000,
    force: Force = False,
) -> None:
    """
    Merge the triples of all documents to one graph.

    Entities with the same linked id are one entity; without an id, entities with the same name and
    type. If documents contradict each other, e.g. with two dates of birth, the graph keeps all
    values, and the contradiction is reported.
    """
    from ..annotate.graph.formats import choose_format
    from ..annotate.graph.merge import FUNCTIONAL, MergeOptions, merge_triples
    from ..annotate.graph.triples import list_triples
    from ..pipeline.names import make_name_rules

    for output in outputs:
        with exit_on_error(f"Cannot write {output}"):
            choose_format(output)
    reports = [] if report is None else [report]
    refuse_existing([*outputs, *reports], force)
    with exit_on_error("Cannot read the triples"):
        files = list_triples(triples)
        if report is not None and report.resolve() in files:
            raise ValueError(f"{report} is both an input and the report. Name another report.")
    options = MergeOptions(
        threshold=threshold,
        min_documents=min_documents,
        max_evidence=max_evidence,
        functional=(*FUNCTIONAL, *(functional or ())),
    )
    with exit_on_error("Cannot merge the triples"), ExitStack() as stack:
        places = _open_outputs(stack, [*outputs, *reports])
        rules = make_name_rules()
        graph = stack.enter_context(merge_triples(files, rules, options, memory))
        _write(graph, outputs, report, places)
    names = ", ".join(map(str, [*outputs, *reports]))
    msg.good(f"Written: {names}")


def _open_outputs(stack: ExitStack, paths: List[Path]) -> Dict[Path, Path]:
    """Make a temporary place for each output, so that all outputs are written, or none."""
    from ..files import written_whole
    from ..folders import folder_written_whole

    folders = [path for path in paths if not path.suffix]
    places = dict(stack.enter_context(written_whole([p for p in paths if p not in folders])))
    places.update((path, stack.enter_context(folder_written_whole(path))) for path in folders)
    return places


def _write(
    graph: "MergedGraph", outputs: List[Path], report: Optional[Path], places: Dict[Path, Path]
) -> None:
    from ..annotate.graph.formats import choose_format, write_contradictions

    for output in outputs:
        choose_format(output).write(graph, places[output])
    if report is not None:
        write_contradictions(graph, places[report])
    counts = [f"{graph.count(of):,} {of}" for of in ("documents", "entities", "relations")]
    msg.info(", ".join(counts))
    if shared := graph.count("shared_ids"):
        msg.warn(
            f"{shared:,} ids are used by several documents with different texts",
            "The graph adds the file to such an id: 'id (file)'.",
        )
    if loops := graph.count("loops"):
        msg.warn(
            f"{loops:,} relations lead from an entity to itself: two entities with one name, or "
            "errors"
        )
    if number := graph.count("contradictions"):
        msg.warn(
            f"{number:,} contradictions", "" if report else "List all of them: --report FILE.jsonl"
        )
        for relations, _ in zip(graph.contradictions(), range(_MOST), strict=False):
            values = ", ".join(f"{item.tail.name} ({item.documents})" for item in relations)
            msg.text(f"{relations[0].head.name}, {relations[0].name}: {values}")
