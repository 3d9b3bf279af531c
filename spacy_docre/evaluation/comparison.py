"""Tables of systems: their scores over seeds, beside the scores that a paper reports."""

import csv
import io
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .bootstrap import CONFIDENCE, RESAMPLES, Interval, seeds_bootstrap
from .evaluation import Evaluation
from .tables import Table

# Factors of metrics that are not fractions. Fractions are shown in per cent.
_UNITS = {"minutes": 1, "parameters": 1e-6}


@dataclass(frozen=True)
class SystemScores:
    """A row: the trainings of a system that differ only in the seed.

    label (str): Its name.
    metrics (List[Dict[str, Any]]): The metrics of each training, as fractions.
    evaluations (List[Evaluation]): Their evaluations, on the same documents.
    paper (Dict[str, float]): The scores that a paper reports, in per cent, by metric.
    reference (Optional[str]): The label of the row to compare with.
    """

    label: str
    metrics: List[Dict[str, Any]]
    evaluations: List[Evaluation]
    paper: Mapping[str, float]
    reference: Optional[str] = None


def difference(ours: SystemScores, theirs: SystemScores) -> Interval:
    """Compute how much better one system is than another in F1.

    ours (SystemScores): The one system.
    theirs (SystemScores): The other system, on the same documents.
    RETURNS (Interval): The difference of their mean F1.
    """
    every = [*ours.evaluations, *theirs.evaluations]
    titles = sorted({title for evaluation in every for title in evaluation.unknown_titles})
    first, second = (
        [evaluation.counts(titles) for evaluation in system.evaluations]
        for system in (ours, theirs)
    )
    return seeds_bootstrap(first, second)["rel_f"]


def make_table(title: str, columns: Mapping[str, str], systems: Sequence[SystemScores]) -> Table:
    """Put systems into one table, in the given order.

    title (str): The title of the table.
    columns (Mapping[str, str]): The names of the columns, by metric.
    systems (Sequence[SystemScores]): The systems.
    RETURNS (Table): The table: means and standard deviations over seeds, in per cent. The paper's
        scores follow each column that a paper reports.
    """
    by_label = {system.label: system for system in systems}
    reported = [name for name in columns if any(name in system.paper for system in systems)]
    compared = any(system.reference for system in systems)
    header = ["system", "seeds"]
    for name, column in columns.items():
        header += [column, f"{column}, paper"] if name in reported else [column]
    if compared:
        header += ["difference in F1", f"{CONFIDENCE:.0%} interval"]
    rows = []
    for system in systems:
        cells = [system.label, str(len(system.metrics))]
        for name in columns:
            cells.append(_spread(name, [_find(metrics, name) for metrics in system.metrics]))
            if name in reported:
                cells.append(f"{system.paper[name]:.1f}" if name in system.paper else "")
        if compared:
            other = by_label.get(system.reference or "")
            cells += ["", ""] if other is None else _format(difference(system, other))
        rows.append(cells)
    note = "Scores in per cent, mean ± standard deviation over seeds."
    if compared:
        note += (
            f" Differences are to the reference; intervals by bootstrap over documents and "
            f"trainings, {RESAMPLES:,} resamples."
        )
    return Table(title, header, rows, note)


def to_csv(table: Table) -> str:
    """Write a table as CSV.

    table (Table): The table.
    RETURNS (str): The text.
    """
    written = io.StringIO()
    csv.writer(written).writerows([table.header, *table.rows])
    return written.getvalue()


def _find(metrics: Mapping[str, Any], name: str) -> Optional[float]:
    """A metric, or a metric in a group of metrics, e.g. "error_shares.W"."""
    found: Any = metrics
    for part in name.split("."):
        found = (found or {}).get(part)
    return None if found is None else float(found)


def _format(interval: Interval) -> List[str]:
    low, high = 100 * interval.low, 100 * interval.high
    return [f"{100 * interval.value:+.1f}", f"{low:+.1f} to {high:+.1f}"]


def _spread(name: str, scores: Sequence[Optional[float]]) -> str:
    values = [_UNITS.get(name, 100) * score for score in scores if score is not None]
    if not values:
        return "–"
    deviation = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{deviation}"
