"""The one loop behind every training: one-shot models, final networks, stand-alone networks, relaxations.

A trainee draws all its randomness by name from (seed, epoch, step), so weights, optimiser state and a position are
enough to continue a killed training to the same bits.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.console.progress import Reporter
from harness.records.checkpoint import Checkpoints
from harness.records.files import Lines

_SECONDS_BETWEEN_CHECKPOINTS = 60.0


class DivergedError(RuntimeError):
    """The training loss is no longer finite."""


class Trainee(Protocol):
    """Something to train for ``epochs`` epochs of ``steps(epoch)`` steps."""

    epochs: int

    def steps(self, epoch: int) -> int:
        """The number of steps of an epoch."""

    def step(self, epoch: int, step: int) -> float:
        """Train on one minibatch; the training loss before the update, in nats."""

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """Whatever is to be evaluated after an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that training changes."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


@dataclass
class Progress:
    """Where a training stands: ``step`` steps of ``epoch`` are done. ``seconds`` is training time over all attempts,
    ``history`` one row of metrics an epoch."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(
    trainee: Trainee,
    stage: str,
    checkpoints: Checkpoints,
    metrics: Lines,
    reporter: Reporter,
    seconds: float | None = None,
) -> Progress:
    """Train to the end, or for ``seconds`` of training time, resuming from the newest checkpoint.

    Rows of metrics are appended to ``metrics`` as the epochs end, each once however often the training is resumed.

    Raises:
        DivergedError: the loss is NaN or infinite; the message says where.
        CheckpointError: the checkpoint there is of another configuration.
    """
    progress = _resume(trainee, checkpoints)
    recorded = {row["epoch"] for row in metrics if row.get("stage") == stage}
    clock = _Clock(progress, checkpoints, trainee)
    total = sum(trainee.steps(epoch) for epoch in range(trainee.epochs))
    done = sum(trainee.steps(epoch) for epoch in range(progress.epoch)) + progress.step
    with reporter.bar(stage, total, done) as bar:
        while progress.epoch < trainee.epochs and not (seconds and clock.spent() >= seconds):
            _train_step(trainee, stage, progress)
            bar.step(note=f"epoch {progress.epoch + 1}/{trainee.epochs}")
            if progress.step == trainee.steps(progress.epoch):
                row = _finish_epoch(trainee, stage, progress)
                if row["epoch"] not in recorded:
                    metrics.append(row)
                reporter.metric(row)
                clock.checkpoint()
            clock.checkpoint_if_due()
    clock.checkpoint()
    return progress


def _resume(trainee: Trainee, checkpoints: Checkpoints) -> Progress:
    state = checkpoints.load()
    if state is None:
        return Progress()
    trainee.load_state_dict(state["trainee"])
    return Progress(**state["progress"])


def _train_step(trainee: Trainee, stage: str, progress: Progress) -> None:
    loss = trainee.step(progress.epoch, progress.step)
    if not math.isfinite(loss):
        raise DivergedError(f"{stage}: loss {loss} at epoch {progress.epoch + 1}, step {progress.step + 1}")
    progress.step += 1
    progress.loss_sum += loss


def _finish_epoch(trainee: Trainee, stage: str, progress: Progress) -> dict[str, Any]:
    figures = {"train_loss": progress.loss_sum / progress.step, **trainee.finish_epoch(progress.epoch)}
    progress.epoch, progress.step, progress.loss_sum = progress.epoch + 1, 0, 0.0
    row = {"stage": stage, "epoch": progress.epoch, **figures}
    progress.history.append(row)
    return row


class _Clock:
    """Adds up training time and says when a checkpoint is due."""

    def __init__(self, progress: Progress, checkpoints: Checkpoints, trainee: Trainee) -> None:
        self._progress, self._checkpoints, self._trainee = progress, checkpoints, trainee
        self._before, self._start = progress.seconds, time.monotonic()
        self._written = self._start

    def spent(self) -> float:
        return self._before + time.monotonic() - self._start

    def checkpoint_if_due(self) -> None:
        if time.monotonic() - self._written > _SECONDS_BETWEEN_CHECKPOINTS:
            self.checkpoint()

    def checkpoint(self) -> None:
        self._progress.seconds = self.spent()
        self._checkpoints.save({"trainee": self._trainee.state_dict(), "progress": vars(self._progress)})
        self._written = time.monotonic()
