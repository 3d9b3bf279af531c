"""`python -m spacy docre stats`: print statistics of data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Dict, List, Optional

import srsly
from spacy.cli._util import Arg, Opt
from spacy.vocab import Vocab

from ._options import Force
from ._shared import exit_on_error, refuse_existing
from ._terminal import msg

if TYPE_CHECKING:
    from ..data.stats import Figure

_DataSets = Annotated[
    List[Path], Arg(help=".spacy files, folders of them, or DocRED's .json", exists=True)
]
_Output = Annotated[
    Optional[Path], Opt("--output", "-o", help="JSON file to write", dir_okay=False)
]


def stats_cli(data: _DataSets, output: _Output = None, force: Force = False) -> None:
    """
    Print statistics of annotated documents, with a column for each data set.

    The distance of a relation is the number of sentences between the nearest mentions of head
    and tail. A relation takes two hops if head and tail share no sentence, but each shares a
    sentence with the same third entity.
    """
    from ..files import written_whole

    refuse_existing([] if output is None else [output], force)
    columns: "Dict[str, Dict[str, Figure]]" = {}
    for path in data:
        with exit_on_error(f"Cannot read {path}"):
            columns[str(path)] = _survey(path)
    names = list(next(iter(columns.values())))
    msg.table(
        [(name, *(_written(column[name]) for column in columns.values())) for name in names],
        header=("", *columns),
        aligns=("l", *("r" for _ in columns)),
        max_col=60,
    )
    if output is not None:
        with exit_on_error(f"Cannot write {output}"), written_whole([output]) as written:
            srsly.write_json(written[output], columns)


def _survey(path: Path) -> "Dict[str, Figure]":
    from ..data.corpus_files import read_docs
    from ..data.stats import Stats

    stats = Stats()
    for doc in read_docs(path, Vocab()):
        stats.add(doc)
    return stats.to_dict()


def _written(figure: "Figure") -> str:
    if figure is None:
        return "–"
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:.3f}"
