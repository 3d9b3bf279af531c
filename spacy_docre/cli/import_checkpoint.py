"""`python -m spacy docre import-checkpoint`: import weights of the authors' code."""

from pathlib import Path
from typing import Annotated

from spacy.cli._util import Arg, Opt, import_code

from ._options import Code, Force, Lang, Names
from ._shared import exit_on_error, refuse_existing
from ._terminal import msg

_Checkpoint = Annotated[
    Path, Arg(metavar="STATE", help="State dict, a .pt file", exists=True, dir_okay=False)
]
_Output = Annotated[Path, Arg(metavar="OUT", help="Folder to write", file_okay=False)]
_Encoder = Annotated[
    str,
    Opt("--encoder", help="The encoder that it was trained from: a folder, or a name on the hub"),
]
_RelationIds = Annotated[
    Path, Opt("--rel2id", help="JSON file that numbers the relations", exists=True)
]
_Unpadded = Annotated[
    bool,
    Opt("--unpadded", help="Do not pad tables of pairs. The logits then differ from the original"),
]


def import_checkpoint_cli(
    checkpoint: _Checkpoint,
    output: _Output,
    encoder: _Encoder,
    relation_ids: _RelationIds,
    names_path: Names = None,
    lang: Lang = "en",
    unpadded: _Unpadded = False,
    code: Code = None,
    force: Force = False,
) -> None:
    """
    Make a pipeline from a checkpoint of the released code of KD-DocRE or ATLOP.

    The pipeline gives the logits of the original. Only weights are read from the file, and nothing
    in it is executed. Add a component that sets entities before the transformer, since the
    transformer puts markers around mentions.
    """
    from ..compat.pipeline import make_released_pipeline, read_relation_ids
    from ..data.docred import read_relation_names
    from ..folders import folder_written_whole

    refuse_existing([output], force)
    import_code(code)
    with exit_on_error(f"Cannot import {checkpoint}"):
        nlp = make_released_pipeline(
            checkpoint,
            encoder,
            read_relation_ids(relation_ids),
            names={} if names_path is None else read_relation_names(names_path),
            lang=lang,
            padded=not unpadded,
        )
        with folder_written_whole(output) as folder:
            nlp.to_disk(folder)
    msg.good(str(output))
