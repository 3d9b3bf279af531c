"""The shims that thinc uses to run, update, store and load PyTorch modules."""

import copy
from abc import ABC, abstractmethod
from contextlib import nullcontext
from functools import partial
from typing import Any, Callable, ContextManager, Optional, Tuple

import srsly
import torch
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import ArgsKwargs, Optimizer, PyTorchShim, get_torch_default_device
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel, no_init_weights
from transformers.utils.generic import ModelOutput

from .attention import add_attention_hooks, run_with_attention
from .encoder_files import made_of_data, read_stored, safe_files
from .int8 import forget
from .learn_rates import scale_learn_rate
from .precision import Precision, autocast
from .serialization import (
    STOCK_FORMAT,
    StoredPrecision,
    build,
    pack,
    read_message,
    read_stock_weights,
    read_weights,
    readable,
    require_kinds,
    save_weights,
    unpack,
)
from .single_windows import run_single_windows
from .windows import Windows

# The name of the transformer's argument for the structure of `EncoderStructure`.
STRUCTURE = "structure"


class EncoderStructure(ABC):
    """Information on a document, in addition to its text, for the encoder's attention.
    `systems/ssan.py` has an example."""

    @abstractmethod
    def extend(self, transformer: PreTrainedModel) -> None:
        """Add the parameters and the hooks for the structure to a transformer.

        transformer (PreTrainedModel): The transformer.
        RAISES (ValueError): If the transformer does not support them.
        """

    @abstractmethod
    def of_pieces(self, windows: Windows) -> Tensor:
        """Find the structure of a batch.

        windows (Windows): The windows of its documents.
        RETURNS (Tensor): The structure of each piece, shape (windows, pieces, any).
        """

    @abstractmethod
    def given(self, pieces: Tensor) -> ContextManager[None]:
        """Give the structure of a batch to the calls of a transformer.

        pieces (Tensor): The output of `of_pieces` for the batch, shape (windows, pieces, any).
        RETURNS (ContextManager[None]): The context of the calls.
        """


class ThreadSafeShim(PyTorchShim):
    """Lets several threads predict with one module.

    The stock shim puts the module back into training mode after each prediction, even while another
    thread predicts. Here the module stays in evaluation mode until the next training step.
    """

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the module in evaluation mode, without gradients.

        inputs (ArgsKwargs): The arguments of the call.
        RETURNS (Any): The output.
        """
        self._model.eval()
        with torch.no_grad():
            return self.run(inputs)

    def run(self, inputs: ArgsKwargs) -> Any:
        """Run the module in its current mode.

        inputs (ArgsKwargs): The arguments of the call.
        RETURNS (Any): The output.
        """
        return self._model(*inputs.args, **inputs.kwargs)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights.

        optimizer (Optimizer): The optimizer.
        """
        super().finish_update(optimizer)
        # thinc's optimizers change weights in memory, and torch does not notice it.
        forget(self._model.parameters())


