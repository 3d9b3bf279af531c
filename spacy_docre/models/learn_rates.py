"""Learning rates that differ from component to component."""

from functools import partial
from typing import cast

from thinc.api import Optimizer


def check_learn_rate_factor(factor: float) -> None:
    """Check a factor on the learning rate.

    factor (float): The factor.
    RAISES (ValueError): If it is negative.
    """
    if factor < 0:
        raise ValueError(f"learn_rate_factor = {factor} should not be negative.")


def scale_learn_rate(optimizer: Optimizer, factor: float) -> Optimizer:
    """Make an optimizer's learning rate another for some weights.

    optimizer (Optimizer): The optimizer.
    factor (float): Factor on its learning rate.
    RETURNS (Optimizer): What updates those weights.
    """
    return cast(Optimizer, partial(optimizer, lr_scale=factor))
