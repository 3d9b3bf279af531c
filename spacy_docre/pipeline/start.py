"""Where training starts from."""

from pathlib import Path
from typing import Callable, Optional, Union

import srsly
from spacy.language import Language
from spacy.pipeline import TrainablePipe


def make_weights_loader(path: Optional[Union[str, Path]] = None) -> Callable[[Language], None]:
    """`spacy_docre.load_weights.v1`: start from the weights of a trained pipeline, with the
    settings of the config and a new optimizer, for `[initialize.after_init]`.

    Other than a component with `source` in its config, which brings its settings with it, each
    component has its own loss, threshold, dropout and learning rates.

    path (Optional[Union[str, Path]]): The folder of the pipeline; null to start anew.
    RETURNS (Callable[[Language], None]): Loads the weights of every component that the other
        pipeline has, too. It raises a ValueError where the folder is no pipeline, has no
        component in common, or where labels or sizes differ.
    """

    def load_weights(nlp: Language) -> None:
        if path is None:
            return
        components = [
            (name, component)
            for name, component in nlp.pipeline
            if isinstance(component, TrainablePipe) and (Path(path) / name).is_dir()
        ]
        if not components:
            raise ValueError(
                f"{path} has no component to start from: it should be the folder of a trained "
                f"pipeline with one of {', '.join(nlp.pipe_names)}."
            )
        for name, component in components:
            folder = Path(path) / name
            _require_labels(name, tuple(component.labels), folder)
            component.from_disk(folder, exclude=["cfg", "vocab"])

    return load_weights


def _require_labels(name: str, labels: tuple, folder: Path) -> None:
    """The same number of labels would load, whatever they are."""
    if not (folder / "cfg").exists():
        return
    known = tuple(srsly.read_json(folder / "cfg").get("labels", ()))
    if known != labels:
        raise ValueError(
            f"The labels of '{name}' are not those it should start from, in {folder}, or in "
            "another order. Train on data with the same labels, or give both the same list, "
            f"[initialize.components.{name}] labels = ..., as 'spacy init labels' writes it."
        )
