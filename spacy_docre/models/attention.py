"""The last layer's attention: how a Hugging Face model returns it, how its gradient travels, and
how a Doc is freed of it and of the transformer's other outputs.

The attention travels with the hidden states, as `model_output.last_attention` of each
TransformerData. Its gradient travels back on the same object. So it does not matter which other
components listen to the transformer, or in which order.
"""

import inspect
import logging
from contextvars import ContextVar
from typing import Any, Dict, List, Optional, Tuple, cast

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from spacy_transformers.pipeline_component import DOC_EXT_ATTR
from thinc.api import xp2torch
from thinc.types import Floats4d
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from .windows import LOST_PIECES, PIECE_CHARACTERS, TEXT_CHECKSUM

logger = logging.getLogger("spacy")

ATTENTION = "last_attention"
# The outputs of our transformer on a Doc that only the relation extractor reads.
_ADDED = {ATTENTION, PIECE_CHARACTERS, TEXT_CHECKSUM, LOST_PIECES}
_GRADIENT = "d_last_attention"

# The attention that the transformer call in progress collects; None outside of our calls. Each
# thread has a separate list, so the hooks of a shared module need no code for threads.
_collected: ContextVar[Optional[List[Optional[Tensor]]]] = ContextVar(
    "collected_attention", default=None
)

# The number of pieces in the trial run of a transformer.
_PROBE = 128
_REMEDY = (
    "Name another encoder in [components.transformer.model], such as a BERT, RoBERTa, ELECTRA or "
    "DeBERTa. With overlapping windows, each of them reads documents of any length."
)


class UnusableEncoder(ValueError):
    """A transformer does not return the attention that the relation extractor reads."""


def add_attention_hooks(transformer: PreTrainedModel) -> None:
    """Prepare a transformer for `run_with_attention`. Its other calls stay as before.

    In models with the layout of BERT, only the last layer is asked for its attention, so the other
    layers keep their attention kernel. Any other model is asked for the attention of all its
    layers.

    transformer (PreTrainedModel): A Hugging Face transformer.
    """
    layer = last_layer(transformer)
    asked = transformer if layer is None else layer
    asked.register_forward_pre_hook(_ask, with_kwargs=True)
    asked.register_forward_hook(_collect)
    logging.getLogger(type(asked).__module__).addFilter(_is_news)


def run_with_attention(transformer: PreTrainedModel, *args: Any, **kwargs: Any) -> ModelOutput:
    """Call a transformer that has the hooks of `add_attention_hooks`.

    transformer (PreTrainedModel): The transformer.
    *args (Any): The arguments of the call.
    **kwargs (Any): Its keyword arguments.
    RETURNS (ModelOutput): The output in float32, with `last_attention`, shape (windows, heads,
        pieces, pieces).
    """
    collected: List[Optional[Tensor]] = []
    token = _collected.set(collected)
    try:
        output = transformer(*args, **kwargs)
    finally:
        _collected.reset(token)
    result = ModelOutput()
    for name, value in output.items():
        if name != "attentions" or transformer.config.output_attentions:
            result[name] = value.float() if isinstance(value, Tensor) else value
    attention = collected[-1] if collected else None
    windows, pieces = result["last_hidden_state"].shape[:2]
    shape = [] if attention is None else [*attention.shape]
    if attention is None or shape != [windows, *shape[1:2], pieces, pieces]:
        raise UnusableEncoder(
            f"{type(transformer).__name__} cannot be the encoder of relation extraction, which "
            f"needs the attention between all word pieces. Its last layer should return {windows} "
            f"x heads x {pieces} x {pieces} numbers, but it returns "
            f"{' x '.join(map(str, shape)) or 'none'}. {_REMEDY}"
        )
    result[ATTENTION] = attention.float()
    return result


def require_attention(transformer: PreTrainedModel, limit: int) -> None:
    """Check that a transformer returns the attention that the relation extractor reads.

    transformer (PreTrainedModel): A transformer that has the hooks of `add_attention_hooks`.
    limit (int): The largest number of word pieces in its input.
    RAISES (UnusableEncoder): If it returns no attention, or attention of another shape.
    """
    # Some transformers differ from the others in long texts only.
    size = (1, min(limit, _PROBE))
    inputs = torch.zeros(size, dtype=torch.long, device=transformer.device)
    was_training = transformer.training
    transformer.eval()
    try:
        with torch.no_grad():
            output = run_with_attention(
                transformer, input_ids=inputs, attention_mask=torch.ones_like(inputs)
            )
    except UnusableEncoder:
        raise
    except Exception as error:
        raise UnusableEncoder(
            f"{type(transformer).__name__} cannot be the encoder of relation extraction: it fails "
            f"when it is asked for its attention as BERT is. {_REMEDY} ({type(error).__name__}: "
            f"{error})"
        ) from error
    finally:
        transformer.train(was_training)
    sums = output[ATTENTION].sum(-1)
    if not torch.allclose(sums, torch.ones_like(sums), atol=0.01):
        raise UnusableEncoder(
            f"{type(transformer).__name__} cannot be the encoder of relation extraction: its "
            f"attention does not sum to 1. {_REMEDY}"
        )


