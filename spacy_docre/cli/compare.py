"""`python -m spacy docre compare`: train the systems of a table, and write the table."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Dict, List, Optional

import typer
from spacy.cli._util import Arg, Opt, import_code, parse_config_overrides
from spacy.vocab import Vocab

from ._options import Code, Gpu
from ._shared import exit_on_error, show_table, use_gpu
from ._terminal import msg

if TYPE_CHECKING:
    from ..evaluation.comparison import SystemScores
    from ..training.comparison import Comparison, Run

_TablePath = Annotated[
    Path, Arg(metavar="TABLE", help="The config of the table", exists=True, dir_okay=False)
]
_Output = Annotated[
    Optional[Path],
    Opt("--output", "-o", help="Folder for the trainings, by default training/TABLE"),
]
_Metrics = Annotated[
    Optional[Path],
    Opt("--table", help="Path for the table as .md, .csv and .html, by default metrics/TABLE"),
]
_Seeds = Annotated[
    Optional[int],
    Opt("--seeds", min=1, help="Trainings of each system. The default is the table's number"),
]
_Shown = Annotated[
    bool, Opt("--finished", help="Train nothing: show only the systems with finished trainings")
]


def compare_cli(
    ctx: typer.Context,
    path: _TablePath,
    output: _Output = None,
    table: _Metrics = None,
    seeds: _Seeds = None,
    finished: _Shown = False,
    code: Code = None,
    gpu: Gpu = -1,
) -> None:
    """
    Train and evaluate the systems of a table, each with several seeds, and write the table.

    Finished trainings are kept, and interrupted trainings continue. Settings of all trainings can
    be overridden, e.g. --training.max_steps 250
    """
    from ..evaluation.comparison import make_table, to_csv
    from ..evaluation.report import table_to_markdown, table_to_page
    from ..extras import import_extra
    from ..files import written_whole
    from ..training.comparison import execute, plan, read_comparison

    overrides = parse_config_overrides(ctx.args)
    import_code(code)
    use_gpu(gpu)
    folder = output or Path("training") / path.stem
    target = table or Path("metrics") / path.stem
    files = {suffix: target.with_name(target.name + suffix) for suffix in (".md", ".csv", ".html")}
    with exit_on_error(f"Cannot make {path}"):
        comparison = read_comparison(path)
        if seeds is not None:
            comparison.seeds = seeds
        runs = list(plan(comparison, folder, overrides))
        if not finished:
            import_extra("plotly")  # For the report of each training.
        for number, run in enumerate(runs if not finished else [], start=1):
            msg.divider(f"{number} of {len(runs)}: {run.row}, {run.stage}, seed {run.seed}")
            try:
                execute(run, gpu_id=gpu, threshold=comparison.threshold, code=code)
            except subprocess.CalledProcessError:
                msg.fail(
                    f"The training in {run.folder} failed",
                    "Correct the error above, and run this command again.",
                    exits=1,
                )
        systems = _scores(comparison, runs)
        if not systems:
            raise ValueError(f"No training in {folder} is finished. Run this without --finished.")
        result = make_table(comparison.title, comparison.columns, systems)
        texts = {
            ".md": table_to_markdown(result),
            ".csv": to_csv(result),
            ".html": table_to_page(result),
        }
        with written_whole(files.values()) as written:
            for suffix, text in texts.items():
                written[files[suffix]].write_text(text, encoding="utf8")
    show_table(result)
    msg.good(", ".join(map(str, files.values())))


def _scores(comparison: "Comparison", runs: "List[Run]") -> "List[SystemScores]":
    """Read the scores of the rows of the table, in the table's order."""
    from ..evaluation.answers import read_answers
    from ..evaluation.comparison import SystemScores
    from ..evaluation.evaluation import Evaluation
    from ..evaluation.gold import GoldSet, read_gold

    gold: Dict[str, GoldSet] = {}
    systems = []
    for name, row in comparison.rows.items():
        for number, stage in enumerate(row.stages, start=1):
            found = [run for run in runs if (run.row, run.stage) == (name, stage)]
            mine = [run for run in found if run.is_finished]
            if not mine or not comparison.is_shown(name, stage):
                continue
            dev = str(mine[0].path("dev"))
            if dev not in gold:
                gold[dev] = read_gold(Path(dev), Vocab())
            systems.append(
                SystemScores(
                    comparison.label(name, stage),
                    [
                        {**run.metrics, "minutes": _minutes(runs, run, row.stages[:number])}
                        for run in mine
                    ],
                    [
                        Evaluation(gold[dev].documents, read_answers(run.scores / "result.json"))
                        for run in mine
                    ],
                    row.paper,
                    comparison.reference_of(name, stage),
                )
            )
    return systems


def _minutes(runs: "List[Run]", run: "Run", stages: List[str]) -> float:
    """Add up the minutes of a training and of the stages of its row before it."""
    return sum(
        each.minutes
        for each in runs
        if (each.row, each.seed) == (run.row, run.seed) and each.stage in stages
    )
