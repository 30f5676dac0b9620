"""Chosen columns of the matrix A: signs, one byte each, with the products that solvers need.

Products are taken one block of columns at a time, so that no copy of all columns in floating point is ever made.
Inner products of sign vectors are computed in single precision, which holds them exactly (up to 2^24 rows).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]

BLOCK = 256


class Columns:
    """The sign vectors ``signs``, shape (m, k), entries -1 and +1 of type int8, best in column-major order."""

    def __init__(self, signs: NDArray[np.int8]) -> None:
        self.signs = signs

    def __len__(self) -> int:
        return self.signs.shape[1]

    def __getitem__(self, kept: Indexes) -> "Columns":
        return Columns(self.signs[:, kept])

    def __add__(self, other: "Columns") -> "Columns":
        """These columns, then the others."""
        return Columns(np.hstack([self.signs, other.signs]))

    def gram(self, other: "Columns") -> Floats:
        """The inner products with the other columns, shape (k, number of others)."""
        right = other.signs.astype(np.float32)
        blocks = [block.astype(np.float32).T @ right for _, block in self._blocks()]
        return np.concatenate(blocks, dtype=np.float64) if blocks else np.empty((0, len(other)))

    def outer(self) -> Floats:
        """``A A^T``, shape (m, m)."""
        total = np.zeros((len(self.signs), len(self.signs)))
        for _, block in self._blocks():
            single = block.astype(np.float32)
            total += single @ single.T
        return total

    def combine(self, x: Floats) -> Floats:
        """``A x``, shape (m,)."""
        total = np.zeros(len(self.signs))
        for where, block in self._blocks():
            total += block.astype(np.float64) @ x[where]
        return total

    def project(self, y: Floats) -> Floats:
        """``A^T y``, shape (k,)."""
        projected = np.empty(len(self))
        for where, block in self._blocks():
            projected[where] = y @ block.astype(np.float64)
        return projected

    def fit(self, y: Floats) -> Floats:
        """The least-squares coefficients of ``y``, shape (k,)."""
        coefficients: Floats = np.linalg.lstsq(self.signs.astype(np.float64), y)[0].astype(np.float64, copy=False)
        return coefficients

    def _blocks(self) -> Iterator[tuple[slice, NDArray[np.int8]]]:
        for start in range(0, len(self), BLOCK):
            where = slice(start, start + BLOCK)
            yield where, self.signs[:, where]
