"""The one loop behind every training: one-shot models, final networks, stand-alone networks, relaxations.

A trainee draws all its randomness by name from (seed, epoch, step), so weights, optimiser state and a position are
enough to continue a killed training to the same bits.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from harness.console.progress import Bar, Reporter, spoken
from harness.deadline import TimeIsUp, passed
from harness.records.checkpoint import Checkpoints
from harness.records.metrics import Metrics

_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_UNREAD = 32
"""Losses of so many steps are left on a device before they are read."""


class DivergedError(RuntimeError):
    """The training loss is no longer finite."""


class Trainee(Protocol):
    """Something to train for ``epochs`` epochs of ``steps(epoch)`` steps.

    One whose loss is better known by another name has a method ``tell(loss) -> str`` for the progress bar.
    """

    epochs: int

    def steps(self, epoch: int) -> int:
        """The number of steps of an epoch."""

    def step(self, epoch: int, step: int) -> float | Tensor:
        """Train on one minibatch; the training loss before the update, in nats. A tensor is read later."""

    def recover(self) -> bool:
        """After a loss that is not finite, go back to where training can go on from; False if it cannot."""

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """Whatever is to be evaluated after an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that training changes."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""

    def weights(self) -> dict[str, Any]:
        """What is kept of a training that has ended, as tensors and plain values."""

    def load_weights(self, weights: dict[str, Any]) -> None:
        """The inverse of `weights`."""


