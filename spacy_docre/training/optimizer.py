"""The optimiser: torch's fused AdamW, behind thinc's interface."""

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

import torch
from thinc.api import Model, Optimizer, PyTorchShim, xp2torch
from thinc.optimizers import FloatOrSeq, KeyT
from thinc.types import FloatsXd
from thinc.util import is_numpy_array


class AdamW(Optimizer):
    """AdamW (Loshchilov and Hutter, 2019), in one fused kernel on all cores.

    thinc's own Adam runs on one core, which takes a large part of a training step of a small
    encoder. Arguments as in thinc's `Optimizer`.

    clip_together (bool): Whether `grad_clip` limits the norm of all gradients together, and not
        that of each parameter. See `watch`.
    """

    def __init__(
        self, learn_rate: FloatOrSeq, *, clip_together: bool = False, **settings: Any
    ) -> None:
        super().__init__(learn_rate, **settings)
        self.clip_together = clip_together
        self._watched: List[Model[Any, Any]] = []
        # For the current step: the factor on its gradients, and the parameters that were updated.
        self._factor = 1.0
        self._updated: Optional[Set[KeyT]] = None
        self._steppers: Dict[KeyT, torch.optim.AdamW] = {}
        # The moments of a checkpoint, until their parameter is updated.
        self._restored: Dict[KeyT, Dict[str, torch.Tensor]] = {}

    def watch(self, models: Iterable[Model[Any, Any]]) -> None:
        """Set the models whose gradients are clipped together. `docre train` calls this, and
        spaCy's own `train` does not.

        models (Iterable[Model]): The models of all components that are trained.
        RAISES (ValueError): If a model has a gradient scaler: its gradients have no meaning before
            they are scaled back.
        """
        self._watched = list(models)
        scalers = [shim._grad_scaler for shim in self._shims()]
        if self.clip_together and any(scaler._enabled for scaler in scalers):
            raise ValueError(
                "clip_together needs gradients that are not scaled. Set mixed_precision = false in "
                '[components.transformer.model]; precision = "bfloat16" needs no scaler.'
            )

    def _nodes(self) -> Iterable[Model[Any, Any]]:
        """Return the layers of the watched models, each once."""
        return {node.id: node for model in self._watched for node in model.walk()}.values()

    def _shims(self) -> Iterator[PyTorchShim]:
        for node in self._nodes():
            yield from (shim for shim in node.shims if isinstance(shim, PyTorchShim))

    def _gradients(self) -> Iterator[torch.Tensor]:
        """Yield all gradients of the watched models."""
        for shim in self._shims():
            weights = (weight.grad for weight in shim._model.parameters())
            yield from (gradient for gradient in weights if gradient is not None)
        for node in self._nodes():
            for name in node.param_names:
                if node.has_grad(name):
                    yield xp2torch(node.get_grad(name))

    def _clip_factor(self, key: KeyT) -> float:
        """Return the factor that clips all gradients of a step. It is computed for the first
        parameter."""
        if self._updated is None or key in self._updated:
            if not self._watched:
                raise ValueError(
                    "clip_together needs to see all gradients. Train with 'python -m spacy docre "
                    "train', or call optimizer.watch with the model of each component that is "
                    "trained, or set clip_together = false."
                )
            norms = [torch.linalg.vector_norm(gradient) for gradient in self._gradients()]
            # As torch.nn.utils.clip_grad_norm_ does it.
            norm = float(torch.linalg.vector_norm(torch.stack(norms)))
            self._factor = min(1.0, self.grad_clip / (norm + 1e-6))
            self._updated = set()
        self._updated.add(key)
        return self._factor

    def step_schedules(self) -> None:
        """Go on to the next step."""
        super().step_schedules()
        self._updated = None

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
        # Each step makes a new parameter; its moments are stored under the old one.
        moments = stepper.state.pop(group["params"][0], None) or {
            # A checkpoint is read into main memory.
            name: moment.to(parameter.device)
            for name, moment in self._restored.pop(key, {}).items()
        }
        # A classifier that has grown starts without moments: the fused kernel would not check the
        # shape.
        if moments and moments["exp_avg"].shape == parameter.shape:
            stepper.state[parameter] = moments
        group.update(
            params=[parameter],
            lr=self.learn_rate * lr_scale,
            betas=(self.b1, self.b2),
            eps=self.eps,
            weight_decay=self.L2,
        )
        if self.grad_clip and self.clip_together:
            parameter.grad.mul_(self._clip_factor(key))
        elif self.grad_clip:
            torch.nn.utils.clip_grad_norm_([parameter], self.grad_clip)
        stepper.step()
        parameter.grad.zero_()
        return weights, gradient

    def get_moments(self, names: Mapping[KeyT, str]) -> Dict[str, torch.Tensor]:
        """Return the moments of all parameters, for a checkpoint.

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
        """Continue with the moments of a checkpoint.

        moments (Mapping[str, torch.Tensor]): The output of `get_moments`.
        names (Mapping[KeyT, str]): The names of the parameters, by their current keys.
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
    clip_together: bool = False,
) -> AdamW:
    """`spacy_docre.AdamW.v1`: torch's fused AdamW for `[training.optimizer]`.

    learn_rate (FloatOrSeq): The learning rate or its schedule.
    beta1 (FloatOrSeq): Decay of the first moment.
    beta2 (FloatOrSeq): Decay of the second moment.
    eps (FloatOrSeq): Added to the denominator.
    L2 (FloatOrSeq): Decoupled weight decay.
    grad_clip (FloatOrSeq): Largest norm of a parameter's gradient; 0 for no limit.
    clip_together (bool): Whether `grad_clip` limits the norm of all gradients together, as in the
        authors' code.
    RETURNS (AdamW): The optimiser.
    """
    return AdamW(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=L2,
        grad_clip=grad_clip,
        clip_together=clip_together,
        use_averages=False,
    )
