"""The encoder (eq. 1): spacy-transformers' model, plus the last layer's attention.

The attention travels with the hidden states, as `model_output.last_attention` of each
TransformerData, and its gradient travels back on the same object, whatever other
components listen to the transformer, and in whatever order.
"""

import copy
import inspect
import json
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, cast

import srsly
import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, HFObjects, TransformerData
from spacy_transformers.layers import TransformerListener, trfs2arrays
from spacy_transformers.layers import TransformerModel as StockTransformerModel
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.layers.split_trf import split_trf_batch
from spacy_transformers.layers.transformer_model import forward as stock_forward
from spacy_transformers.layers.transformer_model import set_pytorch_transformer
from spacy_transformers.truncate import truncate_oversize_splits
from spacy_transformers.util import make_tempdir
from thinc.api import ArgsKwargs, Model, Optimizer, chain, get_torch_default_device, xp2torch
from thinc.types import Floats2d, Floats4d, Ragged
from torch import nn
from transformers import PreTrainedModel
from transformers.file_utils import ModelOutput
from transformers.modeling_utils import no_init_weights

from .learn_rates import check_learn_rate_factor, scale_learn_rate
from .markers import MentionMarkers, mark_mentions
from .precision import Precision, autocast
from .serialization import (
    StoredPrecision,
    check_stored_precision,
    load_weights,
    pack,
    read_weights,
    readable,
    save_weights,
    unpack,
)

logger = logging.getLogger("spacy")

ATTENTION = "last_attention"
_GRADIENT = "d_last_attention"


class TransformerModel(StockTransformerModel):
    """spacy-transformers' TransformerModel, whose output also holds the last attention.

    name (str): A model on the Hugging Face hub, or a folder.
    get_spans (Callable): Cuts Docs into windows.
    tokenizer_config (dict): Settings of the tokenizer.
    transformer_config (dict): Settings of the transformer.
    mixed_precision (bool): Float16 autocast on CUDA devices, with a gradient scaler.
    grad_scaler_config (dict): Settings of the gradient scaler.
    precision (Precision): Precision of the matrix products.
    frozen_embeddings (bool): Whether training leaves the word embeddings as they are.
    learn_rate_factor (float): Factor on the learning rate for the transformer's weights.
    stored_precision (StoredPrecision): Precision of the weights on disk.
    mention_markers (Optional[MentionMarkers]): Markers around mentions.
    RAISES (ValueError): If `learn_rate_factor` is negative or `stored_precision` is unknown.
    """

    def __init__(
        self,
        name: str,
        get_spans: Callable,
        tokenizer_config: dict = {},
        transformer_config: dict = {},
        mixed_precision: bool = False,
        grad_scaler_config: dict = {},
        precision: Precision = "float32",
        frozen_embeddings: bool = False,
        learn_rate_factor: float = 1.0,
        stored_precision: StoredPrecision = "float32",
        mention_markers: Optional[MentionMarkers] = None,
    ) -> None:
        check_learn_rate_factor(learn_rate_factor)
        check_stored_precision(stored_precision)
        super().__init__(
            name,
            get_spans,
            tokenizer_config,
            transformer_config,
            mixed_precision,
            dict(grad_scaler_config),
        )
        self._func = forward
        self.attrs["replace_listener"] = make_transformer
        self.attrs["replace_listener_cfg"] = replace_listener_cfg
        self.attrs["set_transformer"] = set_transformer
        # Not in attrs, which are stored with the weights: the config has it.
        self.mention_markers = mention_markers
        wrapper = self.layers[0]
        wrapper.attrs["convert_outputs"] = _convert_outputs
        stock = cast(HFShim, wrapper.shims[0])
        wrapper.shims[0] = AttentionShim(
            stock._hfmodel,
            mixed_precision=mixed_precision,
            grad_scaler_config=dict(grad_scaler_config),
            precision=precision,
            frozen_embeddings=frozen_embeddings,
            learn_rate_factor=learn_rate_factor,
            stored_precision=stored_precision,
        )

    def from_bytes(self, bytes_data: bytes) -> "TransformerModel":
        """Load the model.

        bytes_data (bytes): What `to_bytes` gave.
        RETURNS (TransformerModel): The model.
        RAISES (ValueError): If the data is cut off or damaged.
        """
        with readable("The file 'model' of the transformer component"):
            message = srsly.msgpack_loads(bytes_data)
        self.from_dict(message)
        return self

    def copy(self) -> "TransformerModel":
        """Copy the model, its settings and its weights.

        RETURNS (TransformerModel): The copy, with an id of its own.
        """
        copied = TransformerModel(
            self.attrs["name"],
            self.attrs["get_spans"],
            mention_markers=self.mention_markers,
        )
        shim = copy.deepcopy(self.layers[0].shims[0])
        # An optimizer knows a parameter by the id of its shim.
        shim.id = copied.layers[0].shims[0].id
        copied.layers[0].shims[0] = shim
        copied.attrs["has_transformer"] = self.attrs["has_transformer"]
        copied._dims = dict(self._dims)
        return copied


