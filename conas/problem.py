"""A problem is a space and what can be asked about its points; a search method asks and returns one point.

A method is a pure function of the problem, a seed and its settings. It keeps nothing and saves nothing:
problems of the harness remember every answer, so a killed search is resumed by running the method again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from conas.genotype import Genotype
from conas.sampling import Sampler
from conas.space import Alpha, Space


class Oracle(Protocol):
    """f of section 3: the loss of sub-networks, lower is better."""

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n), NaN or infinite where a sub-network diverges.

        ``whole`` asks for the whole validation set instead of the few batches of a cheap measurement.
        """


class Problem(Protocol):
    """What a search may ask; ``supports`` names the kinds of question: ``one_shot``, ``stand_alone``, ``relaxed``."""

    space: Space
    supports: frozenset[str]
    cost: "Cost"

    def one_shot(self, sampler: Sampler, seconds: float | None = None) -> Oracle:
        """Train a one-shot model under ``sampler`` (Algorithm 1, stage 1); its sub-networks' losses are the oracle.

        ``seconds`` ends the training early, after that much training time.
        """

    def stand_alone(self, alpha: Alpha, epochs: int) -> float:
        """Validation loss of the repaired network of ``alpha``, trained alone for ``epochs`` epochs in all.

        Asking again for more epochs continues the earlier training.
        """

    def relaxed(self, operations: tuple[str, ...], order: int) -> Mapping[str, NDArray[np.float64]]:
        """DARTS: train the continuous relaxation over ``operations`` and return, for every cell, the softmax weights
        of its edges, shape (edges, operations). ``order`` is 1 or 2."""


@dataclass
class Cost:
    """What a search has spent, in the units every method shares. ``seconds`` is device time."""

    one_shot_steps: int = 0
    measurements: int = 0
    stand_alone_epochs: int = 0
    seconds: float = 0.0

    def add(self, other: "Cost") -> None:
        """Add another cost to this one."""
        self.one_shot_steps += other.one_shot_steps
        self.measurements += other.measurements
        self.stand_alone_epochs += other.stand_alone_epochs
        self.seconds += other.seconds

    @property
    def gpu_days(self) -> float:
        """Device time in days."""
        return self.seconds / 86_400


@dataclass(frozen=True)
class Outcome:
    """The genotype a method settles on, repaired, and what it saw on the way (``details``, JSON only)."""

    genotype: Genotype
    details: dict[str, Any] = field(default_factory=dict)