@dataclass
class Progress:
    """Where a training stands: ``step`` steps of ``epoch`` are done. ``seconds`` is training time over all attempts,
    ``history`` one row of metrics per epoch."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(
    trainee: Trainee,
    stage: str,
    checkpoints: Checkpoints,
    metrics: Metrics,
    reporter: Reporter,
    seconds: float | None = None,
    to_the_limit: bool = False,
) -> Progress:
    """Train to the end, or for ``seconds`` of training time, resuming from the newest checkpoint.

    ``to_the_limit`` goes on after the last epoch until the ``seconds`` are over.

    Rows of metrics are appended to ``metrics`` as the epochs end; their ``train_loss`` is the mean over the epoch's
    steps, however much each of them read. The checkpoint has the rows too: when the training is resumed and when it
    ends, those that the file has lost are written again, and those that a kill undid are dropped.

    Raises:
        DivergedError: the loss is NaN or infinite; the message says where.
        CheckpointError: the checkpoint there is of another configuration.
        TimeIsUp: the deadline of `harness.deadline` has passed; there is a checkpoint.
    """
    progress = _resume(trainee, checkpoints)
    metrics.keep(stage, progress.history)
    steps = _Steps(trainee, stage, progress)
    clock = _Clock(progress, checkpoints, trainee, steps)
    with _bar(reporter, stage, trainee, progress, seconds if to_the_limit else None) as bar:
        while (to_the_limit or progress.epoch < trainee.epochs) and (seconds is None or clock.spent() < seconds):
            steps.make()
            if to_the_limit:
                bar.step(int(clock.spent()) - bar.done, f"epoch {progress.epoch + 1}{steps.told()}")
            else:
                bar.step(1, f"epoch {progress.epoch + 1}/{trainee.epochs}{steps.told()}")
            if steps.ended():
                row = _finish_epoch(trainee, stage, progress)
                metrics.append(row)
                reporter.metric(row)
                clock.checkpoint()
            clock.checkpoint_if_due()
            if passed():
                clock.checkpoint()
                raise TimeIsUp(f"{stage}: stopped in epoch {progress.epoch + 1}, step {progress.step + 1}")
    clock.checkpoint()
    metrics.keep(stage, progress.history)
    return progress


def refuse_divergence(stage: str, figures: Mapping[str, float]) -> None:
    """Look at the figures of a finished training.

    Raises:
        DivergedError: one of them is NaN or infinite; the message says which.
    """
    for name, value in figures.items():
        if not math.isfinite(value):
            raise DivergedError(f"{stage}: {name} {value} at epoch {figures.get('epoch', 0):.0f}")


def _resume(trainee: Trainee, checkpoints: Checkpoints) -> Progress:
    state = checkpoints.load()
    if state is None:
        return Progress()
    trainee.load_state_dict(state["trainee"])
    return Progress(**state["progress"])


def _bar(reporter: Reporter, stage: str, trainee: Trainee, progress: Progress, seconds: float | None) -> Bar:
    """A bar that counts steps, or the ``seconds`` where they alone end the training."""
    total = sum(trainee.steps(epoch) for epoch in range(trainee.epochs))
    done = sum(trainee.steps(epoch) for epoch in range(progress.epoch)) + progress.step
    begun, ended = done > 0, done >= total if seconds is None else progress.seconds >= seconds
    if begun and not ended:
        reporter.say(f"{spoken(stage)}: goes on in epoch {progress.epoch + 1}, at step {progress.step + 1}")
    if seconds is None:
        return reporter.bar(stage, total, done)
    return reporter.bar(stage, round(seconds), int(progress.seconds), unit=" s")


class _Steps:
    """Makes the steps of a training. Losses that lie on a device are read a few at a time, so that it need not wait."""

    def __init__(self, trainee: Trainee, stage: str, progress: Progress) -> None:
        self._trainee, self._stage, self._progress = trainee, stage, progress
        self._unread: list[Tensor] = []

    def make(self) -> None:
        """One step."""
        progress = self._progress
        loss = self._trainee.step(progress.epoch, progress.step)
        if isinstance(loss, float) and not self.read():  # losses are accounted in the order of their steps
            return  # this step went on from weights that are given up
        progress.step += 1
        if isinstance(loss, float):
            self._account([loss])
        else:
            self._unread.append(loss)
        if len(self._unread) == _UNREAD:
            self.read()

    def told(self) -> str:
        """The mean loss of the epoch so far, as the trainee tells it; nothing as long as none is read."""
        read = self._progress.step - len(self._unread)
        tell = getattr(self._trainee, "tell", "loss {:.3f}".format)
        return f", {tell(self._progress.loss_sum / read)}" if read > 0 else ""

    def read(self) -> bool:
        """Wait for the losses of all steps; whether the weights that they led to are kept.

        Raises:
            DivergedError: one of them is not finite.
        """
        if not self._unread:
            return True
        losses = torch.stack(self._unread).tolist()
        self._unread.clear()
        return self._account(losses)

    def ended(self) -> bool:
        """Whether the epoch's steps are all made, and read."""
        last = self._trainee.steps(self._progress.epoch)
        if self._progress.step == last:
            self.read()
        return self._progress.step == last

    def _account(self, losses: list[float]) -> bool:
        progress = self._progress
        first = progress.step - len(losses)
        for step, loss in enumerate(losses, start=first):
            if not math.isfinite(loss):
                progress.loss_sum += self._again(step, loss)
                progress.step = step + 1  # later steps went on from weights that are given up
                return False
            progress.loss_sum += loss
        return True

    def _again(self, step: int, loss: float) -> float:
        """Make a step again whose ``loss`` was not finite."""
        epoch = self._progress.epoch
        if self._trainee.recover():
            loss = float(self._trainee.step(epoch, step))
        if not math.isfinite(loss):
            raise DivergedError(f"{self._stage}: loss {loss} at epoch {epoch + 1}, step {step + 1}")
        return loss


def _finish_epoch(trainee: Trainee, stage: str, progress: Progress) -> dict[str, Any]:
    figures = {"train_loss": progress.loss_sum / progress.step, **trainee.finish_epoch(progress.epoch)}
    progress.epoch, progress.step, progress.loss_sum = progress.epoch + 1, 0, 0.0
    row = {"stage": stage, "epoch": progress.epoch, **figures}
    progress.history.append(row)
    return row


class _Clock:
    """Adds up training time and says when a checkpoint is due."""

    def __init__(self, progress: Progress, checkpoints: Checkpoints, trainee: Trainee, steps: _Steps) -> None:
        self._progress, self._checkpoints, self._trainee, self._steps = progress, checkpoints, trainee, steps
        self._before, self._start = progress.seconds, time.monotonic()
        self._written = self._start

    def spent(self) -> float:
        return self._before + time.monotonic() - self._start

    def checkpoint_if_due(self) -> None:
        if time.monotonic() - self._written > _SECONDS_BETWEEN_CHECKPOINTS:
            self.checkpoint()

    def checkpoint(self) -> None:
        self._steps.read()
        self._progress.seconds = self.spent()
        self._checkpoints.save({"trainee": self._trainee.state_dict(), "progress": vars(self._progress)})
        self._written = time.monotonic()
