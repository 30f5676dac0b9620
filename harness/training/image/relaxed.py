"""The relaxation of convolutional cells: weights on one half of the training set, architecture on the other.

Under a rule that holds nothing out, both learn from the whole training set.
"""

from functools import cache, partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from baselines.relaxations.bilevel import Parameters, WeightStep, call, split
from baselines.relaxations.models import RelaxedCNN
from baselines.relaxations.rule import Moment
from conas.questions import Relaxed
from conas.seeds import derive
from harness.training.answers import Remembered, answers
from harness.training.image.task import ImageTask
from harness.training.relaxation import ArchitectureSteps, rule_of
from harness.training.schedules import rate
from harness.training.sgd import Batch, SgdTraining
from harness.training.work import Work

_BETAS = (0.5, 0.999)
"""Of Adam in DARTS' search for convolutional cells."""


@answers(Relaxed, task="image", stage="relaxed", section="relaxed")
class RelaxedTraining(SgdTraining):
    """Steps of the weights, and by the rule steps of Adam on the architecture before or with them."""

    def __init__(self, task: ImageTask, question: Relaxed) -> None:
        settings, seed, rule = task.config.relaxed, task.config.seed, rule_of(question)
        sizes = (settings.channels, settings.layers, task.data.classes, task.data.channels)
        seeds = {"seed": derive(seed, "weights", "relaxed")}
        model = self._model = task.placed(RelaxedCNN(task.space, question.operations, rule, *sizes, **seeds))
        self._validation = task.batches(task.validation, settings.batch_size, "relaxed architecture")
        read = task.weights_half if rule.held_out else task.train
        weights, _ = split(model)
        super().__init__(
            model,
            settings,
            task.batches(read, settings.batch_size, "relaxed"),
            self._weights_loss,
            dict,
            parameters=list(weights.values()),  # type: ignore[arg-type]
            precision=task.precision.autocast,
        )
        self._architecture = ArchitectureSteps(model, settings, _BETAS, derive(seed, "relaxed"), self.steps)

    def _weights_loss(self, epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self._model(images, *self._architecture.of_weights(epoch, step)), labels)

    def step(self, epoch: int, step: int) -> float | Tensor:
        """One step of the weights, and one of the architecture if its rule has one."""
        self._optimizer.param_groups[0]["lr"] = rate(self._schedule, epoch)
        self._model.train()

        @cache
        def seen() -> Batch:
            return self._batches(epoch, step)

        @cache
        def held_out() -> Batch:
            return self._validation(epoch, step % self._validation.steps(epoch))

        def loss(batch: Any, parameters: Parameters, at: Moment, drawing: torch.Generator) -> Tensor:
            images, labels = batch()
            with self._precision():
                return F.cross_entropy(call(self._model, parameters, images, at, drawing), labels)

        next_step = partial(WeightStep.of, self._optimizer, split(self._model)[0])
        self._architecture.before(epoch, step, partial(loss, seen), partial(loss, held_out), next_step)
        value = super().step(epoch, step)
        self._architecture.after(epoch, step, value)
        return value

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """What the rule does after an epoch."""
        return {**super().finish_epoch(epoch), **self._architecture.epoch_ended(epoch)}

    def state_dict(self) -> dict[str, Any]:
        """Weights, architecture and both optimisers."""
        return super().state_dict() | {"adam": self._architecture.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._architecture.load_state_dict(state["adam"])

    def answer(self, remembered: Remembered) -> dict[str, NDArray[np.float64]]:
        """What the operations of every cell's edges weigh, shape (edges, operations)."""
        return self._model.architecture.shares()

    @staticmethod
    def work(task: ImageTask, question: Relaxed) -> list[Work]:
        """As much as some epochs of a one-shot model of the relaxation's size."""
        settings, known = task.config.relaxed, task.config.oneshot
        width, depth = settings.channels / known.channels, settings.layers / known.layers
        epoch = task.epoch(settings, task.one_shot_mult_adds * width**2 * depth)
        return [epoch.times(settings.epochs * question.rule.price)]
