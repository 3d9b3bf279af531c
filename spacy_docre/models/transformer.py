"""The encoder (eq. 1): the model of spacy-transformers, plus the last layer's attention."""

import copy
import os
from functools import partial
from threading import Lock
from typing import Any, Callable, Dict, List, Optional, Tuple, cast

from spacy.tokens import Doc
from spacy_transformers.data_classes import (
    FullTransformerBatch,
    HFObjects,
    TransformerData,
    WordpieceBatch,
)
from spacy_transformers.layers import TransformerModel as StockTransformerModel
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.layers.split_trf import split_trf_batch
from spacy_transformers.layers.transformer_model import set_pytorch_transformer
from thinc.api import ArgsKwargs, Model, chain
from torch import Tensor
from transformers.utils.generic import ModelOutput

from .attention import (
    ATTENTION,
    log_attention_kernel,
    require_attention,
    take_attention_gradient,
)
from .encoder_files import load_pretrained
from .learn_rates import check_learn_rate_factor
from .listener import leave_sources, name_source
from .markers import MentionMarkers, mark_mentions
from .precision import Precision
from .serialization import StoredPrecision, fill_model, read_message, readable
from .shim import STRUCTURE, EncoderStructure, TransformerShim
from .windows import (
    GetSpans,
    about_windows,
    cut_windows,
    fit,
    to_wordpieces,
    tokenize,
    window_limit,
)

# A tokenizer stores the padding of its current call, so only one call may run at a time. One lock
# serves all tokenizers: a tokenizer may belong to several models, and a model with a lock could not
# be copied.
_TOKENIZING = Lock()


