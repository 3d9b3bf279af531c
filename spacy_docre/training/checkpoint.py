"""Checkpoints: all that an interrupted training needs to continue as if it had not stopped."""

import json
import random
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, cast

import numpy
import torch
from safetensors.torch import load_file, save_file
from spacy.language import Language
from spacy.training.loop import DIR_MODEL_LAST
from thinc.api import Config
from thinc.optimizers import KeyT
from thinc.shims import PyTorchShim
from weasel.util.hashing import get_checksum

from ..files import writing_tensors
from ..models.weights import get_weights, set_weights
from ..pipeline.components import trainable_components
from .optimizer import AdamW

_NAME = "checkpoint-"
_UNFINISHED = ".tmp"
# This file marks a training that has begun, even before its first checkpoint.
_BEGUN = f"{_NAME}begun{_UNFINISHED}"
_WEIGHTS = "weights.safetensors"
_MOMENTS = "optimizer.safetensors"
_STATE = "state.json"


@dataclass
class EvaluatedStep:
    """The result of the evaluation after a training step.

    step (int): The step, counted from 0.
    score (float): The weighted score.
    other_scores (Dict[str, Any]): All scores.
    """

    step: int
    score: float
    other_scores: Dict[str, Any]


@dataclass
class Checkpoint:
    """The state of a training.

    evaluations (List[EvaluatedStep]): The evaluations so far. The training continues after the
        last.
    config (str): The config of the training.
    inputs (Dict[str, str]): Checksums of the files that the training reads, by name.
    epochs (List[Any]): Python's random state before the documents of each epoch were shuffled.
    random_states (Dict[str, Any]): The states of the random number generators.
    """

    evaluations: List[EvaluatedStep]
    config: str
    inputs: Dict[str, str]
    epochs: List[Any]
    random_states: Dict[str, Any]

    @property
    def steps(self) -> int:
        """RETURNS (int): The number of updates so far."""
        return self.evaluations[-1].step + 1

    def check(self) -> None:
        """Check the values that were read.

        RAISES (ValueError): If a value is out of range.
        RAISES (TypeError): If a value is of another type.
        """
        scores = [evaluation.score for evaluation in self.evaluations]
        if self.steps < 1 or not all(isinstance(score, (int, float)) for score in scores):
            raise ValueError("steps or scores are not valid")
        if not isinstance(self.config, str) or not isinstance(self.inputs, dict):
            raise TypeError("config or inputs are of another type")
        for version, keys, gauss in [*self.epochs, self.random_states["python"]]:
            random.Random().setstate((version, tuple(keys), gauss))
        numpy.random.RandomState().set_state(self.random_states["numpy"])
        torch.Generator().set_state(torch.tensor(self.random_states["torch"], dtype=torch.uint8))


def save_checkpoint(
    output: Path,
    nlp: Language,
    optimizer: AdamW,
    evaluations: List[EvaluatedStep],
    inputs: Dict[str, str],
    epochs: List[Any],
) -> None:
    """Write a checkpoint, and then delete the earlier one.

    output (Path): The output folder of the training.
    nlp (Language): The pipeline.
    optimizer (AdamW): The optimizer.
    evaluations (List[EvaluatedStep]): The evaluations so far.
    inputs (Dict[str, str]): Checksums of the files that the training reads, by name.
    epochs (List[Any]): Python's random state before the documents of each epoch were shuffled.
    """
    earlier = _folders(output)
    folder = output / f"{_NAME}{evaluations[-1].step:08}"
    unfinished = folder.with_suffix(_UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        _write(unfinished, nlp, optimizer, evaluations, inputs, epochs)
        unfinished.rename(folder)
    finally:
        # If the disk is full, it is still there.
        shutil.rmtree(unfinished, ignore_errors=True)
    _delete(earlier)


def _write(
    folder: Path,
    nlp: Language,
    optimizer: AdamW,
    evaluations: List[EvaluatedStep],
    inputs: Dict[str, str],
    epochs: List[Any],
) -> None:
    weights = {
        f"{name}/{key}": weight
        for name, component in trainable_components(nlp).items()
        for key, weight in get_weights(component.model).items()
    }
    with writing_tensors(folder):
        save_file(weights, folder / _WEIGHTS)
        save_file(optimizer.get_moments(_parameter_names(nlp)), folder / _MOMENTS)
    state = {
        "evaluations": [vars(evaluation) for evaluation in evaluations],
        "config": nlp.config.to_str(),
        "inputs": inputs,
        "epochs": epochs,
        "random_states": _random_states(),
    }
    # Not srsly, which rounds scores, and refuses NaN and infinity.
    (folder / _STATE).write_text(json.dumps(state), encoding="utf8")


def read_checkpoint(output: Path) -> Optional[Checkpoint]:
    """Read the last checkpoint of a training.

    output (Path): The output folder of the training.
    RETURNS (Optional[Checkpoint]): The checkpoint; None if there is none.
    RAISES (ValueError): If the checkpoint is damaged.
    """
    folders = _folders(output)
    if not folders:
        return None
    with _readable(folders[-1]):
        state = json.loads((folders[-1] / _STATE).read_text(encoding="utf8"))
        state["evaluations"] = [EvaluatedStep(**evaluation) for evaluation in state["evaluations"]]
        checkpoint = Checkpoint(**state)
        checkpoint.check()
    return checkpoint


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn all errors for damaged data, from KeyError to SafetensorError, into one."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"The checkpoint {folder} is damaged. Start over with --force, or name another folder. "
            f"({type(error).__name__}: {error})"
        ) from error


