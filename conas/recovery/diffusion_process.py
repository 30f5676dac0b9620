"""Diffusion kernels over strings (Kondor & Lafferty, 2002), and the posterior of their times.

A bit is a graph of two joined vertices; an edge of an exclusive space that has k operations is a graph of k vertices,
each joined to all others. Heat that spreads from a vertex for a time t leaves (1 + (k - 1) e^(-k t)) / k there and
brings (1 - e^(-k t)) / k to every other vertex; on a product of graphs shares multiply. The correlation of two strings
is what one brings to the other over what it keeps: after a long time a variable no longer matters.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from conas.recovery.gaussian_process import Array, GaussianProcess
from conas.space import Alpha, Encoding

_LEAST, _MOST = -12.0, float(np.log(100.0))
"""Of the logarithms of times and noise."""
_WIDTH = 1.0


class Variables:
    """The independent choices of an encoding: its groups of bits, or each bit.

    Attributes:
        sizes: how many values each can take, shape (variables,).
    """

    def __init__(self, encoding: Encoding) -> None:
        grouped = {bit for group in encoding.groups for bit in group}
        choices = [*encoding.groups, *([bit] for bit in range(encoding.n) if bit not in grouped)]
        self.sizes = np.array([max(2, len(bits)) for bits in choices])
        self._owner = np.empty(encoding.n, dtype=np.int64)
        for variable, bits in enumerate(choices):
            self._owner[list(bits)] = variable
        self._differing = np.where(np.isin(np.arange(encoding.n), list(grouped)), 4.0, 2.0)

    def correlations(self, left: Alpha, right: Alpha, times: Array) -> Array:
        """Shape (k, l), of the strings ``left``, shape (k, n), and ``right``, shape (l, n); ``times`` of variables."""
        arrived = np.exp(-self.sizes * times)
        costs = np.log1p((self.sizes - 1) * arrived) - np.log1p(-arrived)
        weights = costs[self._owner] / self._differing  # the sum of 1 - x x' over a choice that differs is 4, or 2
        return np.exp((left * weights) @ right.T.astype(np.float64) - weights.sum())


class TimesPosterior:
    """Draws times and noise given measurements, each in turn by slice sampling (Neal, 2003), under the priors of the
    code released with Oh et al. (2019); it goes on where it was when there are more values."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.logs = np.append(np.zeros(len(variables.sizes)), np.log(0.01))

    def draw(self, alphas: Alpha, values: Array, rng: np.random.Generator) -> GaussianProcess:
        """The process after another round over all unknowns."""
        for index in rng.permutation(len(self.logs)):
            density = partial(self._log_density, alphas, values, int(index))
            self.logs[index] = slice_sample(density, float(self.logs[index]), rng)
        return self._process(alphas, values, self.logs)

    def _process(self, alphas: Alpha, values: Array, logs: Array) -> GaussianProcess:
        correlations = partial(self.variables.correlations, times=np.exp(logs[:-1]))
        return GaussianProcess(alphas, values, correlations, float(np.exp(logs[-1])))

    def _log_density(self, alphas: Alpha, values: Array, index: int, value: float) -> float:
        if not _LEAST < value < _MOST:
            return -np.inf
        logs = self.logs.copy()
        logs[index] = value
        prior = _log_prior_noise if index == len(logs) - 1 else _log_prior_time
        return prior(value) + self._process(alphas, values, logs).log_likelihood


def _log_prior_time(log_time: float) -> float:
    """A horseshoe's, by the usual bound on its density."""
    return float(np.log(np.log1p(2 * (5.0 / np.exp(log_time)) ** 2)))


def _log_prior_noise(log_noise: float) -> float:
    return float(np.log(np.log1p((0.1 / np.exp(log_noise)) ** 2)))


def slice_sample(log_density: Callable[[float], float], start: float, rng: np.random.Generator) -> float:
    """A draw that leaves ``log_density`` invariant if ``start`` is one: stepping out and shrinking."""
    height = log_density(start) + np.log(rng.random())
    lower = start - _WIDTH * rng.random()
    upper = lower + _WIDTH
    while log_density(lower) > height:
        lower -= _WIDTH
    while log_density(upper) > height:
        upper += _WIDTH
    while True:
        drawn = lower + (upper - lower) * rng.random()
        if log_density(drawn) > height:
            return float(drawn)
        lower, upper = (drawn, upper) if drawn < start else (lower, drawn)
