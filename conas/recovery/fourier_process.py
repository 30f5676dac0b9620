"""A Gaussian process over bits whose prior is a random Fourier polynomial of every degree.

f(x) = sum over all sets S of bits of c_S * prod_{i in S} x_i, with independent c_S of mean 0 and of a variance
proportional to rho^|S|: the polynomials of section 3 as a prior, in which a monomial weighs the less the more bits it
has. The sum over all 2^n sets has a closed form, k(x, x') = prod_i (1 + rho x_i x'_i); scaled to k(x, x) = 1 it is
((1 - rho) / (1 + rho))^h, where h is the Hamming distance.
"""

from functools import partial

import numpy as np

from conas.recovery.gaussian_process import Array, GaussianProcess
from conas.space import Alpha


def correlations(left: Alpha, right: Alpha, rho: float) -> Array:
    """Correlations of f, shape (k, l), between the strings ``left``, shape (k, n), and ``right``, shape (l, n)."""
    agreements = left.astype(np.float32) @ right.T.astype(np.float32)
    distances = (left.shape[-1] - agreements.astype(np.float64)) / 2
    return ((1 - rho) / (1 + rho)) ** distances


class FourierProcess(GaussianProcess):
    """f given ``values``, shape (m,), measured at the strings ``alphas``, shape (m, n).

    Args:
        rho: variance of a monomial's coefficient, for each bit that it has; between 0 and 1, both excluded.
        noise: variance of a measurement's error as a share of the variance of f, above 0.
    """

    def __init__(self, alphas: Alpha, values: Array, rho: float, noise: float) -> None:
        super().__init__(alphas, values, partial(correlations, rho=rho), noise)
        self.rho = rho
