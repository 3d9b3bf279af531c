"""Read the weights of any thinc model, and set them in another model of the same sizes."""

from typing import Any, Dict, Iterator, Mapping, Tuple, cast

from thinc.api import Model, torch2xp, xp2torch
from thinc.shims import PyTorchShim
from thinc.types import FloatsXd
from torch import Tensor, nn

from .serialization import load_weights


def get_weights(model: Model[Any, Any]) -> Dict[str, Tensor]:
    """Read the weights of a model. They are not rounded to its precision on disk.

    model (Model[Any, Any]): The model, initialised.
    RETURNS (Dict[str, Tensor]): Its weights, by the index of the layer and the name of the weight.
    """
    weights = {
        f"{layer}.{name}": xp2torch(node.get_param(name))
        for layer, node in enumerate(model.walk())
        for name in node.param_names
        if node.has_param(name)
    }
    for prefix, module in _torch_modules(model):
        for name, weight in module.state_dict().items():
            weights[prefix + name] = weight.contiguous()
    return weights


def set_weights(model: Model[Any, Any], weights: Mapping[str, Tensor], owner: str) -> None:
    """Set the weights of a model. Its dropout, precision and attention kernel stay as they are.

    model (Model[Any, Any]): The model, initialised.
    weights (Mapping[str, Tensor]): The output of `get_weights`.
    owner (str): The owner of the weights, for the error message.
    RAISES (ValueError): If the weights are of other layers or sizes.
    """
    shapes = {name: weight.shape for name, weight in get_weights(model).items()}
    others = {name: weight.shape for name, weight in weights.items()}
    if shapes != others:
        names = sorted(name for name in {*shapes, *others} if shapes.get(name) != others.get(name))
        ours, theirs = (_shape(sizes, names[0]) for sizes in (shapes, others))
        raise ValueError(
            f"The weights of the {owner} do not fit the model that the config describes: "
            f"{names[0]} is {ours} in the model, and {theirs} in the weights ({len(names)} weights "
            "differ). Give both the same sizes, layers and labels."
        )
    for layer, node in enumerate(model.walk()):
        for name in node.param_names:
            if node.has_param(name):
                value = torch2xp(weights[f"{layer}.{name}"].clone())
                node.set_param(name, cast(FloatsXd, node.ops.asarray(value)))
    for prefix, module in _torch_modules(model):
        own = {name: weights[prefix + name] for name in module.state_dict()}
        load_weights(module, own, owner)


def _torch_modules(model: Model[Any, Any]) -> Iterator[Tuple[str, nn.Module]]:
    for layer, node in enumerate(model.walk()):
        for number, shim in enumerate(node.shims):
            if isinstance(shim, PyTorchShim) and shim._model is not None:
                yield f"{layer}.torch{number}.", cast(nn.Module, shim._model)


def _shape(shapes: Mapping[str, Tuple[int, ...]], name: str) -> str:
    return " x ".join(map(str, shapes[name])) if name in shapes else "missing"
