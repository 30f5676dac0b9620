"""Linear systems with positive semidefinite matrices, singular ones too."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh

from conas.recovery.sign_columns import Floats

DEPENDENT = 1e-9
"""Pivots and eigenvalues that count as zero, relative to the diagonal and to the largest."""


class Symmetric:
    """A positive semidefinite matrix: solves with it, by its pseudoinverse where it is singular (not ``regular``)."""

    def __init__(self, matrix: Floats) -> None:
        self._factor = _cholesky(matrix)
        self.regular = self._factor is not None
        if not self.regular:
            values, vectors = eigh(matrix)
            kept = values > DEPENDENT * values[-1]
            self._values, self._vectors = values[kept], vectors[:, kept]

    def solve(self, b: Floats) -> Floats:
        """The solution of least norm of ``matrix x = b`` for the part of ``b`` that has one."""
        if self._factor is not None:
            x: Floats = cho_solve(self._factor, b)
            return x
        return self._vectors @ ((self._vectors.T @ b) / self._values)

    def rest(self, b: Floats) -> Floats:
        """The part of ``b`` for which ``matrix x = b`` has no solution."""
        return np.zeros_like(b) if self.regular else b - self._vectors @ (self._vectors.T @ b)


def _cholesky(matrix: Floats) -> tuple[Floats, bool] | None:
    try:
        factor, lower = cho_factor(matrix)
    except LinAlgError:
        return None
    return (factor, lower) if (factor.diagonal() ** 2 > DEPENDENT * matrix.diagonal()).all() else None