def restore(output: Path, nlp: Language, optimizer: AdamW) -> None:
    """Load the weights and moments of the last checkpoint.

    output (Path): The output folder of the training.
    nlp (Language): The pipeline, initialised.
    optimizer (AdamW): The new optimizer.
    RAISES (ValueError): If the checkpoint is damaged.
    """
    folder = _folders(output)[-1]
    with _readable(folder):
        weights, moments = load_file(folder / _WEIGHTS), load_file(folder / _MOMENTS)
    for name, component in trainable_components(nlp).items():
        own = {
            key[len(name) + 1 :]: weight
            for key, weight in weights.items()
            if key.startswith(f"{name}/")
        }
        set_weights(component.model, own, f"component '{name}' in {folder}")
    with _readable(folder):
        optimizer.set_moments(moments, _parameter_names(nlp))


def input_checksums(config: Config) -> Dict[str, str]:
    """Compute checksums of what a training reads.

    config (Config): Its config, interpolated.
    RETURNS (Dict[str, str]): The checksum of each file and folder in [paths], by its name there.
    """
    paths = {name: Path(str(path)) for name, path in config.get("paths", {}).items() if path}
    return {name: get_checksum(path) for name, path in paths.items() if path.exists()}


def begin(output: Path) -> None:
    """Mark a training as begun, before it has a checkpoint.

    output (Path): Its output folder. It is created.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / _BEGUN).touch()


def has_begun(output: Path) -> bool:
    """Tell whether a training was interrupted.

    output (Path): Its output folder.
    RETURNS (bool): Whether it was broken off.
    """
    return (output / _BEGUN).exists() or bool(_folders(output))


def has_finished(output: Path) -> bool:
    """Tell whether a training has finished. It has not if it was interrupted, or has not begun.

    output (Path): Its output folder.
    RETURNS (bool): Whether it has finished and its last pipeline is there.
    """
    return (output / DIR_MODEL_LAST).exists() and not has_begun(output)


def delete_checkpoints(output: Path) -> None:
    """Delete the checkpoints of a training.

    output (Path): Its output folder.
    """
    # Deleted first: a kill after it does not make the training look as if it were at its beginning.
    (output / _BEGUN).unlink(missing_ok=True)
    _delete(_folders(output))


def _folders(output: Path) -> List[Path]:
    """List the complete checkpoints, the last one last."""
    return sorted(path for path in output.glob(f"{_NAME}*") if path.suffix != _UNFINISHED)


def _delete(folders: List[Path]) -> None:
    for folder in folders:
        # A half-deleted folder should not look like a checkpoint.
        unfinished = folder.with_suffix(_UNFINISHED)
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(folder.rename(unfinished))


def _parameter_names(nlp: Language) -> Dict[KeyT, str]:
    """Name the parameters. Optimizers know their models by ids, which differ in the next
    process."""
    names: Dict[KeyT, str] = {}
    for pipe_name, component in trainable_components(nlp).items():
        for index, node in enumerate(component.model.walk()):
            for name in node.param_names:
                names[node.id, name] = f"{pipe_name}.{index}.{name}"
            for shim in node.shims:
                for name, _ in cast(PyTorchShim, shim)._model.named_parameters():
                    names[shim.id, name] = f"{pipe_name}.{index}.torch.{name}"
    return names


def _random_states() -> Dict[str, Any]:
    state = numpy.random.get_state(legacy=False)
    keys = state["state"]["key"].tolist()
    states: Dict[str, Any] = {
        "python": random.getstate(),
        "numpy": {**state, "state": {**state["state"], "key": keys}},
        "torch": torch.get_rng_state().tolist(),
    }
    if torch.cuda.is_available():
        states["cuda"] = [state.tolist() for state in torch.cuda.get_rng_state_all()]
    return states


def restore_python_state(state: Sequence[Any]) -> None:
    """Restore the state of Python's random number generator.

    state (Sequence[Any]): The state, also as read from JSON.
    """
    version, keys, gauss = state
    random.setstate((version, tuple(keys), gauss))


def restore_random_states(states: Dict[str, Any]) -> None:
    """Restore the states of the random number generators.

    states (Dict[str, Any]): The states, as in a checkpoint.
    """
    restore_python_state(states["python"])
    numpy.random.set_state(states["numpy"])
    torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
    if "cuda" in states:
        torch.cuda.set_rng_state_all(
            [torch.tensor(state, dtype=torch.uint8) for state in states["cuda"]]
        )