def _renew_lock() -> None:
    """Replace the lock in a forked process. The inherited lock stays held if another thread was
    tokenising at the fork."""
    global _TOKENIZING
    _TOKENIZING = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class TransformerModel(StockTransformerModel):
    """`spacy_docre.TransformerModel.v1`: the encoder of the `transformer` component.

    It does the same as `spacy-transformers.TransformerModel.v3`, and also returns the last layer's
    attention. Layers before the last keep their attention kernel (SDPA if the model supports it).

    name (str): A model on the Hugging Face hub, or a folder.
    get_spans (GetSpans): Cuts Docs into windows, which may overlap.
    tokenizer_config (Dict[str, Any]): Settings of the tokenizer.
    transformer_config (Dict[str, Any]): Settings of the transformer. `name` and both configs are
        used to load a transformer for training; a stored transformer has its own settings.
    mixed_precision (bool): Float16 autocast on CUDA devices, with a gradient scaler.
    grad_scaler_config (Dict[str, Any]): Settings of the gradient scaler.
    precision (Precision): Precision of the matrix products: "float32", "bfloat16", or "auto".
        "auto" takes what the processor has in hardware: int8 in predictions, bfloat16 in training.
        On a GPU "auto" is bfloat16, and scores depend on the batch, by up to some hundredths.
    frozen_embeddings (bool): Whether training leaves the word embeddings as they are. They are half
        of a small encoder's weights: without them, steps are faster and need less memory.
    learn_rate_factor (float): Factor on the optimizer's learning rate for the transformer's
        weights. Other components start from nothing and learn at higher rates.
    stored_precision (StoredPrecision): Precision of the weights on disk: "float32" or "float16".
        "float16" is also compressed, to less than half the size. In memory the weights are float32.
    mention_markers (Optional[MentionMarkers]): Put markers around mentions, e.g.
        `spacy_docre.MentionMarkers.v1`; None for the text as it is.
    structure (Optional[EncoderStructure]): Give the document's entities to the attention of all
        layers, e.g. `spacy_docre.EntityStructure.v1`; None for the encoder as it is.
    RAISES (ValueError): If `learn_rate_factor` is negative.
    """

    def __init__(
        self,
        name: str,
        get_spans: GetSpans,
        tokenizer_config: Dict[str, Any] = {},
        transformer_config: Dict[str, Any] = {},
        mixed_precision: bool = False,
        grad_scaler_config: Dict[str, Any] = {},
        precision: Precision = "float32",
        frozen_embeddings: bool = False,
        learn_rate_factor: float = 1.0,
        stored_precision: StoredPrecision = "float32",
        mention_markers: Optional[MentionMarkers] = None,
        structure: Optional[EncoderStructure] = None,
    ) -> None:
        check_learn_rate_factor(learn_rate_factor)
        super().__init__(
            name,
            get_spans,
            tokenizer_config,
            transformer_config,
            mixed_precision,
            dict(grad_scaler_config),
        )
        self._func = forward
        # Not in `attrs`, which loaded data may change.
        self.init = partial(
            initialize,
            name=name,
            tokenizer_config=tokenizer_config,
            transformer_config=transformer_config,
        )
        self.attrs["replace_listener"] = unshared
        self.attrs["replace_listener_cfg"] = replace_listener_cfg
        self.attrs["set_transformer"] = set_transformer
        # Not in `attrs`, which are stored with the weights: the config has these settings.
        self.mention_markers = mention_markers
        self.structure = structure
        self.source = name_source()
        wrapper = self.layers[0]
        convert_inputs = wrapper.attrs["convert_inputs"]
        wrapper.attrs["convert_inputs"] = partial(_convert_inputs, convert_inputs)
        wrapper.attrs["convert_outputs"] = _convert_outputs
        stock = cast(HFShim, wrapper.shims[0])
        wrapper.shims[0] = TransformerShim(
            stock._hfmodel,
            mixed_precision=mixed_precision,
            grad_scaler_config=dict(grad_scaler_config),
            precision=precision,
            frozen_embeddings=frozen_embeddings,
            learn_rate_factor=learn_rate_factor,
            stored_precision=stored_precision,
            structure=structure,
        )

    def from_bytes(self, bytes_data: bytes) -> "TransformerModel":
        """Load the model.

        bytes_data (bytes): The output of `to_bytes`.
        RETURNS (TransformerModel): The model.
        RAISES (ValueError): If the data is cut off or damaged.
        """
        what = "The file 'model' of the transformer component"
        fill_model(self, read_message(bytes_data, what, attrs=list), what)
        with readable(what):
            if self.attrs["has_transformer"] and self.transformer is None:
                raise ValueError("it has no weights")
        return self

    @property
    def _init_tokenizer_config(self) -> Dict[str, Any]:
        """Raise an error. spacy-transformers asks for this if 'model' is a folder, as in its
        version 1.0, whose files would be loaded as they are."""
        raise ValueError(
            "The 'model' of the transformer component is a folder, and should be a file. Copy or "
            "train the pipeline again."
        )

    def copy(self) -> "TransformerModel":
        """Copy the model, its settings and its weights.

        RETURNS (TransformerModel): The copy, with a new id.
        """
        copied = TransformerModel(
            self.attrs["name"],
            self.attrs["get_spans"],
            mention_markers=self.mention_markers,
            structure=self.structure,
        )
        shim = copy.deepcopy(self.layers[0].shims[0])
        # An optimizer identifies a parameter by the id of its shim.
        shim.id = copied.layers[0].shims[0].id
        copied.layers[0].shims[0] = shim
        copied.init = self.init
        copied.attrs["has_transformer"] = self.attrs["has_transformer"]
        copied._dims = dict(self._dims)
        return copied


def initialize(
    model: TransformerModel,
    X: Optional[List[Doc]] = None,
    Y: Optional[object] = None,
    *,
    name: str,
    tokenizer_config: Dict[str, Any],
    transformer_config: Dict[str, Any],
) -> None:
    """Load the transformer for training, if the model has none yet.

    model (TransformerModel): The model.
    name (str): As in `TransformerModel`.
    tokenizer_config (Dict[str, Any]): As in `TransformerModel`.
    transformer_config (Dict[str, Any]): As in `TransformerModel`.
    """
    if not model.attrs["has_transformer"]:
        objects = load_pretrained(name, tokenizer_config, transformer_config)
        model.attrs["set_transformer"](model, objects)


def set_transformer(model: TransformerModel, objects: HFObjects) -> None:
    """Give the model its transformer and tokenizer.

    model (TransformerModel): The model, which has none yet.
    objects (HFObjects): Transformer and tokenizer.
    RAISES (ValueError): If the transformer's attention cannot be used, or does not support
        `structure`.
    """
    set_pytorch_transformer(model, objects)
    shim = cast(TransformerShim, model.layers[0].shims[0])
    shim.extend(objects.transformer)
    shim.prepare_transformer()
    require_attention(objects.transformer, window_limit(objects.tokenizer, objects.transformer))
    log_attention_kernel(objects.transformer)


def unshared(
    transformer: Model[List[Doc], FullTransformerBatch],
) -> Model[List[Doc], List[TransformerData]]:
    """Make the layer that `nlp.replace_listeners` puts in the place of a listener.

    transformer (Model[List[Doc], FullTransformerBatch]): The encoder.
    RETURNS (Model[List[Doc], List[TransformerData]]): The layer.
    """
    return chain(transformer, split_trf_batch())


