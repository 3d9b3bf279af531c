"""Tables of trained systems: a config says which trainings a table has, and they are made."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

import srsly
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from spacy.util import load_config
from thinc.api import Config

from ..models.weights import get_weights
from ..pipeline.components import trainable_components
from ..pipeline.loading import load_pipeline
from .checkpoint import has_finished

EXTRACTOR = "components.doc_relation_extractor"
CONFIG, COSTS, SCORES, METRICS = "config.cfg", "costs.json", "scores", "metrics.json"
# Settings by their whole names, as on the command line of `train`.
Settings = Dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Stage(_Part):
    """A training that rows are made of. Behind another stage it begins with what that has learnt.

    label (str): What it is called in the table, beside its row; nothing for one that is not shown.
    taught (bool): Whether it learns from the row's teacher, where the row has one.
    settings (Dict[str, Any]): What differs from the base config.
    """

    label: str = ""
    taught: bool = False
    settings: Settings = {}


class Row(_Part):
    """A system, or a variant of one.

    label (str): What it is called in the table.
    overlays (List[Path]): Files of what differs from the base config.
    settings (Dict[str, Any]): What else differs.
    stages (List[str]): Its stages, in their order.
    teacher (Optional[str]): The row whose pipeline is the teacher in stages that are taught.
    distillation (Optional[Dict[str, Any]]): What those learn from it: the block `distillation`.
    paper (Dict[str, float]): What a paper reports, in per cent, by the name of the column.
    """

    label: str
    overlays: List[Path] = []
    settings: Settings = {}
    stages: List[str] = Field(min_length=1)
    teacher: Optional[str] = None
    distillation: Optional[Dict[str, Any]] = None
    paper: Dict[str, float] = {}


class Comparison(_Part):
    """A table.

    title (str): What it shows.
    base (Path): The config that all trainings start from.
    seeds (int): How often each is made, with seeds 0, 1 ...
    threshold (Optional[float]): The threshold on scores; None for that of each pipeline.
    reference (Optional[str]): The row that others are compared with, in the same stage.
    columns (Dict[str, str]): What the columns are called, by the names of `metrics.json`, also
        those in groups, e.g. "error_shares.W".
    settings (Dict[str, Any]): What differs from the base config in all rows.
    stages (Dict[str, Stage]): The stages.
    rows (Dict[str, Row]): The rows.
    """

    title: str
    base: Path
    seeds: PositiveInt = 1
    threshold: Optional[float] = Field(default=None, ge=0, le=1)
    reference: Optional[str] = None
    columns: Dict[str, str] = {"rel_f": "F1", "rel_ign_f": "Ign F1"}
    settings: Settings = {}
    stages: Dict[str, Stage]
    rows: Dict[str, Row]

    def is_shown(self, row: str, stage: str) -> bool:
        """Tell whether a stage of a row stands in the table: the last does, and those with a label.

        row (str): The name of the row.
        stage (str): The name of the stage.
        RETURNS (bool): Whether it does.
        """
        return bool(self.stages[stage].label) or stage == self.rows[row].stages[-1]

    def label(self, row: str, stage: str) -> str:
        """What a stage of a row is called.

        row (str): The name of the row.
        stage (str): The name of the stage.
        RETURNS (str): The labels of both, or of the row alone.
        """
        return ", ".join(filter(None, (self.rows[row].label, self.stages[stage].label)))

    def reference_of(self, row: str, stage: str) -> Optional[str]:
        """What a stage of a row is compared with: the reference in the same stage, or its last.

        row (str): The name of the row.
        stage (str): The name of the stage.
        RETURNS (Optional[str]): The label; None for the reference itself, or where there is none.
        """
        if self.reference is None or self.reference == row:
            return None
        stages = self.rows[self.reference].stages
        return self.label(self.reference, stage if stage in stages else stages[-1])

    def check(self) -> None:
        """See that what is named is there.

        RAISES (ValueError): If a row names a stage, a teacher or a file that there is not, or
            another the table's reference.
        """
        teachers = {row.teacher for row in self.rows.values()}
        for name in {self.reference, *teachers} - {None, *self.rows}:
            raise ValueError(f"There is no row {name!r}: the rows are {', '.join(self.rows)}.")
        for name, row in self.rows.items():
            for stage in row.stages:
                if stage not in self.stages:
                    raise ValueError(
                        f"The row {name!r} has a stage {stage!r} that is not there: the stages are "
                        f"{', '.join(self.stages)}."
                    )
            if (row.teacher is None) != (row.distillation is None):
                raise ValueError(
                    f"The row {name!r} has a teacher or 'distillation' alone: it takes both to "
                    "learn from a teacher."
                )
            if row.teacher is not None and self.rows[row.teacher].teacher is not None:
                raise ValueError(
                    f"The teacher of the row {name!r} has a teacher of its own. Only rows without "
                    "one can be teachers."
                )
            for path in [self.base, *row.overlays]:
                if not path.is_file():
                    raise ValueError(f"The row {name!r} needs {path}, which is no file.")


def read_comparison(path: Path) -> Comparison:
    """Read the config of a table: its sections are [table], [table.columns], [table.settings],
    [table.stages.NAME] and [table.rows.NAME].

    path (Path): The file. The paths in it are relative to the working directory.
    RETURNS (Comparison): The table.
    RAISES (ValueError): If it is not one.
    """
    config = load_config(path)
    try:
        comparison = Comparison.model_validate(config.get("table", {}))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise ValueError(f"{path} is not the config of a table: {faults}.") from error
    comparison.check()
    return comparison


@dataclass(frozen=True)
class Run:
    """One training of a row, in one stage.

    row (str): The name of the row.
    stage (str): The name of the stage.
    seed (int): The seed.
    folder (Path): What it writes to.
    config (Config): The whole config.
    teacher (Optional[Path]): The folder of the run that is its teacher.
    """

    row: str
    stage: str
    seed: int
    folder: Path
    config: Config
    teacher: Optional[Path]

    @property
    def model(self) -> Path:
        """RETURNS (Path): The folder of the trained pipeline."""
        return self.folder / "model-last"

    @property
    def scores(self) -> Path:
        """RETURNS (Path): The folder of what `evaluate` wrote."""
        return self.folder / SCORES

    @property
    def is_finished(self) -> bool:
        """RETURNS (bool): Whether it has been trained and evaluated."""
        return (self.scores / METRICS).exists()

    @property
    def metrics(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What `evaluate` says; and `minutes`, which the
        training took, all its parts together, and `parameters`, the number of weights."""
        return {**srsly.read_json(self.scores / METRICS), **srsly.read_json(self.folder / COSTS)}

    def path(self, name: str) -> Optional[str]:
        """What the config has in [paths].

        name (str): The name.
        RETURNS (Optional[str]): The path.
        """
        found = self.config.interpolate()["paths"].get(name)
        return None if found is None else str(found)


