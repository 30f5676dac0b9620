"""Training a network by stochastic gradient descent, epoch by epoch: the part that all image trainings share."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


class Schedule(Protocol):
    """The settings of a training: learning rates, momentum, weight decay and the largest gradient norm (L2)."""

    epochs: int
    lr: float
    momentum: float
    weight_decay: float
    clip: float


class Batches(Protocol):
    """Minibatches that are a function of (epoch, step) alone."""

    def steps(self, epoch: int) -> int:
        """The number of minibatches of an epoch."""

    def __call__(self, epoch: int, step: int) -> Batch:
        """Images and labels of one minibatch."""


Loss = Callable[[int, int, Tensor, Tensor], Tensor]


class SgdTraining:
    """A trainee: ``network`` under SGD with a cosine schedule by epoch.

    Args:
        loss: (epoch, step, images, labels) -> mean loss of a minibatch.
        evaluate: the figures to record after an epoch.
        epochs: where to stop; the schedule's own length if None.
        accumulate: pieces that each minibatch is split into, to save memory. Gradients are those of the whole batch;
            batch norms see one piece at a time.
        parameters: what to train; all of the network if None.
    """

    def __init__(
        self,
        network: nn.Module,
        schedule: Schedule,
        batches: Batches,
        loss: Loss,
        evaluate: Callable[[], dict[str, float]],
        *,
        epochs: int | None = None,
        accumulate: int = 1,
        parameters: list[nn.Parameter] | None = None,
        precision: Callable[[], AbstractContextManager[Any]] = torch.enable_grad,
    ) -> None:
        self.network = network
        self.epochs = schedule.epochs if epochs is None else epochs
        self._schedule, self._batches, self._loss, self._evaluate = schedule, batches, loss, evaluate
        self._accumulate, self._precision = accumulate, precision
        self._parameters = list(network.parameters()) if parameters is None else parameters
        self._optimizer = torch.optim.SGD(
            self._parameters,
            lr=schedule.lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
            nesterov=getattr(schedule, "nesterov", False),
        )

    def steps(self, epoch: int) -> int:
        """The number of minibatches of an epoch."""
        return self._batches.steps(epoch)

    def step(self, epoch: int, step: int) -> float:
        """Train on one minibatch; its mean loss before the update."""
        self._optimizer.param_groups[0]["lr"] = cosine(self._schedule, epoch)
        self.network.train()
        self.network.zero_grad(set_to_none=True)
        loss = self._backward(epoch, step)
        if math.isfinite(loss):
            nn.utils.clip_grad_norm_(self._parameters, self._schedule.clip)
            self._optimizer.step()
        return loss

    def _backward(self, epoch: int, step: int) -> float:
        images, labels = self._batches(epoch, step)
        total = 0.0
        for part, targets in zip(images.chunk(self._accumulate), labels.chunk(self._accumulate), strict=True):
            with self._precision():
                loss = self._loss(epoch, step, part, targets) * (len(part) / len(images))
            loss.backward()
            total += loss.item()
        return total

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """The figures to record after an epoch."""
        with torch.no_grad():
            return self._evaluate()

    def state_dict(self) -> dict[str, Any]:
        """Weights and momenta."""
        return {"model": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])


def cosine(schedule: Schedule, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0: from ``lr`` towards ``lr_min`` (0 if it has none)."""
    lowest = getattr(schedule, "lr_min", 0.0)
    return lowest + (schedule.lr - lowest) * (1 + math.cos(math.pi * epoch / schedule.epochs)) / 2
