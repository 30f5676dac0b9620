"""Scores of networks that nothing has trained: each cell's network as one that is trained alone starts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.scores import SCORES
from conas.oracle import Oracle
from conas.questions import Untrained
from conas.seeds import generator
from conas.space import Alpha
from harness.data.augment import normalise
from harness.training.answers import Remembered, answers
from harness.training.image.task import ImageTask
from harness.training.work import Work


@answers(Untrained, task="image", stage="untrained", section="alone")
class UntrainedScores:
    """A training of no steps, whose answer measures by a score."""

    epochs = 0

    def __init__(self, task: ImageTask, question: Untrained) -> None:
        self._task, self._question = task, question

    def answer(self, remembered: Remembered) -> Oracle:
        """Minus the scores."""
        return remembered(ScoreMeasurer(self._task, self._question))

    def steps(self, epoch: int) -> int:
        """None."""
        return 0

    def step(self, epoch: int, step: int) -> float:
        """There is none to make.

        Raises:
            IndexError: always.
        """
        raise IndexError(f"no step {step} in epoch {epoch}: nothing is trained")

    def recover(self) -> bool:
        """There is nothing to go back to."""
        return False

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """No epoch, no figures."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Nothing changes."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""

    def weights(self) -> dict[str, Any]:
        """Every network's are drawn when it is scored."""
        return {}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """The inverse of `weights`."""

    @staticmethod
    def work(task: ImageTask, question: Untrained) -> list[Work]:
        """None."""
        return []

    @staticmethod
    def measuring(task: ImageTask, question: Untrained, whole: bool) -> list[Work]:
        """A pass forward, and about as long as a pass backward for what a score makes of it."""
        alone = task.config.alone
        return [Work(alone.layers, question.images * task.network_mult_adds(alone), 1)]


class ScoreMeasurer:
    """Minus the score of cells' networks, always on the same training images."""

    def __init__(self, task: ImageTask, question: Untrained) -> None:
        self._task, self._score = task, SCORES[question.score]
        order = generator(task.config.seed, "scoring").permutation(len(task.weights_half))
        images = task.weights_half.select(order[: question.images]).images
        self._images = normalise(images.to(task.device), task.data.mean, task.data.std)

    def measure(self, alphas: Alpha, draw: int, whole: bool) -> NDArray[np.float64]:
        """Minus the scores, shape (k,), of the cells ``alphas``, shape (k, n), whatever ``draw`` and ``whole``."""
        return np.array([-self._score(self._network(alpha), self._images) for alpha in alphas])

    def _network(self, alpha: Alpha) -> Any:
        return self._task.network(self._task.space.build(alpha), self._task.config.alone, "alone")
