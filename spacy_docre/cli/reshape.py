"""`python -m spacy docre reshape`: cut documents into passages, join documents, and list names."""

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
        help="Number of passages of one sentence from each document, and the same number of "
        "passages of two to four sentences",
    ),
]
_Joins = Annotated[
    int, Opt("--joins", min=0, help="How often each document is joined with one or two others")
]
_Lists = Annotated[
    int,
    Opt("--lists", min=0, help="Number of lists of names, for all documents together"),
]
_Seed = Annotated[
    int, Opt("--seed", help="Random seed for the choice of passages, joins and lists")
]


def reshape_cli(
    data: DocsWithEntities,
    output: _Output,
    cuts: _Cuts = 1,
    joins: _Joins = 1,
    lists: _Lists = 0,
    seed: _Seed = 0,
    force: Force = False,
) -> None:
    """
    Make short and long documents, and lists, from annotated documents, as further training data.

    A cut is a passage with two entities or more. It has the relations whose evidence is in the
    passage. Other relations between its entities are unknown, so that its relations are partial.
    A join is two or three documents in sequence, without relations between them.
    A list has names of several documents. Its relations are not annotated.
    """
    from ..data.corpus_files import read_spacy_docs, write_docs
    from ..data.name_lists import make_lists
    from ..data.shapes import choose_cuts, choose_joins
    from ..entity_sources import gold_entities_or_none

    if not cuts and not joins and not lists:
        raise typer.BadParameter("--cuts, --joins and --lists are all 0. Set one of them.")
    if output.suffix != FILE_TYPE:
        raise typer.BadParameter(f"OUT should be a file with the ending {FILE_TYPE}.")
    refuse_output_within(data, output)
    refuse_existing([output], force)
    choice = Random(seed)
    with exit_on_error(f"Cannot reshape {data}"):
        found = list(read_spacy_docs(data, Vocab()))
        docs = [doc for doc in found if len(doc) and gold_entities_or_none(doc) is not None]
        passages = [passage for doc in docs for passage in choose_cuts(doc, cuts, choice)]
        joined = list(choose_joins(docs, joins, choice))
        listed = list(make_lists(docs, lists, choice))
        counts = write_docs({output: [*passages, *joined, *listed]})[output]
    msg.good(
        f"{output}: {len(passages)} cuts, {len(joined)} joins and {len(listed)} lists of "
        f"{len(docs)} documents. {counts.partial} of the new documents have partial relations"
    )
    if len(docs) < len(found):
        msg.warn(
            f"{len(found) - len(docs)} documents are left out, as they have no entities",
            "Set doc.ents or the span group 'entities' in them first.",
        )
    if cuts and not passages:
        msg.warn(
            "No passage with two entities is shorter than its document",
            "Cuts need sentence boundaries, e.g. from a 'senter' or 'sentencizer'.",
        )
    if lists and not listed:
        msg.warn(
            "No list is made, as no mention has a label",
            "Lists need labels, e.g. from the spans of doc.ents.",
        )
