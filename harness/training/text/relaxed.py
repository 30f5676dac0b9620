"""The search of DARTS for recurrent cells: weights on the training text, architecture on the validation text."""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.darts.bilevel import WeightStep, call, first_order, second_order, split
from baselines.darts.relaxed import RelaxedRNN
from conas.questions import Relaxed
from conas.rnn.language_model import Run
from conas.rnn.text_windows import batchify, window, windows
from conas.seeds import derive
from conas.torch_seeds import torch_generator
from harness.training.answers import Remembered, answers
from harness.training.bptt import BpttTraining
from harness.training.relaxation import STEPS, shares
from harness.training.text.task import TextTask
from harness.training.work import Work


class RelaxedObjective(RelaxedRNN):
    """A relaxed language model whose forward pass ends in its loss, so that it can be called with other parameters."""

    def forward(  # type: ignore[override]
        self, tokens: Tensor, targets: Tensor, hidden: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Run]:
        """The mean cross-entropy in nats of one window, tokens and targets (T, B), and the pass."""
        run = super().forward(tokens, hidden, generator)
        return self.cross_entropy(run.dropped, targets), run


@answers(Relaxed, task="text", stage="relaxed", section="relaxed")
class RelaxedTraining(BpttTraining):
    """DARTS (Liu et al., 2018b): before each step of the weights, one of Adam on the architecture.

    The architecture's loss is that of one window of the validation text, which is read again and again.
    """

    def __init__(self, task: TextTask, question: Relaxed) -> None:
        settings, data = task.config.relaxed, task.data
        model = RelaxedObjective(
            task.space,
            question.operations,
            task.words,
            settings.units,
            task.dropout(settings),
            seed=derive(task.config.seed, "weights", "relaxed"),
        ).to(task.device)
        self._relaxed = model
        weights, architecture = split(model)
        super().__init__(
            model,
            settings,
            data.train,
            derive(task.config.seed, "training", "relaxed"),
            lambda epoch, step, tokens, hidden, dropping: RelaxedRNN.forward(model, tokens, hidden, dropping),
            dict,
            epochs=settings.epochs,
            parameters=list(weights.values()),  # type: ignore[arg-type]
        )
        self._adam = torch.optim.Adam(
            list(architecture.values()), lr=settings.lr_alpha, weight_decay=settings.weight_decay_alpha
        )
        self._order, self._clip = question.order, settings.clip
        self._released = settings.second_order == "released"
        self._held_out = list(windows(batchify(data.valid, settings.batch_size).to(self._text.device), settings.bptt))
        self._held_out_hidden = torch.zeros_like(self._hidden)

    def step(self, epoch: int, step: int) -> float | Tensor:
        """One step of the architecture, then one of the weights."""
        self._begin(epoch, step)
        weights, architecture = split(self.model)
        valid = partial(self._held_out_loss, epoch, step)
        if self._order == 1:
            gradients = first_order(valid, weights, architecture)
        else:
            train = partial(self._train_loss, epoch, step)
            next_step = WeightStep.of(self._optimizer, weights, self._clip, self._released)  # type: ignore[arg-type]
            gradients = second_order(train, valid, weights, architecture, next_step)
        for name, parameter in architecture.items():
            parameter.grad = gradients[name]
        self._adam.step()
        return super().step(epoch, step)

    def _held_out_loss(self, epoch: int, step: int, parameters: dict[str, Tensor]) -> Tensor:
        number = step % len(self._held_out)
        hidden = self._held_out_hidden if number else torch.zeros_like(self._held_out_hidden)
        dropping = torch_generator(self._seed, "held-out dropout", epoch, step, device=hidden.device.type)
        loss, run = call(self.model, parameters, *self._held_out[number], hidden, dropping)
        self._held_out_hidden = run.hidden
        return loss

    def _train_loss(self, epoch: int, step: int, parameters: dict[str, Tensor]) -> Tensor:
        tokens, targets = window(self._text, *self._windows(epoch)[step])
        return call(self.model, parameters, tokens, targets, self._hidden, self._dropping(epoch, step))[0]

    def state_dict(self) -> dict[str, Any]:
        """Weights, architecture, both optimisers and both hidden states."""
        return super().state_dict() | {"adam": self._adam.state_dict(), "held_out_hidden": self._held_out_hidden}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._adam.load_state_dict(state["adam"])
        self._held_out_hidden = state["held_out_hidden"].to(self._held_out_hidden)

    def answer(self, remembered: Remembered) -> dict[str, NDArray[np.float64]]:
        """The softmax weights of every cell's edges, shape (edges, operations)."""
        return shares(self._relaxed.architecture)

    @staticmethod
    def work(task: TextTask, question: Relaxed) -> list[Work]:
        """As many steps of the one-shot model as take about as long."""
        epoch = task.epoch(task.config.oneshot, task.one_shot_mult_adds)
        return [epoch.times(task.config.relaxed.epochs * STEPS[question.order])]
