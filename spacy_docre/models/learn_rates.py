"""Learning rates that differ between components, and between parts of a network."""

from functools import partial
from typing import Any, Dict, Union, cast

from thinc.api import Optimizer
from thinc.optimizers import KeyT
from torch import nn

# One factor for all weights; or one for each part of a network by its name, with "*" for the other
# parts.
LearnRateFactor = Union[float, Dict[str, float]]
OTHERS = "*"


def check_learn_rate_factor(factor: LearnRateFactor) -> None:
    """Check a factor on the learning rate.

    factor (LearnRateFactor): The factor, or the factors of parts.
    RAISES (ValueError): If a factor is negative.
    """
    for part, number in factor.items() if isinstance(factor, dict) else [("", factor)]:
        if number < 0:
            name = f"learn_rate_factor of {part!r}" if part else "learn_rate_factor"
            raise ValueError(f"{name} = {number} should not be negative.")


def scale_learn_rate(optimizer: Optimizer, factor: float) -> Optimizer:
    """Scale an optimizer's learning rate for some weights.

    optimizer (Optimizer): The optimizer.
    factor (float): Factor on its learning rate.
    RETURNS (Optimizer): The optimizer of these weights.
    """
    return cast(Optimizer, partial(optimizer, lr_scale=factor))


def scale_by_part(optimizer: Optimizer, factor: LearnRateFactor, network: nn.Module) -> Optimizer:
    """Scale an optimizer's learning rate for the weights of a network.

    optimizer (Optimizer): The optimizer.
    factor (LearnRateFactor): Factor on its learning rate, or the factors of parts.
    network (nn.Module): The network. Its children are the parts.
    RETURNS (Optimizer): The optimizer of its weights.
    RAISES (ValueError): If the network has no part of a given name.
    """
    if not isinstance(factor, dict):
        return scale_learn_rate(optimizer, factor)
    factors = factor
    parts = [name for name, _ in network.named_children()]
    for part in factors:
        if part not in (OTHERS, *parts):
            raise ValueError(
                f"learn_rate_factor names {part!r}, but the network has no such part. Its parts "
                f"are {', '.join(parts)}; {OTHERS!r} stands for all other parts."
            )

    def update(key: KeyT, *arrays: Any) -> Any:
        # The key of a shim's weight is the number of the shim and the name of the weight.
        part = str(key[1]).partition(".")[0]
        return optimizer(key, *arrays, lr_scale=factors.get(part, factors.get(OTHERS, 1.0)))

    return cast(Optimizer, update)
