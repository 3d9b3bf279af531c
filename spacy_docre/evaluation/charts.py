"""The charts of a report, made with Plotly."""

import html
from typing import Any, Dict, List, Mapping

from ..extras import import_extra
from .calibration import BINS, Reliability
from .errors import ErrorClass
from .evaluation import Evaluation, Metrics
from .tables import ERRORS, GROUPS, most_errors_first, relation_title

_COLORS = {
    ErrorClass.correct: "#10b981",
    ErrorClass.wrong: "#8b5cf6",
    ErrorClass.missed: "#f59e0b",
    ErrorClass.spurious: "#ef4444",
}
# The height of a bar in the chart of relations, and of the space around the bars, in pixels.
_BAR = 18
_AROUND = 160
_LEGEND: Dict[str, Any] = {"orientation": "h", "traceorder": "normal"}
# The largest number of points of a curve: with more points it looks the same.
_POINTS = 500
# The threshold class TH has this probability (eq. 9).
_TH = 0.5


def script() -> str:
    """Return Plotly's own script, so that the page needs no network.

    RETURNS (str): The script.
    """
    script: str = import_extra("plotly.offline").get_plotlyjs()
    return script


def draw(evaluation: Evaluation, names: Mapping[str, str]) -> Dict[str, str]:
    """Draw the charts.

    evaluation (Evaluation): The evaluation.
    names (Mapping[str, str]): Readable names of relations, by label.
    RETURNS (Dict[str, str]): The HTML of each chart, by its name.
    """
    metrics = evaluation.metrics
    charts = {"relations": _draw_relations(metrics, names)}
    if evaluation.curve is not None and len(evaluation.curve.thresholds):
        charts["curve"] = _draw_curve(evaluation)
    if evaluation.reliability is not None:
        charts["reliability"] = _draw_reliability(evaluation.reliability)
    charts["errors"] = _draw_errors(metrics)
    for key, title in GROUPS.items():
        if metrics[key]:
            charts[key.replace("_", "-")] = _draw_group(metrics[key], title)
    return charts


def _draw_relations(metrics: Metrics, names: Mapping[str, str]) -> str:
    """The numbers of correct, missed and spurious triples, as a bar for each relation."""
    plotly = import_extra("plotly.graph_objects")

    scores = metrics["rel_per_type"]
    labels = most_errors_first(scores)
    # Plotly reads markup in names.
    titles = [html.escape(relation_title(label, names)) for label in labels]
    hover = [
        f"P {scores[label]['p']:.1%}, R {scores[label]['r']:.1%}, F1 {scores[label]['f']:.1%}, "
        f"{scores[label]['gold']} gold"
        for label in labels
    ]
    bars = [
        plotly.Bar(
            name=title,
            x=[scores[label][kind.name] for label in labels],
            y=titles,
            orientation="h",
            marker_color=_COLORS[kind],
            customdata=hover,
            hovertemplate="%{y}: %{x} " + title + "<br>%{customdata}<extra></extra>",
        )
        # Errors first, so that they all start at zero.
        for kind, title in (
            (ErrorClass.missed, "not found"),
            (ErrorClass.spurious, "not gold"),
            (ErrorClass.correct, "correct"),
        )
    ]
    bars_height = _BAR * max(len(labels), 4)
    layout: Dict[str, Any] = {
        "barmode": "stack",
        "xaxis": {"side": "top"},
        "yaxis": {"autorange": "reversed", "dtick": 1, "automargin": True},
        # Above the numbers of the axis.
        "legend": {**_LEGEND, "yanchor": "bottom", "y": 1 + 24 / bars_height},
        "margin": {"t": 100},
    }
    title = "Triples of each relation, most errors first"
    return _html(bars, title, height=_AROUND + bars_height, **layout)


