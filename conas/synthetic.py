"""A problem whose loss is known: a sparse polynomial, with noise if wanted. No network, no training time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from conas.problem import Cost, Oracle
from conas.recovery.design import Parities
from conas.recovery.fourier import SparsePolynomial
from conas.sampling import Sampler
from conas.seeds import generator
from conas.space import Alpha, Space


@dataclass
class SyntheticProblem:
    """The loss of an encoder is ``polynomial`` there plus normal noise of standard deviation ``noise``.

    The noise belongs to the encoder: asking again gives the same loss. A stand-alone network is this noise-free
    loss after infinitely many epochs, above it by 1 / epochs before. The whole validation set has no noise either.
    """

    space: Space
    polynomial: SparsePolynomial
    noise: float = 0.0
    seed: int = 0
    cost: Cost = field(default_factory=Cost)
    supports: frozenset[str] = frozenset({"one_shot", "stand_alone"})

    def one_shot(self, sampler: Sampler, seconds: float | None = None) -> Oracle:
        """The polynomial itself: nothing is trained."""
        return self

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """Losses, shape (k,), of the encoders ``alphas``, shape (k, n)."""
        alphas = self.space.check(alphas)
        self.cost.measurements += len(alphas)
        losses = self.polynomial(alphas)
        return losses if whole or not self.noise else losses + self._noise(alphas)

    def _noise(self, alphas: Alpha) -> NDArray[np.float64]:
        draws = (generator(self.seed, "noise", self.space.format(alpha)).standard_normal() for alpha in alphas)
        return self.noise * np.fromiter(draws, np.float64, len(alphas))

    def stand_alone(self, alpha: Alpha, epochs: int) -> float:
        """The loss after ``epochs`` epochs."""
        encoded = self.space.encode(self.space.build(alpha))
        name = self.space.format(encoded)
        self.cost.stand_alone_epochs += max(0, epochs - self._trained.get(name, 0))
        self._trained[name] = max(epochs, self._trained.get(name, 0))
        return float(self.polynomial(encoded[None])[0]) + 1 / epochs

    def relaxed(self, operations: tuple[str, ...], order: int) -> Mapping[str, NDArray[np.float64]]:
        """A polynomial of bits has no continuous relaxation over operations."""
        raise ValueError("a synthetic problem cannot be relaxed (it supports: one_shot, stand_alone)")

    def __post_init__(self) -> None:
        self._trained: dict[str, int] = {}


def random_polynomial(
    n: int, s: int, d: int, rng: np.random.Generator, least: float = 0.5, mean: float = 0.0
) -> SparsePolynomial:
    """``s`` monomials of degree 1 to ``d`` over ``n`` bits, uniformly at random, plus the constant ``mean``.

    The coefficients have random signs and sizes uniform between ``least`` and 1.
    """
    basis = Parities(np.ones((1, n)), d)
    chosen = rng.choice(basis.size - 1, size=s, replace=False) + 1
    sizes = rng.uniform(least, 1, size=s) * rng.choice([-1, 1], size=s)
    return SparsePolynomial({**dict(zip(basis.monomials(chosen), sizes.tolist(), strict=True)), (): mean})
