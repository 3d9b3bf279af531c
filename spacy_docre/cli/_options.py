"""Arguments and options of several commands: one name and one help text for each."""

from pathlib import Path
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt

Model = Annotated[str, Arg(help="The pipeline: a package or a folder")]
DocsWithEntities = Annotated[
    Path,
    Arg(metavar="DOCS", help="A .spacy file with entities, or a folder of them", exists=True),
]
Gold = Annotated[
    Path,
    Arg(
        metavar="GOLD",
        help="The annotated documents: DocRED's .json, a .spacy file, or a folder of .spacy files",
        exists=True,
    ),
]
FindEntities = Annotated[
    bool,
    Opt("--find-entities", "-e", help="Let the pipeline find the entities. The default is GOLD's"),
]
Threshold = Annotated[
    Optional[float],
    Opt(
        *("--threshold", "-t"),
        min=0,
        max=1,
        help="Annotate relations above this probability. The default is the pipeline's threshold",
    ),
]
BatchSize = Annotated[int, Opt("--batch-size", "-b", min=1, help="Number of documents in a batch")]
# Both long names are in use. --gpu-id is spaCy's, and comes first in the help.
Gpu = Annotated[
    int, Opt("--gpu-id", "--device", "-g", min=-1, help="Number of the GPU, -1 for the CPU")
]
CODE_HELP = "Python file with registered functions"
Code = Annotated[Optional[Path], Opt("--code", "-c", help=CODE_HELP)]
Names = Annotated[
    Optional[Path],
    Opt(
        *("--names", "-n"),
        help='JSON file with readable names of the relations: {"P19": "place of birth"} or '
        '{"P19": {"name": "place of birth"}}',
        exists=True,
        dir_okay=False,
    ),
]
Lang = Annotated[str, Opt("--lang", "-l", help="Language of the texts")]
Force = Annotated[bool, Opt("--force", "-F", help="Overwrite the output")]
StartOver = Annotated[
    bool, Opt("--force", "-F", help="Start over if the output is from another model or config")
]
