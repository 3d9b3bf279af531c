"""The optimiser: torch's fused AdamW, behind thinc's interface."""

from typing import Any, Dict, Mapping, Tuple

import torch
from thinc.api import Optimizer, xp2torch
from thinc.optimizers import FloatOrSeq, KeyT
from thinc.types import FloatsXd
from thinc.util import is_numpy_array


class AdamW(Optimizer):
    """AdamW (Loshchilov and Hutter, 2019), all cores at work in one fused kernel.

    thinc's own Adam does the same on one core, which takes a good part of a training
    step on a small encoder. Arguments as in thinc's `Optimizer`.
    """

    def __init__(self, learn_rate: FloatOrSeq, **settings: Any) -> None:
        super().__init__(learn_rate, **settings)
        self._steppers: Dict[KeyT, torch.optim.AdamW] = {}
        # Those of a checkpoint, until the parameter is seen.
        self._restored: Dict[KeyT, Dict[str, torch.Tensor]] = {}

    def __call__(
        self, key: KeyT, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> Tuple[FloatsXd, FloatsXd]:
        """Update one parameter in place.

        key (KeyT): Identifies the parameter.
        weights (FloatsXd): The parameter.
        gradient (FloatsXd): Its gradient.
        lr_scale (float): Factor on the learning rate.
        RETURNS (Tuple[FloatsXd, FloatsXd]): The weights, and the gradient set to zero.
        """
        # Arrays in main memory stay there, so that the update is in place on an Apple GPU, too.
        device = torch.device("cpu") if is_numpy_array(weights) else None
        parameter = xp2torch(weights, device=device)
        parameter.grad = xp2torch(gradient, device=device)
        stepper = self._steppers.get(key)
        if stepper is None:
            stepper = torch.optim.AdamW([parameter], fused=True)
            self._steppers[key] = stepper
        (group,) = stepper.param_groups
        # Each step brings a new parameter; its moments are kept under the old one.
        moments = stepper.state.pop(group["params"][0], None) or self._restored.pop(key, {})
        # A classifier that has grown starts without: the fused kernel would not check the shape.
        if moments and moments["exp_avg"].shape == parameter.shape:
            stepper.state[parameter] = moments
        group.update(
            params=[parameter],
            lr=self.learn_rate * lr_scale,
            betas=(self.b1, self.b2),
            eps=self.eps,
            weight_decay=self.L2,
        )
        if self.grad_clip:
            torch.nn.utils.clip_grad_norm_([parameter], self.grad_clip)
        stepper.step()
        parameter.grad.zero_()
        return weights, gradient

    def get_moments(self, names: Mapping[KeyT, str]) -> Dict[str, torch.Tensor]:
        """The moments of all parameters, for a checkpoint.

        names (Mapping[KeyT, str]): A name for each parameter.
        RETURNS (Dict[str, torch.Tensor]): The moments, by the names of parameter and moment.
        """
        moments = dict(self._restored)
        for key, stepper in self._steppers.items():
            moments[key] = stepper.state[stepper.param_groups[0]["params"][0]]
        return {
            f"{names[key]}/{moment}": tensor
            for key, of_parameter in moments.items()
            for moment, tensor in of_parameter.items()
        }

    def set_moments(self, moments: Mapping[str, torch.Tensor], names: Mapping[KeyT, str]) -> None:
        """Go on with the moments of a checkpoint.

        moments (Mapping[str, torch.Tensor]): What `get_moments` gave.
        names (Mapping[KeyT, str]): The names of the parameters, by their keys as they are now.
        """
        keys = {name: key for key, name in names.items()}
        for path, tensor in moments.items():
            name, _, moment = path.rpartition("/")
            self._restored.setdefault(keys[name], {})[moment] = tensor


def make_adamw(
    learn_rate: FloatOrSeq,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-8,
    L2: FloatOrSeq = 0.01,
    grad_clip: FloatOrSeq = 1.0,
) -> AdamW:
    """`spacy_docre.AdamW.v1`: torch's fused AdamW for `[training.optimizer]`.

    learn_rate (FloatOrSeq): The learning rate or its schedule.
    beta1 (FloatOrSeq): Decay of the first moment.
    beta2 (FloatOrSeq): Decay of the second moment.
    eps (FloatOrSeq): Added to the denominator.
    L2 (FloatOrSeq): Decoupled weight decay.
    grad_clip (FloatOrSeq): Largest norm of a parameter's gradient; 0 for no limit.
    RETURNS (AdamW): The optimiser.
    """
    return AdamW(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=L2,
        grad_clip=grad_clip,
        use_averages=False,
    )
