"""Checkpoints: all that a training needs to go on as if it had not been broken off."""

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
from thinc.optimizers import KeyT
from thinc.shims import PyTorchShim

from ..files import writing_tensors
from ..models.weights import get_weights, set_weights
from ..pipeline.components import trainable_components
from .optimizer import AdamW

_NAME = "checkpoint-"
_UNFINISHED = ".tmp"
# Of the first step, which has no folder.
_BEGUN = f"{_NAME}begun{_UNFINISHED}"
_WEIGHTS = "weights.safetensors"
_MOMENTS = "optimizer.safetensors"
_STATE = "state.json"


@dataclass
class EvaluatedStep:
    """What the evaluation after a step of training gave.

    step (int): The step, counted from 0.
    score (float): The weighted score.
    other_scores (Dict[str, Any]): All scores.
    """

    step: int
    score: float
    other_scores: Dict[str, Any]


@dataclass
class Checkpoint:
    """Where a training stands.

    evaluations (List[EvaluatedStep]): Those made so far; the training stands behind the last.
    config (str): The config of the training.
    inputs (Dict[str, str]): Checksums of what it reads, by name.
    epochs (List[Any]): Python's random state before the documents of each epoch were shuffled.
    random_states (Dict[str, Any]): The states of the generators of random numbers.
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
        """Check what has been read.

        RAISES (ValueError): If something is out of its range.
        RAISES (TypeError): If something is of another type.
        """
        scores = [evaluation.score for evaluation in self.evaluations]
        if self.steps < 1 or not all(isinstance(score, (int, float)) for score in scores):
            raise ValueError("steps and scores are not as they should be")
        if not isinstance(self.config, str) or not isinstance(self.inputs, dict):
            raise TypeError("config and inputs are not as they should be")
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
    """Write a checkpoint, and then delete the one before.

    output (Path): The output folder of the training.
    nlp (Language): The pipeline.
    optimizer (AdamW): The optimizer.
    evaluations (List[EvaluatedStep]): The evaluations so far.
    inputs (Dict[str, str]): Checksums of what the training reads, by name.
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
        # Of a disk that is full.
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
    """Read where a training stands.

    output (Path): The output folder of the training.
    RETURNS (Optional[Checkpoint]): The last checkpoint; None where there is none.
    RAISES (ValueError): If it is damaged.
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
    """What is raised for damaged data is anything, from KeyError to SafetensorError."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"The checkpoint {folder} is damaged. Start over with --force, or name another folder. "
            f"({type(error).__name__}: {error})"
        ) from error


def restore(output: Path, nlp: Language, optimizer: AdamW) -> None:
    """Load weights and moments of the last checkpoint.

    output (Path): The output folder of the training.
    nlp (Language): The pipeline, initialised.
    optimizer (AdamW): The new optimizer.
    RAISES (ValueError): If it is damaged.
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


def begin(output: Path) -> None:
    """Note that a training has begun, before there is a checkpoint of it.

    output (Path): Its output folder, which is made.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / _BEGUN).touch()


def has_begun(output: Path) -> bool:
    """Tell a training that was broken off from one that has finished.

    output (Path): Its output folder.
    RETURNS (bool): Whether it was broken off.
    """
    return (output / _BEGUN).exists() or bool(_folders(output))


def has_finished(output: Path) -> bool:
    """Tell a training that is done from one that has yet to begin or was broken off.

    output (Path): Its output folder.
    RETURNS (bool): Whether it is done, and its last pipeline there.
    """
    return (output / DIR_MODEL_LAST).exists() and not has_begun(output)


def delete_checkpoints(output: Path) -> None:
    """Delete the checkpoints of a training.

    output (Path): Its output folder.
    """
    # First, so that a kill leaves no training that seems to be at its beginning.
    (output / _BEGUN).unlink(missing_ok=True)
    _delete(_folders(output))


def _folders(output: Path) -> List[Path]:
    """The checkpoints that have been written whole, the last one last."""
    return sorted(path for path in output.glob(f"{_NAME}*") if path.suffix != _UNFINISHED)


def _delete(folders: List[Path]) -> None:
    for folder in folders:
        # Half deleted, it should not look like a checkpoint.
        unfinished = folder.with_suffix(_UNFINISHED)
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(folder.rename(unfinished))


def _parameter_names(nlp: Language) -> Dict[KeyT, str]:
    """Names for the parameters: the ids by which optimizers know their models differ in the
    next process."""
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
    """Set Python's generator of random numbers to where it stood.

    state (Sequence[Any]): Its state, also as JSON gives it.
    """
    version, keys, gauss = state
    random.setstate((version, tuple(keys), gauss))


def restore_random_states(states: Dict[str, Any]) -> None:
    """Set the generators of random numbers to where they stood.

    states (Dict[str, Any]): Their states, as a checkpoint holds them.
    """
    restore_python_state(states["python"])
    numpy.random.set_state(states["numpy"])
    torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))
    if "cuda" in states:
        torch.cuda.set_rng_state_all(
            [torch.tensor(state, dtype=torch.uint8) for state in states["cuda"]]
        )