def plan(comparison: Comparison, output: Path, settings: Settings) -> Iterator[Run]:
    """The trainings of a table, those before others that need them: teachers come first.

    comparison (Comparison): The table.
    output (Path): The folder of all of them.
    settings (Dict[str, Any]): Settings of all of them, beside the table's.
    YIELDS (Run): The trainings.
    """
    teachers = {row.teacher for row in comparison.rows.values()}
    for name in sorted(comparison.rows, key=lambda name: name not in teachers):
        row = comparison.rows[name]
        for seed in range(comparison.seeds):
            before: Optional[Path] = None
            for stage in row.stages:
                run = _run(comparison, name, stage, seed, output, before, settings)
                yield run
                before = run.model


def _run(
    comparison: Comparison,
    name: str,
    stage_name: str,
    seed: int,
    output: Path,
    before: Optional[Path],
    settings: Settings,
) -> Run:
    row, stage = comparison.rows[name], comparison.stages[stage_name]
    changed = {**comparison.settings, **stage.settings, **row.settings, **settings}
    changed["system.seed"] = seed
    if before is not None:
        changed["paths.start"] = str(before)
    teacher = None
    if stage.taught and row.teacher is not None:
        last = comparison.rows[row.teacher].stages[-1]
        teacher = output / row.teacher / str(seed) / last
        changed["paths.teacher_logits"] = str(_logits_folder(teacher, stage_name))
        changed[f"{EXTRACTOR}.distillation"] = row.distillation
    config = load_config(comparison.base, interpolate=False)
    for overlay in row.overlays:
        config = config.merge(load_config(overlay, interpolate=False))
    config = Config().from_str(config.to_str(), overrides=changed, interpolate=False)
    return Run(name, stage_name, seed, output / name / str(seed) / stage_name, config, teacher)


def _logits_folder(teacher: Path, stage: str) -> Path:
    """Where a teacher's logits for the documents of a stage are."""
    return teacher / f"logits-{stage}"


def execute(
    run: Run,
    *,
    gpu_id: int = -1,
    threshold: Optional[float] = None,
    code: Optional[Path] = None,
) -> None:
    """Make a training, and evaluate what it gives. What is finished is left as it is, what was
    broken off goes on.

    run (Run): The training.
    gpu_id (int): The GPU; -1 for the processor.
    threshold (Optional[float]): The threshold of the evaluation; None for the pipeline's own.
    code (Optional[Path]): A Python file with registered functions.
    RAISES (ValueError): If its folder is of a training with another config.
    RAISES (CalledProcessError): If a command fails, which has said why.
    """
    known = run.folder / CONFIG
    if known.exists() and Config().from_disk(known, interpolate=False) != run.config:
        raise ValueError(
            f"{run.folder} is of a training with another config. Delete it, or name another folder."
        )
    if run.is_finished:
        return
    everywhere = ["--gpu-id", gpu_id, *([] if code is None else ["--code", code])]
    if run.teacher is not None:
        docs, logits = run.path("train"), _logits_folder(run.teacher, run.stage)
        _command("logits", run.teacher / "model-last", docs, logits, *everywhere)
    run.folder.mkdir(parents=True, exist_ok=True)
    run.config.to_disk(known, interpolate=False)
    if not has_finished(run.folder):
        with _costs_noted(run):
            _command("train", known, "--output", run.folder, *everywhere)
    facts = run.path("train_facts") or run.path("train")
    options: Mapping[str, object] = {
        "--train": facts,
        "--output": run.scores,
        "--threshold": threshold,
    }
    given = [part for item in options.items() if item[1] is not None for part in item]
    _command("evaluate", run.model, run.path("dev"), *given, *everywhere, "--force")


@contextmanager
def _costs_noted(run: Run) -> Iterator[None]:
    """Note how long a training takes, and how large what it has trained is."""
    path = run.folder / COSTS
    minutes = srsly.read_json(path)["minutes"] if path.exists() else 0.0
    start = time.monotonic()
    costs: Dict[str, Optional[float]] = {"parameters": None}
    try:
        yield
    finally:
        costs["minutes"] = minutes + (time.monotonic() - start) / 60
        path.write_text(json.dumps(costs), "utf8")
    models = [part.model for part in trainable_components(load_pipeline(run.model)).values()]
    weights = (weight for model in models for weight in get_weights(model).values())
    costs["parameters"] = sum(weight.numel() for weight in weights)
    path.write_text(json.dumps(costs), "utf8")


def _command(*command: object) -> None:
    subprocess.run([sys.executable, "-m", "spacy", "docre", *map(str, command)], check=True)
