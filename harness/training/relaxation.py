"""The steps of a relaxation's architecture, beside those of its weights: what images and text have in common."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from baselines.relaxations.bilevel import Loss, Parameters, WeightStep, split
from baselines.relaxations.models import Architecture
from baselines.relaxations.rule import MixtureRule, Moment, PruningRule
from conas.questions import Relaxed
from conas.torch_seeds import torch_generator


class Rates(Protocol):
    """Those of the architecture's optimiser."""

    epochs: int
    lr_alpha: float
    weight_decay_alpha: float


LossOf = Callable[[Parameters, Moment, torch.Generator], Tensor]
"""(parameters, moment, generator that draws the mixture) -> the loss of one batch."""


def rule_of(question: Relaxed) -> MixtureRule:
    """The rule of a question, as one that can be put to work."""
    assert isinstance(question.rule, MixtureRule)
    return question.rule


class ArchitectureSteps:
    """The steps of the architecture of ``model``, by its rule.

    Args:
        settings: the epochs, and the rates of Adam.
        betas: of Adam, where the rule has none.
        seed: decides the mixtures that are drawn.
        steps: of an epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: Rates,
        betas: tuple[float, float],
        seed: int,
        steps: Callable[[int], int],
    ) -> None:
        self._model, self._seed, self._steps, self._epochs = model, seed, steps, settings.epochs
        self._architecture: Architecture = model.architecture  # type: ignore[assignment]
        self._rule = self._architecture.rule
        self._parameters = list(self._architecture.values())
        self._adam = torch.optim.Adam(
            self._parameters,
            lr=settings.lr_alpha,
            betas=self._rule.betas or betas,
            weight_decay=settings.weight_decay_alpha,
        )

    def of_weights(self, epoch: int, step: int) -> tuple[Moment, torch.Generator]:
        """When the weights make a step, and what draws its mixture."""
        return self._moment(epoch, step, not self._rule.held_out), self._drawing("weights", epoch, step)

    def before(self, epoch: int, step: int, train: LossOf, valid: LossOf, next_step: Callable[[], WeightStep]) -> None:
        """The step, if there is one, before the ``next_step`` of the weights, whose loss is ``train``."""
        at = self._moment(epoch, step, True)
        if not self._rule.held_out or not self._rule.learns(at, step):
            return
        weights, architecture = split(self._model)

        def loss_at(loss: LossOf) -> Loss:
            return lambda parameters: loss(parameters, at, self._drawing("architecture", epoch, step))

        gradients = self._rule.gradient(loss_at(train), loss_at(valid), weights, architecture, next_step)
        for name, parameter in architecture.items():
            parameter.grad = gradients[name]
        self._step(at, partial(self._drawing, "architecture", epoch, step))

    def after(self, epoch: int, step: int, loss: float | Tensor) -> None:
        """The step, if there is one, with the gradient of the weights' step that has just been made."""
        if not self._rule.held_out and math.isfinite(loss):
            self._step(self._moment(epoch, step, True), partial(self._drawing, "weights", epoch, step))

    def _step(self, at: Moment, drawing: Callable[[], torch.Generator]) -> None:
        nn.utils.clip_grad_norm_(self._parameters, self._rule.clip)
        before = {
            name: replace(cell, parameters=cell.parameters.detach().clone())
            for name, cell in self._architecture.cells().items()
        }
        self._adam.step()
        generator = drawing()
        with torch.no_grad():
            for name, cell in before.items():
                parameters = self._architecture[name]
                parameters.copy_(self._rule.stepped(cell, parameters, at, generator))

    def epoch_ended(self, epoch: int) -> dict[str, float]:
        """Prune, if the rule does; the figures to record."""
        if not isinstance(self._rule, PruningRule):
            return {}
        at = Moment(epoch, self._epochs)
        with torch.no_grad():
            for cell in self._architecture.cells().values():
                parameters, kept = self._rule.prune(cell, at)
                cell.parameters.copy_(parameters)
                cell.left.copy_(kept)
        left = [cell.left for cell in self._architecture.cells().values()]
        return {"operations_per_edge": float(torch.cat(left).sum(-1).double().mean())}

    def _moment(self, epoch: int, step: int, learning: bool) -> Moment:
        steps = self._steps(epoch)
        return Moment(epoch, self._epochs, step / steps, learning, steps)

    def _drawing(self, whose: str, epoch: int, step: int) -> torch.Generator:
        return torch_generator(self._seed, "mixture", whose, epoch, step)

    def state_dict(self) -> dict[str, Any]:
        """That of the optimiser."""
        return self._adam.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._adam.load_state_dict(state)
