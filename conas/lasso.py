"""The Lasso of equation 3.2 on parities that are never stored: a working set, coordinate descent, a duality gap."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

from conas.parities import Floats, Indexes, Parities


@dataclass(frozen=True)
class Solution:
    """Non-zero ``coefficients`` of the columns ``indexes``, and how the solver came to its end."""

    indexes: Indexes
    coefficients: Floats
    objective: float
    gap: float
    iterations: int
    stopped: str


def solve(parities: Parities, y: Floats, alpha: float, tolerance: float = 1e-8, limit: int = 100) -> Solution:
    """Minimise ``1/2 ||y - A x||^2 + alpha ||x||_1``."""
    indexes, x, residual = np.empty(0, np.int64), np.empty(0), y
    for iteration in range(1, limit + 1):
        correlations = parities.correlate(residual)
        scale = min(1.0, alpha / np.abs(correlations).max())
        objective = 0.5 * residual @ residual + alpha * np.abs(x).sum()
        gap = objective - (scale * residual @ y - 0.5 * scale**2 * residual @ residual)
        if gap <= tolerance * objective:
            return Solution(indexes, x, objective, gap, iteration, "gap")
        score = np.abs(correlations)
        score[indexes] = math.inf
        size = min(len(score), len(indexes) + max(20, len(indexes)))
        chosen = np.sort(np.argpartition(-score, size - 1)[:size])
        chosen = chosen[(score[chosen] > alpha)]
        start = np.zeros(len(chosen))
        start[np.searchsorted(chosen, indexes)] = x
        A = parities.columns(chosen).astype(float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, path, _ = lasso_path(
                A, y, alphas=[alpha / len(y)], precompute=A.T @ A, Xy=A.T @ y, coef_init=start, tol=1e-12, max_iter=5000
            )
        x = path[:, 0]
        keep = x != 0
        residual = y - A @ x
        indexes, x = chosen[keep], x[keep]
    return Solution(indexes, x, objective, gap, limit, "limit")
