"""`python -m spacy docre train`: as spacy train, but interrupted trainings continue."""

from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import (
    Arg,
    Opt,
    import_code,
    parse_config_overrides,
    show_validation_error,
)
from spacy.training.initialize import init_nlp
from spacy.util import load_config

from ._options import Code, Gpu, StartOver
from ._shared import exit_on_error, use_gpu
from ._terminal import msg

_ConfigPath = Annotated[Path, Arg(metavar="CONFIG", help="The config", exists=True, dir_okay=False)]
_Output = Annotated[
    Path, Opt("--output", "-o", help="Folder for the pipeline and checkpoints", file_okay=False)
]


def train_cli(
    ctx: typer.Context,
    config_path: _ConfigPath,
    output: _Output,
    code: Code = None,
    gpu: Gpu = -1,
    force: StartOver = False,
) -> None:
    """
    Train a pipeline as 'spacy train' does, and continue an interrupted training.

    A checkpoint is written after each evaluation. Start an interrupted training again with the
    same config and output: it continues from the checkpoint, and its result is the same. Settings
    can be overridden, e.g. --paths.train corpus/train.spacy
    """
    from ..training.loop import check_training, train

    overrides = parse_config_overrides(ctx.args)
    import_code(code)
    use_gpu(gpu, silent=False)
    title = f"Cannot train {config_path}"
    with exit_on_error(title), show_validation_error(config_path):
        config = load_config(config_path, overrides=overrides, interpolate=False)
        check_training(config, output, force=force)
    msg.divider("Initializing pipeline")
    with exit_on_error(title):
        with show_validation_error(config_path, hint_fill=False):
            nlp = init_nlp(config, use_gpu=gpu)
        msg.divider("Training pipeline")
        train(nlp, output, use_gpu=gpu, force=force)
    msg.good(f"Saved the pipeline in {output}")