def replace_listener_cfg(
    transformer_config: Dict[str, Any], listener_config: Dict[str, Any]
) -> Dict[str, Any]:
    """Make the config of the layer that replaces a listener.

    transformer_config (Dict[str, Any]): The config of the transformer's model.
    listener_config (Dict[str, Any]): The config of the listener.
    RETURNS (Dict[str, Any]): The config: `spacy_docre.Transformer.v1` replaces our listener, and
        `spacy_docre.Tok2VecTransformer.v1` the others, which pool word pieces.
    """
    if listener_config["@architectures"] == "spacy_docre.TransformerListener.v1":
        replaced: Dict[str, Any] = {"@architectures": "spacy_docre.Transformer.v1"}
    else:
        replaced = {
            setting: listener_config[setting]
            for setting in ("pooling", "grad_factor")
            if setting in listener_config
        }
        replaced["@architectures"] = "spacy_docre.Tok2VecTransformer.v1"
    return {**replaced, "transformer": dict(transformer_config)}


def forward(
    model: TransformerModel, docs: List[Doc], is_train: bool
) -> Tuple[FullTransformerBatch, Callable[[FullTransformerBatch], List[Doc]]]:
    """Encode Docs. The backward pass adds the attention's gradient to the hidden states' gradient.

    model (TransformerModel): The model.
    docs (List[Doc]): The documents.
    is_train (bool): Whether it is a training step.
    RETURNS (Tuple[FullTransformerBatch, Callable]): The transformer's output for the documents, and
        the backward pass from the gradients of the hidden states.
    """
    if not any(len(doc) for doc in docs):
        # The component never calls this, but a layer that replaced a listener may.
        return FullTransformerBatch.empty(len(docs)), lambda d_output: docs
    found = cut_windows(model.attrs["get_spans"], docs)
    if not any(found):
        return FullTransformerBatch.empty(len(docs)), lambda d_output: docs
    tokenizer = model.tokenizer
    with _TOKENIZING:
        if model.mention_markers is None:
            pieces = tokenize(tokenizer, found)
        else:
            pieces = mark_mentions(tokenizer, found, model.mention_markers)
        windows = fit(tokenizer, found, pieces, window_limit(tokenizer, model.transformer))
        wordpieces, align = to_wordpieces(tokenizer, windows)
    structure = None if model.structure is None else model.structure.of_pieces(windows)
    hidden, backprop_hidden = model.layers[0]((wordpieces, structure), is_train)
    output = FullTransformerBatch(
        spans=windows.spans,
        wordpieces=wordpieces,
        model_output=ModelOutput(**hidden, **about_windows(windows)),
        align=align,
    )
    leave_sources(docs, output.doc_data, model.source)

    def backprop(d_output: FullTransformerBatch) -> List[Doc]:
        gradient = take_attention_gradient(output)
        if gradient is not None:
            d_output.model_output[ATTENTION] = gradient
        backprop_hidden(d_output.model_output)
        return docs

    return output, backprop


def _convert_inputs(
    convert_wordpieces: Callable[..., Tuple[ArgsKwargs, Callable[[Any], Any]]],
    model: Model[Any, ModelOutput],
    inputs: Tuple[WordpieceBatch, Optional[Tensor]],
    is_train: bool,
) -> Tuple[ArgsKwargs, Callable[[Any], Any]]:
    wordpieces, structure = inputs
    converted, backprop = convert_wordpieces(model, wordpieces, is_train)
    if structure is not None:
        converted.kwargs[STRUCTURE] = structure.to(converted.kwargs["input_ids"].device)
    return converted, backprop


def _convert_outputs(
    model: Model[WordpieceBatch, ModelOutput],
    inputs_outputs: Tuple[WordpieceBatch, ModelOutput],
    is_train: bool,
) -> Tuple[ModelOutput, Callable[[ModelOutput], ArgsKwargs]]:
    _, output = inputs_outputs

    def backprop(d_output: ModelOutput) -> ArgsKwargs:
        d_hidden, *d_attention = d_output.values()
        outputs = [output["last_hidden_state"]]
        if d_attention:
            outputs.append(output[ATTENTION])
        return ArgsKwargs(args=(tuple(outputs),), kwargs={"grad_tensors": [d_hidden, *d_attention]})

    return output, backprop
