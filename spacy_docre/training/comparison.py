"""Tables of trained systems: a config lists the trainings of a table, and this module runs them."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

import srsly
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from spacy.training.loop import DIR_MODEL_LAST
from spacy.util import load_config
from thinc.api import Config

from ..models.weights import get_weights
from ..pipeline.components import trainable_components
from ..pipeline.loading import load_pipeline
from .checkpoint import has_finished

EXTRACTOR = "components.doc_relation_extractor"
CONFIG, COSTS, SCORES, METRICS = "config.cfg", "costs.json", "scores", "metrics.json"
# Settings by their full names, as on the command line of `train`.
Settings = Dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Stage(_Part):
    """A training in a row. A later stage starts from the weights of the stage before it.

    label (str): The label in the table, after the row's label. Without a label, a stage is shown
        only if it is the last.
    taught (bool): Whether it learns from the row's teacher, if the row has one.
    settings (Dict[str, Any]): Settings that differ from the base config.
    """

    label: str = ""
    taught: bool = False
    settings: Settings = {}


class Row(_Part):
    """A system, or a variant of one.

    label (str): The label in the table.
    overlays (List[Path]): Files of settings that differ from the base config.
    settings (Dict[str, Any]): Other settings that differ.
    stages (List[str]): The names of its stages, in order.
    start (Optional[str]): The first stage continues the pipeline of this row.
    teacher (Optional[str]): The row whose pipeline is the teacher in the stages that are taught.
    distillation (Optional[Dict[str, Any]]): The block `distillation` of the config in these stages.
    paper (Dict[str, float]): The scores in a paper, in per cent, by the name of the column.
    """

    label: str
    overlays: List[Path] = []
    settings: Settings = {}
    stages: List[str] = Field(min_length=1)
    start: Optional[str] = None
    teacher: Optional[str] = None
    distillation: Optional[Dict[str, Any]] = None
    paper: Dict[str, float] = {}


class Comparison(_Part):
    """A table.

    title (str): Its title.
    base (Path): The base config of all trainings.
    seeds (int): The number of runs of each training, with seeds 0, 1 ...
    threshold (Optional[float]): The threshold on scores; None for each pipeline's own threshold.
    reference (Optional[str]): The row that the others are compared with, in the same stage.
    columns (Dict[str, str]): The labels of the columns, by the names in `metrics.json`. A name may
        be in a group, e.g. "error_shares.W".
    settings (Dict[str, Any]): Settings that differ from the base config in all rows.
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

    def needed(self) -> Set[str]:
        """RETURNS (Set[str]): The rows that other rows start from or learn from."""
        return {need for row in self.rows.values() for need in (row.teacher, row.start) if need}

    def is_shown(self, row: str, stage: str) -> bool:
        """Tell whether the table shows a stage of a row. It shows the last stage, and those with a
        label.

        row (str): The name of the row.
        stage (str): The name of the stage.
        RETURNS (bool): Whether the stage is shown.
        """
        return bool(self.stages[stage].label) or stage == self.rows[row].stages[-1]

    def label(self, row: str, stage: str) -> str:
        """Return the label of a stage of a row.

        row (str): The name of the row.
        stage (str): The name of the stage.
        RETURNS (str): The labels of row and stage, or of the row alone.
        """
        return ", ".join(filter(None, (self.rows[row].label, self.stages[stage].label)))

    def reference_of(self, row: str, stage: str) -> Optional[str]:
        """Find what a stage of a row is compared with: the same stage of the reference, or its
        last.

        row (str): The name of the row.
        stage (str): The name of the stage.
        RETURNS (Optional[str]): The label; None for the reference itself, or if there is none.
        """
        if self.reference is None or self.reference == row:
            return None
        stages = self.rows[self.reference].stages
        return self.label(self.reference, stage if stage in stages else stages[-1])

    def check(self) -> None:
        """Check that everything that is named exists.

        RAISES (ValueError): If a row names an unknown stage, teacher or start or a missing file, or
            if the table's reference is unknown. Also if a row has only one of `teacher` and
            `distillation`, if no stage of a row with a teacher is taught, or if the teacher or the
            start of a row has one itself.
        """
        needed = self.needed()
        for name in {self.reference, *needed} - {None, *self.rows}:
            raise ValueError(f"There is no row {name!r}: the rows are {', '.join(self.rows)}.")
        for name, row in self.rows.items():
            for stage in row.stages:
                if stage not in self.stages:
                    raise ValueError(
                        f"The row {name!r} has an unknown stage {stage!r}: the stages are "
                        f"{', '.join(self.stages)}."
                    )
            if (row.teacher is None) != (row.distillation is None):
                raise ValueError(
                    f"The row {name!r} has only one of 'teacher' and 'distillation'. Learning from "
                    "a teacher needs both: set both or none."
                )
            if name in needed and (row.teacher or row.start):
                raise ValueError(
                    f"The row {name!r} is the teacher or start of another row, so it cannot have a "
                    "teacher or start. Remove its 'teacher' and 'start'."
                )
            if row.teacher and not any(self.stages[stage].taught for stage in row.stages):
                raise ValueError(
                    f"The row {name!r} has a teacher, but none of its stages learns from it. Set "
                    "'taught = true' in a stage, or remove 'teacher' and 'distillation'."
                )
            for path in [self.base, *row.overlays]:
                if not path.is_file():
                    raise ValueError(f"The row {name!r} needs {path}, which is not a file.")


