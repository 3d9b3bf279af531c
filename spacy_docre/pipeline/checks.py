"""A component that is loaded: its files are read, and what is in them is checked."""

from pathlib import Path
from typing import Any, Dict, Iterable

import srsly
from spacy.errors import Errors
from spacy.pipeline import TrainablePipe
from thinc.util import convert_recursive, is_xp_array

from ..models.extractor import ExtractorModel
from ..models.serialization import readable
from .decoding import check_decision

_KINDS = {"cfg": "settings", "model": "weight"}


def read_files(component: TrainablePipe, folder: Path, exclude: Iterable[str]) -> None:
    """Read the files of a component, each once.

    component (TrainablePipe): The component; it has settings.
    folder (Path): Its folder.
    exclude (Iterable[str]): Serialisation fields that are left out.
    RAISES (ValueError): If a file is missing, cut off or damaged, or does not fit the component.
    """
    left_out = {*exclude}
    for name in _KINDS:
        if name not in left_out and not (folder / name).exists():
            raise ValueError(
                f"{_named(component, folder / name)} is missing. Copy or train the pipeline again."
            )
    # What spaCy reads besides. It reads a file and puts it in place in one step, whose errors do
    # not tell a damaged file from one of another model.
    TrainablePipe.from_disk(component, folder, exclude=left_out | _KINDS.keys())
    if "cfg" not in left_out:
        with readable(_named(component, folder / "cfg")):
            settings = srsly.read_json(folder / "cfg")
        component.cfg.update(settings)
    if "model" not in left_out:
        with readable(_named(component, folder / "model")):
            content = srsly.read_msgpack(folder / "model")
        _put(component.model, content)


def _put(model: ExtractorModel, content: Any) -> None:
    """As `Model.from_bytes` and, around it, spaCy."""
    try:
        model.from_dict(convert_recursive(is_xp_array, model.ops.asarray, content))
    except AttributeError:
        raise ValueError(Errors.E149) from None


def _named(component: TrainablePipe, file: Path) -> str:
    return f"The {_KINDS[file.name]} file {file} of '{component.name}'"


def check_settings(
    settings: Dict[str, Any], model: ExtractorModel, exclude: Iterable[str], source: str
) -> None:
    """Refuse settings that cannot belong to the weights they came with.

    settings (Dict[str, Any]): The settings.
    model (ExtractorModel): The model, with its weights.
    exclude (Iterable[str]): Serialisation fields that were left out: without both of "cfg" and
        "model" there is nothing to compare.
    source (str): Where both came from.
    RAISES (ValueError): If the number of labels is another, or a setting is out of its range.
    """
    if {"cfg", "model"}.intersection(exclude):
        return
    num_labels = model.get_dim("nO") if model.has_dim("nO") else 0
    if len(settings["labels"]) != num_labels:
        raise ValueError(
            f"{source} has {len(settings['labels'])} labels, and the weights of its model are of "
            f"{num_labels}. Copy or train the pipeline again."
        )
    check_decision(settings["threshold"], settings["top_k"])
