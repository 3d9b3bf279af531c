"""See to it that the pipeline's transformer hands over its attention."""

import logging
from typing import cast

from spacy.language import Language
from spacy.util import registry
from spacy_transformers.layers import TransformerListener
from spacy_transformers.layers import TransformerModel as StockTransformerModel
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.pipeline_component import Transformer

from ..models.extractor import ExtractorModel

logger = logging.getLogger("spacy")


def provide_attention(nlp: Language, model: ExtractorModel) -> None:
    """Exchange the stock model of the transformers that a model listens to for ours.

    `spacy_docre.TransformerModel.v1` has the same settings and weights, and its output
    holds all that the stock model's does and the last layer's attention besides, so that
    other components notice nothing.

    nlp (Language): The pipeline; its config is changed with it.
    model (ExtractorModel): The model of the relation extractor.
    """
    upstream = {
        node.upstream_name for node in model.walk() if isinstance(node, TransformerListener)
    }
    for name, component in nlp.components:
        if isinstance(component, Transformer) and upstream.intersection(("*", name)):
            architecture = nlp.get_pipe_config(name)["model"]["@architectures"]
            if architecture.startswith(_STOCK) and type(component.model) is StockTransformerModel:
                _exchange(nlp, name, component)
                logger.info(
                    "The model of '%s' is now %s, which also hands over the attention of its "
                    "last layer.",
                    name,
                    _OURS,
                )


_STOCK = "spacy-transformers.TransformerModel."
_OURS = "spacy_docre.TransformerModel.v1"


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
        # A sourced component serves the pipeline it came from, too, and stays as it is there.
        settings = {key: value for key, value in config.items() if key != "factory"}
        settings["model"] = model_config
        disabled = name in nlp.disabled
        nlp.replace_pipe(name, config["factory"], config=settings)
        if disabled:
            nlp.disable_pipe(name)
    cast(Transformer, nlp.get_pipe(name)).model = model
