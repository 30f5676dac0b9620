"""The Lasso on few columns, given their Gram matrix: ``1/2 x^T G x - q^T x + penalty ||x||_1``.

Newton: with the signs of the coefficients given, the minimum is the solution of one linear system. Coefficients
that would change sign are set to zero instead, and the step counts if it lowers the objective; a few steps find
the exact minimum. Where a step fails (more columns than measurements, or dependent ones), sweeps of coordinate
descent take over.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from conas.recovery.sign_columns import Floats

MAX_STEPS = 50
"""Newton steps and bursts of sweeps."""

FIRST_SWEEPS, LAST_SWEEPS = 20, 1_280
"""Sweeps of the first and of the last burst; each has twice as many as the one before."""

RIDGE = 1e-10
"""Relative weight added to the diagonal of a linear system, so that dependent columns do not stop it."""


@dataclass(frozen=True)
class _Point:
    """Coefficients ``x``, the negative gradient ``slope = q - G x`` of the smooth part, and the objective."""

    x: Floats
    slope: Floats
    objective: float


class GramLasso:
    """The problem of the Gram matrix ``gram``, ``target = A^T y`` and the ``penalty``."""

    def __init__(self, gram: Floats, target: Floats, penalty: float) -> None:
        self._gram = gram
        self._target = target
        self._penalty = penalty

    def minimise(self, start: Floats, precision: float) -> Floats:
        """The minimiser, from ``start``, up to ``precision`` times the penalty in the optimality conditions.

        The objective is then above the minimum by about that share of penalty ||x||_1 at most.
        """
        point, sweeps = self._at(start), FIRST_SWEEPS
        for _ in range(MAX_STEPS):
            signs = self._signs(point)
            error = np.where(signs != 0, point.slope - self._penalty * signs, 0)
            if np.abs(error).max(initial=0) <= precision * self._penalty or sweeps > LAST_SWEEPS:
                break
            better = self._newton(point, signs, error)
            if better is None or better.objective >= point.objective:
                better, sweeps = self._descend(point, sweeps), 2 * sweeps
            if better.objective >= point.objective:
                break
            point = better
        return point.x

    def _at(self, x: Floats) -> _Point:
        slope = self._target - self._gram @ x
        objective = self._penalty * float(np.abs(x).sum()) - 0.5 * float(x @ (self._target + slope))
        return _Point(x, slope, objective)

    def _signs(self, point: _Point) -> Floats:
        """The signs of the coefficients, and of those zeros that would become non-zero."""
        entering = np.abs(point.slope) > self._penalty
        return np.where(point.x != 0, np.sign(point.x), np.where(entering, np.sign(point.slope), 0))

    def _newton(self, point: _Point, signs: Floats, error: Floats) -> _Point | None:
        active = np.flatnonzero(signs)
        matrix = self._gram[np.ix_(active, active)]
        matrix.flat[:: len(active) + 1] *= 1 + RIDGE
        try:
            # The transpose of a symmetric matrix is the same matrix in the order that LAPACK overwrites in place.
            factor = cho_factor(matrix.T, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return None
        x = point.x.copy()
        x[active] += cho_solve(factor, error[active], check_finite=False)
        return self._at(np.where(x * signs > 0, x, 0))

    def _descend(self, point: _Point, sweeps: int) -> _Point:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import lasso_path

        # In Gram form the measurements matter by nothing but G, q and |y|: one row of zeros stands for A.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, path, _ = lasso_path(
                np.zeros((1, len(point.x)), order="F"),
                np.ones(1),
                alphas=[self._penalty],
                precompute=self._gram,
                Xy=self._target,
                coef_init=point.x,
                max_iter=sweeps,
                tol=0.0,
                check_input=False,
            )
        return self._at(path[:, 0])
