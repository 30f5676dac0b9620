"""The relaxation of recurrent cells: weights on the training text, architecture on the validation text.

Under a rule that holds nothing out, both learn from the training text.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.relaxations.bilevel import Parameters, WeightStep, call, split
from baselines.relaxations.models import RelaxedRNN
from baselines.relaxations.rule import Moment
from conas.questions import Relaxed
from conas.rnn.language_model import Run
from conas.rnn.text_windows import batchify, window, windows
from conas.seeds import derive
from conas.torch_seeds import torch_generator
from harness.training.answers import Remembered, answers
from harness.training.bptt import BpttTraining
from harness.training.relaxation import ArchitectureSteps, rule_of
from harness.training.text.task import TextTask
from harness.training.work import Work

_BETAS = (0.9, 0.999)
"""Of Adam in DARTS' search for recurrent cells."""


class RelaxedObjective(RelaxedRNN):
    """A relaxed language model whose forward pass ends in its loss, so that it can be called with other parameters."""

    def forward(  # type: ignore[override]
        self,
        tokens: Tensor,
        targets: Tensor,
        hidden: Tensor,
        dropping: torch.Generator,
        at: Moment,
        drawing: torch.Generator,
    ) -> tuple[Tensor, Run]:
        """The mean cross-entropy in nats of one window, tokens and targets (T, B), and the pass."""
        run = super().forward(tokens, hidden, dropping, at, drawing)
        return self.cross_entropy(run.dropped, targets), run


@answers(Relaxed, task="text", stage="relaxed", section="relaxed")
class RelaxedTraining(BpttTraining):
    """Steps of the weights, and by the rule steps of Adam on the architecture before or with them.

    The architecture's loss is that of one window of the validation text, which is read again and again.
    """

    def __init__(self, task: TextTask, question: Relaxed) -> None:
        settings, data, seed = task.config.relaxed, task.data, task.config.seed
        model = self._relaxed = RelaxedObjective(
            task.space,
            question.operations,
            rule_of(question),
            task.words,
            settings.units,
            task.dropout(settings),
            seed=derive(seed, "weights", "relaxed"),
        ).to(task.device)
        weights, _ = split(model)
        super().__init__(
            model,
            settings,
            data.train,
            derive(seed, "training", "relaxed"),
            self._weights_pass,
            dict,
            epochs=settings.epochs,
            parameters=list(weights.values()),  # type: ignore[arg-type]
        )
        self._architecture = ArchitectureSteps(model, settings, _BETAS, derive(seed, "relaxed"), self.steps)
        self._clip, self._released = settings.clip, settings.second_order == "released"
        self._held_out = list(windows(batchify(data.valid, settings.batch_size).to(self._text.device), settings.bptt))
        self._held_out_hidden = torch.zeros_like(self._hidden)

    def _weights_pass(self, epoch: int, step: int, tokens: Tensor, hidden: Tensor, dropping: torch.Generator) -> Run:
        at, drawing = self._architecture.of_weights(epoch, step)
        return RelaxedRNN.forward(self._relaxed, tokens, hidden, dropping, at, drawing)

    def step(self, epoch: int, step: int) -> float | Tensor:
        """One step of the weights, and one of the architecture if its rule has one."""
        self._begin(epoch, step)
        train, valid = partial(self._train_loss, epoch, step), partial(self._held_out_loss, epoch, step)
        optimizer: Any = self._optimizer
        next_step = partial(WeightStep.of, optimizer, split(self.model)[0], self._clip, self._released)
        self._architecture.before(epoch, step, train, valid, next_step)
        value = super().step(epoch, step)
        self._architecture.after(epoch, step, value)
        return value

    def _held_out_loss(
        self, epoch: int, step: int, parameters: Parameters, at: Moment, drawing: torch.Generator
    ) -> Tensor:
        number = step % len(self._held_out)
        hidden = self._held_out_hidden if number else torch.zeros_like(self._held_out_hidden)
        dropping = torch_generator(self._seed, "held-out dropout", epoch, step, device=hidden.device.type)
        loss, run = call(self.model, parameters, *self._held_out[number], hidden, dropping, at, drawing)
        self._held_out_hidden = run.hidden
        return loss

    def _train_loss(
        self, epoch: int, step: int, parameters: Parameters, at: Moment, drawing: torch.Generator
    ) -> Tensor:
        tokens, targets = window(self._text, *self._windows(epoch)[step])
        dropping = self._dropping(epoch, step)
        return call(self.model, parameters, tokens, targets, self._hidden, dropping, at, drawing)[0]

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """What the rule does after an epoch."""
        return {**super().finish_epoch(epoch), **self._architecture.epoch_ended(epoch)}

    def state_dict(self) -> dict[str, Any]:
        """Weights, architecture, both optimisers and both hidden states."""
        return super().state_dict() | {
            "adam": self._architecture.state_dict(),
            "held_out_hidden": self._held_out_hidden,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._architecture.load_state_dict(state["adam"])
        self._held_out_hidden = state["held_out_hidden"].to(self._held_out_hidden)

    def answer(self, remembered: Remembered) -> dict[str, NDArray[np.float64]]:
        """What the operations of every cell's edges weigh, shape (edges, operations)."""
        return self._relaxed.architecture.shares()

    @staticmethod
    def work(task: TextTask, question: Relaxed) -> list[Work]:
        """As much as some epochs of a one-shot model of the relaxation's size; all activations are computed."""
        settings = task.config.relaxed
        width = settings.units / task.config.oneshot.units
        epoch = task.epoch(settings, task.one_shot_mult_adds * width**2)
        return [epoch.times(settings.epochs * 2 * rule_of(question).gradients)]
