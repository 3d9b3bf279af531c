"""`python -m spacy docre train`: spacy train, which goes on where it stopped."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from spacy.cli._util import (
    Arg,
    Opt,
    import_code,
    parse_config_overrides,
    setup_gpu,
    show_validation_error,
)
from spacy.training.initialize import init_nlp
from spacy.util import load_config
from wasabi import msg


def train_cli(
    ctx: typer.Context,
    config_path: Annotated[
        Path, Arg(metavar="CONFIG", help="The config", exists=True, dir_okay=False)
    ],
    output: Annotated[
        Path, Opt("--output", "-o", help="Folder for the pipeline and checkpoints", file_okay=False)
    ],
    code_path: Annotated[
        Optional[Path], Opt("--code", "-c", help="Python file with registered functions")
    ] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help="GPU, or -1 for the processor")] = -1,
    force: Annotated[
        bool,
        Opt("--force", "-F", help="Begin anew where the output holds another training"),
    ] = False,
) -> None:
    """
    Train a pipeline as 'spacy train' does, and go on where a training was broken off.

    A checkpoint is written after each evaluation: started again with the same config and
    output, the training goes on from there, and ends as it would have. Settings can be
    overridden, e.g. --paths.train corpus/train.spacy
    """
    # It brings torch into every spaCy command, which all load this package.
    from ..training.loop import train

    overrides = parse_config_overrides(ctx.args)
    import_code(code_path)
    setup_gpu(use_gpu)
    with show_validation_error(config_path):
        config = load_config(config_path, overrides=overrides, interpolate=False)
    msg.divider("Initializing pipeline")
    try:
        with show_validation_error(config_path, hint_fill=False):
            nlp = init_nlp(config, use_gpu=use_gpu)
        msg.divider("Training pipeline")
        train(nlp, output, use_gpu=use_gpu, force=force)
    except (OSError, ValueError) as error:
        msg.fail(f"Cannot train {config_path}", error, exits=1)
    msg.good(f"Saved the pipeline in {output}")
