"""What training changes, in flat buffers: parameters, momenta, gradients, running statistics."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

GROUP = 16
"""Elements of the smallest piece of a buffer that belongs to one tensor alone."""


class Arena:
    """Places in a buffer that is allocated later; each starts at a multiple of ``unit``."""

    def __init__(self, unit: int = GROUP) -> None:
        self.unit, self.size = unit, 0

    def take(self, count: int) -> int:
        """Room for ``count`` elements; where it starts."""
        at = self.size
        self.size += -(-count // self.unit) * self.unit
        return at


class FlatState:
    """The state of ``model`` in flat buffers, of which its parameters and running statistics become views.

    So the model computes with what the kernels train, and its ``state_dict`` is that of any other of its kind.
    """

    def __init__(self, model: nn.Module) -> None:
        self.device = next(model.parameters()).device
        self._parameters = list(model.parameters())
        self._places: dict[int, int] = {}
        self.parameters = self._move([parameter.data for parameter in self._parameters])
        self.momenta, self.gradients = torch.zeros_like(self.parameters), torch.zeros_like(self.parameters)
        self._norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        self._bind(self._parameters, self.parameters)
        self._bind_statistics()

    def place(self, tensor: Tensor) -> int:
        """Where a parameter, a running statistic or a counter starts in its buffer."""
        return self._places[id(tensor)]

    def view(self, buffer: Tensor, parameter: nn.Parameter) -> Tensor:
        """The part of ``buffer`` (momenta, gradients) that belongs to ``parameter``, in its shape."""
        at = self.place(parameter)
        return buffer[at : at + parameter.numel()].view(parameter.shape)

    def owners(self, mask: dict[int, int]) -> Tensor:
        """For each `GROUP` of parameters, the row of ``mask`` (by id of the parameter) that says if it is trained."""
        groups = [mask[id(p)] for p in self._parameters for _ in range(-(-p.numel() // GROUP))]
        return torch.tensor(groups, dtype=torch.int32, device=self.device)

    def tap_by_tap(self) -> Tensor:
        """The order of the parameters in which depthwise weights have shape (height, width, channels)."""
        order = torch.arange(self.parameters.numel(), device=self.device)
        for parameter in self._parameters:
            if parameter.ndim == 4 and parameter.shape[1] == 1:
                own = self.view(order, parameter)
                own.copy_(own.flatten().view(len(parameter), -1).t().reshape(own.shape).clone())
        return order

    def adopt(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the momenta of ``optimizer``, a plain SGD over the model, views as well, with the values they have."""
        for parameter in self._parameters:
            momentum = self.view(self.momenta, parameter)
            held = optimizer.state[parameter].get("momentum_buffer")
            momentum.zero_() if held is None else momentum.copy_(held)
            optimizer.state[parameter]["momentum_buffer"] = momentum

    def _move(self, tensors: Iterable[Tensor]) -> Tensor:
        arena, tensors = Arena(), list(tensors)
        places = [arena.take(tensor.numel()) for tensor in tensors]
        flat = torch.zeros(arena.size, dtype=tensors[0].dtype, device=self.device)
        for at, tensor in zip(places, tensors, strict=True):
            flat[at : at + tensor.numel()] = tensor.flatten()
        self._last = places
        return flat

    def _bind(self, parameters: list[nn.Parameter], flat: Tensor) -> None:
        for at, parameter in zip(self._last, parameters, strict=True):
            self._places[id(parameter)] = at
            parameter.data = flat[at : at + parameter.numel()].view(parameter.shape)

    def _bind_statistics(self) -> None:
        names = [(norm, name) for norm in self._norms for name in ("running_mean", "running_var")]
        self.running = self._move(getattr(norm, name) for norm, name in names)
        for at, (norm, name) in zip(self._last, names, strict=True):
            # .data: as a view it would share autograd's count of changes with the statistics of all other norms
            setattr(norm, name, self.running[at : at + norm.num_features].data)
            self._places[id(getattr(norm, name))] = at
        self.counts = torch.stack([_counter(norm) for norm in self._norms])
        for i, norm in enumerate(self._norms):
            norm.num_batches_tracked = self.counts[i]
            self._places[id(norm.num_batches_tracked)] = i


def _counter(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.num_batches_tracked is not None
    return norm.num_batches_tracked