def _ask(
    module: nn.Module, args: Tuple[Any, ...], kwargs: Dict[str, Any]
) -> Optional[Tuple[Tuple[Any, ...], Dict[str, Any]]]:
    """Ask a module for its attention."""
    if _collected.get() is None:
        return None
    call = inspect.signature(module.forward).bind_partial(*args, **kwargs)
    call.arguments["output_attentions"] = True
    return call.args, call.kwargs


def _collect(module: nn.Module, args: Tuple[Any, ...], output: Any) -> None:
    """Keep the attention of a layer, or of the last layer of a whole model; None if there is
    none."""
    collected = _collected.get()
    if collected is not None:
        whole = isinstance(output, ModelOutput)
        given = output.get("attentions") if whole else output[1:]
        collected.append(given[-1 if whole else 0] if given else None)


def _is_news(record: logging.LogRecord) -> bool:
    """Filter out the notice of transformers that a layer runs eager because we ask for its
    attention."""
    return _collected.get() is None or "output_attentions=True" not in record.getMessage()


def last_layer(transformer: PreTrainedModel) -> Optional[nn.Module]:
    """Find the last layer, if it can be asked for its attention alone.

    transformer (PreTrainedModel): A Hugging Face transformer.
    RETURNS (Optional[nn.Module]): The last layer of a model with the layout of BERT; None for any
        other model.
    """
    layers = getattr(getattr(transformer, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList):
        return None
    takes = inspect.signature(layers[-1].forward).parameters
    return layers[-1] if "output_attentions" in takes else None


def log_attention_kernel(transformer: PreTrainedModel) -> None:
    """Log if a model needs a slower kernel to return its last attention.

    transformer (PreTrainedModel): A Hugging Face transformer.
    """
    name = type(transformer).__name__
    if last_layer(transformer) is None:
        logger.warning(
            "%s cannot be asked for the attention of its last layer alone: all its layers "
            "run eager attention, which is slower and needs more memory.",
            name,
        )
    elif transformer.config._attn_implementation == "eager":
        logger.info(
            "%s runs eager attention in all its layers: its settings ask for it, or it has no "
            "other.",
            name,
        )


def attention_of(data: TransformerData) -> Optional[Floats4d]:
    """Return the last layer's attention for one Doc.

    data (TransformerData): The output of our `TransformerModel` for the Doc.
    RETURNS (Optional[Floats4d]): Attention, shape (windows, heads, pieces, pieces), or None if the
        transformer returned none.
    """
    return data.model_output.get(ATTENTION)


def leave_attention_gradient(data: TransformerData, gradient: Floats4d) -> None:
    """Store the attention's gradient on the object that brought the attention.

    The transformer collects it after the backward pass of its last listener.

    data (TransformerData): The object that brought the attention.
    gradient (Floats4d): Its gradient, shape (windows, heads, pieces, pieces).
    """
    earlier = getattr(data, _GRADIENT, None)
    setattr(data, _GRADIENT, gradient if earlier is None else earlier + gradient)


def take_attention_gradient(batch: FullTransformerBatch) -> Optional[Tensor]:
    """Collect the gradients that listeners have stored on the TransformerData objects of a batch.

    batch (FullTransformerBatch): The output of our `TransformerModel`.
    RETURNS (Optional[Tensor]): The gradient, shape (windows, heads, pieces, pieces), or None if no
        listener has stored any.
    """
    attention = batch.model_output[ATTENTION]
    total: Optional[Tensor] = None
    start = 0
    for spans, data in zip(batch.spans, batch.doc_data, strict=True):
        end = start + len(spans)
        gradient = getattr(data, _GRADIENT, None)
        if gradient is not None:
            total = torch.zeros_like(attention) if total is None else total
            total[start:end] = xp2torch(gradient, device=attention.device)
            delattr(data, _GRADIENT)
        start = end
    return total


class FreedOutput(Dict[str, Any]):
    """Replaces freed hidden states, so that no later component reads zeros for them."""

    def _refuse(self, *_: Any) -> Any:
        raise ValueError(
            "The hidden states of this document have been freed, since a relation extractor has "
            "keep_encoding = false. Put the component that reads them before the relation "
            "extractor, or set keep_encoding = true in [components.doc_relation_extractor]. To "
            "annotate the document again, run the whole pipeline on it."
        )

    __contains__ = __getitem__ = to_tuple = _refuse
    last_hidden_state = property(_refuse)


def release_attention(doc: Doc) -> None:
    """Free the outputs of our `TransformerModel` on a Doc that only the relation extractor reads:
    the attention, which is large, and the data on pieces and windows.

    doc (Doc): The document.
    """
    # If the extractor has an unshared encoder, there may be no such extension.
    data = doc._.trf_data if Doc.has_extension(DOC_EXT_ATTR) else None
    if data is not None:
        kept = {key: value for key, value in data.model_output.items() if key not in _ADDED}
        if len(kept) < len(data.model_output):
            data.model_output = ModelOutput(**kept)


def release_encoding(doc: Doc) -> None:
    """Free all outputs of the transformer on a Doc. Reading them later is an error.

    doc (Doc): The document.
    """
    if Doc.has_extension(DOC_EXT_ATTR) and doc._.trf_data is not None:
        freed = TransformerData.empty()
        freed.model_output = cast(ModelOutput, FreedOutput())
        doc._.trf_data = freed
