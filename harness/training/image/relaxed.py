"""The search of DARTS for convolutional cells: weights on one half of the training set, architecture on the other."""

from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from baselines.darts.bilevel import WeightStep, call, first_order, second_order, split
from baselines.darts.relaxed import RelaxedCNN
from conas.questions import Relaxed
from conas.seeds import derive
from harness.training.answers import Remembered, answers
from harness.training.image.task import ImageTask
from harness.training.relaxation import STEPS, shares
from harness.training.schedules import rate
from harness.training.sgd import Batch, SgdTraining
from harness.training.work import Work


@answers(Relaxed, task="image", stage="relaxed", section="relaxed")
class RelaxedTraining(SgdTraining):
    """DARTS (Liu et al., 2018b): before each step of the weights, one of Adam on the architecture."""

    def __init__(self, task: ImageTask, question: Relaxed) -> None:
        settings, seed = task.config.relaxed, task.config.seed
        sizes = (settings.channels, settings.layers, task.data.classes, task.data.channels)
        model = RelaxedCNN(task.space, question.operations, *sizes, seed=derive(seed, "weights", "relaxed"))
        self._model, self._order = task.placed(model), question.order
        self._validation = task.batches(task.validation, settings.batch_size, "relaxed architecture")
        batches = task.batches(task.weights_half, settings.batch_size, "relaxed")
        weights, architecture = split(model)
        super().__init__(
            model,
            settings,
            batches,
            lambda epoch, step, images, labels: F.cross_entropy(model(images), labels),
            dict,
            parameters=list(weights.values()),  # type: ignore[arg-type]
        )
        self._adam = torch.optim.Adam(
            list(architecture.values()),
            lr=settings.lr_alpha,
            betas=(0.5, 0.999),
            weight_decay=settings.weight_decay_alpha,
        )

    def step(self, epoch: int, step: int) -> float | Tensor:
        """One step of the architecture, then one of the weights."""
        self._optimizer.param_groups[0]["lr"] = rate(self._schedule, epoch)
        self._model.train()
        weights, architecture = split(self._model)
        held_out = self._validation(epoch, step % self._validation.steps(epoch))
        valid = partial(self._loss_at, held_out)
        if self._order == 1:
            gradients = first_order(valid, weights, architecture)
        else:
            train = partial(self._loss_at, self._batches(epoch, step))
            gradients = second_order(train, valid, weights, architecture, WeightStep.of(self._optimizer, weights))
        for name, parameter in architecture.items():
            parameter.grad = gradients[name]
        self._adam.step()
        return super().step(epoch, step)

    def _loss_at(self, batch: Batch, parameters: dict[str, Tensor]) -> Tensor:
        images, labels = batch
        return F.cross_entropy(call(self._model, parameters, images), labels)

    def state_dict(self) -> dict[str, Any]:
        """Weights, architecture and both optimisers."""
        return super().state_dict() | {"adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._adam.load_state_dict(state["adam"])

    def answer(self, remembered: Remembered) -> dict[str, NDArray[np.float64]]:
        """The softmax weights of every cell's edges, shape (edges, operations)."""
        return shares(self._model.architecture)

    @staticmethod
    def work(task: ImageTask, question: Relaxed) -> list[Work]:
        """As many steps of the one-shot model as take about as long."""
        epoch = task.epoch(task.config.oneshot, task.one_shot_mult_adds)
        return [epoch.times(task.config.relaxed.epochs * STEPS[question.order])]
