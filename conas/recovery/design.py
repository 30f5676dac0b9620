"""The graph-sampling matrix A of equation 3.1, never stored.

The columns of A are the parities of degree <= d of m sign vectors. For degree 2, all products ``A^T r`` at once
are the entries of ``X^T diag(r) X``, where X holds the signs and a column of ones: one small matrix product
instead of m n^2 / 2 stored numbers. A higher degree is the same product once for every (d-2)-subset of bits.
Memory is m n plus one number for each column.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from conas.recovery.fourier import Monomial, basis_size
from conas.recovery.sign_columns import Columns, Floats, Indexes

MAX_COLUMNS = 20_000_000
"""The largest basis that fits: one number per column is held, several times."""


class Parities:
    """All parities of degree at most ``degree`` of the sign vectors ``signs``, shape (m, n), as columns of A.

    Columns are ordered by degree, then lexicographically by bits; column 0 is the constant.

    Raises:
        ValueError: a degree below 0 or above n, or more than `MAX_COLUMNS` columns.
    """

    def __init__(self, signs: ArrayLike, degree: int) -> None:
        signs = np.asarray(signs, dtype=np.int8)
        self.m, self.n = signs.shape
        self.degree = degree
        self.size = basis_size(self.n, degree)
        if self.size > MAX_COLUMNS:
            raise ValueError(
                f"{self.size:,} monomials of degree <= {degree} over {self.n} bits (at most {MAX_COLUMNS:,})"
            )
        self._bits = np.asfortranarray(signs)
        self._signs = np.column_stack([np.ones(self.m), signs])
        self._starts = np.cumsum([0, *(math.comb(self.n, k) for k in range(degree + 1))])

    def correlate(self, residual: Floats) -> Floats:
        """``A^T residual``, shape (size,)."""
        return np.concatenate([residual.sum(keepdims=True), *self._blocks(residual)])

    def _blocks(self, residual: Floats) -> Iterator[Floats]:
        if self.degree == 1:
            yield residual @ self._signs[:, 1:]
        if self.degree >= 2:
            yield _pair_products(self._signs, residual)
        for degree in range(3, self.degree + 1):
            for prefix in itertools.combinations(range(1, self.n + 1), degree - 2):
                later = self._signs[:, prefix[-1] + 1 :]
                yield _pair_products(later, residual * self._signs[:, prefix].prod(axis=1))

    def columns(self, indexes: Indexes) -> Columns:
        """The columns ``indexes`` of A."""
        columns = np.ones((self.m, len(indexes)), dtype=np.int8, order="F")
        for degree, chosen in self._degrees(indexes):
            for bits in self._unrank(indexes[chosen] - self._starts[degree], degree).T:
                columns[:, chosen] *= self._bits[:, bits]
        return Columns(columns)

    def monomials(self, indexes: Indexes) -> list[Monomial]:
        """The bits of the columns ``indexes``."""
        monomials: list[Monomial] = [()] * len(indexes)
        for degree, chosen in self._degrees(indexes):
            rows = self._unrank(indexes[chosen] - self._starts[degree], degree)
            for position, bits in zip(chosen, rows.tolist(), strict=True):
                monomials[position] = tuple(bits)
        return monomials

    def _degrees(self, indexes: Indexes) -> Iterator[tuple[int, Indexes]]:
        degrees = np.searchsorted(self._starts, indexes, side="right") - 1
        for degree in np.unique(degrees).tolist():
            yield degree, np.flatnonzero(degrees == degree)

    def _unrank(self, ranks: Indexes, degree: int) -> Indexes:
        """The ``ranks``-th subsets of ``degree`` bits in lexicographic order, by the combinatorial number system."""
        subsets = np.empty((len(ranks), degree), dtype=np.int64)
        remaining = math.comb(self.n, degree) - 1 - ranks
        for position in range(degree):
            below = np.array([math.comb(c, degree - position) for c in range(self.n)])
            largest = np.searchsorted(below, remaining, side="right") - 1
            subsets[:, position] = self.n - 1 - largest
            remaining = remaining - below[largest]
        return subsets


def _pair_products(signs: Floats, residual: Floats) -> Floats:
    """The inner products of ``residual`` with the products of any two columns of ``signs``, row by row."""
    products = signs.T @ (residual[:, None] * signs)
    return products[np.triu(np.ones_like(products, dtype=bool), k=1)]
