"""Sparse recovery without a penalty: iterative hard thresholding and orthogonal matching pursuit."""

from dataclasses import dataclass

import numpy as np

from conas.recovery.design import Parities
from conas.recovery.sign_columns import Floats, Indexes

TOLERANCE = 1e-10
"""Relative change (IHT) or residual (OMP) at which a solution counts as found."""

MAX_ITERATIONS = 1_000


@dataclass(frozen=True)
class GreedySolution:
    """``coefficients`` of the columns ``indexes``, and why the solver stopped after ``iterations``."""

    indexes: Indexes
    coefficients: Floats
    iterations: int
    stopped: str


def iht(parities: Parities, y: Floats, s: int) -> GreedySolution:
    """Normalised iterative hard thresholding (Blumensath & Davies, 2009 and 2010) with ``s`` columns; y: shape (m,).

    A step of steepest descent, of which the ``s`` largest coefficients are kept; its length is the exact one for
    the current columns, halved while the columns change and the step is too long to be stable.
    """
    x = np.zeros(parities.size)
    residual, support = y, _largest(parities.correlate(y), s)
    for iteration in range(1, MAX_ITERATIONS + 1):
        gradient = parities.correlate(residual)
        new = _step(parities, x, gradient, support, s)
        change = np.linalg.norm(new - x)
        x, support = new, np.flatnonzero(new)
        residual = y - parities.columns(support).combine(x[support])
        if change <= TOLERANCE * np.linalg.norm(x):
            return GreedySolution(support, x[support], iteration, "the coefficients have settled")
    return GreedySolution(support, x[support], MAX_ITERATIONS, f"the limit of {MAX_ITERATIONS} iterations")


def _step(parities: Parities, x: Floats, gradient: Floats, support: Indexes, s: int) -> Floats:
    length = _inverse_curvature(parities, gradient, support)
    while True:
        new = _threshold(x + length * gradient, s)
        change = new - x
        moved = np.flatnonzero(change)
        same_columns = np.array_equal(np.flatnonzero(new), support)
        if same_columns or not moved.size or length <= 0.99 * _inverse_curvature(parities, change, moved):
            return new
        length /= 2


def _inverse_curvature(parities: Parities, direction: Floats, support: Indexes) -> float:
    """|d|^2 / |A d|^2 for the direction d on the columns ``support``."""
    image = parities.columns(support).combine(direction[support])
    energy = float(image @ image)
    return float(direction[support] @ direction[support]) / energy if energy > 0 else 0.0


def _threshold(x: Floats, s: int) -> Floats:
    kept = np.zeros_like(x)
    largest = _largest(x, s)
    kept[largest] = x[largest]
    return kept


def _largest(x: Floats, s: int) -> Indexes:
    size = min(s, len(x))
    return np.sort(np.argpartition(-np.abs(x), size - 1)[:size])


def omp(parities: Parities, y: Floats, s: int) -> GreedySolution:
    """Orthogonal matching pursuit: ``s`` times the column that fits the residual best, then least squares; y: (m,)."""
    indexes: Indexes = np.empty(0, dtype=np.int64)
    coefficients: Floats = np.empty(0)
    residual = y
    for _ in range(s):
        correlations = np.abs(parities.correlate(residual))
        correlations[indexes] = 0
        if np.linalg.norm(residual) <= TOLERANCE * np.linalg.norm(y) or not correlations.any():
            return GreedySolution(indexes, coefficients, len(indexes), "nothing is left to explain")
        indexes = np.append(indexes, correlations.argmax())
        columns = parities.columns(indexes)
        coefficients = columns.fit(y)
        residual = y - columns.combine(coefficients)
    return GreedySolution(indexes, coefficients, len(indexes), f"{s} monomials")
