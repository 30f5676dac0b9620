"""A Gaussian process over bits whose prior is a random Fourier polynomial of every degree.

f(x) = sum over all sets S of bits of c_S * prod_{i in S} x_i, with independent c_S of mean 0 and of a variance
proportional to prod_{i in S} rho_i, where 0 < rho_i < 1: the polynomials of section 3 as a prior, in which a monomial
weighs the less the more bits it has, and the less the less its bits matter. The sum over all 2^n sets has a closed
form, k(x, x') = prod_i (1 + rho_i x_i x'_i). Scaled to k(x, x) = 1 it is the product of exp(-rate_i) over the bits in
which x and x' differ, where rho_i = tanh(rate_i / 2).
"""

from functools import partial

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import minimize

from conas.recovery.gaussian_process import Array, GaussianProcess
from conas.space import Alpha

_RATES = (1.2, 2.4, 4.5, 6.0, 9.0, 12.0, 18.0, 30.0, 42.0)
"""Common rates that are tried, times the number of bits."""
_NOISES = (0.001, 0.01, 0.05, 0.15, 0.4)
_ITERATIONS = 15
_FARTHEST = 4.0
"""No rate and no noise is fitted farther than exp(_FARTHEST) times from the best common one."""


def correlations(left: Alpha, right: Alpha, rates: Array) -> Array:
    """Correlations of f, shape (k, l), between the strings ``left``, shape (k, n), and ``right``, shape (l, n)."""
    agreements = (left * rates) @ right.T.astype(np.float64)
    return np.exp((agreements - rates.sum()) / 2)


class FourierProcess(GaussianProcess):
    """f given ``values``, shape (m,), measured at the strings ``alphas``, shape (m, n).

    Args:
        rates: how much each bit matters, shape (n,), above 0.
        noise: variance of a measurement's error as a share of the variance of f, above 0.
    """

    def __init__(self, alphas: Alpha, values: Array, rates: Array, noise: float) -> None:
        super().__init__(alphas, values, partial(correlations, rates=rates), noise)
        self.rates = rates

    def slopes(self) -> tuple[Array, float]:
        """The derivatives of `log_likelihood` by the logarithms of the rates, shape (n,), and of the noise."""
        inverse = cho_solve((self._factor, True), np.eye(len(self._weights)))
        outer = (np.outer(self._weights, self._weights) / self._scale - inverse) / 2
        weighed = outer * self.correlations(self.alphas, self.alphas)
        agreeing = ((weighed @ self.alphas) * self.alphas).sum(axis=0)
        return self.rates * (agreeing - weighed.sum()) / 2, self.noise * float(np.trace(outer))


def likeliest(alphas: Alpha, values: Array, spread: float) -> FourierProcess:
    """The process with the likeliest rates and noise a posteriori: the likeliest of a grid of common rates, and from
    there a few iterations in which each bit has a rate of its own.

    Args:
        alphas, values: as for `FourierProcess`.
        spread: standard deviation, a priori, of a rate's logarithm from the common one. The logarithms of the common
            rate and of the noise have a standard deviation of 1 from the grid's.
    """
    n = alphas.shape[1]
    grid = (FourierProcess(alphas, values, np.full(n, rate / n), noise) for rate in _RATES for noise in _NOISES)
    common = max(grid, key=lambda process: process.log_likelihood)

    def process(steps: Array) -> FourierProcess:
        factors = np.exp(steps[:n] + steps[n])
        return FourierProcess(alphas, values, common.rates * factors, common.noise * float(np.exp(steps[-1])))

    widths = np.append(np.full(n, spread), [1.0, 1.0])

    def loss(steps: Array) -> tuple[float, Array]:
        at = process(steps)
        rates, noise = at.slopes()
        slope = np.concatenate([rates, [rates.sum(), noise]])
        return float(np.square(steps / widths).sum()) / 2 - at.log_likelihood, steps / widths**2 - slope

    limits, start = [(-_FARTHEST, _FARTHEST)] * (n + 2), np.zeros(n + 2)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": _ITERATIONS})
    return process(found.x)
