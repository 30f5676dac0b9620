"""One-shot models whose policy may learn: it is told how every epoch went, and is kept with the weights."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conas.oracle import OfEncoders, Oracle
from conas.questions import OneShot, OneShotModel
from conas.sampling import RunningPolicy
from conas.space import Alpha
from harness.training.answers import Measurer, Remembered
from harness.training.loop import Trainee
from harness.training.work import Work

SAMPLED_SUBNETWORKS = 8
"""Of how many sub-networks the figures after an epoch of a one-shot model are the mean."""
_POLICY = "policy"


class PolicyTraining:
    """A trainee: a one-shot model with the policy that draws its sub-networks.

    Args:
        training: of the model's weights, on what ``policy`` draws.
        measurer: measurements at the present weights.
    """

    def __init__(self, training: Trainee, policy: RunningPolicy, measurer: Callable[[], Measurer]) -> None:
        self.epochs, self.steps, self.step, self.recover = (
            training.epochs,
            training.steps,
            training.step,
            training.recover,
        )
        self.training, self.measurer, self._policy = training, measurer, policy
        if hasattr(training, "tell"):
            self.tell = training.tell

    @staticmethod
    def work(task: Any, question: OneShot) -> list[Work]:
        """Epochs of random sub-networks, and what the policy measures after each of them."""
        settings = task.config.oneshot
        training = task.epoch(settings, task.one_shot_mult_adds).times(settings.epochs)
        learning = [part.times(question.policy.measurements * settings.epochs) for part in task.measuring(whole=False)]
        return [training, *(learning if question.measures() else [])]

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """Let the policy learn, then evaluate; the figures of both."""
        learned = self._policy.epoch_ended(epoch, self._present(epoch))
        return {**self.training.finish_epoch(epoch), **learned}

    def _present(self, epoch: int) -> Oracle:
        """The losses at the present weights, every call on batches of its own or on the whole validation set."""
        draws = itertools.count((epoch + 1) << 32)  # draw 0 is what the measurements after training share
        measurers: list[Measurer] = []

        def losses(alphas: Alpha, whole: bool) -> NDArray[np.float64]:
            if not measurers:
                measurers.append(self.measurer())
            return measurers[0].measure(alphas, next(draws), whole)

        return OfEncoders(losses)

    def answer(self, remembered: Remembered) -> OneShotModel:
        """The model's oracle, and the policy as it is now."""
        return OneShotModel(remembered(self.measurer()), self._policy)

    def state_dict(self) -> dict[str, Any]:
        """The state of the model's training, and of a policy that has one."""
        return self.training.state_dict() | self._learned()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.training.load_state_dict(state)
        self._policy.load_state_dict(state.get(_POLICY, {}))

    def weights(self) -> dict[str, Any]:
        """The model's weights, and the state of a policy that has one."""
        return self.training.weights() | self._learned()

    def load_weights(self, weights: dict[str, Any]) -> None:
        """The inverse of `weights`."""
        self.training.load_weights({name: value for name, value in weights.items() if name != _POLICY})
        self._policy.load_state_dict(weights.get(_POLICY, {}))

    def _learned(self) -> dict[str, Any]:
        state = self._policy.state_dict()
        return {_POLICY: state} if state else {}
