"""Load a component: read its files, and check their content."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, Union, cast

from spacy.pipeline import TrainablePipe

from ..models.calibration import Calibration
from ..models.extractor import ExtractorModel
from ..models.serialization import fill_model, read_message, readable, require_kinds
from .decoding import check_decision
from .settings import let_config_win

_KINDS = {"cfg": "settings", "model": "weight"}


class CheckedPipe(TrainablePipe):
    """A component whose files are checked when it is loaded."""

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "CheckedPipe":
        """Load the component from the bytes that `to_bytes` returned.

        bytes_data (bytes): The data.
        exclude (Iterable[str]): Serialisation fields to leave out.
        RETURNS (CheckedPipe): The component.
        RAISES (ValueError): If the data is cut off or damaged.
        """
        with let_config_win(self, exclude):
            read_bytes(self, bytes_data, exclude)
        check_settings(self.cfg, self.model, exclude, f"The data of '{self.name}'")
        return self

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "CheckedPipe":
        """Load the component from a folder.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): Serialisation fields to leave out.
        RETURNS (CheckedPipe): The component.
        RAISES (ValueError): If its weights are missing, cut off or damaged.
        """
        with let_config_win(self, exclude, Path(path)):
            read_files(self, Path(path), exclude)
        check_settings(self.cfg, self.model, exclude, f"'{self.name}' in {path}")
        return self


def read_files(component: TrainablePipe, folder: Path, exclude: Iterable[str]) -> None:
    """Read the files of a component, each once.

    component (TrainablePipe): The component; it has settings.
    folder (Path): Its folder.
    exclude (Iterable[str]): Serialisation fields that are left out.
    RAISES (ValueError): If a file is missing, cut off or damaged, or does not fit the component.
    """
    wanted = [name for name in _KINDS if name not in {*exclude}]
    for name in wanted:
        if not (folder / name).is_file():
            raise ValueError(
                f"{_named(component, folder / name)} is missing. Copy or train the pipeline again."
            )
    # spaCy reads its own files, but not these two: it reads a file and fills the component in one
    # step, and the errors of that step do not tell a damaged file from a file of another model.
    TrainablePipe.from_disk(component, folder, exclude={*exclude, *_KINDS})
    for name in wanted:
        _put(component, name, (folder / name).read_bytes(), _named(component, folder / name))


def read_bytes(component: TrainablePipe, data: bytes, exclude: Iterable[str]) -> None:
    """Read the bytes that a component's `to_bytes` returned, as `read_files` reads files.

    component (TrainablePipe): The component; it has settings.
    data (bytes): The data.
    exclude (Iterable[str]): Serialisation fields that are left out.
    RAISES (ValueError): If the data is cut off or damaged, or does not fit the component.
    """
    what = f"The data of '{component.name}'"
    wanted = [name for name in _KINDS if name not in {*exclude}]
    message = read_message(data, what)
    with readable(what):
        require_kinds(message, dict.fromkeys(wanted, (str, bytes)))
    TrainablePipe.from_bytes(component, data, exclude={*exclude, *_KINDS})
    for name in wanted:
        _put(component, name, message[name], what)


def _put(component: TrainablePipe, name: str, data: Union[str, bytes], what: str) -> None:
    if name == "model":
        fill_model(component.model, read_message(cast(bytes, data), what, attrs=list), what)
        return
    with readable(what):
        settings = json.loads(data)
        require_kinds(settings, {"labels": list, "label_names": dict})
        names = [*settings["labels"], *settings["label_names"].values()]
        if not all(isinstance(item, str) and item for item in names):
            raise ValueError("a label is not a string")
        if len({*settings["labels"]}) < len(settings["labels"]):
            raise ValueError("a label occurs twice")
        "".join(names).encode()  # Half a surrogate pair cannot be written as UTF-8.
    component.cfg.update(settings)


def _named(component: TrainablePipe, file: Path) -> str:
    return f"The {_KINDS[file.name]} file {file} of '{component.name}'"


def check_settings(
    settings: Dict[str, Any], model: ExtractorModel, exclude: Iterable[str], source: str
) -> None:
    """Check that settings belong to the weights that were loaded with them.

    settings (Dict[str, Any]): The settings.
    model (ExtractorModel): The model, with its weights.
    exclude (Iterable[str]): Serialisation fields that were left out. If "cfg" or "model" is among
        them, nothing can be compared.
    source (str): Where the settings and the weights came from, for the error message.
    RAISES (ValueError): If the weights are missing, if their number of labels differs, or if a
        setting or the calibration is out of its range.
    """
    if {"cfg", "model"}.intersection(exclude):
        return
    num_labels = model.get_dim("nO") if model.has_dim("nO") else 0
    with readable(source):
        Calibration.stored(model.get_ref("pair_scorer").attrs["calibration"])
    if num_labels and model.get_ref("pair_scorer").shims[0]._model is None:
        raise ValueError(f"{source} has no weights. Copy or train the pipeline again.")
    if len(settings["labels"]) != num_labels:
        raise ValueError(
            f"{source} has {len(settings['labels'])} labels, and the weights of its model are for "
            f"{num_labels}. Copy or train the pipeline again."
        )
    check_decision(settings["threshold"], settings["top_k"])
