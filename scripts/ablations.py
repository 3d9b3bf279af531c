"""Train and evaluate variants of a config, and make one table of them."""

import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Dict, List, Optional

import srsly
import typer
from spacy.util import load_config
from thinc.api import Config
from wasabi import MarkdownRenderer, msg

# What the paper's Tables 4 and 5 show, and the best F1 over thresholds.
COLUMNS = {
    "rel_f": "F1",
    "best_f": "best F1 over thresholds",
    "rel_ign_f": "Ign F1",
    "frequent_f": "frequent",
    "long_tail_f": "long tail",
    "infer_f": "Infer-F1",
}


def ablations(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="The config that all variants start from")],
    variants: Annotated[
        List[Path], typer.Option("--variant", help="File of what differs from it; may be repeated")
    ] = [],
    output: Annotated[Path, typer.Option(help="Folder of the trained pipelines")] = Path(
        "training/ablations"
    ),
    table: Annotated[Path, typer.Option(help="Markdown file of the table")] = Path(
        "metrics/ablations.md"
    ),
    train: Annotated[Path, typer.Option(help="Training documents")] = Path("corpus/train.spacy"),
    dev: Annotated[Path, typer.Option(help="Documents to evaluate on")] = Path("corpus/dev.spacy"),
    seeds: Annotated[int, typer.Option(help="Trainings of each variant")] = 1,
    threshold: Annotated[float, typer.Option(help="Threshold on P; 0.5: TH decides")] = 0.5,
) -> None:
    """Train each variant with seeds 0, 1 ... and evaluate it; the table is of all that there are
    in the folder. What is finished is left as it is, what was broken off goes on. Settings for
    all can be given, e.g. --training.max_steps 600"""
    base = load_config(config, interpolate=False)
    for variant in variants:
        merged = base.merge(Config().from_disk(variant, interpolate=False))
        for seed in range(seeds):
            folder = output / variant.stem / str(seed)
            paths = ["--paths.train", str(train), "--paths.dev", str(dev)]
            settings = [*paths, "--system.seed", str(seed), *context.args]
            _require_same(folder, merged, settings)
            if not (folder / "scores" / "metrics.json").exists():
                msg.divider(f"{variant.stem}, seed {seed}")
                folder.mkdir(parents=True, exist_ok=True)
                merged.to_disk(folder / "config.cfg")
                srsly.write_json(folder / "settings.json", settings)
                _run("train", folder / "config.cfg", "--output", folder, "--force", *settings)
                _run(
                    *("evaluate", folder / "model-last", dev, "--train", train),
                    *("--threshold", threshold, "--output", folder / "scores", "--force"),
                )
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(_make_table(output), encoding="utf8")
    msg.good(str(table))


def _require_same(folder: Path, config: Config, settings: List[str]) -> None:
    """A run of other settings should not be taken for this one."""
    known = folder / "settings.json"
    if known.exists() and (
        srsly.read_json(known) != settings
        or Config().from_disk(folder / "config.cfg", interpolate=False) != config
    ):
        msg.fail(
            f"{folder} is of another config or other settings",
            "Delete it, or name another --output.",
            exits=1,
        )


def _run(*command: object) -> None:
    subprocess.run([sys.executable, "-m", "spacy", "docre", *map(str, command)], check=True)


def _make_table(output: Path) -> str:
    """The scores of all variants, with standard deviations, the best F1 first."""
    scores: Dict[str, List[Dict[str, Optional[float]]]] = {}
    for path in sorted(output.glob("*/*/scores/metrics.json")):
        scores.setdefault(path.parents[2].name, []).append(srsly.read_json(path))
    rows = []
    for name in sorted(scores, key=lambda name: -mean(run["rel_f"] for run in scores[name])):
        figures = [_spread([run[column] for run in scores[name]]) for column in COLUMNS]
        rows.append((name.replace("_", " "), str(len(scores[name])), *figures))
    return MarkdownRenderer().table(rows, ("variant", "seeds", *COLUMNS.values())) + "\n"


def _spread(scores: List[Optional[float]]) -> str:
    values = [score for score in scores if score is not None]
    if not values:
        return "–"
    deviation = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.1f}{deviation}"


if __name__ == "__main__":
    app = typer.Typer()
    allow_settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(context_settings=allow_settings)(ablations)
    app()
