"""Gaussian processes over strings, whose correlations are any function of two sets of strings."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.special import ndtr

from conas.space import Alpha, Array

Merit = Callable[[Array, Array], Array]
_LEAST_VARIANCE = 1e-12


def expected_improvement(least: float, mean: Array, deviation: Array) -> Array:
    """How far below ``least`` normal values of ``mean`` and standard ``deviation``, shape (k,) each, are expected."""
    z = (least - mean) / deviation
    return deviation * (z * ndtr(z) + np.exp(-z * z / 2) / np.sqrt(2 * np.pi))


class GaussianProcess:
    """f given ``values``, shape (m,), measured at the strings ``alphas``, shape (m, n); its mean and scale are fitted.

    Args:
        correlations: (strings, shape (k, n); strings, shape (l, n)) -> correlations of f, shape (k, l).
        noise: variance of a measurement's error as a share of the variance of f, above 0.
    """

    def __init__(
        self, alphas: Alpha, values: Array, correlations: Callable[[Alpha, Alpha], Array], noise: float
    ) -> None:
        self.alphas, self.correlations, self.noise = alphas, correlations, noise
        covariance = correlations(alphas, alphas)
        covariance[np.diag_indices(len(alphas))] += noise
        self._factor = cholesky(covariance, lower=True)
        ones = cho_solve((self._factor, True), np.ones(len(values)))
        solved = cho_solve((self._factor, True), values)
        self._mean = float(solved.sum() / ones.sum())
        self._weights = solved - self._mean * ones
        self._scale = max(float((values - self._mean) @ self._weights) / len(values), _LEAST_VARIANCE)

    @property
    def log_likelihood(self) -> float:
        """Of the values, at their likeliest mean and scale, up to a constant."""
        return -0.5 * len(self._weights) * float(np.log(self._scale)) - float(np.log(np.diag(self._factor)).sum())

    def predict(self, candidates: Alpha) -> tuple[Array, Array]:
        """Mean and standard deviation of f, shape (k,) each, at ``candidates``, shape (k, n)."""
        return _Belief(self, candidates).moments

    def choose(self, candidates: Alpha, size: int, merit: Merit) -> list[int]:
        """As the function `choose`, by this process alone."""
        return choose([self], candidates, size, merit)


def choose(processes: Sequence[GaussianProcess], candidates: Alpha, size: int, merit: Merit) -> list[int]:
    """``size`` different candidates, one after the other: each has the greatest sum over the processes of
    ``merit(mean, deviation)`` if those chosen before turn out as expected, which lowers the deviation around them."""
    beliefs = [_Belief(process, candidates) for process in processes]
    chosen: list[int] = []
    while True:
        merits = np.sum([merit(*belief.moments) for belief in beliefs], axis=0)
        merits[chosen] = -np.inf
        chosen.append(int(np.argmax(merits)))
        if len(chosen) == size:
            return chosen
        for belief in beliefs:
            belief.add(chosen[-1])


class _Belief:
    """What a process says of candidates, also after some of them turned out as expected."""

    def __init__(self, process: GaussianProcess, candidates: Alpha) -> None:
        self._process, self._candidates = process, candidates
        between = process.correlations(process.alphas, candidates)
        self._mean = process._mean + between.T @ process._weights
        self._halves = solve_triangular(process._factor, between, lower=True)
        self._variance = 1 - np.square(self._halves).sum(axis=0)

    @property
    def moments(self) -> tuple[Array, Array]:
        return self._mean, np.sqrt(self._process._scale * np.maximum(self._variance, _LEAST_VARIANCE))

    def add(self, index: int) -> None:
        """The candidate ``index`` turns out as expected: another row of the triangular factor."""
        between = self._process.correlations(self._candidates[index][None], self._candidates)[0]
        root = np.sqrt(max(self._variance[index] + self._process.noise, _LEAST_VARIANCE))
        row = (between - self._halves[:, index] @ self._halves) / root
        self._halves, self._variance = np.vstack([self._halves, row]), self._variance - row**2
