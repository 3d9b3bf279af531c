"""The commands of `python -m spacy docre`.

Every spaCy command loads this package by its entry point. So a module here imports at its top only
what spaCy has already loaded, and imports other packages of spacy_docre inside the functions.
"""

import io
import sys
from typing import Annotated

import typer
from spacy.cli._util import Opt
from spacy.cli._util import app as spacy_app

from .. import __version__
from ._terminal import SafeGroup, msg
from .annotate import annotate_cli
from .calibrate import calibrate_cli
from .compare import compare_cli
from .convert import convert_cli
from .distant import distant_cli
from .evaluate import evaluate_cli
from .graph import graph_cli
from .import_checkpoint import import_checkpoint_cli
from .logits import logits_cli
from .predict import predict_cli
from .render import render_cli
from .reshape import reshape_cli
from .serve import serve_cli
from .stats import stats_cli
from .train import train_cli
from .tune_threshold import tune_threshold_cli

HELP = "Commands for document-level relation extraction."

# Settings of a config can be given like options, as in spaCy's own `train`.
_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(name="docre", help=HELP, no_args_is_help=True, cls=SafeGroup)


def _print_version(asked: bool) -> None:
    if asked:
        msg.text(f"spacy-docre {__version__}")
        raise typer.Exit


@app.callback()
def print_everything(
    version: Annotated[
        bool, Opt("--version", callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Print characters that the terminal cannot show as escapes, e.g. in names of files. Otherwise
    Python would stop with an error when spaCy prints them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


app.command("annotate")(annotate_cli)
app.command("calibrate")(calibrate_cli)
app.command("compare", context_settings=_OVERRIDES)(compare_cli)
app.command("convert")(convert_cli)
app.command("distant")(distant_cli)
app.command("evaluate")(evaluate_cli)
app.command("graph")(graph_cli)
app.command("import-checkpoint")(import_checkpoint_cli)
app.command("logits")(logits_cli)
# The name of `logits` in version 0.1.
app.command("teach", hidden=True)(logits_cli)
app.command("predict")(predict_cli)
app.command("render")(render_cli)
app.command("reshape")(reshape_cli)
app.command("serve")(serve_cli)
app.command("stats")(stats_cli)
app.command("train", context_settings=_OVERRIDES)(train_cli)
app.command("tune-threshold")(tune_threshold_cli)
spacy_app.add_typer(app)
