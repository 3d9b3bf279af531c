"""Reports of an evaluation, as Markdown and as an HTML page."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Dict, Iterator, List, Literal, Mapping, Optional, Sequence

from spacy.tokens import Doc
from wasabi import MarkdownRenderer

from ..annotations import Triple, set_relations
from ..data.sentences import sentences_by_number
from ..display.options import Options
from ..display.render import fill_template
from ..display.view import DocumentView, view_document
from . import charts
from .errors import ErrorClass, Outcome
from .evaluation import Evaluation
from .tables import ERRORS, Table, relation_title, summary, tables, to_annotate


@dataclass(frozen=True)
class DocumentLink:
    """A document that has errors of a class.

    index (int): Its index among the documents of the page.
    title (str): Its title.
    number (int): The number of its errors of the class.
    """

    index: int
    title: str
    number: int


def to_markdown(
    title: str,
    evaluation: Evaluation,
    names: Mapping[str, str],
    comparison: Optional[Table] = None,
) -> str:
    """Write a report in Markdown.

    title (str): Its title.
    evaluation (Evaluation): The evaluation.
    names (Mapping[str, str]): Readable names of relations, by label.
    comparison (Optional[Table]): The comparison with another model.
    RETURNS (str): The report.
    """
    report = MarkdownRenderer()
    report.add(report.title(1, title))
    for table in _all_tables(evaluation, names, comparison):
        _add_table(report, table)
    report.add(_escape(_advice(evaluation, names)))
    return report.text + "\n"


def table_to_markdown(table: Table) -> str:
    """Write a table in Markdown.

    table (Table): The table.
    RETURNS (str): The table under its title, with its note.
    """
    report = MarkdownRenderer()
    _add_table(report, table)
    return report.text + "\n"


def table_to_page(table: Table) -> str:
    """Write a table as an HTML page. The page needs no network.

    table (Table): The table.
    RETURNS (str): The HTML.
    """
    return fill_template("comparison.html", table=table)


def _add_table(report: MarkdownRenderer, table: Table) -> None:
    report.add(report.title(2, table.title))
    rest: List[Literal["r"]] = ["r" for _ in table.header[1:]]
    rows = [[_escape(cell) for cell in row] for row in table.rows]
    report.add(report.table(rows, table.header, ["l", *rest]))
    if table.note:
        report.add(table.note)


def _escape(cell: str) -> str:
    """Escape text for Markdown, also within a table."""
    return " ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;")


def to_page(
    title: str,
    evaluation: Evaluation,
    docs: Mapping[str, Doc],
    names: Mapping[str, str],
    comparison: Optional[Table] = None,
    limit: int = 0,
) -> str:
    """Write a report as an HTML page. The page needs no network.

    title (str): Its title.
    evaluation (Evaluation): The evaluation.
    docs (Mapping[str, Doc]): The gold documents, by title.
    names (Mapping[str, str]): Readable names of relations, by label.
    comparison (Optional[Table]): The comparison with another model.
    limit (int): The number of documents to show, those with most errors; 0 for all with errors.
    RETURNS (str): The HTML.
    """
    by_document: Dict[str, List[Outcome]] = defaultdict(list)
    num_nowhere = 0
    for outcome in evaluation.outcomes:
        if not evaluation.has_pair(outcome.triple):
            num_nowhere += 1
        elif outcome.kind is not ErrorClass.correct:
            by_document[outcome.triple.document].append(outcome)
    most_errors_first = sorted(by_document, key=lambda name: -len(by_document[name]))
    shown = {name: by_document[name] for name in most_errors_first[: limit or None]}
    return fill_template(
        "report.html",
        title=title,
        advice=_advice(evaluation, names),
        tables=list(_all_tables(evaluation, names, comparison)),
        num_first=1 if comparison is None else 2,
        script=charts.script(),
        charts=charts.draw(evaluation, names),
        links={kind.value: _links(kind, shown) for kind in ERRORS},
        error_titles={kind.value: title for kind, title in ERRORS.items()},
        num_nowhere=num_nowhere,
        noun="errors",
        has_scores=evaluation.has_scores,
        has_graph=False,
        num_with_errors=len(by_document),
        documents=[_view(docs[name], errors, evaluation, names) for name, errors in shown.items()],
    )


def _all_tables(
    evaluation: Evaluation, names: Mapping[str, str], comparison: Optional[Table]
) -> Iterator[Table]:
    yield summary(evaluation)
    if comparison is not None:
        yield comparison
    yield from tables(evaluation, names)


def _advice(evaluation: Evaluation, names: Mapping[str, str]) -> str:
    labels = to_annotate(evaluation.metrics)
    if not labels:
        return "There are no errors in the relations of gold."
    scores = evaluation.metrics["rel_per_type"]
    listed = "; ".join(
        f"{relation_title(label, names)}, F1 {100 * scores[label]['f']:.0f}, "
        f"{scores[label]['missed']:,} not found, {scores[label]['spurious']:,} not gold"
        for label in labels
    )
    return (
        f"Annotate more of: {listed}. Of the relations whose F1 is not above the overall F1 "
        f"({100 * evaluation.metrics['rel_f']:.0f}), these have the most errors."
    )


def _links(kind: ErrorClass, by_document: Mapping[str, Sequence[Outcome]]) -> List[DocumentLink]:
    """The documents that have errors of a class, most errors first."""
    links = [
        DocumentLink(index, title, sum(outcome.kind is kind for outcome in outcomes))
        for index, (title, outcomes) in enumerate(by_document.items())
    ]
    return sorted((link for link in links if link.number), key=lambda link: -link.number)


def _view(
    doc: Doc, errors: Sequence[Outcome], evaluation: Evaluation, names: Mapping[str, str]
) -> DocumentView:
    """A document with its errors instead of its relations."""
    title = errors[0].triple.document
    shown = doc.copy()
    # The copy gets its own dictionary: the document itself keeps its relations.
    shown.user_data = dict(doc.user_data)
    sentences = sentences_by_number(doc)
    triples = []
    for error in errors:
        evidence = evaluation.documents[title].triples[error.gold] if error.gold else ()
        triples.append(
            Triple(
                error.triple.head,
                error.triple.tail,
                error.triple.label,
                score=evaluation.score(error.triple) or 0.0,
                name=_describe(error, names),
                evidence=tuple(
                    (sentences[number].start, sentences[number].end) for number in sorted(evidence)
                ),
            )
        )
    set_relations(shown, triples)
    return view_document(shown, title, Options())


def _describe(error: Outcome, names: Mapping[str, str]) -> str:
    """Describe an error. The description begins with the title of the error's class."""
    described = f"{ERRORS[error.kind]}: {names.get(error.triple.label, error.triple.label)}"
    if error.kind is ErrorClass.wrong and error.gold:
        described += f", not {names.get(error.gold.label, error.gold.label)}"
    return described
