"""`python -m spacy docre import-checkpoint`: weights of the authors' code to a pipeline."""

from pathlib import Path
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt
from wasabi import msg

from ..data.docred import read_relation_names
from ._shared import refuse_existing


def import_checkpoint_cli(
    checkpoint: Annotated[
        Path, Arg(metavar="STATE", help="State dict, a .pt file", exists=True, dir_okay=False)
    ],
    output: Annotated[Path, Arg(metavar="OUT", help="Folder to write", file_okay=False)],
    encoder: Annotated[
        str, Opt("--encoder", help="The encoder that it was trained from: a folder, or on the hub")
    ],
    relation_ids: Annotated[
        Path, Opt("--rel2id", help="JSON file that numbers the relations", exists=True)
    ],
    names_path: Annotated[
        Optional[Path],
        Opt("--names", "-n", help="Readable names of the relations, as JSON", exists=True),
    ] = None,
    lang: Annotated[str, Opt("--lang", "-l", help="Language of the pipeline")] = "en",
    unpadded: Annotated[
        bool,
        Opt("--unpadded", help="Do not pad tables of pairs as the original does; logits differ"),
    ] = False,
    force: Annotated[bool, Opt("--force", "-F", help="Overwrite the output")] = False,
) -> None:
    """
    Make a pipeline of a checkpoint of KD-DocRE's released code, or of ATLOP's.

    The pipeline gives the logits of the original. The file is read as weights alone: nothing in
    it is executed. What sets entities has to stand before the transformer, which puts markers
    around mentions.
    """
    # It brings torch into every spaCy command, which all load this package.
    from ..compat.pipeline import make_released_pipeline, read_relation_ids

    refuse_existing([output], force)
    try:
        names = {} if names_path is None else read_relation_names(names_path)
        nlp = make_released_pipeline(
            checkpoint,
            encoder,
            read_relation_ids(relation_ids),
            names=names,
            lang=lang,
            padded=not unpadded,
        )
        nlp.to_disk(output)
    except (OSError, ValueError) as error:
        msg.fail(f"Cannot import {checkpoint}", error, exits=1)
    msg.good(str(output))
