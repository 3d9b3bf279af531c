"""Steps of several commands."""

import logging
import os
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, Mapping, Optional, Set, Tuple, TypeVar

import typer
from spacy.cli._util import import_code, setup_gpu
from spacy.language import Language
from spacy.tokens import Doc
from thinc.compat import has_torch_gpu
from tqdm import tqdm

from ._terminal import msg

if TYPE_CHECKING:
    from ..evaluation.answers import Answers
    from ..evaluation.gold import GoldSet
    from ..evaluation.metrics import ScoredTriple
    from ..evaluation.tables import Table

ItemT = TypeVar("ItemT")

_LOGGER = logging.getLogger(__name__)


@contextmanager
def exit_on_error(title: str, hint: str = "") -> Iterator[None]:
    """Turn errors into a message and the exit status 1. All errors are caught, as components and
    libraries raise errors of any class for damaged data. The traceback is logged for debugging.

    title (str): The title of the message, which says what cannot be done. The error follows.
    hint (str): A text to add after the error.
    """
    try:
        yield
    except Exception as error:
        from ..errors import describe_error

        _LOGGER.debug(title, exc_info=True)
        msg.fail(title, f"{describe_error(error)}{hint}", exits=1)


def load_extracting_pipeline(model: str, threshold: Optional[float]) -> Language:
    """Load a pipeline with a relation extractor. If that fails, print the error and exit.

    model (str): A package or a folder.
    threshold (Optional[float]): The threshold to set; None for the pipeline's own.
    RETURNS (Language): The pipeline.
    """
    from ..pipeline.loading import load_extractor

    with exit_on_error(f"Cannot load {model}"):
        return load_extractor(model, threshold)


@contextmanager
def pipeline_to_change(
    model: str, output: Path, *, code: Optional[Path], gpu: int, force: bool, title: str
) -> Iterator[Language]:
    """Load a pipeline, and store it in another folder when the block ends. After an error nothing
    is stored: the error is printed, and the command exits.

    model (str): A package or a folder.
    output (Path): The folder to store it in.
    code (Optional[Path]): A Python file with registered functions.
    gpu (int): The number of the GPU; -1 for the CPU.
    force (bool): Whether the folder may be overwritten.
    title (str): The title of the error message.
    YIELDS (Language): The pipeline.
    """
    from ..folders import folder_written_whole, real_folder

    refuse_existing([output], force)
    use_gpu(gpu)
    import_code(code)
    with exit_on_error(title):
        real_folder(output)
        nlp = load_extracting_pipeline(model, None)
        yield nlp
        with folder_written_whole(output) as folder:
            nlp.to_disk(folder)


def ask(
    nlp: Language, docs: Mapping[str, Doc], *, with_gold_entities: bool = True, batch_size: int
) -> "Tuple[Answers, Answers]":
    """Predict the relations of all documents, and show the progress. Arguments as in
    `predict_answers`.

    RETURNS (Tuple[Answers, Answers]): The answers, and the answers together with less probable
        candidates.
    """
    from ..evaluation.predict import predict_answers

    parts = predict_answers(nlp, docs, with_gold_entities=with_gold_entities, batch_size=batch_size)
    answers: Answers = {}
    candidates: Answers = {}
    for part, less_probable in with_progress(parts, total=len(docs)):
        answers.update(part)
        candidates.update(less_probable)
    return answers, candidates


def score_gold(
    nlp: Language, gold: "GoldSet", *, with_gold_entities: bool, batch_size: int
) -> Tuple[Set["ScoredTriple"], Dict["ScoredTriple", float]]:
    """Score annotated documents with a pipeline.

    nlp (Language): The pipeline.
    gold (GoldSet): The documents.
    with_gold_entities (bool): Whether the pipeline gets the gold entities.
    batch_size (int): The number of documents in a batch.
    RETURNS (Tuple[Set[ScoredTriple], Dict[ScoredTriple, float]]): The gold triples, and the scores
        of the predicted triples, also below the threshold of the pipeline.
    """
    from ..evaluation.evaluation import Evaluation

    _, found = ask(nlp, gold.docs, with_gold_entities=with_gold_entities, batch_size=batch_size)
    scores = {triple: answer.score or 0.0 for triple, answer in found.items()}
    return Evaluation(gold.documents, found).gold, scores


