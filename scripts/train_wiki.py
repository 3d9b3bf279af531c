"""Train en_docre_wiki in one of its sizes, in four stages of one config."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Dict

import srsly
import typer
from spacy.cli._util import parse_config_overrides
from spacy.util import load_config
from wasabi import msg

from spacy_docre.training.checkpoint import has_finished, input_checksums

CONFIG = Path("configs/en_docre_wiki_sm.cfg")
# The settings of each size. The larger the encoder, the lower the learning rate.
SIZES: Dict[str, Dict[str, Any]] = {
    "sm": {"paths.encoder": "encoder/all-MiniLM-L6-v2"},
    "md": {
        "paths.encoder": "encoder/all-mpnet-base-v2",
        "components.doc_relation_extractor.model.width": 768,
        "components.doc_relation_extractor.model.block_size": 64,
        "components.doc_relation_extractor.model.pair_width": 256,
        "components.transformer.model.learn_rate_factor": 0.05,
        "components.doc_relation_extractor.learn_rate_factor": 0.2,
    },
}
# First the relation extractor, as the other components learn in less time; then all components;
# then all components, on the entities that the pipeline finds; then the other components alone,
# with the encoder and the relation extractor frozen.
STAGES: Dict[str, Dict[str, Any]] = {
    "extractor": {
        "nlp.pipeline": ["transformer", "doc_relation_extractor"],
        "training.score_weights": {"rel_f": 1.0},
        "training.max_steps": 5000,
        "training.optimizer.learn_rate.total_steps": 5000,
        "training.optimizer.learn_rate.warmup_steps": 300,
    },
    "gold": {
        "training.max_steps": 1200,
        "training.eval_frequency": 200,
        "training.optimizer.learn_rate.total_steps": 1200,
        "training.optimizer.learn_rate.warmup_steps": 100,
    },
    "found": {
        "training.max_steps": 400,
        "training.eval_frequency": 200,
        "training.optimizer.learn_rate.initial_rate": 0.0005,
        "training.optimizer.learn_rate.total_steps": 400,
        "training.optimizer.learn_rate.warmup_steps": 40,
    },
    "names": {
        "training.frozen_components": ["transformer", "doc_relation_extractor"],
        "training.annotating_components": ["transformer"],
        "training.max_steps": 1600,
        "training.eval_frequency": 400,
        "training.optimizer.learn_rate.total_steps": 1600,
        "training.optimizer.learn_rate.warmup_steps": 100,
    },
}
# Settings that differ between stages, and so cannot be given for all of them.
OWN = (
    "nlp.pipeline",
    "training.frozen_components",
    "training.annotating_components",
    "paths.start",
    "paths.finder",
)


def train_wiki(
    context: typer.Context,
    size: Annotated[str, typer.Argument(help="sm or md")],
    output: Annotated[Path, typer.Option(help="Folder of the stages")] = Path("training/wiki"),
    gpu_id: Annotated[int, typer.Option(help="Number of the GPU, -1 for the CPU")] = -1,
) -> None:
    """Train the stages one after the other. Finished stages are kept, and an interrupted stage
    continues. Settings for all stages can be given, e.g. --system.seed 1"""
    if size not in SIZES:
        msg.fail(f"There is no size {size!r}", f"Choose one of {', '.join(SIZES)}.", exits=1)
    given = parse_config_overrides(context.args)
    for name in OWN:
        if name in given:
            msg.fail(f"--{name} cannot be set", "Each stage has its own value.", exits=1)
    start: Dict[str, Any] = {}
    for stage, settings in STAGES.items():
        folder = output / size / stage
        model = folder / "model-last"
        config = load_config(CONFIG, overrides={**SIZES[size], **settings, **start, **given})
        for name in config["training"]["frozen_components"]:
            config["components"][name] = {"source": config["paths"]["start"]}
        record = folder.with_suffix(".json")
        made_from = {"config": config.to_str(), "inputs": input_checksums(config.interpolate())}
        if has_finished(folder):
            # Without a record, nothing says what the stage was trained with.
            if not record.exists() or srsly.read_json(record) != made_from:
                msg.fail(
                    f"{folder} was trained with other settings, or from other documents",
                    "Delete it to train again, or give another --output.",
                    exits=1,
                )
            msg.info(f"{folder} is finished")
        else:
            msg.divider(f"{size}, {stage}")
            file = folder.with_suffix(".cfg")
            file.parent.mkdir(parents=True, exist_ok=True)
            config.to_disk(file)
            srsly.write_json(record, made_from)
            command = ["train", str(file), "--output", str(folder), "--gpu-id", str(gpu_id)]
            subprocess.run([sys.executable, "-m", "spacy", "docre", *command], check=True)
        start = {"paths.start": str(model)}
        if stage == "gold":
            start["paths.finder"] = str(model)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
        train_wiki
    )
    app()
