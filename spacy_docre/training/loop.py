"""spaCy's training, with checkpoints.

The loop uses the parts of `spacy train`, so the same config trains the same pipeline. To continue
from a checkpoint, spaCy's loop runs again from its beginning, with empty batches and the known
evaluations, up to the checkpoint's step. Then the order of the documents, schedules, patience and
the best score are as they were.
"""

import random
import shutil
import sys
from itertools import count
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    clean_output_dir,
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    train_while_improving,
    update_meta,
)
from spacy.util import load_model_from_config, registry, resolve_dot_names
from thinc.api import Config, fix_random_seed, set_gpu_allocator

from ..folders import folder_written_whole
from ..pipeline.components import trainable_components
from .checkpoint import (
    Checkpoint,
    EvaluatedStep,
    begin,
    delete_checkpoints,
    has_begun,
    input_checksums,
    read_checkpoint,
    restore,
    restore_python_state,
    restore_random_states,
    save_checkpoint,
)
from .optimizer import AdamW

Batch = Tuple[int, List[Example]]
Evaluate = Callable[[], Tuple[float, Dict[str, Any]]]


def train(nlp: Language, output: Path, *, use_gpu: int = -1, force: bool = False) -> None:
    """Train a pipeline, or continue an interrupted training in the same output folder.

    A checkpoint is written after each evaluation, and the last one is deleted at the end.

    nlp (Language): The initialised pipeline, with the full config.
    output (Path): The folder for model-best, model-last and the checkpoint.
    use_gpu (int): The GPU; -1 for the processor.
    force (bool): Whether to start over if the folder holds a trained pipeline, or the checkpoint of
        another training.
    RAISES (ValueError): If the folder holds a trained pipeline, or the checkpoint of a training
        with another config or other data; if nothing would be evaluated after the first step; or if
        the optimizer is not `spacy_docre.AdamW.v1`.
    """
    check_training(nlp.config, output, force=force)
    config = nlp.config.interpolate()
    inputs = input_checksums(config)
    checkpoint = _usable_checkpoint(output, nlp, inputs, force)
    settings = _resolve_settings(config, use_gpu)
    optimizer = settings["optimizer"]
    frozen = settings["frozen_components"]
    trained = {name: part for name, part in trainable_components(nlp).items() if name not in frozen}
    optimizer.watch(component.model for component in trained.values())
    evaluations: List[EvaluatedStep] = []
    epochs: List[Any] = []
    steps = _training_steps(nlp, config, settings, checkpoint, epochs)
    if checkpoint is None:
        begin(output)
        clean_output_dir(output)
    else:
        restore(output, nlp, optimizer)
    before_to_disk = create_before_to_disk_callback(settings["before_to_disk"])
    with nlp.select_pipes(disable=settings["frozen_components"]):
        log_step, finish_log = settings["logger"](nlp, sys.stdout, sys.stderr)
    known = 0 if checkpoint is None else checkpoint.steps
    try:
        for _, info, is_best in steps:
            if is_best is not None:
                evaluations.append(EvaluatedStep(info["step"], info["score"], info["other_scores"]))
            if info["step"] < known:
                continue
            if is_best is not None:
                with nlp.select_pipes(disable=settings["frozen_components"]):
                    update_meta(settings, nlp, info)
                _write_last(before_to_disk(nlp), output)
                if is_best:
                    _replace_best(output)
                save_checkpoint(output, nlp, optimizer, evaluations, inputs, epochs)
                info["output_path"] = str(output / DIR_MODEL_LAST)
            log_step(info if is_best is not None else None)
    finally:
        finish_log()
    _write_last(before_to_disk(nlp), output)
    delete_checkpoints(output)


def check_training(config: Config, output: Path, *, force: bool = False) -> None:
    """Check what can be known before the pipeline is initialised, which takes minutes with large
    corpora.

    config (Config): The config; what is left out of it has spaCy's defaults.
    output (Path): The folder for the pipelines.
    force (bool): As in `train`.
    RAISES (ValueError): If the folder holds a trained pipeline, if nothing would be evaluated after
        the first step, or if the optimizer is not `spacy_docre.AdamW.v1`.
    """
    finished = [name for name in (DIR_MODEL_BEST, DIR_MODEL_LAST) if (output / name).exists()]
    if finished and not has_begun(output) and not force:
        raise ValueError(
            f"{output} holds a trained pipeline, {' and '.join(finished)}. Train another in its "
            "place with --force, or name another folder."
        )
    settings = Language.default_config.merge(config).interpolate()["training"]
    optimizer = registry.resolve({"optimizer": settings["optimizer"]})["optimizer"]
    if not isinstance(optimizer, AdamW):
        raise ValueError(
            "Only the moments of torch's AdamW can be kept in a checkpoint. Set "
            '[training.optimizer] @optimizers = "spacy_docre.AdamW.v1".'
        )
    steps, frequency = settings["max_steps"], settings["eval_frequency"]
    # spaCy's schema refuses other values.
    if isinstance(steps, int) and isinstance(frequency, int) and 0 < steps < frequency:
        raise ValueError(
            f"[training] eval_frequency = {frequency} is more than max_steps = {steps}: model-best "
            "would be the pipeline before training. Lower eval_frequency."
        )