def make_transformer_model(
    name: str,
    get_spans: Callable,
    tokenizer_config: Dict[str, Any] = {},
    transformer_config: Dict[str, Any] = {},
    mixed_precision: bool = False,
    grad_scaler_config: Dict[str, Any] = {},
    precision: Precision = "float32",
    frozen_embeddings: bool = False,
    learn_rate_factor: float = 1.0,
    stored_precision: StoredPrecision = "float32",
    mention_markers: Optional[MentionMarkers] = None,
) -> Model[List[Doc], FullTransformerBatch]:
    """`spacy_docre.TransformerModel.v1`: the encoder of the `transformer` component.

    It does what `spacy-transformers.TransformerModel.v3` does, and hands over the last
    layer's attention besides. Layers before the last keep the attention kernel they
    have (SDPA where the model supports it).

    name (str): A model on the Hugging Face hub, or a folder.
    get_spans (Callable): Cuts Docs into windows, which may overlap.
    tokenizer_config (Dict[str, Any]): Settings of the tokenizer.
    transformer_config (Dict[str, Any]): Settings of the transformer.
    mixed_precision (bool): Float16 autocast on CUDA devices, with a gradient scaler.
    grad_scaler_config (Dict[str, Any]): Settings of the gradient scaler.
    precision (Precision): Precision of the matrix products: "float32", "bfloat16", or
        "auto" for bfloat16 where the processor has it in hardware.
    frozen_embeddings (bool): Whether training leaves the word embeddings as they are. They
        are half of a small encoder's weights: steps are faster and need less memory.
    learn_rate_factor (float): Factor on the optimizer's learning rate for the transformer's
        weights: those of other components, which begin anew, learn at higher rates.
    stored_precision (StoredPrecision): Precision of the weights on disk, "float32" or
        "float16", compressed, for less than half the size; in memory they are float32.
    mention_markers (Optional[MentionMarkers]): Put markers around mentions, e.g.
        `spacy_docre.MentionMarkers.v1`; None for the text as it is.
    RAISES (ValueError): If `learn_rate_factor` is negative or `stored_precision` is unknown.
    RETURNS (Model[List[Doc], FullTransformerBatch]): The model.
    """
    return TransformerModel(
        name,
        get_spans,
        tokenizer_config,
        transformer_config,
        mixed_precision,
        grad_scaler_config,
        precision,
        frozen_embeddings,
        learn_rate_factor,
        stored_precision,
        mention_markers,
    )


def make_transformer_listener(upstream: str = "*") -> Model[List[Doc], List[TransformerData]]:
    """`spacy_docre.TransformerListener.v1`: connect to the pipeline's `transformer`.

    upstream (str): The name of the transformer component, or "*" for any.
    RETURNS (Model[List[Doc], List[TransformerData]]): The listener.
    """
    return TransformerListener(upstream_name=upstream)


def make_transformer(
    transformer: Model[List[Doc], FullTransformerBatch],
) -> Model[List[Doc], List[TransformerData]]:
    """`spacy_docre.Transformer.v1`: an encoder that the component does not share.

    It stands where the listener stood after `nlp.replace_listeners`.

    transformer (Model[List[Doc], FullTransformerBatch]): The encoder, e.g.
        `spacy_docre.TransformerModel.v1`.
    RETURNS (Model[List[Doc], List[TransformerData]]): The model.
    """
    return chain(transformer, split_trf_batch())


