"""The Lasso's answer where it has more than one: the solution of least l2 norm.

All solutions share the residual r, and with it the columns that are as correlated with it as the penalty allows,
|A^T r| = penalty (Tibshirani, 2013). A solution is anything on these columns, with the signs of A^T r, that fits
y - r. If they are independent there is one; else there is a polytope of them, with exactly one point of least l2
norm. That point depends neither on the order of the bits nor on which of a bit's two values is called +1.

It is the limit of elastic nets, 1/2 ||y - A x||^2 + penalty ||x||_1 + epsilon/2 ||x||^2, as epsilon vanishes. Each of
them is smooth in r, which has as many entries as there are measurements, and is solved by Newton's method. Once
epsilon is small the columns in play change no more; with these, the limit itself is a least-squares problem, and its
solution is checked against the conditions of the optimum.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from conas.recovery.design import Parities
from conas.recovery.sign_columns import Columns, Floats, Indexes
from conas.recovery.symmetric import Symmetric

EQUAL = 1e-9
"""Relative distance to the penalty up to which a correlation equals it, beside what rounding explains."""

BLURRED = 1e-3
"""Rounding of correlations, relative to the penalty, from which on double precision cannot tell which are equal."""

SETTLED = 1e-7
"""Violation of a sign, relative to the largest coefficient, that rounding may cause."""

EPSILONS = (1e-4, 1e-6, *(10.0**-k for k in range(1, 10)))
"""Weights of the l2 norm for each measurement: first two that do if the solver came close, then all the way down."""

STEPS, NEAR_STEPS = 400_000, 30
"""Newton steps in all, divided by the number of measurements, and for each of the first two weights."""

HALVINGS = 60
"""Of the interval that holds the length of a step."""


@dataclass(frozen=True)
class Answer:
    """A solution of the Lasso: the non-zero ``coefficients``, those of the columns ``indexes``.

    Attributes:
        unique: whether there is no other; None where double precision cannot tell.
        least_norm: whether its l2 norm is the least of all solutions.
    """

    indexes: Indexes
    coefficients: Floats
    unique: bool | None
    least_norm: bool


def judge(parities: Parities, y: Floats, penalty: float, indexes: Indexes, coefficients: Floats) -> Answer:
    """A solver's solution of ``1/2 ||y - A x||^2 + penalty ||x||_1`` and, as far as it shows, whether it is unique."""
    lasso = _Lasso(parities, y, penalty)
    found = None if lasso.blurred else lasso.on(indexes, np.sign(coefficients))
    crowded = len(indexes) > parities.m
    if found is not None:
        unique = lasso.independent(found.reached)
        return Answer(indexes, coefficients, unique, least_norm=bool(unique))
    return Answer(indexes, coefficients, False if crowded and not lasso.blurred else None, least_norm=False)


def settle(parities: Parities, y: Floats, penalty: float, indexes: Indexes, coefficients: Floats) -> Answer:
    """From a solver's solution to that of least l2 norm: the solver's own if there is no other."""
    lasso = _Lasso(parities, y, penalty)
    own = Answer(indexes, coefficients, None, least_norm=False)
    if lasso.blurred:
        return own
    residual = y - parities.columns(indexes).combine(coefficients)
    found = lasso.on(indexes, np.sign(coefficients))
    if found is not None:
        if lasso.independent(found.reached):
            return Answer(indexes, coefficients, True, least_norm=True)
        residual, lasso.candidates = found.residual, found.reached != 0
    return _least_norm(lasso, residual) or own


@dataclass(frozen=True)
class _Point:
    """A solution ``x`` on some columns, with their ``multipliers`` v, ``x = A^T v``, and what it leaves.

    ``reached`` holds, for all columns, the sign of a correlation that equals the penalty, and 0 for those below.
    """

    x: Floats
    multipliers: Floats
    residual: Floats
    reached: Floats