def _draw_curve(evaluation: Evaluation) -> str:
    """Precision and recall over the threshold."""
    import numpy

    plotly = import_extra("plotly.graph_objects")

    curve = evaluation.curve
    assert curve is not None
    shown = numpy.unique(
        numpy.linspace(0, len(curve.thresholds) - 1, _POINTS).round().astype("int64")
    )
    line = plotly.Scatter(
        name="threshold",
        x=curve.recall[shown],
        y=curve.precision[shown],
        customdata=numpy.stack([curve.thresholds, curve.fscore], axis=1)[shown],
        mode="lines",
        line_color="#2563eb",
        hovertemplate="P > %{customdata[0]:.3f}<br>precision %{y:.1%}, recall %{x:.1%}, "
        "F1 %{customdata[1]:.1%}<extra></extra>",
    )
    traces = [line]
    above_th = int((curve.scores > _TH).sum())
    if above_th:
        traces.append(
            _draw_point(
                "TH (P > 0.5)", curve.recall[above_th - 1], curve.precision[above_th - 1], "x"
            )
        )
    metrics = evaluation.metrics
    traces.append(_draw_point("these answers", metrics["rel_r"], metrics["rel_p"], "circle"))
    best = int(curve.fscore.argmax())
    traces.append(
        _draw_point(
            f"best F1 (P > {curve.thresholds[best]:.2f})",
            curve.recall[best],
            curve.precision[best],
            "star",
        )
    )
    return _html(
        traces,
        "Precision and recall over the threshold",
        xaxis={"title": "recall", "range": [0, 1], "tickformat": ".0%"},
        yaxis={"title": "precision", "range": [0, 1.02], "tickformat": ".0%"},
        legend={**_LEGEND, "yanchor": "top", "y": -0.2},
    )


def _draw_reliability(reliability: Reliability) -> str:
    """How often triples with a score are right."""
    plotly = import_extra("plotly.graph_objects")

    bars = plotly.Bar(
        name="right",
        x=reliability.scores,
        y=reliability.correct,
        customdata=reliability.counts,
        width=0.8 / BINS,
        marker_color="#2563eb",
        hovertemplate="score %{x:.2f}: %{y:.1%} of %{customdata} are right<extra></extra>",
    )
    line = plotly.Scatter(
        name="believable",
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": "#94a3b8", "dash": "dot"},
    )
    return _html(
        [bars, line],
        f"Right triples by score (calibration error {reliability.error:.3f})",
        xaxis={"title": "score", "range": [0, 1]},
        yaxis={"title": "right", "range": [0, 1.02], "tickformat": ".0%"},
        legend={**_LEGEND, "yanchor": "top", "y": -0.2},
    )


def _draw_point(name: str, recall: float, precision: float, symbol: str) -> Any:
    plotly = import_extra("plotly.graph_objects")

    return plotly.Scatter(
        name=name,
        x=[recall],
        y=[precision],
        mode="markers",
        marker={"size": 12, "symbol": symbol},
        hovertemplate=f"{name}<br>precision %{{y:.1%}}, recall %{{x:.1%}}<extra></extra>",
    )


def _draw_errors(metrics: Metrics) -> str:
    """The error distribution."""
    plotly = import_extra("plotly.graph_objects")

    counts = [metrics["errors"][kind.value] for kind in ERRORS]
    bar = plotly.Bar(
        x=[f"{kind.value}: {title}" for kind, title in ERRORS.items()],
        y=counts,
        text=counts,
        marker_color=[_COLORS[kind] for kind in ERRORS],
        hovertemplate="%{x}: %{y}<extra></extra>",
    )
    return _html([bar], "Error distribution", yaxis_title="triples")


def _draw_group(scores: Metrics, title: str) -> str:
    """F1 of groups of triples."""
    plotly = import_extra("plotly.graph_objects")

    bar = plotly.Bar(
        x=list(scores),
        y=[score["f"] for score in scores.values()],
        text=[f"{score['f']:.0%}" for score in scores.values()],
        customdata=[[score["p"], score["r"], score["gold"]] for score in scores.values()],
        marker_color="#2563eb",
        hovertemplate="%{x}: F1 %{y:.1%}<br>P %{customdata[0]:.1%}, R %{customdata[1]:.1%}, "
        "%{customdata[2]} gold<extra></extra>",
    )
    return _html(
        [bar],
        f"F1 by {title[0].lower()}{title[1:]}",
        xaxis={"title": title, "type": "category"},
        yaxis={"title": "F1", "tickformat": ".0%", "rangemode": "tozero"},
    )


def _html(traces: List[Any], title: str, *, height: int = 380, **layout: Any) -> str:
    plotly = import_extra("plotly.graph_objects")

    margin = {"l": 60, "r": 20, "t": 60, "b": 50, **layout.pop("margin", {})}
    figure = plotly.Figure(traces)
    figure.update_layout(
        title={"text": title, "y": 1, "yanchor": "top", "pad": {"t": 16}},
        height=height,
        margin=margin,
        template="plotly_white",
        # Transparent: the page's script sets the other colours, for light and dark.
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        **layout,
    )
    return figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"displayModeBar": False, "responsive": True},
    )
