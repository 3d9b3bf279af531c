"""`python -m spacy docre reshape`: documents cut into passages, and joined to long ones."""

from pathlib import Path
from random import Random
from typing import Annotated

import typer
from spacy.cli._util import Arg, Opt
from spacy.training.corpus import FILE_TYPE
from spacy.vocab import Vocab

from ._options import DocsWithEntities, Force
from ._shared import exit_on_error, refuse_existing, refuse_output_within
from ._terminal import msg

_Output = Annotated[Path, Arg(metavar="OUT", help="The .spacy file to write", dir_okay=False)]
_Cuts = Annotated[
    int,
    Opt(
        "--cuts",
        min=0,
        help="Passages of one sentence, and as many of two to four, out of each document",
    ),
]
_Joins = Annotated[
    int, Opt("--joins", min=0, help="How often each document is joined with one to four others")
]
_Seed = Annotated[int, Opt("--seed", help="Chooses the passages, and which documents are joined")]


def reshape_cli(
    data: DocsWithEntities,
    output: _Output,
    cuts: _Cuts = 1,
    joins: _Joins = 1,
    seed: _Seed = 0,
    force: Force = False,
) -> None:
    """
    Make shorter and longer documents of annotated ones, to train on beside them.

    A cut is a passage with two entities or more. It has the relations whose evidence is in it; of
    others between its entities nobody knows whether it tells them, and its relations are partial.
    A join is two or three documents one after the other, with no relation between them.
    """
    from ..data.corpus_files import read_spacy_docs, write_docs
    from ..data.shapes import choose_cuts, choose_joins
    from ..entity_sources import gold_entities_or_none

    if not cuts and not joins:
        raise typer.BadParameter("Nothing is to be made: set --cuts or --joins.")
    if output.suffix != FILE_TYPE:
        raise typer.BadParameter(f"OUT is a file, and ends in {FILE_TYPE}.")
    refuse_output_within(data, output)
    refuse_existing([output], force)
    choice = Random(seed)
    with exit_on_error(f"Cannot reshape {data}"):
        found = list(read_spacy_docs(data, Vocab()))
        docs = [doc for doc in found if len(doc) and gold_entities_or_none(doc) is not None]
        passages = [passage for doc in docs for passage in choose_cuts(doc, cuts, choice)]
        joined = list(choose_joins(docs, joins, choice))
        counts = write_docs({output: [*passages, *joined]})[output]
    msg.good(
        f"{output}: {len(passages)} cuts and {len(joined)} joins of {len(docs)} documents; the "
        f"relations of {counts.partial} are partial"
    )
    if len(docs) < len(found):
        msg.warn(
            f"{len(found) - len(docs)} documents have no entities, and are left out",
            "Set doc.ents or the span group 'entities' in them first.",
        )
    if cuts and not passages:
        msg.warn(
            "There is no passage with two entities that is shorter than its document",
            "Sentence boundaries are needed, e.g. of a 'senter' or 'sentencizer'.",
        )