def _usable_checkpoint(
    output: Path, nlp: Language, inputs: Dict[str, str], force: bool
) -> Optional[Checkpoint]:
    """Read the checkpoint of this training. The checkpoint of another training is deleted with
    `force`."""
    try:
        checkpoint = read_checkpoint(output)
    except ValueError:
        if not force:
            raise
    else:
        difference = None if checkpoint is None else _difference(checkpoint, nlp, inputs)
        if difference is None:
            return checkpoint
        if not force:
            raise ValueError(
                f"{output} holds an unfinished training {difference}. Start over with --force, or "
                "name another folder."
            )
    delete_checkpoints(output)
    return None


def _resolve_settings(config: Config, use_gpu: int) -> Dict[str, Any]:
    """Make the settings of the section [training]."""
    if config["training"]["seed"] is not None:
        fix_random_seed(config["training"]["seed"])
    if use_gpu >= 0 and config["training"]["gpu_allocator"]:
        set_gpu_allocator(config["training"]["gpu_allocator"])
    settings: Dict[str, Any] = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    return settings


def _training_steps(
    nlp: Language,
    config: Config,
    settings: Dict[str, Any],
    checkpoint: Optional[Checkpoint],
    epochs: List[Any],
) -> Iterator[Tuple[Batch, Dict[str, Any], Optional[bool]]]:
    """Run spaCy's loop. Each step is taken when it is asked for."""
    train_corpus, dev_corpus = resolve_dot_names(
        config, [settings["train_corpus"], settings["dev_corpus"]]
    )
    batches = create_train_batches(nlp, train_corpus, settings["batcher"], settings["max_epochs"])
    evaluate = create_evaluation_callback(nlp, dev_corpus, settings["score_weights"])
    return train_while_improving(
        nlp,
        settings["optimizer"],
        _replay_batches(batches, checkpoint, epochs),
        evaluate if checkpoint is None else _replay_evaluations(evaluate, checkpoint),
        dropout=settings["dropout"],
        accumulate_gradient=settings["accumulate_gradient"],
        patience=settings["patience"],
        max_steps=settings["max_steps"],
        eval_frequency=settings["eval_frequency"],
        exclude=settings["frozen_components"],
        annotating_components=settings["annotating_components"],
        before_update=settings["before_update"],
    )


def _difference(checkpoint: Checkpoint, nlp: Language, inputs: Dict[str, str]) -> Optional[str]:
    """Tell how the training of a checkpoint differs from this one."""
    if nlp.config.to_str() != checkpoint.config:
        try:
            # In any order: settings that were added since are last.
            same = dict(nlp.config) == dict(_with_defaults(checkpoint.config))
        except Exception:
            # A config that cannot be read, or names something that is missing, is not the same.
            same = False
        if not same:
            return "with another config"
    changed = sorted(
        name
        for name in {*inputs, *checkpoint.inputs}
        if inputs.get(name) != checkpoint.inputs.get(name)
    )
    return f"of other data: paths.{', paths.'.join(changed)} changed since" if changed else None


def _with_defaults(config: str) -> Config:
    """Read a stored config, and add the defaults of settings that were added since."""
    stored = Config().from_str(config, interpolate=False)
    return load_model_from_config(stored, auto_fill=True).config


def _replace_best(output: Path) -> None:
    """Replace model-best by a copy of model-last."""
    with folder_written_whole(output / DIR_MODEL_BEST, stale="*") as folder:
        shutil.copytree(output / DIR_MODEL_LAST, folder, dirs_exist_ok=True)


def _write_last(nlp: Language, output: Path) -> None:
    with folder_written_whole(output / DIR_MODEL_LAST, stale="*") as folder:
        nlp.to_disk(folder)


def _replay_batches(
    batches: Iterable[Batch], checkpoint: Optional[Checkpoint], epochs: List[Any]
) -> Iterator[Batch]:
    """Yield the batches; those that were already learnt from are empty. Python's random state at
    the start of each epoch is stored in `epochs`: other code draws random numbers, too."""
    remaining = iter(batches)
    known = 0 if checkpoint is None else checkpoint.steps
    for step in count():
        if checkpoint is not None and step < known and len(epochs) < len(checkpoint.epochs):
            # This state is used if the step begins an epoch.
            restore_python_state(checkpoint.epochs[len(epochs)])
        if checkpoint is not None and step == known:
            restore_random_states(checkpoint.random_states)
        state = random.getstate()
        item = next(remaining, None)
        if item is None:
            return
        epoch, batch = item
        if epoch == len(epochs):
            epochs.append(state)
        yield epoch, batch if step >= known else []


def _replay_evaluations(evaluate: Evaluate, checkpoint: Checkpoint) -> Evaluate:
    """Return the known scores first, and evaluate after them."""
    known = iter(checkpoint.evaluations)

    def evaluate_or_recall() -> Tuple[float, Dict[str, Any]]:
        evaluation: Optional[EvaluatedStep] = next(known, None)
        if evaluation is None:
            return evaluate()
        return evaluation.score, evaluation.other_scores

    return evaluate_or_recall
