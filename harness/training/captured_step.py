"""A training step as one CUDA graph: forward, backward, clipping and the optimiser, on tensors that stay in place."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from conas.graphs import Graphs, loosely
from harness.training.updates import clipped, update

Pieces = Callable[..., Iterable[tuple[Tensor, Tensor]]]


class CapturedStep:
    """The step of an optimiser on a loss.

    Args:
        pieces: from the inputs of a step, tensors, the losses to descend, whose gradients are added up, and of each
            what is reported, which is added up as well. Each piece is done with before the next is asked for.
        optimizer: a `torch.optim.SGD` or `torch.optim.ASGD` over ``parameters``.
        clip: the largest norm of the gradients.
        trained: from the inputs, which parameters take part in the step, see `update`; all if None.
    """

    def __init__(
        self,
        pieces: Pieces,
        parameters: Sequence[nn.Parameter],
        optimizer: Optimizer,
        clip: float,
        trained: Callable[..., Tensor] | None = None,
    ) -> None:
        self._pieces, self._parameters, self._clip, self._trained = pieces, parameters, clip, trained
        self.graphs = Graphs(loosely(self._body))
        self._rate = torch.zeros((), device=parameters[0].device, dtype=parameters[0].dtype)
        self._filled: float | None = None
        self.use(optimizer)

    def use(self, optimizer: Optimizer) -> None:
        """Go on with another optimiser, or with this one after it was given another state."""
        self._optimizer = optimizer
        self.graphs.clear()

    def __call__(self, rate: float, *inputs: Tensor) -> Tensor:
        """Train with the learning rate ``rate``; what is reported, shape (), on the device, not waited for."""
        if rate != self._filled:
            self._rate.fill_(rate)
            self._filled = rate
        return self.graphs(*inputs)

    def _body(self, *inputs: Tensor) -> Tensor:
        totals: list[Tensor | None] = [None] * len(self._parameters)
        reported = torch.zeros_like(self._rate)
        for loss, report in self._pieces(*inputs):
            more = torch.autograd.grad(loss, self._parameters, allow_unused=True)
            totals = [_sum(*pair) for pair in zip(totals, more, strict=True)]
            reported += report.detach()
        reached = [i for i, gradient in enumerate(totals) if gradient is not None]
        parameters: list[Tensor] = [self._parameters[i] for i in reached]
        gradients = clipped([gradient for gradient in totals if gradient is not None], self._clip)
        parts = None if self._trained is None else [self._trained(*inputs)[i] for i in reached]
        update(self._optimizer, parameters, gradients, self._rate, parts)
        return reported


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    return total if more is None else more if total is None else total.add_(more)
