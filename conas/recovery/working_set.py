"""The Lasso of equation 3.2 for parities that are never stored.

Few coefficients are non-zero, so the problem is solved on a working set of columns. All columns are looked at
only to find those that are missing, and for the duality gap: how far the objective is above the minimum at most.
The penalty comes down in steps, each solved roughly, so that the working set never gets much larger than the
solution. Where the solution gets nearly as many non-zero coefficients as there are measurements, the rest of the
way down follows the exact path of solutions.
"""

import contextlib
import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError

from conas.recovery.design import Parities
from conas.recovery.homotopy import follow
from conas.recovery.newton import GramLasso
from conas.recovery.sign_columns import Floats, Indexes

MAX_ITERATIONS = 100
"""Looks at all columns, before and after the exact path."""

PENALTY_STEP = 0.5
"""The next penalty, relative to the largest correlation of a column that is not in the working set."""

ROUGH = 0.1
"""Precision of an intermediate solution."""

CROWDED = 0.95
"""Non-zero coefficients for each measurement from which on the exact path is followed."""


@dataclass(frozen=True)
class LassoSolution:
    """The non-zero ``coefficients``, those of the columns ``indexes``, and how the solver came to its end.

    ``objective`` is at most ``gap`` above the minimum for ``penalty``; ``iterations`` counts the looks at all columns.
    """

    indexes: Indexes
    coefficients: Floats
    penalty: float
    objective: float
    gap: float
    iterations: int
    stopped: str


def solve(parities: Parities, y: Floats, penalty: float, tolerance: float = 1e-8) -> LassoSolution:
    """Minimise ``1/2 ||y - A x||^2 + penalty ||x||_1`` until the gap is ``tolerance`` times the objective.

    ``y`` has the shape (m,), A the shape (m, parities.size).
    """
    working = _WorkingSet(parities, y)
    solution = _descend(working, penalty, tolerance, room=CROWDED * parities.m)
    if solution.penalty > penalty:
        with contextlib.suppress(LinAlgError):  # with dependent columns there is no single path; go on as before
            working.restart(*follow(parities, y, working.indexes, working.x, solution.penalty, penalty))
        solution = _descend(working, penalty, tolerance, room=math.inf)
    return solution


def _descend(working: "_WorkingSet", penalty: float, tolerance: float, room: float) -> LassoSolution:
    """The solution for ``penalty``, or for the first penalty on the way at which it has more than ``room`` columns."""
    current, last = math.inf, math.inf
    for iteration in range(MAX_ITERATIONS):
        correlations = working.correlate()
        objective, gap = _duality_gap(working.y, working.residual, working.x, correlations, penalty)
        stopped = _verdict(gap <= tolerance * objective, current <= penalty and objective >= last, iteration)
        if stopped:
            break
        last = objective
        outside = np.abs(correlations)
        outside[working.indexes] = 0
        current = max(penalty, min(current, PENALTY_STEP * float(outside.max())))
        working.add(outside, current)
        working.minimise(current, precision=ROUGH if current > penalty else 0.5 * tolerance)
        if len(working.x) > room:
            penalty, last = current, math.inf
    return LassoSolution(working.indexes, working.x, penalty, objective, gap, working.looks, stopped)


def _verdict(close: bool, stuck: bool, iteration: int) -> str:
    """Why to stop now; empty to go on."""
    if close:
        return "duality gap within the tolerance"
    if stuck:
        return "no further progress in double precision"
    return f"limit of {MAX_ITERATIONS} iterations" if iteration == MAX_ITERATIONS - 1 else ""


def certify(parities: Parities, y: Floats, penalty: float, indexes: Indexes, x: Floats) -> tuple[float, float]:
    """The objective at ``x`` on the columns ``indexes``, and how far at most it is above the minimum."""
    residual = y - parities.columns(indexes).combine(x)
    return _duality_gap(y, residual, x, parities.correlate(residual), penalty)


def _duality_gap(y: Floats, residual: Floats, x: Floats, correlations: Floats, penalty: float) -> tuple[float, float]:
    """The objective, and its distance from the dual objective of the scaled residual, or from 0 if that is more."""
    energy = float(residual @ residual)
    objective = 0.5 * energy + penalty * float(np.abs(x).sum())
    scale = penalty / max(penalty, float(np.abs(correlations).max()))
    dual = scale * float(residual @ y) - 0.5 * scale**2 * energy
    return objective, max(0.0, objective - max(0.0, dual))


class _WorkingSet:
    """The columns in play with their coefficients ``x``, and the residual ``y - A x``."""

    def __init__(self, parities: Parities, y: Floats) -> None:
        self._parities = parities
        self.y = y
        self.looks = 0
        self.restart(np.empty(0, dtype=np.int64), np.empty(0))

    def restart(self, indexes: Indexes, x: Floats) -> None:
        """Take these columns and no others."""
        self.indexes = indexes
        self.x = x
        self._columns = self._parities.columns(indexes)
        self._gram: Floats = self._columns.gram(self._columns)
        self._target: Floats = self._columns.project(self.y)
        self.residual = self.y - self._columns.combine(x)

    def correlate(self) -> Floats:
        """The inner products of all columns with the residual."""
        self.looks += 1
        return self._parities.correlate(self.residual)

    def add(self, scores: Floats, threshold: float) -> None:
        """Take in the columns with the largest ``scores`` above ``threshold``, at most as many as are there."""
        size, spare = len(self.indexes), self._parities.m - len(self.indexes)
        new = _largest(scores, threshold, max(50, min(size, spare)))
        columns = self._parities.columns(new)
        cross = self._columns.gram(columns)
        self._gram = np.block([[self._gram, cross], [cross.T, columns.gram(columns)]])
        self._target = np.concatenate([self._target, columns.project(self.y)])
        self._columns += columns
        self.indexes = np.concatenate([self.indexes, new])
        self.x = np.concatenate([self.x, np.zeros(len(new))])

    def minimise(self, penalty: float, precision: float) -> None:
        """Solve the Lasso on these columns and drop those whose coefficient is zero."""
        x = GramLasso(self._gram, self._target, penalty).minimise(self.x, precision)
        kept = np.flatnonzero(x)
        if len(kept) < len(x):
            self._gram = self._gram[np.ix_(kept, kept)]
            self._columns = self._columns[kept]
        self.x, self.indexes, self._target = x[kept], self.indexes[kept], self._target[kept]
        self.residual = self.y - self._columns.combine(self.x)


def _largest(scores: Floats, threshold: float, size: int) -> Indexes:
    """The indexes of the at most ``size`` largest scores above ``threshold``, increasing."""
    above = np.flatnonzero(scores > threshold)
    if len(above) <= size:
        return above
    return np.sort(above[np.argpartition(-scores[above], size - 1)[:size]])
