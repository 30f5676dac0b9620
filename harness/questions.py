"""What a search will ask of a problem, counted exactly without any of the work."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from baselines.registry import method
from conas.problem import Cost
from conas.sampling import Sampler
from conas.seeds import generator
from conas.space import Alpha, Space, space
from harness.config import Config


@dataclass
class Questions:
    """What a search asks: one-shot trainings, measurements, of which of the whole set, epochs, relaxations."""

    one_shot: int = 0
    one_shot_seconds: float = 0.0
    measurements: int = 0
    whole: int = 0
    stand_alone_epochs: int = 0
    relaxed: list[int] = field(default_factory=list)


class CountingProblem:
    """Answers every question at once with a made-up number, to learn what a search will ask."""

    supports = frozenset({"one_shot", "stand_alone", "relaxed"})

    def __init__(self, of: Space) -> None:
        self.space = of
        self.cost = Cost()
        self.asked = Questions()
        self._epochs: dict[bytes, int] = {}

    def one_shot(self, sampler: Sampler, seconds: float | None = None) -> "CountingProblem":
        """Count a one-shot training."""
        if seconds is None:
            self.asked.one_shot += 1
        else:
            self.asked.one_shot_seconds += seconds
        return self

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Count measurements."""
        if whole:
            self.asked.whole += len(alphas)
        else:
            self.asked.measurements += len(alphas)
        return self._made_up(alphas)

    def stand_alone(self, alpha: Alpha, epochs: int) -> float:
        """Count the epochs that no earlier question has asked of the same network."""
        name = alpha.tobytes()
        before = self._epochs.get(name, 0)
        self._epochs[name] = max(before, epochs)
        self.asked.stand_alone_epochs += max(0, epochs - before)
        return float(self._made_up(alpha[None])[0]) / epochs

    def _made_up(self, alphas: Alpha) -> NDArray[np.float64]:
        """Losses that a sparse polynomial fits at once: each bit in turn matters less than the one before."""
        return 2 - alphas @ np.exp2(-1.0 - np.arange(self.space.n))

    def relaxed(self, operations: tuple[str, ...], order: int) -> Mapping[str, NDArray[np.float64]]:
        """Count a relaxation."""
        self.asked.relaxed.append(order)
        return {cell: self._relaxed_weights(cell, operations) for cell in self.space.cells}

    def _relaxed_weights(self, cell: str, operations: tuple[str, ...]) -> NDArray[np.float64]:
        edges = {(edge.source, edge.target) for edge in self.space.edges if edge.cell == cell}
        return generator(0, "made-up weights", cell).random((len(edges), len(operations)))


def questions(config: Config) -> Questions:
    """What the search of ``config`` will ask."""
    problem = CountingProblem(space(config.space))
    method(config.method).search(problem, 0, config.settings)
    return problem.asked
