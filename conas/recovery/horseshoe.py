"""Bayesian linear regression with a horseshoe prior (Carvalho et al., 2010), sampled by Gibbs.

Each coefficient is normal with standard deviation sigma * tau * lambda_j, where sigma is that of the noise and the
scales tau and lambda_j are half-Cauchy; these are scale mixtures of inverse gammas, so that every step draws from a
known distribution (Makalic & Schmidt, 2015).
"""

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from conas.space import Array

_WIDE = 2
_LEAST, _MOST = 1e-12, 1e12
"""Of the scales' squares, so that no product of them leaves the range of numbers."""
_VAGUE = 1e9
"""The largest prior variance in units of the noise: beyond, equations that depend on each other would be singular."""


class Equations:
    """``values``, shape (m,), = ``columns``, shape (m, p), times x + normal noise; x has a normal prior of mean 0.

    A draw of x takes O(m^2 p) if p is large (Bhattacharya et al., 2016), else O(p^3) (Rue, 2001).
    """

    def __init__(self, columns: Array, values: Array) -> None:
        self.columns, self.values = columns, values
        self._gram = None if columns.shape[1] > _WIDE * len(columns) else columns.T @ columns

    def draw(self, values: Array, variances: Array, rng: np.random.Generator) -> Array:
        """x, shape (p,), given ``values`` of noise variance 1, shape (m,), and its prior ``variances``, shape (p,)."""
        if self._gram is None:
            return _draw_wide(self.columns, values, variances, rng)
        return _draw_tall(self._gram, self.columns.T @ values, variances, rng)


def _draw_wide(columns: Array, values: Array, variances: Array, rng: np.random.Generator) -> Array:
    m, p = columns.shape
    prior = rng.standard_normal(p) * np.sqrt(variances)
    predicted = columns @ prior + rng.standard_normal(m)
    scaled = columns * variances
    covariance = scaled @ columns.T
    covariance[np.diag_indices(m)] += 1
    return prior + scaled.T @ cho_solve(cho_factor(covariance, lower=True), values - predicted)


def _draw_tall(gram: Array, products: Array, variances: Array, rng: np.random.Generator) -> Array:
    factor = cholesky(gram + np.diag(1 / variances), lower=True)
    half = solve_triangular(factor, products, lower=True)
    return solve_triangular(factor, half + rng.standard_normal(len(half)), lower=True, trans=1)


class Horseshoe:
    """The state of the sampler over ``p`` coefficients; it goes on where it was when there are more values.

    Attributes:
        coefficients: the last draw, shape (p,).
        noise: the variance of the values' errors in the last draw.
    """

    def __init__(self, p: int) -> None:
        self.coefficients, self.noise = np.zeros(p), 1.0
        self._tau, self._tau_mixed = 1.0, 1.0
        self._scales, self._mixed = np.ones(p), np.ones(p)

    def step(self, given: Equations, rng: np.random.Generator) -> Array:
        """One round over all unknowns; values and columns are centred, and the noise has a variance to be found."""
        columns, values = given.columns, given.values
        m, p = columns.shape
        sigma = np.sqrt(self.noise)
        variances = np.clip(self._tau * self._scales, _LEAST, _VAGUE)
        drawn = self.coefficients = sigma * given.draw(values / sigma, variances, rng)
        squares, residual = np.square(drawn), values - columns @ drawn
        shrunk = float((squares / self._scales).sum()) / 2
        self.noise = _inverse_gamma((m + p) / 2, residual @ residual / 2 + shrunk / self._tau, rng)
        self._scales = _inverse_gamma(1.0, 1 / self._mixed + squares / (2 * self._tau * self.noise), rng)
        shrunk = float((squares / self._scales).sum()) / 2
        self._tau = _inverse_gamma((p + 1) / 2, 1 / self._tau_mixed + shrunk / self.noise, rng)
        self._mixed = _inverse_gamma(1.0, 1 + 1 / self._scales, rng)
        self._tau_mixed = _inverse_gamma(1.0, 1 + 1 / self._tau, rng)
        return drawn


def _inverse_gamma(shape: float, scale: float | Array, rng: np.random.Generator) -> Any:
    return np.clip(scale / rng.gamma(shape, size=np.shape(scale)), _LEAST, _MOST)
