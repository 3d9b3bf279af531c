"""`python -m spacy docre graph`: one graph of all annotated documents."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Dict, List, Optional

from spacy.cli._util import Arg, Opt

from ._options import Force
from ._shared import exit_on_error, refuse_existing
from ._terminal import msg

if TYPE_CHECKING:
    from ..annotate.graph.merge import MergedGraph

# Contradictions that are shown.
_MOST = 10

_Triples = Annotated[
    List[Path], Arg(help=".jsonl or .parquet files of docre annotate, or folders of these")
]
_Outputs = Annotated[
    List[Path],
    Opt(
        *("--output", "-o"),
        help="File to write, whose ending names its format: .ttl, .nt, .jsonld, .graphml, "
        ".cypher, .csv or .html; without an ending, a folder that neo4j-admin imports. May be "
        "repeated",
    ),
]
_Report = Annotated[
    Optional[Path],
    Opt("--report", "-r", help="JSONL file of contradictions to write", dir_okay=False),
]
_Threshold = Annotated[
    float, Opt("--threshold", "-t", min=0, max=1, help="Leave out relations of a lower probability")
]
_MinDocuments = Annotated[
    int,
    Opt(
        *("--min-documents", "-m"),
        min=1,
        help="Leave out relations, and entities without any, that fewer documents have",
    ),
]
_MaxEvidence = Annotated[
    int, Opt("--max-evidence", min=1, help="Documents whose evidence is kept with a relation")
]
_Functional = Annotated[
    Optional[List[str]],
    Opt(
        "--functional",
        help="Label of another relation that has one value by nature, besides P19, P20, P22, P25, "
        "P569, P570, P571 and P576. May be repeated",
    ),
]
_Memory = Annotated[
    int,
    Opt("--memory", min=500, help="MB of the database in memory; it goes on in a temporary folder"),
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

    Entities are the same that share their linked id, else name and type. Where documents
    contradict each other, as with two dates of birth, all of it is in the graph, and reported.
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
            raise ValueError(f"{report} is both triples and report. Name another report.")
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
    """Where to write each, so that all are there in the end, or none."""
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
            f"{shared:,} ids are those of several documents, whose texts differ",
            "They are told apart by their files, as in 'id (file)'.",
        )
    if loops := graph.count("loops"):
        msg.warn(f"{loops:,} relations lead from an entity to itself: two of one name, or an error")
    if number := graph.count("contradictions"):
        msg.warn(f"{number:,} contradictions", "" if report else "All of them: --report FILE.jsonl")
        for relations, _ in zip(graph.contradictions(), range(_MOST), strict=False):
            values = ", ".join(f"{item.tail.name} ({item.documents})" for item in relations)
            msg.text(f"{relations[0].head.name}, {relations[0].name}: {values}")
