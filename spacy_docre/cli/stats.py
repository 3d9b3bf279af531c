"""`python -m spacy docre stats`: what data sets hold."""

from pathlib import Path
from typing import Annotated, Dict, List, Optional, Union

import srsly
from spacy.cli._util import Arg, Opt
from spacy.vocab import Vocab
from wasabi import msg

from ..data.corpus_files import read_documents
from ..data.stats import Stats
from ..files import written_whole

Figures = Dict[str, Union[int, float]]


def stats_cli(
    data: Annotated[
        List[Path], Arg(help=".spacy files, folders of them, or .json as of DocRED", exists=True)
    ],
    output: Annotated[
        Optional[Path], Opt("--output", "-o", help="JSON file to write", dir_okay=False)
    ] = None,
) -> None:
    """
    Print statistics of annotated documents, a column for each data set.

    The distance of a relation is the number of sentences between the nearest mentions of head
    and tail; it takes two hops where they share no sentence, and each shares one with the
    same third entity.
    """
    columns: Dict[str, Figures] = {}
    for path in data:
        try:
            columns[str(path)] = _survey(path).to_dict()
        except (OSError, ValueError) as error:
            msg.fail(f"Cannot read {path}", error, exits=1)
    names = list(next(iter(columns.values())))
    msg.table(
        [(name, *(_written(figures[name]) for figures in columns.values())) for name in names],
        header=("", *columns),
        aligns=("l", *("r" for _ in columns)),
        max_col=60,
    )
    if output is not None:
        try:
            with written_whole([output]) as written:
                srsly.write_json(written[output], columns)
        except OSError as error:
            msg.fail(f"Cannot write {output}", error, exits=1)


def _survey(path: Path) -> Stats:
    stats = Stats()
    for doc in read_documents(path, Vocab()):
        stats.add(doc)
    return stats


def _written(figure: Union[int, float]) -> str:
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:.3f}"
