"""COMEX (Dadkhahi et al., 2020): monomials as experts whose weights are updated after every measurement.

The surrogate is a polynomial of degree 2. Every monomial has an expert for and one against it; the difference of their
weights is its coefficient. The next string is where simulated annealing on the surrogate ends; what the surrogate got
wrong there multiplies all weights. The losses are standardised by those so far, so that the scale of the surrogate
does not depend on the problem. No public code of the authors was found.
"""

from dataclasses import dataclass

import numpy as np

from baselines import as_conas
from baselines.annealing import Quadratic, anneal, monomials
from baselines.best_of_m import BestOfMSettings
from baselines.checks import ASSUMPTION, at_least, positive
from baselines.history import History, rehearsal
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.recovery.fourier import basis_size
from conas.seeds import generator
from conas.settings import setting
from conas.space import Array

DADKHAHI = "Dadkhahi et al. (2020)"
REMEMBERED = f"{ASSUMPTION}: from memory of {DADKHAHI}"
_FACTOR = np.sqrt(2 * (np.sqrt(2) - 1) / (np.e - 2))


@dataclass(frozen=True)
class COMEXSettings(BestOfMSettings):
    """As many measurements as CoNAS's, one after the other, the surrogate's scale and the annealing.

    Annealing starts at random strings with the same ``p``.

    Attributes:
        scale: the sum of the sizes of all coefficients at most, in standard deviations of the losses so far.
        sweeps: changes that one annealing tries, for every bit.
        cooling: the temperature, in the same units, falls as exp(-cooling * changes / bits).
        spare: more annealings, whose ends are measured instead if that of the first was measured before.
    """

    scale: float = setting(3.0, f"{ASSUMPTION}: first trials on planted polynomials and the tabular benchmarks")
    sweeps: int = setting(3, REMEMBERED)
    cooling: float = setting(3.0, REMEMBERED)
    spare: int = setting(
        4, f"{ASSUMPTION}: a known string is measured only if no new one is at hand; the authors say nothing"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "sweeps", "spare")
        positive(self, "scale", "cooling")


class Experts:
    """One for and one against each of ``count`` monomials, with weights that sum to 1.

    The rate of learning is the anytime one of Cesa-Bianchi et al. (2007) for second-order bounds, from memory of the
    authors; it falls with the range and the variance of what the experts would have gained so far.
    """

    def __init__(self, count: int, scale: float) -> None:
        self.weights = np.full((2, count), 0.5 / count)
        self._scale, self._range, self._variance = scale, 0.0, 0.0

    @property
    def coefficients(self) -> Array:
        """Of the monomials in the surrogate, shape (count,)."""
        return self._scale * (self.weights[0] - self.weights[1])

    def learn(self, parities: Array, loss: float) -> None:
        """One step: the monomials are ``parities``, shape (count,), at a string whose loss is ``loss``."""
        error = float(self.coefficients @ parities) - loss
        gains = np.outer([-2 * self._scale * error, 2 * self._scale * error], parities)
        mean = float((self.weights * gains).sum())
        self._range = max(self._range, float(np.ptp(gains)))
        self._variance += float((self.weights * np.square(gains - mean)).sum())
        if self._variance > 0:
            self.weights *= np.exp(self._rate() * gains)
            self.weights /= self.weights.sum()

    def _rate(self) -> float:
        bound = 2.0 ** np.ceil(np.log2(self._range))
        return float(min(1 / bound, _FACTOR * np.sqrt(np.log(self.weights.size) / self._variance)))


def search(problem: Problem, seed: int, settings: COMEXSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space = problem.space
    history = History.of(problem, settings)
    temperatures = np.exp(-settings.cooling * np.arange(settings.sweeps * space.n) / space.n)
    experts = Experts(basis_size(space.n, 2), settings.scale)
    for step in range(settings.m):
        rng = generator(seed, "comex", step)
        surface = Quadratic.of(space.n, experts.coefficients)
        starts = space.sample(rng, 1 + settings.spare, settings.p)
        ends = anneal(surface, space, starts, temperatures, rng)
        history.ask(np.vstack([history.new(np.vstack([ends, starts])), starts])[:1])
        losses = history.finite
        experts.learn(monomials(history.alphas[-1:])[0], (losses[-1] - losses.mean()) / (losses.std() or 1.0))
    return history.outcome({"largest": float(np.abs(experts.coefficients).max())})


METHOD = register(
    Method(
        "comex",
        "monomials as experts, exponentially weighted (Dadkhahi et al., 2020)",
        search,
        COMEXSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        as_conas.SIZES,
        as_conas.SOURCES,
        rehearsal=rehearsal,
    )
)
