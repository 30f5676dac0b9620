"""A Gaussian process over bits whose prior is a random Fourier polynomial of every degree.

f(x) = sum over all sets S of bits of c_S * prod_{i in S} x_i, with independent c_S of mean 0 and of a variance
proportional to rho^|S|: the polynomials of section 3 as a prior, in which a monomial weighs the less the more bits it
has. The sum over all 2^n sets has a closed form, k(x, x') = prod_i (1 + rho x_i x'_i); scaled to k(x, x) = 1 it is
((1 - rho) / (1 + rho))^h, where h is the Hamming distance.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from conas.space import Alpha

Array = NDArray[np.float64]
_LEAST_VARIANCE = 1e-12


def correlations(left: Alpha, right: Alpha, rho: float) -> Array:
    """Correlations of f, shape (k, l), between the strings ``left``, shape (k, n), and ``right``, shape (l, n)."""
    agreements = left.astype(np.float32) @ right.T.astype(np.float32)
    distances = (left.shape[-1] - agreements.astype(np.float64)) / 2
    return ((1 - rho) / (1 + rho)) ** distances


class FourierProcess:
    """f given ``values``, shape (m,), measured at the strings ``alphas``, shape (m, n); its mean and scale are fitted.

    Args:
        rho: variance of a monomial's coefficient, for each bit that it has; between 0 and 1, both excluded.
        noise: variance of a measurement's error as a share of the variance of f, above 0.
    """

    def __init__(self, alphas: Alpha, values: Array, rho: float, noise: float) -> None:
        self._alphas, self.rho, self.noise = alphas, rho, noise
        covariance = correlations(alphas, alphas, rho)
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
        mean, _, variance = self._posterior(candidates)
        return mean, self._deviation(variance)

    def choose(self, candidates: Alpha, size: int, merit: Callable[[Array, Array], Array]) -> list[int]:
        """``size`` different candidates, one after the other: each has the greatest ``merit(mean, deviation)`` if those
        chosen before it turn out as expected, which lowers the deviation around them."""
        mean, halves, variance = self._posterior(candidates)
        chosen: list[int] = []
        while True:
            merits = merit(mean, self._deviation(variance))
            merits[chosen] = -np.inf
            chosen.append(int(np.argmax(merits)))
            if len(chosen) == size:
                return chosen
            row = self._believed(candidates, chosen[-1], halves, variance)
            halves, variance = np.vstack([halves, row]), variance - row**2

    def _believed(self, candidates: Alpha, index: int, halves: Array, variance: Array) -> Array:
        """What a measurement at candidate ``index`` adds to the triangular factor's rows over the candidates."""
        between = correlations(candidates[index][None], candidates, self.rho)[0]
        return (between - halves[:, index] @ halves) / np.sqrt(max(variance[index] + self.noise, _LEAST_VARIANCE))

    def _posterior(self, candidates: Alpha) -> tuple[Array, Array, Array]:
        between = correlations(self._alphas, candidates, self.rho)
        halves = solve_triangular(self._factor, between, lower=True)
        return self._mean + between.T @ self._weights, halves, 1 - np.square(halves).sum(axis=0)

    def _deviation(self, variance: Array) -> Array:
        return np.sqrt(self._scale * np.maximum(variance, _LEAST_VARIANCE))
