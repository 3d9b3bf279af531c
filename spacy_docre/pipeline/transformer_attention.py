"""See to it that the pipeline's transformer hands over its attention."""

import logging
from typing import Any, Dict, cast

from spacy.language import Language
from spacy.util import registry
from spacy_transformers.layers import TransformerListener
from spacy_transformers.layers import TransformerModel as StockTransformerModel
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.pipeline_component import Transformer
from thinc.api import Model

logger = logging.getLogger("spacy")


def provide_attention(nlp: Language, model: Model) -> None:
    """Exchange the stock model of the transformers that a model listens to for ours.

    `spacy_docre.TransformerModel.v1` has the same settings and weights, and its output
    holds all that the stock model's does and the last layer's attention besides, so that
    other components notice nothing.

    nlp (Language): The pipeline; its config is changed with it.
    model (Model): The model of the relation extractor.
    """
    upstream = {
        node.upstream_name for node in model.walk() if isinstance(node, TransformerListener)
    }
    for name, component in nlp.components:
        if isinstance(component, Transformer) and upstream.intersection(("*", name)):
            if type(component.model) is StockTransformerModel:
                config = nlp.get_pipe_config(name)["model"]
                config["@architectures"] = "spacy_docre.TransformerModel.v1"
                component.model = _exchange(component.model, config)
                logger.info(
                    "The model of '%s' is now spacy_docre.TransformerModel.v1, which also "
                    "hands over the attention of its last layer.",
                    name,
                )


def _exchange(stock: Model, config: Dict[str, Any]) -> Model:
    model = registry.resolve({"model": config})["model"]
    objects = cast(HFShim, stock.layers[0].shims[0])._hfmodel
    if objects.transformer is not None:
        model.attrs["set_transformer"](model, objects)
    return model
