"""How the searches of DARTS' family draw a cell: a fixed number of inputs per node, one operation on each."""

from dataclasses import dataclass

import numpy as np

from baselines import checks
from conas.sampling import Sampler
from conas.space import Alpha, Space


@dataclass(frozen=True)
class Wired(Sampler):
    """Every node reads ``inputs`` distinct earlier nodes, through one uniformly drawn operation each.

    Two inputs are the CNN cells of Liu et al. (2018b) and Li & Talwalkar (2019), one their recurrent cells. A space
    that is exclusive by itself is drawn by its own rule: one operation on every edge.

    Raises:
        ValueError: fewer than one input, or, when drawing, more than the first node has.
    """

    inputs: int

    def __post_init__(self) -> None:
        if self.inputs < 1:
            raise ValueError(f"inputs is {self.inputs} (allowed: 1 and more)")

    def __call__(self, space: Space, rng: np.random.Generator) -> Alpha:
        """One encoder, shape (n,)."""
        if space.exclusive:
            return space.sample(rng, 1)[0]
        checks.inputs(space, self)
        alpha = np.full(space.n, -1, dtype=np.int8)
        alpha[self._active(space, rng)] = 1
        return alpha

    def _active(self, space: Space, rng: np.random.Generator) -> list[int]:
        operations = len(space.operations)
        active, first = [], 0
        for _ in space.cells:
            for target in range(space.inputs, space.inputs + space.nodes):
                sources = rng.choice(target, self.inputs, replace=False)
                drawn = rng.integers(operations, size=self.inputs)
                active.extend((first + sources * operations + drawn).tolist())
                first += target * operations
        return active


def draw(wiring: Wired, space: Space, rng: np.random.Generator, size: int) -> Alpha:
    """``size`` encoders, shape (size, n)."""
    return np.stack([wiring(space, rng) for _ in range(size)])
