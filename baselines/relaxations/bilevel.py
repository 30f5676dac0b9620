"""The architecture's gradient in DARTS (Liu et al., 2018b, section 2.3): first order, and second order by differences.

DARTS lowers the validation loss over the architecture while the weights lower the training loss. Both losses here are
functions of named parameters, so nothing of a model is changed by asking for a gradient.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Parameters = dict[str, Tensor]
Loss = Callable[[Parameters], Tensor]


@dataclass(frozen=True)
class WeightStep:
    """The step of SGD that the weights are about to take.

    Attributes:
        rate, momentum, decay, nesterov: of the optimiser.
        velocity: its momentum buffers by parameter, zero where there is none yet.
        clip: the largest norm of a gradient, over all weights. DARTS clips in its search for recurrent cells, whose
            rate of 20 would take the weights far away, and not in its search for convolutional ones.
        original: with two faults of the released code for recurrent cells: the tied embedding does not take the step,
            and where the gradient is shorter than ``clip``, the rate of the second derivative is raised as much as
            the gradient could be stretched.
    """

    rate: float
    momentum: float = 0.0
    decay: float = 0.0
    velocity: Mapping[str, Tensor] | None = None
    clip: float = math.inf
    original: bool = False
    nesterov: bool = False

    @classmethod
    def of(
        cls,
        optimizer: torch.optim.SGD,
        weights: Mapping[str, Tensor],
        clip: float = math.inf,
        original: bool = False,
    ) -> "WeightStep":
        """The next step of ``optimizer``, whose single group holds ``weights``."""
        (group,) = optimizer.param_groups
        state: Mapping[Tensor, Any] = optimizer.state
        buffers = {name: state.get(tensor, {}).get("momentum_buffer") for name, tensor in weights.items()}
        velocity = {name: buffer for name, buffer in buffers.items() if buffer is not None}
        rates = group["lr"], group["momentum"], group["weight_decay"]
        return cls(*rates, velocity, clip, original, group["nesterov"])

    @property
    def reach(self) -> float:
        """What the weights move by for a gradient of 1."""
        return self.rate * (1 + self.momentum) if self.nesterov else self.rate

    def clipped(self, gradients: Parameters) -> tuple[Parameters, float]:
        """The gradients within ``clip``, and what they were, or in the ``original`` could be, multiplied by."""
        norm = float(torch.cat([tensor.flatten() for tensor in gradients.values()]).norm())
        factor = 1.0 if norm <= self.clip else self.clip / norm
        within = {name: factor * tensor for name, tensor in gradients.items()}
        return within, self.clip / norm if self.original else factor

    def __call__(self, weights: Parameters, gradients: Parameters) -> Parameters:
        """The weights after the step."""
        velocity = self.velocity or {}
        moved = {}
        for name, weight in weights.items():
            if self.original and name == "embedding":
                moved[name] = weight
                continue
            change = buffer = gradients[name] + self.decay * weight
            if name in velocity:
                buffer = buffer + self.momentum * velocity[name]
            moved[name] = weight - self.rate * (change + self.momentum * buffer if self.nesterov else buffer)
        return moved


def split(model: nn.Module) -> tuple[Parameters, Parameters]:
    """A relaxed model's weights and its architecture, by name."""
    named: Parameters = dict(model.named_parameters())
    architecture = {name: tensor for name, tensor in named.items() if name.startswith("architecture.")}
    return {name: tensor for name, tensor in named.items() if name not in architecture}, architecture


def call(model: nn.Module, parameters: Parameters, *args: Any, **kwargs: Any) -> Any:
    """``model(*args, **kwargs)`` with other parameters; its own, and its buffers, stay as they are."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    return torch.func.functional_call(model, {**parameters, **buffers}, args, kwargs)


def first_order(valid_loss: Loss, weights: Parameters, architecture: Parameters) -> Parameters:
    """The gradient of the validation loss at the present weights, by the name of the architecture parameter."""
    return _gradients(valid_loss, weights, architecture, targets=architecture)


def second_order(
    train_loss: Loss,
    valid_loss: Loss,
    weights: Parameters,
    architecture: Parameters,
    step: WeightStep,
    difference: float = 0.01,
) -> Parameters:
    """The gradient of the validation loss after one training step ``w' = step(w)``, which depends on the architecture.

    It is ``d L_valid(w', a) / da - reach * d2 L_train(w, a) / (da dw) * d L_valid(w', a) / dw'``. The product with the
    second derivative is the difference of the training loss's architecture gradients at ``w`` moved to both sides
    along the last factor, by ``difference`` over all weights (0.01 in the paper). If the step clips, so is the last
    factor, and what the step multiplies its gradient by counts as a constant that lowers its rate.
    """
    gradients, factor = step.clipped(_gradients(train_loss, weights, architecture, targets=weights))
    moved = step(weights, gradients)
    both = _gradients(valid_loss, moved, architecture, targets={**architecture, **moved})
    direction, _ = step.clipped({name: both[name] for name in weights})
    product = _second_derivative(train_loss, weights, architecture, direction, difference)
    return {name: both[name] - step.reach * factor * product[name] for name in architecture}


def _second_derivative(
    loss: Loss, weights: Parameters, architecture: Parameters, direction: Parameters, difference: float
) -> Parameters:
    norm = torch.cat([tensor.flatten() for tensor in direction.values()]).norm()
    if norm == 0:
        return {name: torch.zeros_like(tensor) for name, tensor in architecture.items()}
    epsilon = difference / norm
    ahead, behind = (
        _gradients(loss, {n: w + sign * epsilon * direction[n] for n, w in weights.items()}, architecture, architecture)
        for sign in (1, -1)
    )
    return {name: (ahead[name] - behind[name]) / (2 * epsilon) for name in architecture}


def _gradients(loss: Loss, weights: Parameters, architecture: Parameters, targets: Parameters) -> Parameters:
    leaves = {
        name: tensor.detach().requires_grad_(name in targets) for name, tensor in {**weights, **architecture}.items()
    }
    wanted = [leaves[name] for name in targets]
    gradients = torch.autograd.grad(loss(leaves), wanted, materialize_grads=True)
    return dict(zip(targets, gradients, strict=True))
