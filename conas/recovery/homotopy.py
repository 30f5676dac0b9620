"""The exact path of Lasso solutions as the penalty falls, one change of the support after another.

Between two changes the coefficients are linear in the penalty: they move along ``(A_S^T A_S)^-1 s``, where S is the
support and s its signs. The next change is the first coefficient that reaches zero, or the first other column whose
correlation with the residual reaches the penalty (Osborne et al., 2000; Efron et al., 2004).

A step costs more than a Newton step with all changes at once, but it cannot fail. It pays where nearly as many
coefficients as measurements are non-zero: few changes are left then, each of them one column for another.
"""

import math

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from conas.recovery.design import Parities
from conas.recovery.sign_columns import Floats, Indexes

MAX_CHANGES = 10_000

PATIENCE, STALLED = 100, 1e-6
"""The path is given up where that many changes lower the penalty by less than this share."""

EXACT = 1e-10
"""Error of a direction, in the change of correlations for a unit of penalty."""

ATTEMPTS, REFINEMENTS = 2, 3
"""To make a direction exact: with the inverse that changes have kept up to date, then with a new one."""

DEPENDENT = 1e-9
"""Share of a column's square that must be independent of the support, or the column is left out."""


def follow(
    parities: Parities, y: Floats, indexes: Indexes, x: Floats, start: float, end: float
) -> tuple[Indexes, Floats]:
    """The support and coefficients at the penalty ``end``, from those at ``start``, which must be exact.

    Raises:
        LinAlgError: the columns of the support are dependent, or so many reach the bound at once that there is no
            single path.
    """
    path = _Path(parities, y, indexes, x, start)
    before = math.inf
    for change in range(MAX_CHANGES):
        if not path.advance(end):
            return path.indexes, path.x
        if change % PATIENCE == PATIENCE - 1:
            if path.penalty > before * (1 - STALLED):
                raise LinAlgError("many columns reach the bound at once")
            before = path.penalty
    return path.indexes, path.x


class _Path:
    """A point of the path: the support ``indexes`` with coefficients ``x`` at ``penalty``."""

    def __init__(self, parities: Parities, y: Floats, indexes: Indexes, x: Floats, penalty: float) -> None:
        self._parities = parities
        self.indexes = indexes
        self.x = x
        self.penalty = penalty
        self._columns = parities.columns(indexes)
        self._inverse = _inverse(self._columns.gram(self._columns))
        self._y = y
        self._correlations = self._correlate()
        self._signs: Floats = np.sign(x)
        self._barred: Indexes = indexes[:0]

    def _correlate(self) -> Floats:
        return self._parities.correlate(self._y - self._columns.combine(self.x))

    def advance(self, end: float) -> bool:
        """Go to the next change of the support; False if ``end`` comes first."""
        direction, falling = self._direction()
        leaving, until_zero = _first(_times_to_zero(self.x, direction))
        entering, until_bound = _first(self._times_to_bound(falling))
        remaining = self.penalty - end
        step = min(until_zero, until_bound, remaining)
        self.x = self.x + step * direction
        self._correlations -= step * falling
        self.penalty -= step
        if step >= remaining:
            return False
        if until_zero <= until_bound:
            self._leave(leaving)
        else:
            self._enter(entering)
        return True

    def _direction(self) -> tuple[Floats, Floats]:
        """How the coefficients grow and all correlations fall as the penalty falls; to be exact, refined."""
        for _ in range(ATTEMPTS):
            direction = self._inverse @ self._signs
            for _ in range(REFINEMENTS):
                falling = self._parities.correlate(self._columns.combine(direction))
                error = self._signs - falling[self.indexes]
                if np.abs(error).max(initial=0) <= EXACT:
                    return direction, falling
                direction = direction + self._inverse @ error
            self._inverse = _inverse(self._columns.gram(self._columns))
            self._correlations = self._correlate()
        raise LinAlgError("nearly dependent columns")

    def _times_to_bound(self, falling: Floats) -> Floats:
        """The fall of the penalty at which each column's correlation meets it; infinite for those that do not."""
        gaps = np.stack([self.penalty - self._correlations, self.penalty + self._correlations])
        speeds = np.stack([1 - falling, 1 + falling])
        times = np.full_like(gaps, np.inf)
        np.divide(np.maximum(gaps, 0), speeds, out=times, where=speeds > DEPENDENT)
        nearest: Floats = times.min(axis=0)
        nearest[self.indexes] = np.inf
        nearest[self._barred] = np.inf
        if len(self.indexes) >= self._parities.m:  # then all correlations are in proportion to the penalty
            nearest[:] = np.inf
        return nearest

    def _enter(self, index: int) -> None:
        new = self._parities.columns(np.array([index]))
        cross = self._columns.gram(new)[:, 0]
        along = self._inverse @ cross
        rest = self._parities.m - float(cross @ along)
        if rest <= DEPENDENT * self._parities.m:
            self._barred = np.append(self._barred, index)
            return
        outer = np.append(along, -1.0)
        inverse = np.multiply.outer(outer, outer / rest)
        inverse[:-1, :-1] += self._inverse
        self._inverse = inverse
        self._columns += new
        self.indexes = np.append(self.indexes, index)
        self.x = np.append(self.x, 0.0)
        self._signs = np.append(self._signs, np.sign(self._correlations[index]))

    def _leave(self, position: int) -> None:
        kept = np.flatnonzero(np.arange(len(self.x)) != position)
        gone = self._inverse[kept, position]
        inverse = self._inverse[np.ix_(kept, kept)]
        inverse -= np.multiply.outer(gone, gone / self._inverse[position, position])
        self._inverse = inverse
        self._columns = self._columns[kept]
        self.indexes, self.x, self._signs = self.indexes[kept], self.x[kept], self._signs[kept]
        self._barred = self._barred[:0]


def _inverse(gram: Floats) -> Floats:
    factor = cho_factor(gram)
    if (factor[0].diagonal() ** 2 <= DEPENDENT * gram.diagonal()).any():
        raise LinAlgError("dependent columns")
    inverse: Floats = cho_solve(factor, np.eye(len(gram)))
    return inverse


def _times_to_zero(x: Floats, direction: Floats) -> Floats:
    times = np.full_like(x, np.inf)
    np.divide(-x, direction, out=times, where=x * direction < 0)
    return times


def _first(times: Floats) -> tuple[int, float]:
    where = int(times.argmin())
    return where, float(times[where])
