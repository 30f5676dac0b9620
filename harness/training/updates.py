"""What an optimiser does to its parameters, on tensors alone, so that a captured step can hold it.

The state is that of the torch optimiser, in whose ``state`` it stays: a checkpoint goes on either way, read as it is
and then `unshare`-d. Learning rates are tensors that a step fills.
"""

import torch
from torch import Tensor
from torch.optim import ASGD, SGD, Optimizer

_SCALARS = ("step", "eta", "mu")
"""Of averaged SGD, for every parameter: how many steps it made, its next learning rate, its next weight in the mean."""


def clipped(gradients: list[Tensor], largest: float) -> list[Tensor]:
    """The gradients, scaled down to the norm ``largest`` (L2, over all of them) if theirs is above it."""
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return list(torch._foreach_mul(gradients, (largest / (norm + 1e-6)).clamp(max=1.0)))


@torch.no_grad()
def update(
    optimizer: Optimizer,
    parameters: list[Tensor],
    gradients: list[Tensor],
    rate: Tensor,
    trained: list[Tensor] | None = None,
) -> None:
    """The step of ``optimizer``, an `SGD` or an `ASGD`, with the learning rate ``rate``, shape ().

    ``trained`` says of every parameter whether it takes part, 1 or 0, shape (); one that does not has the gradient 0,
    and is left as it is by an optimiser without momentum.
    """
    _prepare(optimizer, parameters, rate)
    group = optimizer.param_groups[0]
    if group["weight_decay"]:
        decaying = parameters if trained is None else list(torch._foreach_mul(parameters, trained))
        gradients = list(torch._foreach_add(gradients, decaying, alpha=group["weight_decay"]))
    if isinstance(optimizer, ASGD):
        _averaged(optimizer, parameters, gradients, rate)
    else:
        assert isinstance(optimizer, SGD)
        _descend(parameters, _with_momentum(optimizer, parameters, gradients), rate)


def unshare(optimizer: Optimizer) -> None:
    """Give every parameter scalars of its own; after a state is loaded, which keeps together what `update` shared.

    The step of torch's `ASGD` counts on once for every parameter, so on one shared tensor it would count many times.
    """
    for state in optimizer.state.values():
        state.update({name: state[name].clone() for name in _SCALARS if name in state})


def _descend(parameters: list[Tensor], directions: list[Tensor], rate: Tensor) -> None:
    torch._foreach_sub_(parameters, torch._foreach_mul(directions, rate))


def _with_momentum(optimizer: SGD, parameters: list[Tensor], gradients: list[Tensor]) -> list[Tensor]:
    group = optimizer.param_groups[0]
    if not group["momentum"]:
        return gradients
    momenta = [optimizer.state[parameter]["momentum_buffer"] for parameter in parameters]
    torch._foreach_mul_(momenta, group["momentum"])
    torch._foreach_add_(momenta, gradients)
    return list(torch._foreach_add(gradients, momenta, alpha=group["momentum"])) if group["nesterov"] else momenta


def _averaged(optimizer: ASGD, parameters: list[Tensor], gradients: list[Tensor], rate: Tensor) -> None:
    """Averaged SGD with ``t0=0, lambd=0``; as torch has it, a step uses the learning rate of the step before."""
    state = optimizer.state[parameters[0]]
    averages = [optimizer.state[parameter]["ax"] for parameter in parameters]
    _descend(parameters, gradients, state["eta"])
    torch._foreach_add_(averages, torch._foreach_mul(torch._foreach_sub(parameters, averages), state["mu"]))
    state["step"] += 1
    state["eta"].copy_(rate)
    state["mu"].copy_(1 / state["step"].clamp(min=1))


def _prepare(optimizer: Optimizer, parameters: list[Tensor], rate: Tensor) -> None:
    """Give the optimiser the state that it would have had before its first step, where it has none.

    The scalars of averaged SGD, which are the same for all parameters, become tensors that all of them share, on the
    device of ``rate``: torch leaves ``step`` where a checkpoint was read, on the CPU, where no graph reaches it.
    """
    shared: dict[str, Tensor] = {}
    for parameter in parameters:
        state = optimizer.state[parameter]
        if isinstance(optimizer, ASGD):
            if "ax" not in state:
                start = {"ax": torch.zeros_like(parameter), "step": torch.zeros_like(rate)}
                state.update(start, eta=rate.clone(), mu=torch.ones_like(rate))
            for name in _SCALARS:
                state[name] = shared.setdefault(name, state[name].to(rate.device))
        elif state.get("momentum_buffer") is None and optimizer.param_groups[0]["momentum"]:
            state["momentum_buffer"] = torch.zeros_like(parameter)