def read_comparison(path: Path) -> Comparison:
    """Read the config of a table. Its sections are [table], [table.columns], [table.settings],
    [table.stages.NAME] and [table.rows.NAME].

    path (Path): The file. The paths in it are relative to the working directory.
    RETURNS (Comparison): The table.
    RAISES (ValueError): If the file is not the config of a table.
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
    folder (Path): The folder that it writes to.
    config (Config): The full config.
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
        return self.folder / DIR_MODEL_LAST

    @property
    def scores(self) -> Path:
        """RETURNS (Path): The folder that `evaluate` writes to."""
        return self.folder / SCORES

    @property
    def is_finished(self) -> bool:
        """RETURNS (bool): Whether it has been trained and evaluated."""
        return (self.scores / METRICS).exists()

    @property
    def metrics(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The results of `evaluate`, and the number of weights as
        `parameters`."""
        parameters = srsly.read_json(self.folder / COSTS)["parameters"]
        return {**srsly.read_json(self.scores / METRICS), "parameters": parameters}

    @property
    def minutes(self) -> float:
        """RETURNS (float): How long the training took, all its parts together."""
        return float(srsly.read_json(self.folder / COSTS)["minutes"])

    def path(self, name: str) -> Optional[str]:
        """Look up a path in [paths] of the config.

        name (str): The name.
        RETURNS (Optional[str]): The path; None if it is not set.
        """
        found = self.config.interpolate()["paths"].get(name)
        return None if found is None else str(found)


def plan(comparison: Comparison, output: Path, settings: Settings) -> Iterator[Run]:
    """List the trainings of a table. Those that others need come first, e.g. teachers.

    comparison (Comparison): The table.
    output (Path): The folder for all of them.
    settings (Dict[str, Any]): Settings of all of them, in addition to the table's.
    YIELDS (Run): The trainings.
    """
    needed = comparison.needed()
    for name in sorted(comparison.rows, key=lambda name: name not in needed):
        row = comparison.rows[name]
        for seed in range(comparison.seeds):
            before: Optional[Path] = None
            if row.start is not None:
                before = _last_folder(comparison, row.start, seed, output) / DIR_MODEL_LAST
            for stage in row.stages:
                run = _run(comparison, name, stage, seed, output, before, settings)
                yield run
                before = run.model


def _last_folder(comparison: Comparison, row: str, seed: int, output: Path) -> Path:
    """Return the folder of the last stage of a row."""
    return output / row / str(seed) / comparison.rows[row].stages[-1]


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
        teacher = _last_folder(comparison, row.teacher, seed, output)
        changed["paths.teacher_logits"] = str(_logits_folder(teacher, stage_name))
        changed[f"{EXTRACTOR}.distillation"] = row.distillation
    config = load_config(comparison.base, interpolate=False)
    for overlay in row.overlays:
        config = config.merge(load_config(overlay, interpolate=False))
    config = Config().from_str(config.to_str(), overrides=changed, interpolate=False)
    run = Run(name, stage_name, seed, output / name / str(seed) / stage_name, config, teacher)
    for path in ("dev", *(["train"] if teacher is not None else [])):
        if not run.path(path):
            raise ValueError(
                f"The row '{name}' has no documents in its stage '{stage_name}': paths.{path} is "
                f"not set. Set it in [table.settings], or give --paths.{path}."
            )
    return run


def _logits_folder(teacher: Path, stage: str) -> Path:
    """Return the folder of a teacher's logits for the documents of a stage."""
    return teacher / f"logits-{stage}"


def execute(
    run: Run,
    *,
    gpu_id: int = -1,
    threshold: Optional[float] = None,
    code: Optional[Path] = None,
) -> None:
    """Run a training, and evaluate its pipeline. A finished run is left as it is, and an
    interrupted one continues.

    run (Run): The training.
    gpu_id (int): The GPU; -1 for the processor.
    threshold (Optional[float]): The threshold of the evaluation; None for the pipeline's own.
    code (Optional[Path]): A Python file with registered functions.
    RAISES (ValueError): If its folder belongs to a training with another config.
    RAISES (CalledProcessError): If a command fails. The command has printed the reason.
    """
    known = run.folder / CONFIG
    if known.exists() and Config().from_disk(known, interpolate=False) != run.config:
        raise ValueError(
            f"{run.folder} belongs to a training with another config. Delete it, or name another "
            "folder."
        )
    if run.is_finished:
        return
    everywhere = ["--gpu-id", gpu_id, *([] if code is None else ["--code", code])]
    if run.teacher is not None:
        docs, logits = run.path("train"), _logits_folder(run.teacher, run.stage)
        _command("logits", run.teacher / DIR_MODEL_LAST, docs, logits, *everywhere)
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
    """Record how long a training takes, and how many weights it has trained."""
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
