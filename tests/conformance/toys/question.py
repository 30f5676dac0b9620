"""A new kind of question, and a method that asks it: which operation is the best on every edge at once?

The one-shot CNN is trained with one operation per minibatch, the same on all edges; the answer is the mean training
loss by operation. A problem that trains nothing cannot answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.checks import at_least
from baselines.registry import Method
from conas.problem import Cost, Outcome, Problem
from conas.questions import MadeUpOracle, Question
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space
from harness.training.answers import Remembered, answers
from harness.training.image import ImageTask
from harness.training.sgd import SgdTraining
from harness.training.work import Work


@dataclass(frozen=True)
class OperationLosses(Question[Mapping[str, float]]):
    """The mean training loss by operation."""

    name: ClassVar[str] = "operation_losses"
    epochs: int

    def made_up(self, oracle: MadeUpOracle) -> Mapping[str, float]:
        """Each operation is better than the one before."""
        return {operation: 1 / (1 + k) for k, operation in enumerate(oracle.space.operations)}


def everywhere(space: Space, operation: str) -> Alpha:
    """The encoder, shape (n,), with this operation on every edge and no other."""
    return np.array([1 if edge.operation == operation else -1 for edge in space.edges], dtype=np.int8)


@answers(OperationLosses, task="image", stage="operations", section="oneshot")
class OperationTraining(SgdTraining):
    """The operation of a minibatch is drawn by epoch and step, so the sums of losses are all there is to keep."""

    def __init__(self, task: ImageTask, question: OperationLosses) -> None:
        settings, seed, self._operations = task.config.oneshot, task.config.seed, task.space.operations
        self._sums = torch.zeros(2, len(self._operations), dtype=torch.float64)
        model = task.one_shot_model("operations")

        def loss(epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
            k = int(generator(seed, "operation", epoch, step).integers(len(self._operations)))
            value = F.cross_entropy(model(images, everywhere(task.space, self._operations[k])), labels)
            self._sums[:, k] += torch.tensor([value.item(), 1.0], dtype=torch.float64)
            return value

        batches = task.batches(task.weights_half, settings.batch_size, "operations")
        super().__init__(model, settings, batches, loss, dict, epochs=question.epochs)

    def state_dict(self) -> dict[str, Any]:
        """That of the training, and the sums."""
        return super().state_dict() | {"sums": self._sums.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self._sums.copy_(state["sums"])

    def weights(self) -> dict[str, Any]:
        """The sums alone."""
        return {"sums": self._sums}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """The inverse of `weights`."""
        self._sums.copy_(weights["sums"])

    def answer(self, remembered: Remembered) -> Mapping[str, float]:
        """The means; infinite for an operation that was never drawn."""
        sums, counts = self._sums.tolist()
        means = [total / count if count else float("inf") for total, count in zip(sums, counts, strict=True)]
        return dict(zip(self._operations, means, strict=True))

    @staticmethod
    def work(task: ImageTask, question: OperationLosses) -> list[Work]:
        """Epochs of about a one-shot model's sub-networks."""
        return [task.epoch(task.config.oneshot, task.one_shot_mult_adds).times(question.epochs)]


@dataclass(frozen=True)
class Settings:
    """How long to train."""

    epochs: int = setting(2, "a toy")

    def __post_init__(self) -> None:
        at_least(1, self, "epochs")


def search(problem: Problem, seed: int, settings: Settings) -> Outcome:
    """The best operation on every edge."""
    losses = problem.ask(OperationLosses(settings.epochs))
    best = min(losses, key=lambda operation: losses[operation])
    return Outcome(problem.space.build(everywhere(problem.space, best)), {"losses": dict(losses)})


METHOD = Method("toy_question", "a toy", search, Settings, frozenset({OperationLosses}), lambda s: Cost())
