"""What a search will ask of a problem, counted exactly without any of the work."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines.registry import method
from conas.problem import Cost
from conas.sampling import Sampler
from conas.seeds import generator
from conas.space import Alpha, Space, space
from harness.config.identity import digest
from harness.config.load import Config

_RELAXED_STEPS = {1: 4, 2: 12}
"""One step of DARTS in steps of the one-shot model: all edges instead of half, and one gradient or five more."""


@dataclass(frozen=True)
class Prices:
    """Seconds of a one-shot training, a measurement, one on the whole validation set, an epoch of a network alone, and
    of a relaxation if its steps were those of the one-shot model."""

    one_shot: float
    measurement: float
    whole: float
    stand_alone_epoch: float
    relaxed: float


@dataclass
class Questions:
    """What a search asks of one network: a training, to its end or for some seconds, epochs alone, measurements."""

    one_shot: int = 0
    one_shot_seconds: float = 0.0
    stand_alone_epochs: int = 0
    relaxed_steps: int = 0
    measurements: int = 0
    whole: int = 0

    def training(self, prices: Prices) -> float:
        """Seconds of training."""
        alone = self.stand_alone_epochs * prices.stand_alone_epoch
        return self.one_shot * prices.one_shot + self.one_shot_seconds + alone + self.relaxed_steps * prices.relaxed

    def measuring(self, prices: Prices) -> float:
        """Seconds of measuring."""
        return self.measurements * prices.measurement + self.whole * prices.whole


class CountingOracle:
    """Counts measurements in ``asked``; answers with losses that a sparse polynomial fits at once."""

    def __init__(self, of: Space, asked: Questions) -> None:
        self._space, self._asked = of, asked

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Count measurements."""
        if whole:
            self._asked.whole += len(alphas)
        else:
            self._asked.measurements += len(alphas)
        return _made_up(self._space, alphas)


class CountingProblem:
    """Answers every question at once with a made-up number, to learn what a search will ask of which network.

    Attributes:
        asked: the questions by a name of the network, the same in all searches that train it.
    """

    supports = frozenset({"one_shot", "stand_alone", "relaxed"})

    def __init__(self, of: Space) -> None:
        self.space = of
        self.cost = Cost()
        self.asked: defaultdict[str, Questions] = defaultdict(Questions)

    def one_shot(self, sampler: Sampler, seconds: float | None = None) -> CountingOracle:
        """Count a one-shot training."""
        fields = dataclasses.asdict(sampler)  # type: ignore[call-overload]
        asked = self.asked[f"one-shot {digest([type(sampler).__name__, fields, seconds])}"]
        asked.one_shot, asked.one_shot_seconds = int(seconds is None), seconds or 0.0
        return CountingOracle(self.space, asked)

    def stand_alone(self, alpha: Alpha, epochs: int) -> float:
        """Count the epochs that no earlier question has asked of the same network."""
        asked = self.asked[f"alone {digest(self.space.build(alpha).to_json())}"]
        asked.stand_alone_epochs = max(asked.stand_alone_epochs, epochs)
        return float(_made_up(self.space, alpha[None])[0]) / epochs

    def relaxed(self, operations: tuple[str, ...], order: int) -> Mapping[str, NDArray[np.float64]]:
        """Count a relaxation."""
        self.asked[f"relaxed {digest([operations, order])}"].relaxed_steps = _RELAXED_STEPS[order]
        return {cell: self._relaxed_weights(cell, operations) for cell in self.space.cells}

    def _relaxed_weights(self, cell: str, operations: tuple[str, ...]) -> NDArray[np.float64]:
        edges = {(edge.source, edge.target) for edge in self.space.edges if edge.cell == cell}
        return generator(0, "made-up weights", cell).random((len(edges), len(operations)))


def _made_up(of: Space, alphas: Alpha) -> NDArray[np.float64]:
    """Losses that a sparse polynomial fits at once: each bit in turn matters less than the one before."""
    return 2 - alphas @ np.exp2(-1.0 - np.arange(of.n))


def questions(config: Config) -> dict[str, Questions]:
    """What the search of ``config`` will ask, by a name of the network that is asked.

    Names do not depend on the seed: those of two searches are the same if they share the network whenever their seeds,
    sizes and data are the same.
    """
    problem = CountingProblem(space(config.space))
    method(config.method).search(problem, 0, config.settings)
    return dict(problem.asked)