def make_tok2vec_transformer(
    transformer: Model[List[Doc], FullTransformerBatch],
    pooling: Model[Ragged, Floats2d],
    grad_factor: float = 1.0,
) -> Model[List[Doc], List[Floats2d]]:
    """`spacy_docre.Tok2VecTransformer.v1`: token vectors from an unshared encoder.

    It stands where the listener of another component, e.g. `ner`, stood after
    `nlp.replace_listeners`.

    transformer (Model[List[Doc], FullTransformerBatch]): The encoder, e.g.
        `spacy_docre.TransformerModel.v1`.
    pooling (Model[Ragged, Floats2d]): Reduces word pieces to tokens.
    grad_factor (float): Factor on the gradient that reaches the encoder.
    RETURNS (Model[List[Doc], List[Floats2d]]): The model.
    """
    return chain(make_transformer(transformer), trfs2arrays(pooling, grad_factor))


def replace_listener_cfg(
    transformer_config: Dict[str, Any], listener_config: Dict[str, Any]
) -> Dict[str, Any]:
    """The config of the layer that stands where a listener stood.

    transformer_config (Dict[str, Any]): The transformer's model.
    listener_config (Dict[str, Any]): The listener.
    RETURNS (Dict[str, Any]): The config of `make_transformer` for our own listener, of
        `make_tok2vec_transformer` for the others, which pool word pieces.
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


def attention_of(data: TransformerData) -> Optional[Floats4d]:
    """The last layer's attention of one Doc.

    data (TransformerData): What the transformer says of the Doc, from our
        `TransformerModel`.
    RETURNS (Optional[Floats4d]): Attention, shape (windows, heads, pieces, pieces), or
        None if the transformer gave none.
    """
    return data.model_output.get(ATTENTION)


def leave_attention_gradient(data: TransformerData, gradient: Floats4d) -> None:
    """Leave the attention's gradient on the object that brought the attention.

    The transformer collects it when the last of its listeners has spoken.

    data (TransformerData): Where the attention came from.
    gradient (Floats4d): Its gradient, shape (windows, heads, pieces, pieces).
    """
    earlier = getattr(data, _GRADIENT, None)
    setattr(data, _GRADIENT, gradient if earlier is None else earlier + gradient)


def release_attention(doc: Doc) -> None:
    """Free the attention that our `TransformerModel` left on a Doc: it is large.

    doc (Doc): The document.
    """
    # Where the extractor has an encoder of its own, there may be no such extension.
    data = doc._.trf_data if Doc.has_extension("trf_data") else None
    if data is not None and ATTENTION in data.model_output:
        kept = {key: value for key, value in data.model_output.items() if key != ATTENTION}
        data.model_output = ModelOutput(**kept)


def forward(
    model: TransformerModel, docs: List[Doc], is_train: bool
) -> Tuple[FullTransformerBatch, Callable]:
    """Encode Docs; the backward pass adds the attention's gradient to the hidden states'."""
    if not any(len(doc) for doc in docs):
        # The component asks no such thing, but a layer that replaced a listener may.
        return FullTransformerBatch.empty(len(docs)), lambda d_output: docs
    if model.mention_markers is None:
        output, backprop_hidden = stock_forward(model, docs, is_train)
    else:
        output, backprop_hidden = _encode_marked(model, docs, is_train, model.mention_markers)

    def backprop(d_output: FullTransformerBatch) -> List[Doc]:
        gradient = _collect_attention_gradient(output)
        if gradient is not None:
            d_output.model_output[ATTENTION] = gradient
        return backprop_hidden(d_output)

    return output, backprop


def _encode_marked(
    model: TransformerModel, docs: List[Doc], is_train: bool, markers: MentionMarkers
) -> Tuple[FullTransformerBatch, Callable]:
    """Encode Docs with markers around their mentions."""
    spans, wordpieces, align = mark_mentions(
        model.tokenizer, model.attrs["get_spans"](docs), markers
    )
    wordpieces, align = truncate_oversize_splits(
        wordpieces, align, model.tokenizer.model_max_length
    )
    hidden, backprop = model.layers[0](wordpieces, is_train)
    output = FullTransformerBatch(
        spans=spans, wordpieces=wordpieces, model_output=hidden, align=align
    )

    def backprop_marked(d_output: FullTransformerBatch) -> List[Doc]:
        backprop(d_output.model_output)
        return docs

    return output, backprop_marked


def _collect_attention_gradient(output: FullTransformerBatch) -> Optional[torch.Tensor]:
    """Gather what listeners left on the TransformerData objects of a batch."""
    attention = output.model_output[ATTENTION]
    total = None
    start = 0
    for spans, data in zip(output.spans, output.doc_data):
        end = start + len(spans)
        gradient = getattr(data, _GRADIENT, None)
        if gradient is not None:
            total = torch.zeros_like(attention) if total is None else total
            total[start:end] = xp2torch(gradient, device=attention.device)
            delattr(data, _GRADIENT)
        start = end
    return total


def _convert_outputs(
    model: Model, inputs_outputs: Tuple[Any, ModelOutput], is_train: bool
) -> Tuple[ModelOutput, Callable[[ModelOutput], ArgsKwargs]]:
    _, output = inputs_outputs

    def backprop(d_output: ModelOutput) -> ArgsKwargs:
        d_hidden, *d_attention = d_output.values()
        outputs = [output["last_hidden_state"]]
        if d_attention:
            outputs.append(output[ATTENTION])
        return ArgsKwargs(args=(tuple(outputs),), kwargs={"grad_tensors": [d_hidden, *d_attention]})

    return output, backprop


def set_transformer(model: TransformerModel, objects: HFObjects) -> None:
    """Give the model its transformer and tokenizer.

    model (TransformerModel): The model, which has none yet.
    objects (HFObjects): Transformer and tokenizer.
    """
    set_pytorch_transformer(model, objects)
    cast(AttentionShim, model.layers[0].shims[0]).freeze_embeddings()
    log_attention_kernel(objects.transformer)


class AttentionShim(HFShim):
    """Runs a transformer so that its last layer gives its attention.

    Weights are stored as safetensors, so that loading a pipeline runs no pickle.
    """

    def __init__(
        self,
        model: HFObjects,
        *,
        precision: Precision = "float32",
        frozen_embeddings: bool = False,
        learn_rate_factor: float = 1.0,
        stored_precision: StoredPrecision = "float32",
        **settings: Any,
    ) -> None:
        super().__init__(model, **settings)
        self.precision = precision
        self.frozen_embeddings = frozen_embeddings
        self.learn_rate_factor = learn_rate_factor
        self.stored_precision = stored_precision

    def freeze_embeddings(self) -> None:
        """Keep the word embeddings of a transformer that has just been set from training, if
        they are to be frozen."""
        if self.frozen_embeddings:
            self._model.get_input_embeddings().requires_grad_(False)

    def predict(self, inputs: ArgsKwargs) -> ModelOutput:
        """Run the transformer without gradients. Arguments as in PyTorchShim."""
        with last_attention(self._model) as take, self._cast():
            return take(super().predict(inputs))

    def begin_update(self, inputs: ArgsKwargs) -> Tuple[ModelOutput, Callable]:
        """Run the transformer with gradients. Arguments as in PyTorchShim."""
        with last_attention(self._model) as take, self._cast():
            output, backprop = super().begin_update(inputs)
            return take(output), backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights, with `learn_rate_factor`. Arguments as in PyTorchShim."""
        super().finish_update(scale_learn_rate(optimizer, self.learn_rate_factor))

    @contextmanager
    def _cast(self) -> Iterator[None]:
        """Let the transformer run in its precision.

        Not around the shim: its own autocast, for mixed precision on CUDA devices, would undo
        it there.
        """
        context = autocast(self.precision, self.device)

        def enter(module: nn.Module, args: Tuple) -> None:
            context.__enter__()

        def leave(module: nn.Module, args: Tuple, output: Any) -> None:
            context.__exit__(None, None, None)

        hooks = [
            self._model.register_forward_pre_hook(enter),
            self._model.register_forward_hook(leave, always_call=True),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def to_bytes(self) -> bytes:
        """Serialise configuration, tokenizer and weights."""
        model = self._model
        if model is None:
            return super().to_bytes()
        # The stock method pickles the weights it finds: let it find none.
        self._model = nn.Module()
        try:
            message = srsly.msgpack_loads(super().to_bytes())
        finally:
            self._model = model
        # The folder that it was loaded from, which is of no use elsewhere.
        message["config"]["_name_or_path"] = ""
        message["state"] = save_weights(model, self.stored_precision)
        return pack(srsly.msgpack_dumps(message), self.stored_precision)

    def from_bytes(self, bytes_data: bytes) -> "AttentionShim":
        """Load what `to_bytes` gave.

        RAISES (ValueError): If the weights are missing, cut off, or of another model.
        """
        message = srsly.msgpack_loads(unpack(bytes_data, "transformer"))
        if not message["config"]:
            super().from_bytes(bytes_data)
            return self
        files = message["tokenizer"]
        tokenizer_settings = files.pop("kwargs", {})
        with make_tempdir() as folder:
            for name, content in files.items():
                # The bare name: what is loaded must not write outside of the folder.
                (folder / Path(name).name).write_bytes(content)
            # srsly's JSON would round BERT's layer_norm_eps of 1e-12 to 0.
            (folder / "config.json").write_text(json.dumps(message["config"]), encoding="utf8")
            config = self.config_cls.from_pretrained(folder)
            tokenizer = self.tokenizer_cls.from_pretrained(folder, **tokenizer_settings)
        with no_init_weights():
            transformer = self.model_cls.from_config(config)
        vocab_file = files.get(getattr(tokenizer, "vocab_files_names", {}).get("vocab_file"))
        self._hfmodel = HFObjects(tokenizer, transformer, vocab_file)
        self._model = transformer
        self.freeze_embeddings()
        device = get_torch_default_device()
        load_weights(transformer, read_weights(message["state"], "transformer"), "transformer")
        transformer.to(device)
        self._grad_scaler.to_(device)
        return self


@contextmanager
def last_attention(
    transformer: PreTrainedModel,
) -> Iterator[Callable[[ModelOutput], ModelOutput]]:
    """Let the last layer of a transformer give its attention, and no other layer.

    In models laid out as BERT is, the last layer alone is asked for it, so that the
    others keep the attention kernel they have. Any other model is asked for the
    attention of all its layers.

    transformer (PreTrainedModel): A Hugging Face transformer.
    YIELDS (Callable[[ModelOutput], ModelOutput]): Takes what the transformer returned,
        and gives it in float32, with `last_attention`, shape (windows, heads, pieces,
        pieces), beside it.
    """
    captured: List[torch.Tensor] = []
    layer = _last_layer(transformer)
    asked = transformer if layer is None else layer
    signature = inspect.signature(asked.forward)

    def ask(module: nn.Module, args: Tuple, kwargs: Dict[str, Any]) -> Tuple[Tuple, Dict]:
        call = signature.bind_partial(*args, **kwargs)
        call.arguments["output_attentions"] = True
        return call.args, call.kwargs

    def capture(module: nn.Module, args: Tuple, output: Any) -> None:
        captured.append(output["attentions"][-1] if layer is None else output[1])

    def take(output: ModelOutput) -> ModelOutput:
        result = ModelOutput()
        for name, value in output.items():
            if name != "attentions" or transformer.config.output_attentions:
                result[name] = value.float() if isinstance(value, torch.Tensor) else value
        result[ATTENTION] = captured.pop().float()
        return result

    hooks = [
        asked.register_forward_pre_hook(ask, with_kwargs=True),
        asked.register_forward_hook(capture),
    ]
    log = logging.getLogger(type(asked).__module__)
    log.addFilter(_is_news)
    try:
        yield take
    finally:
        log.removeFilter(_is_news)
        for hook in hooks:
            hook.remove()


def _last_layer(transformer: PreTrainedModel) -> Optional[nn.Module]:
    """The last layer of a model laid out as BERT is, None for any other model."""
    layers = getattr(getattr(transformer, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList):
        return None
    takes = inspect.signature(layers[-1].forward).parameters
    return layers[-1] if "output_attentions" in takes else None


def _is_news(record: logging.LogRecord) -> bool:
    """Keep out transformers' notice that a layer asked for its attention runs eager."""
    return "output_attentions=True" not in record.getMessage()


def log_attention_kernel(transformer: PreTrainedModel) -> None:
    """Say so where a model cannot give its last attention without a slower kernel.

    transformer (PreTrainedModel): A Hugging Face transformer.
    """
    name = type(transformer).__name__
    if _last_layer(transformer) is None:
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
