"""The transformer that a relation extractor listens to, which hands over its attention."""

import logging
from typing import Any, Optional, Tuple, cast

from spacy.language import Language
from spacy.util import registry
from spacy_transformers.layers import TransformerListener
from spacy_transformers.layers import TransformerModel as StockTransformerModel
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.pipeline_component import Transformer
from thinc.api import Model

from ..models.listener import AttentionListener

logger = logging.getLogger("spacy")

_STOCK = "spacy-transformers.TransformerModel."
_OURS = "spacy_docre.TransformerModel.v1"


def provide_attention(nlp: Language, model: Model[Any, Any]) -> None:
    """Find the transformer that a model listens to, and connect the two. If the transformer has
    the stock model of spacy-transformers, replace that model by ours.

    `spacy_docre.TransformerModel.v1` has the same settings and weights. Its output holds the last
    layer's attention, and all that the stock model's output holds, so that other components work
    as before.

    nlp (Language): The pipeline; its config is changed with it.
    model (Model[Any, Any]): The model of the relation extractor.
    """
    for node in model.walk():
        if isinstance(node, TransformerListener):
            found = _read_by(nlp, model, node.upstream_name)
            if found is not None and _has_stock_model(nlp, *found):
                _exchange(nlp, *found)
                logger.info(
                    "The model of '%s' is now %s, which also hands over the attention of its "
                    "last layer.",
                    found[0],
                    _OURS,
                )
        if isinstance(node, AttentionListener):
            node.connect(nlp)


def _read_by(
    nlp: Language, model: Model[Any, Any], upstream: str
) -> Optional[Tuple[str, Transformer]]:
    """Find the transformer that a listener of a model reads, and its name. It is the last matching
    transformer before the listener's component. Other transformers must stay unchanged."""
    found = None
    for name, component in nlp.components:
        if getattr(component, "model", None) is model:
            break
        if isinstance(component, Transformer) and upstream in ("*", name):
            found = name, component
    return found


def _has_stock_model(nlp: Language, name: str, component: Transformer) -> bool:
    """Tell whether a component's model is the stock model of spacy-transformers, in class and
    architecture. A user's own model may have settings that ours has not, or do more."""
    return type(component.model) is StockTransformerModel and (
        nlp.get_pipe_config(name)["model"]["@architectures"].startswith(_STOCK)
    )


def _exchange(nlp: Language, name: str, component: Transformer) -> None:
    config = nlp.get_pipe_config(name)
    model_config = {**config["model"], "@architectures": _OURS}
    model = registry.resolve({"model": model_config})["model"]
    objects = cast(HFShim, component.model.layers[0].shims[0])._hfmodel
    if objects.transformer is not None:
        model.attrs["set_transformer"](model, objects)
    if component.vocab is nlp.vocab:
        config["model"] = model_config
    else:
        # A sourced component also serves the pipeline it came from, and must stay unchanged there.
        settings = {key: value for key, value in config.items() if key != "factory"}
        settings["model"] = model_config
        disabled = name in nlp.disabled
        nlp.replace_pipe(name, config["factory"], config=settings)
        if disabled:
            nlp.disable_pipe(name)
    cast(Transformer, nlp.get_pipe(name)).model = model
