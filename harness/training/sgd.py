"""Training a network by stochastic gradient descent, epoch by epoch: the part that all image trainings share."""

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from conas import means
from conas.graphs import loosely
from harness.training.captured_step import CapturedStep
from harness.training.schedules import rate

Batch = tuple[Tensor, Tensor]


class Schedule(Protocol):
    """The settings of a training: learning rates, momentum, weight decay and when gradients are clipped."""

    epochs: int
    lr: float
    momentum: float
    weight_decay: float

    @property
    def clip(self) -> float | None:
        """The largest norm of the gradients (L2); None if any will do."""


class Batches(Protocol):
    """Minibatches that are a function of (epoch, step) alone."""

    def steps(self, epoch: int) -> int:
        """The number of minibatches of an epoch."""

    def __call__(self, epoch: int, step: int) -> Batch:
        """Images and labels of one minibatch."""


Loss = Callable[[int, int, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LossOnTensors:
    """A loss in two parts, so that a GPU can have the second one as a whole.

    Attributes:
        draw: (epoch, step, images) -> all that is random, as tensors.
        loss: (images, labels, what was drawn) -> mean loss of a minibatch.
    """

    draw: Callable[[int, int, Tensor], tuple[Tensor, ...]]
    loss: Callable[..., Tensor]

    def __call__(self, epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
        """The loss."""
        return self.loss(images, labels, *self.draw(epoch, step, images))


def pieces(batch: Tensor, most: int) -> tuple[Tensor, ...]:
    """``batch`` in at most that many equal pieces, of two images or more each, as batch norms need them."""
    return batch.tensor_split(max(1, min(most, len(batch) // 2)))


def largest_norm(schedule: Schedule) -> float:
    """The largest norm that gradients may have, infinite if they are not clipped."""
    return math.inf if schedule.clip is None else schedule.clip


class SgdTraining:
    """A trainee: ``network`` under SGD with a schedule by epoch.

    Args:
        loss: (epoch, step, images, labels) -> mean loss of a minibatch; on CUDA, one that is `LossOnTensors` makes the
            step a graph.
        evaluate: the figures to record after an epoch.
        epochs: where to stop; the schedule's own length if None.
        accumulate: pieces that each minibatch is split into, to save memory. Gradients are those of the whole batch;
            batch norms see one piece at a time. To a loss, the first piece has the number of its minibatch and the
            others have numbers beyond the epoch's last, so that no two draw alike.
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
        self._clip = largest_norm(schedule)
        self._parameters = list(network.parameters()) if parameters is None else parameters
        self._optimizer = torch.optim.SGD(
            self._parameters,
            lr=schedule.lr,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
            nesterov=getattr(schedule, "nesterov", False),
        )
        self.captured: CapturedStep | None = None
        if isinstance(loss, LossOnTensors) and self._parameters[0].is_cuda and means.graphs():
            self.captured = CapturedStep(loosely(self._pieces), self._parameters, self._optimizer, self._clip)

    def steps(self, epoch: int) -> int:
        """The number of minibatches of an epoch."""
        return self._batches.steps(epoch)

    def step(self, epoch: int, step: int) -> float | Tensor:
        """Train on one minibatch; its mean loss before the update. A loss that is not finite ends the training."""
        self._optimizer.param_groups[0]["lr"] = rate(self._schedule, epoch)
        if not self.network.training:
            self.network.train()
        if self.captured is not None and isinstance(self._loss, LossOnTensors):
            images, labels = self._batches(epoch, step)
            parts = pieces(images, self._accumulate)
            numbered = zip(self._numbers(epoch, step), parts, strict=False)
            drawn = [x for number, part in numbered for x in self._loss.draw(epoch, number, part)]
            return self.captured(rate(self._schedule, epoch), images, labels, *drawn)
        self.network.zero_grad(set_to_none=True)
        loss = self._backward(epoch, step)
        if math.isfinite(loss):
            nn.utils.clip_grad_norm_(self._parameters, self._clip)
            self._optimizer.step()
        return loss

    def _backward(self, epoch: int, step: int) -> float:
        images, labels = self._batches(epoch, step)
        parts, of_parts = pieces(images, self._accumulate), pieces(labels, self._accumulate)
        total = 0.0
        for number, part, targets in zip(self._numbers(epoch, step), parts, of_parts, strict=False):
            with self._precision():
                loss = self._loss(epoch, number, part, targets) * (len(part) / len(images))
            loss.backward()
            total += loss.item()
        return total

    def _numbers(self, epoch: int, step: int) -> Iterator[int]:
        """The numbers by which the pieces of a minibatch draw, that of the minibatch first."""
        return itertools.count(step, self.steps(epoch))

    def _pieces(self, images: Tensor, labels: Tensor, *drawn: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The loss of each piece of a minibatch, twice: to descend and to report."""
        assert isinstance(self._loss, LossOnTensors)
        parts, targets = pieces(images, self._accumulate), pieces(labels, self._accumulate)
        each = len(drawn) // len(parts)
        for i, part in enumerate(parts):
            with self._precision():
                loss = self._loss.loss(part, targets[i], *drawn[i * each : (i + 1) * each])
                loss = loss * (len(part) / len(images))
            yield loss, loss

    def recover(self) -> bool:
        """There is nowhere to go back to."""
        return False

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """The figures to record after an epoch."""
        with torch.no_grad():
            return self._evaluate()

    def state_dict(self) -> dict[str, Any]:
        """Weights and momenta."""
        return {"model": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def weights(self) -> dict[str, Any]:
        """What is kept of a training that has ended."""
        return dict(self.network.state_dict())

    def load_weights(self, weights: dict[str, Any]) -> None:
        """The inverse of `weights`."""
        self.network.load_state_dict(weights)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self.captured is not None:
            self.captured.use(self._optimizer)
