"""Quadratic polynomials of sign vectors, and simulated annealing on them: the surrogates of BOCS and COMEX."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conas.space import Alpha, Array, Space


def monomials(values: NDArray[np.int8]) -> Array:
    """The constant, all bits and all pairs of bits, lexicographically, of ``values``, shape (k, n): a row for each."""
    n = values.shape[1]
    first, second = np.triu_indices(n, 1)
    columns = values.astype(np.float64)
    return np.hstack([np.ones((len(values), 1)), columns, columns[:, first] * columns[:, second]])


@dataclass(frozen=True)
class Quadratic:
    """x -> linear @ x + x @ pairs @ x / 2 for sign vectors x.

    Attributes:
        linear: shape (n,).
        pairs: symmetric with a diagonal of zeros, shape (n, n).
    """

    linear: Array
    pairs: Array

    @classmethod
    def of(cls, n: int, coefficients: Array) -> "Quadratic":
        """From the coefficients of `monomials` over ``n`` bits; the constant is left out."""
        pairs = np.zeros((n, n))
        pairs[np.triu_indices(n, 1)] = coefficients[1 + n :]
        return cls(coefficients[1 : 1 + n], pairs + pairs.T)

    @classmethod
    def of_active(cls, n: int, coefficients: Array) -> "Quadratic":
        """The same where the monomials are of 1 for +1 and 0 for -1."""
        whole = cls.of(n, coefficients)
        return cls(whole.linear / 2 + whole.pairs.sum(axis=1) / 4, whole.pairs / 4)

    def __call__(self, alphas: Alpha) -> Array:
        """The values, shape (k,), at ``alphas``, shape (k, n)."""
        signs = alphas.astype(np.float64)
        return signs @ self.linear + ((signs @ self.pairs) * signs).sum(axis=1) / 2


def anneal(
    surface: Quadratic, space: Space, starts: Alpha, temperatures: Iterable[float], rng: np.random.Generator
) -> Alpha:
    """Where annealing from each of ``starts``, shape (k, n), ends: one change of `Space.changes` per temperature.

    A change that raises the surface by r is kept with probability exp(-r / temperature), any other always.
    """
    states, slopes = starts, surface.linear + starts @ surface.pairs
    for temperature in temperatures:
        proposed = space.changed(states, rng.integers(space.changes, size=len(states)))
        steps = np.subtract(proposed, states, dtype=np.float64)
        turns = steps @ surface.pairs
        rises = (steps * (slopes + turns / 2)).sum(axis=1)
        kept = (rng.random(len(states)) < np.exp(-np.maximum(rises, 0) / temperature))[:, None]
        states, slopes = np.where(kept, proposed, states), np.where(kept, slopes + turns, slopes)
    return states
