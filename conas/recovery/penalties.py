"""Penalties of the Lasso that follow from the measurements, in the scaling of `conas.recovery.solve.Penalty`."""

import math

import numpy as np
from numpy.typing import NDArray

from conas.recovery.fourier import basis_size
from conas.recovery.solve import lasso
from conas.space import Alpha

PENALTIES = ("given", "cross_validated", "noise")
_FOLDS = 5
_SHARES = tuple(np.logspace(-2, 0, 7))
"""Penalties that are tried, as shares of 2 m times the losses' standard deviation, above which few monomials remain."""
_ROUNDS = 20
_CLOSE = 1e-3


def cross_validated(alphas: Alpha, losses: NDArray[np.float64], d: int) -> float:
    """The penalty whose polynomials predict left-out measurements best: five folds, every fifth in turn left out.

    Args:
        alphas: encoders, shape (m, n); m is at least 3, so that two are left when one is left out.
        losses: shape (m,), in the random order in which they were drawn.
        d: the largest degree of a monomial.
    """
    if np.ptp(losses) == 0:
        return _of_constants(losses)
    scale = 2 * len(losses) * max(float(losses.std()), np.finfo(float).tiny)
    errors = [sum(_error(alphas, losses, d, share * scale, fold) for fold in range(_FOLDS)) for share in _SHARES]
    return float(_SHARES[int(np.argmin(errors))]) * scale


def _error(alphas: Alpha, losses: NDArray[np.float64], d: int, penalty: float, fold: int) -> float:
    out = np.arange(len(losses)) % _FOLDS == fold
    kept = float(np.count_nonzero(~out)) / len(losses)
    g = lasso(alphas[~out], losses[~out], d, kept * penalty, "any").polynomial
    return float(np.square(losses[out] - g(alphas[out])).sum())


def from_noise(alphas: Alpha, losses: NDArray[np.float64], d: int) -> float:
    """The scaled Lasso's penalty, 2 sigma sqrt(2 m log N) for N monomials (Sun and Zhang, 2012): the least that noise
    of standard deviation sigma seldom exceeds, where sigma is what the polynomial found with it leaves unexplained.

    Args:
        alphas, losses, d: as for `cross_validated`.
    """
    if np.ptp(losses) == 0:
        return _of_constants(losses)
    m = len(losses)
    per_sigma = 2 * math.sqrt(2 * m * math.log(basis_size(alphas.shape[1], d)))
    sigma = max(float(losses.std()), np.finfo(float).tiny)
    for _ in range(_ROUNDS):
        g = lasso(alphas, losses, d, per_sigma * sigma, "any").polynomial
        left = max(float(np.sqrt(np.square(losses - g(alphas)).mean())), np.finfo(float).tiny)
        if abs(left - sigma) <= _CLOSE * sigma:
            break
        sigma = left
    return per_sigma * sigma


def _of_constants(losses: NDArray[np.float64]) -> float:
    """The penalty of losses that are all equal: any finds nothing but their constant, and tiny ones take minutes."""
    return 2 * len(losses) * _CLOSE * abs(float(losses[0])) or 1.0
