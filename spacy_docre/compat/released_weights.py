"""Checkpoints of the authors' released code (`DocREModel_KD`) and of ATLOP's (`DocREModel`):
their state dicts as weights of our network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional

import torch
from torch import Tensor

Weights = Dict[str, Tensor]

# The released code's; a state dict does not tell them.
HEADS = 8
# What ATLOP adds to the sum of a pair's attention.
ATLOP_SMOOTHING = 1e-5

_ENCODER = "model."
_PARALLEL = "module."
_LAYER = "axial_transformer.axial_attns."


@dataclass
class ReleasedWeights:
    """The weights of a checkpoint.

    encoder (Weights): Those of the transformer, by the names of transformers.
    network (Weights): Those of the rest, by the names of `KDDocRE`.
    width (int): Width of the head and tail embeddings.
    block_size (int): Width of a block of the bilinear product.
    pair_width (int): Width of the pair features.
    depth (Optional[int]): Layers of axial attention; None for ATLOP, which has none.
    """

    encoder: Weights
    network: Weights
    width: int
    block_size: int
    pair_width: int
    depth: Optional[int]

    @property
    def num_classes(self) -> int:
        """RETURNS (int): The number of relations, with the threshold class TH."""
        return len(self.network["classifier.bias"])


def read_released(path: Path) -> ReleasedWeights:
    """Read a state dict. Nothing in the file is executed.

    path (Path): What `torch.save(model.state_dict(), path)` wrote.
    RETURNS (ReleasedWeights): The weights.
    RAISES (ValueError): If it holds something else than a state dict of one of the two models.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # What torch raises for other files is anything from EOFError to UnpicklingError.
        raise ValueError(
            f"{path} cannot be read as a state dict: {error}. Save the weights alone, with "
            "torch.save(model.state_dict(), path)."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise ValueError(
            f"{path} holds no state dict, which has a tensor for each name. Save it with "
            "torch.save(model.state_dict(), path)."
        )
    if state and all(name.startswith(_PARALLEL) for name in state):
        state = {name[len(_PARALLEL) :]: value for name, value in state.items()}
    try:
        return _convert({name: value.float() for name, value in state.items()})
    except KeyError as error:
        raise ValueError(
            f"{path} has no weights {error}, which a checkpoint of KD-DocRE's or ATLOP's code has."
        ) from error


def _convert(state: Weights) -> ReleasedWeights:
    head, tail = state["head_extractor.weight"], state["tail_extractor.weight"]
    width, hidden_width = head.shape[0], head.shape[1] // 2
    has_projection = "projection.weight" in state
    bilinear = state["projection.weight" if has_projection else "bilinear.weight"]
    pair_width = bilinear.shape[0]
    block_size = bilinear.shape[1] // width
    network = {
        "head_entity.weight": head[:, :hidden_width],
        "head_entity.bias": state["head_extractor.bias"],
        "head_context.weight": head[:, hidden_width:],
        "tail_entity.weight": tail[:, :hidden_width],
        "tail_entity.bias": state["tail_extractor.bias"],
        "tail_context.weight": tail[:, hidden_width:],
        "bilinear.weight": bilinear.T.reshape(width // block_size, block_size**2, pair_width),
    }
    depth = None
    if has_projection:
        network["bilinear.bias"] = torch.zeros(pair_width)
        network["classifier.weight"] = state["classifier.weight"]
        network["classifier.bias"] = state["classifier.bias"]
        depth = 1 + max(int(name.split(".")[2]) for name in state if name.startswith(_LAYER))
        for layer in range(depth):
            network.update(_convert_layer(state, layer))
    else:
        # ATLOP's bilinear product gives the logits themselves.
        network["bilinear.bias"] = state["bilinear.bias"]
        network["classifier.weight"] = torch.eye(pair_width)
        network["classifier.bias"] = torch.zeros(pair_width)
    encoder = {
        name[len(_ENCODER) :]: value for name, value in state.items() if name.startswith(_ENCODER)
    }
    return ReleasedWeights(
        encoder=encoder,
        network={name: value.contiguous() for name, value in network.items()},
        width=width,
        block_size=block_size,
        pair_width=pair_width,
        depth=depth,
    )


def _convert_layer(state: Weights, layer: int) -> Weights:
    """A layer of axial attention: first attention over heads, which is the column, then over
    tails, the row."""
    ours = f"pair_encoder.layers.{layer}"
    weights = {}
    for axis, name in enumerate(("column", "row")):
        theirs = f"{_LAYER}{layer}.axial_attentions.{axis}.fn"
        weights[f"{ours}.{name}.query_key_value.weight"] = torch.cat(
            [state[f"{theirs}.to_q.weight"], state[f"{theirs}.to_kv.weight"]]
        )
        for part in ("weight", "bias"):
            weights[f"{ours}.{name}.output.{part}"] = state[f"{theirs}.to_out.{part}"]
    for index, name in enumerate(("ffns", "lns")):
        for part in ("weight", "bias"):
            weights[f"{ours}.transform.{index}.{part}"] = state[
                f"axial_transformer.{name}.{layer}.{part}"
            ]
    return weights
