"""What is checked of a component that is loaded."""

from pathlib import Path
from typing import Any, Dict, Iterable

import srsly

from ..models.extractor import ExtractorModel
from ..models.serialization import readable
from .decoding import check_decision

_FILES = {"cfg": ("settings", srsly.read_json), "model": ("weight", srsly.read_msgpack)}


def check_files(folder: Path, exclude: Iterable[str], owner: str) -> None:
    """See that the files of a component are whole.

    folder (Path): The folder of the component.
    exclude (Iterable[str]): Serialisation fields that are left out.
    owner (str): The name of the component.
    RAISES (ValueError): If a file is missing, cut off or damaged.
    """
    for name, (what, read) in _FILES.items():
        file = folder / name
        if name in exclude:
            continue
        if not file.exists():
            raise ValueError(
                f"The {what} file {file} of '{owner}' is missing. Copy or train the pipeline again."
            )
        with readable(f"The {what} file {file} of '{owner}'"):
            read(file)


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