class TransformerShim(ThreadSafeShim, HFShim):
    """Runs a Hugging Face transformer so that its last layer gives its attention.

    Weights are stored as safetensors, so that loading a pipeline runs no pickle.

    model (HFObjects): Transformer and tokenizer, or none yet.
    precision (Precision): Precision of the matrix products.
    frozen_embeddings (bool): Whether training leaves the word embeddings as they are.
    learn_rate_factor (float): Factor on the learning rate.
    stored_precision (StoredPrecision): Precision of the weights on disk.
    structure (Optional[EncoderStructure]): Information for its attention, in addition to the text.
    **settings (Any): Settings of HFShim.
    """

    def __init__(
        self,
        model: HFObjects,
        *,
        precision: Precision = "float32",
        frozen_embeddings: bool = False,
        learn_rate_factor: float = 1.0,
        stored_precision: StoredPrecision = "float32",
        structure: Optional[EncoderStructure] = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, **settings)
        self.precision = precision
        self.frozen_embeddings = frozen_embeddings
        self.learn_rate_factor = learn_rate_factor
        self.stored_precision = stored_precision
        self.structure = structure

    def extend(self, transformer: PreTrainedModel) -> None:
        """Add the parameters and the hooks for the structure to a transformer, if there is a
        structure.

        transformer (PreTrainedModel): The transformer. Its weights may be loaded later.
        RAISES (ValueError): If the transformer does not support them.
        """
        if self.structure is not None:
            self.structure.extend(transformer)

    def prepare_transformer(self) -> None:
        """Prepare a new transformer: it can be asked for its last attention, and frozen word
        embeddings stay as they are in training."""
        add_attention_hooks(self._model)
        if self.frozen_embeddings:
            self._model.get_input_embeddings().requires_grad_(False)

    def run(self, inputs: ArgsKwargs) -> ModelOutput:
        """Run the transformer in its precision and its current mode.

        inputs (ArgsKwargs): The arguments of the call.
        RETURNS (ModelOutput): The output, with the attention of the last layer.
        """
        kwargs = dict(inputs.kwargs)
        pieces = kwargs.pop(STRUCTURE, None)
        known = nullcontext() if self.structure is None else self.structure.given(pieces)
        with self._autocast(), known:
            return run_with_attention(self._model, *inputs.args, **kwargs)

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the transformer in evaluation mode. On a processor each window runs alone: without
        padding this is faster for documents, and a document's output does not depend on its batch.

        inputs (ArgsKwargs): The arguments of the call.
        RETURNS (Any): The output.
        """
        if self.device.type != "cpu":
            return super().predict(inputs)
        self._model.eval()
        with torch.no_grad():
            return run_single_windows(self.run, inputs)

    def _autocast(self) -> ContextManager[object]:
        """Choose the autocast. `mixed_precision` applies to CUDA devices, if `precision` is
        float32."""
        device = self.device
        if self._mixed_precision and self.precision == "float32" and device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.float16)
        return autocast(self.precision, device)

    def begin_update(
        self, inputs: ArgsKwargs
    ) -> Tuple[ModelOutput, Callable[[ArgsKwargs], ArgsKwargs]]:
        """Run the transformer in training mode, with gradients.

        The stock method is not used: its autocast would undo ours on CUDA devices.

        inputs (ArgsKwargs): The arguments of the call.
        RETURNS (Tuple[ModelOutput, Callable[[ArgsKwargs], ArgsKwargs]]): The output, and the
            backward pass. It takes the arguments of torch.autograd.backward.
        """
        self._model.train()
        output = self.run(inputs)

        def backprop(gradients: ArgsKwargs) -> ArgsKwargs:
            gradients.kwargs["grad_tensors"] = self._grad_scaler.scale(
                gradients.kwargs["grad_tensors"], inplace=True
            )
            # Gradients of earlier batches are scaled back already, and must not be again.
            earlier = {weight: weight.grad for weight in self._model.parameters()}
            if self._grad_scaler._enabled:
                self._model.zero_grad(set_to_none=True)
            torch.autograd.backward(*gradients.args, **gradients.kwargs)
            if self._grad_scaler._enabled:
                found = {weight: weight.grad for weight in earlier if weight.grad is not None}
                self._grad_scaler.unscale(found.values())
                for weight, gradient in earlier.items():
                    if gradient is not None:
                        weight.grad = gradient.add_(found[weight]) if weight in found else gradient
            # Word pieces have no gradients.
            return inputs

        return output, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights, with `learn_rate_factor`.

        optimizer (Optimizer): The optimizer.
        """
        super().finish_update(scale_learn_rate(optimizer, self.learn_rate_factor))

    def to_bytes(self) -> bytes:
        """Serialise configuration, tokenizer and weights.

        RETURNS (bytes): A message of msgpack, compressed in half precision.
        """
        model = self._model
        if model is None:
            return super().to_bytes()
        # The stock method pickles the weights of the module: give it one without weights.
        bare = copy.copy(self)
        bare._model = nn.Module()
        message = srsly.msgpack_loads(HFShim.to_bytes(bare))
        # The folder of the original transformer, which is of no use elsewhere.
        message["config"]["_name_or_path"] = ""
        settings = {"kwargs": message["tokenizer"]["kwargs"]}
        message["tokenizer"] = {**settings, **safe_files(message["tokenizer"])}
        message["state"] = save_weights(model, self.stored_precision)
        return pack(srsly.msgpack_dumps(message), self.stored_precision)

    def from_bytes(self, bytes_data: bytes) -> "TransformerShim":
        """Load the output of `to_bytes`.

        bytes_data (bytes): The data.
        RETURNS (TransformerShim): The shim.
        RAISES (ValueError): If the weights are missing, cut off, or of another model.
        """
        what = "The weights of the transformer"
        message = read_message(unpack(bytes_data, "transformer"), what, config=dict)
        if not message["config"]:
            # The transformer is not trained yet: the pipeline's config says how to make it.
            return self
        with readable(what):
            require_kinds(message, {"tokenizer": dict, "state": bytes})
        config, files = message["config"], message["tokenizer"]
        is_stock = message["state"].startswith(STOCK_FORMAT)
        weights = (read_stock_weights if is_stock else read_weights)(
            message["state"], "transformer"
        )
        making = partial(made_of_data, "The transformer", needs_code="auto_map" in config)
        with making():
            read_config, tokenizer = read_stored(
                config, files, config_cls=self.config_cls, tokenizer_cls=self.tokenizer_cls
            )

        def make() -> nn.Module:
            with making(), no_init_weights():
                transformer = self.model_cls.from_config(read_config, trust_remote_code=False)
            self.extend(transformer)
            return transformer

        transformer = build(make, weights, "transformer")
        vocab_file = files.get(getattr(tokenizer, "vocab_files_names", {}).get("vocab_file"))
        self._hfmodel = HFObjects(tokenizer, transformer, vocab_file)
        self._model = transformer
        self.prepare_transformer()
        device = get_torch_default_device()
        transformer.to(device)
        self._grad_scaler.to_(device)
        return self