class _Lasso:
    """The problem, and the ``candidates``: columns that may have a coefficient other than zero."""

    def __init__(self, parities: Parities, y: Floats, penalty: float) -> None:
        self.parities = parities
        self.y = y
        self.penalty = penalty
        rounding = 64 * float(np.finfo(np.float64).eps) * len(y) * float(np.abs(y).max())
        self.blurred = rounding > BLURRED * penalty
        self._slack = EQUAL * penalty + rounding
        self.candidates = np.ones(parities.size, dtype=bool)

    def in_play(self, correlations: Floats) -> Floats:
        """The signs of those candidates whose correlation exceeds the penalty, 0 for all other columns."""
        return np.where(self.candidates & (np.abs(correlations) > self.penalty), np.sign(correlations), 0.0)

    def on(self, indexes: Indexes, signs: Floats) -> "_Point | None":
        """The solution of least norm of those with ``signs`` on the columns ``indexes``; None if there is none."""
        columns = self.parities.columns(indexes)
        x, multipliers = _fit(columns, self.y, self.penalty * signs)
        residual = self.y - columns.combine(x)
        reached = self._reached(residual, indexes, signs)
        if reached is None or (x * signs < -SETTLED * np.abs(x).max(initial=0)).any():
            return None
        return _Point(x, multipliers, residual, reached)

    def _reached(self, residual: Floats, indexes: Indexes, signs: Floats) -> Floats | None:
        """The signs of all columns whose correlation equals the penalty, 0 for the others.

        None where one exceeds the penalty, or one of ``indexes`` is not ``signs`` times the penalty.
        """
        correlations = self.parities.correlate(residual)
        at = np.where(np.abs(correlations) >= self.penalty - self._slack, np.sign(correlations), 0.0)
        optimal = np.abs(correlations).max() <= self.penalty + self._slack and (at[indexes] == signs).all()
        return at if optimal else None

    def independent(self, signs: Floats) -> bool:
        """Whether the columns with a sign other than 0 are linearly independent."""
        indexes = np.flatnonzero(signs)
        columns = self.parities.columns(indexes)
        return len(indexes) <= self.parities.m and Symmetric(columns.gram(columns)).regular


def _least_norm(lasso: _Lasso, residual: Floats) -> Answer | None:
    """The solution of least norm, from a residual near that of the solutions; None if it is not found."""
    left = STEPS // len(residual)
    for position, epsilon in enumerate(EPSILONS):
        most = min(left, NEAR_STEPS) if position < 2 else left
        residual, taken = _elastic_net(lasso, residual, epsilon * len(residual), most)
        left -= taken
        found = _limit(lasso, residual)
        if found is not None or not left:
            return found
    return None


def _elastic_net(lasso: _Lasso, residual: Floats, epsilon: float, most: int) -> tuple[Floats, int]:
    """The residual of the elastic net's solution, from another one, and the Newton steps taken, at most ``most``."""
    correlations = lasso.parities.correlate(residual)
    for taken in range(1, most + 1):
        signs = lasso.in_play(correlations)
        step = _newton(lasso, signs, epsilon) - residual
        change = lasso.parities.correlate(step)
        if np.array_equal(signs, lasso.in_play(correlations + change)):
            return residual + step, taken
        residual = residual + _length(lasso, residual, step, correlations, change, epsilon) * step
        correlations = lasso.parities.correlate(residual)
    return residual, most


def _newton(lasso: _Lasso, signs: Floats, epsilon: float) -> Floats:
    """The elastic net's residual if the columns with a sign other than 0 are those in play."""
    indexes = np.flatnonzero(signs)
    columns, y, push = lasso.parities.columns(indexes), lasso.y, lasso.penalty * signs[indexes]
    if len(indexes) < len(y):
        inner = columns.gram(columns) + epsilon * np.eye(len(indexes))
        return y - columns.combine(cho_solve(cho_factor(inner), columns.project(y) - push))
    outer = columns.outer() + epsilon * np.eye(len(y))
    residual: Floats = cho_solve(cho_factor(outer), epsilon * y + columns.combine(push))
    return residual


def _length(
    lasso: _Lasso, residual: Floats, step: Floats, correlations: Floats, change: Floats, epsilon: float
) -> float:
    """How far along ``step`` the elastic net's dual objective falls: at most 1, by bisection of its derivative."""

    def slope(length: float) -> float:
        moved = correlations + length * change
        signs = lasso.in_play(moved)
        excess = signs * (np.abs(moved) - lasso.penalty)
        return float((residual + length * step - lasso.y) @ step) + float(excess @ change) / epsilon

    if slope(1.0) <= 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return high


def _limit(lasso: _Lasso, residual: Floats) -> Answer | None:
    """The solution of least norm on the columns in play at ``residual``; None if it is not that on all columns."""
    in_play = lasso.in_play(lasso.parities.correlate(residual))
    indexes = np.flatnonzero(in_play)
    found = lasso.on(indexes, in_play[indexes])
    if found is None:
        return None
    pull = found.reached * lasso.parities.correlate(found.multipliers)
    pull[indexes] = 0
    if pull.max() > SETTLED * float(np.abs(found.x).max(initial=0)):
        return None
    kept = found.x * in_play[indexes] > 0
    return Answer(indexes[kept], found.x[kept], lasso.independent(found.reached), least_norm=True)


def _fit(columns: Columns, y: Floats, push: Floats) -> tuple[Floats, Floats]:
    """The x of least norm with ``A^T (y - A x) = push``, and multipliers v with ``x = A^T v``."""
    if len(columns) <= len(y):
        inner = Symmetric(columns.gram(columns))
        x = inner.solve(columns.project(y) - push)
        return x, columns.combine(inner.solve(x))
    outer = Symmetric(columns.outer())
    residual = outer.rest(y) + outer.solve(columns.combine(push))
    multipliers = outer.solve(y - residual)
    return columns.project(multipliers), multipliers