def use_gpu(number: int, *, silent: bool = True) -> None:
    """Choose a GPU, or the CPU. If there is no such GPU, print an error and exit.

    number (int): The number of the GPU; -1 for the CPU.
    silent (bool): Whether not to print the choice.
    """
    try:
        setup_gpu(number, silent=silent)
        if number >= 0 and not has_torch_gpu:
            raise ValueError("PyTorch finds no GPU")
    # CuPy's errors are RuntimeErrors.
    except (ImportError, RuntimeError, ValueError) as error:
        msg.fail(
            f"Cannot use GPU {number}",
            f"{error}. Leave --gpu-id out to use the CPU. A GPU needs a driver, and PyTorch and "
            "CuPy for the same version of CUDA: pip install 'spacy[cuda12x]'.",
            exits=1,
        )


def refuse_existing(outputs: Iterable[Path], force: bool) -> None:
    """Exit if an output exists and must not be overwritten.

    outputs (Iterable[Path]): The files.
    force (bool): Whether they may be overwritten.
    """
    # Not path.exists(), which raises an error for names that are too long. A later step reports
    # such a name when it writes the file.
    present = [str(path) for path in outputs if os.path.exists(path)]
    if present and not force:
        msg.fail(f"Already there: {', '.join(present)}", "Overwrite with --force.", exits=1)


def refuse_given(ctx: typer.Context, names: Iterable[str], of: str) -> None:
    """Refuse options that would have no effect.

    ctx (typer.Context): The context of the command.
    names (Iterable[str]): The names of its parameters that have no effect.
    of (str): The choice of the user for which they have no meaning, for the error message.
    RAISES (BadParameter): If one of these options was given.
    """
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(str(parameter.name))
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            options = "/".join([*parameter.opts, *parameter.secondary_opts])
            raise typer.BadParameter(f"{options} has no meaning for {of}. Leave it out.")


def refuse_output_within(data: Path, output: Path) -> None:
    """Refuse to write into the folder that is read.

    data (Path): The input.
    output (Path): The output.
    RAISES (BadParameter): If the output is the folder that is read, or is in this folder.
    """
    if data.is_dir() and data.resolve() in (output.resolve(), *output.resolve().parents):
        raise typer.BadParameter(
            f"{output} is in the folder {data}, which is read. Name an output outside of it."
        )


def with_progress(
    items: Iterable[ItemT], start: int = 0, total: Optional[int] = None
) -> Iterable[ItemT]:
    """Show the number of finished documents in a progress bar, if the output is a terminal.

    items (Iterable[ItemT]): One item for each document.
    start (int): The number of documents from earlier runs.
    total (Optional[int]): The number of all documents, if it is known.
    RETURNS (Iterable[ItemT]): The same items.
    """
    # Some terminals report no columns and no rows, and tqdm would show nothing there. miniters=1,
    # as some documents come in batches, and tqdm would then update the bar too seldom.
    columns, rows = get_terminal_size()
    return tqdm(
        items,
        initial=start,
        total=total,
        unit=" documents",
        disable=None,
        ncols=columns,
        nrows=rows,
        miniters=1,
    )


def report_earlier(start: int) -> None:
    """Say that an interrupted run is continued, if it has finished documents.

    start (int): The number of its documents.
    """
    if start:
        msg.info(f"{start:,} documents are already there, from an interrupted run")


def show_table(table: "Table") -> None:
    """Print a table of an evaluation.

    table (Table): The table.
    """
    msg.divider(table.title)
    aligns = ("l", *("r" for _ in table.header[1:]))
    msg.table(table.rows, header=table.header, aligns=aligns, max_col=60)
    msg.info(table.note)
