"""Learning rates that differ from component to component, and from part to part."""

from functools import partial
from typing import Any, Dict, Union, cast

from thinc.api import Optimizer
from thinc.optimizers import KeyT
from torch import nn

# For all weights; or for each part of a network by its name, and "*" for the others.
LearnRateFactor = Union[float, Dict[str, float]]
OTHERS = "*"


def check_learn_rate_factor(factor: LearnRateFactor) -> None:
    """Check a factor on the learning rate.

    factor (LearnRateFactor): The factor, or those of parts.
    RAISES (ValueError): If one is negative.
    """
    for part, number in factor.items() if isinstance(factor, dict) else [("", factor)]:
        if number < 0:
            name = f"learn_rate_factor of {part!r}" if part else "learn_rate_factor"
            raise ValueError(f"{name} = {number} should not be negative.")


def scale_learn_rate(optimizer: Optimizer, factor: float) -> Optimizer:
    """Make an optimizer's learning rate another for some weights.

    optimizer (Optimizer): The optimizer.
    factor (float): Factor on its learning rate.
    RETURNS (Optimizer): What updates those weights.
    """
    return cast(Optimizer, partial(optimizer, lr_scale=factor))


def scale_by_part(optimizer: Optimizer, factor: LearnRateFactor, network: nn.Module) -> Optimizer:
    """Make an optimizer's learning rate another for the weights of a network.

    optimizer (Optimizer): The optimizer.
    factor (LearnRateFactor): Factor on its learning rate, or those of parts.
    network (nn.Module): The network, whose children are the parts.
    RETURNS (Optimizer): What updates its weights.
    RAISES (ValueError): If there is no such part.
    """
    if not isinstance(factor, dict):
        return scale_learn_rate(optimizer, factor)
    factors = factor
    parts = [name for name, _ in network.named_children()]
    for part in factors:
        if part not in (OTHERS, *parts):
            raise ValueError(
                f"learn_rate_factor names {part!r}, and the network has no such part. Its parts "
                f"are {', '.join(parts)}; {OTHERS!r} stands for those that are not named."
            )

    def update(key: KeyT, *arrays: Any) -> Any:
        # Of a shim: its number, and the name of the weight.
        part = str(key[1]).partition(".")[0]
        return optimizer(key, *arrays, lr_scale=factors.get(part, factors.get(OTHERS, 1.0)))

    return cast(Optimizer, update)
