"""Arguments and options that several commands have: one name and one help text for each."""

from pathlib import Path
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt

Model = Annotated[str, Arg(help="The pipeline: a package or a folder")]
DocsWithEntities = Annotated[
    Path,
    Arg(metavar="DOCS", help=".spacy file, or folder of .spacy files, with entities", exists=True),
]
Gold = Annotated[
    Path,
    Arg(
        metavar="GOLD",
        help="The annotated documents: DocRED's .json, .spacy, or a folder of .spacy files",
        exists=True,
    ),
]
FindEntities = Annotated[
    bool, Opt("--find-entities", "-e", help="Let the pipeline find the entities, instead of GOLD's")
]
Threshold = Annotated[
    Optional[float],
    Opt(
        *("--threshold", "-t"),
        min=0,
        max=1,
        help="Annotate relations of a higher probability, instead of the pipeline's own threshold",
    ),
]
BatchSize = Annotated[int, Opt("--batch-size", "-b", min=1, help="Documents in a batch")]
# Both long names have been in use: --gpu-id is spaCy's, and stands first in the help.
Gpu = Annotated[
    int, Opt("--gpu-id", "--device", "-g", min=-1, help="Number of the GPU, -1 for the CPU")
]
CODE_HELP = "Python file with registered functions"
Code = Annotated[Optional[Path], Opt("--code", "-c", help=CODE_HELP)]
Names = Annotated[
    Optional[Path],
    Opt(
        *("--names", "-n"),
        help='JSON file of readable names of the relations: {"P19": "place of birth"}, or '
        '{"P19": {"name": "place of birth"}}',
        exists=True,
        dir_okay=False,
    ),
]
Lang = Annotated[str, Opt("--lang", "-l", help="Language of the texts")]
Force = Annotated[bool, Opt("--force", "-F", help="Overwrite the output")]
StartOver = Annotated[
    bool, Opt("--force", "-F", help="Start over where the output is of another model or config")
]
