"""The weights that training starts from."""

from pathlib import Path
from typing import Callable, Optional, Union, cast

from spacy.language import Language
from spacy.pipeline import TrainablePipe

from ..models.weights import get_weights, set_weights
from ..pipeline.components import trainable_components
from ..pipeline.doc_relation_extractor import DocRelationExtractor
from ..pipeline.loading import load_pipeline


def make_weights_loader(path: Optional[Union[str, Path]] = None) -> Callable[[Language], None]:
    """`spacy_docre.load_weights.v1`: start from the weights of a trained pipeline, with the
    settings of the config and a new optimizer, for `[initialize.after_init]`.

    Each component has the loss, threshold, dropout, attention kernel and learning rates of the
    config. A component with `source` in its config would have the settings of the other pipeline.

    A relation extractor gets the labels of both pipelines. It keeps the weights for the labels of
    the other pipeline, and the rest are new.

    path (Optional[Union[str, Path]]): The pipeline, a folder or a package; null to start
        with new weights.
    RETURNS (Callable[[Language], None]): Loads the weights of every component that the other
        pipeline also has. It raises a ValueError if the other pipeline does not exist, or has no
        component in common. It also raises one if sizes differ, or the labels of a component that
        is not a relation extractor.
    """

    def load_weights(nlp: Language) -> None:
        if path is None:
            return
        try:
            start = load_pipeline(path)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}, to start from, cannot be loaded: {error}") from error
        trained = trainable_components(start)
        pairs = [
            (name, component, trained[name])
            for name, component in trainable_components(nlp).items()
            if name in trained
        ]
        if not pairs:
            raise ValueError(
                f"{path} has no component to start from: it should be a trained pipeline with "
                f"one of {', '.join(nlp.pipe_names)}."
            )
        for name, component, other in pairs:
            if isinstance(component, DocRelationExtractor):
                _join_labels(component, cast(DocRelationExtractor, other))
                _copy_calibration(component, cast(DocRelationExtractor, other))
            _require_labels(name, component, other, path)
            owner = f"component '{name}' of {path}"
            set_weights(component.model, get_weights(other.model), owner)

    return load_weights


def _copy_calibration(component: DocRelationExtractor, other: DocRelationExtractor) -> None:
    """Keep the calibration: a threshold was chosen for calibrated scores."""
    scorers = [each.model.get_ref("pair_scorer") for each in (component, other)]
    scorers[0].attrs["calibration"] = scorers[1].attrs["calibration"]


def _join_labels(component: DocRelationExtractor, other: DocRelationExtractor) -> None:
    """Give both extractors the labels of both, in the order of the other's weights. Readable names
    of the other's labels are kept, too."""
    for label in component.labels:
        other.add_label(label)
    for label in other.labels:
        component.add_label(label)
    for label, name in other.label_names.items():
        component.label_names.setdefault(label, name)
    component.cfg["labels"] = list(other.labels)


def _require_labels(
    name: str, component: TrainablePipe, other: TrainablePipe, path: Union[str, Path]
) -> None:
    """Check that labels are equal: weights for as many other labels would load without an error."""
    if tuple(component.labels) != tuple(other.labels):
        raise ValueError(
            f"The labels of '{name}' are not those of {path}, which it starts from, or are in "
            "another order. Train on data with the same labels, or give both the same list, "
            f"[initialize.components.{name}] labels = ..., as 'spacy init labels' writes it."
        )
