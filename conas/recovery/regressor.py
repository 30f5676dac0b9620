"""The recovery as an estimator that follows scikit-learn's rules."""

import math
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from conas.recovery.solve import lasso
from conas.space import Alpha


class SparseFourierRegressor(RegressorMixin, BaseEstimator):
    """A sparse polynomial of signs, recovered by the Lasso over all parities of degree at most ``degree``.

    Args:
        degree: the largest number of features in a monomial; at most their number is used.
        penalty: lambda of ||y - Ax||^2 + lambda ||x||_1 (equation 3.2 of the paper).
        terms: how many monomials are kept, the largest; None keeps all.
        solution: which of several solutions, ``least_norm`` or ``any``.
        threshold: features above it count as +1, others as -1, so features of -1 and 1, or of 0 and 1, are as they
            stand.

    Attributes:
        polynomial_: the `SparsePolynomial` that was found.
        n_iter_: iterations of the solver.
        objective_, dual_gap_: the objective, and how far at most it is above the minimum.
        unique_: whether the Lasso has no other solution; None where double precision cannot tell.
    """

    def __init__(
        self,
        degree: int = 2,
        penalty: float = 1.0,
        terms: int | None = None,
        solution: Literal["least_norm", "any"] = "least_norm",
        threshold: float = 0.0,
    ) -> None:
        self.degree = degree
        self.penalty = penalty
        self.terms = terms
        self.solution = solution
        self.threshold = threshold

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Recover a polynomial from features ``X``, shape (m, n), and targets ``y``, shape (m,).

        Raises:
            ValueError: fewer than two samples, values that are not finite, or an impossible parameter.
        """
        self._check()
        features, targets = validate_data(self, X, y, y_numeric=True, ensure_min_samples=2)
        degree = min(self.degree, features.shape[1])
        found = lasso(self._signs(features), targets, degree, self.penalty, self.solution)
        self.polynomial_ = found.polynomial if self.terms is None else found.polynomial.top(self.terms)
        self.n_iter_ = max(1, found.iterations)
        self.objective_, self.dual_gap_, self.unique_ = found.objective, found.gap, found.unique
        return self

    def _check(self) -> None:
        counts = {"degree": self.degree} | ({} if self.terms is None else {"terms": self.terms})
        for name, count in counts.items():
            if not isinstance(count, Integral) or count < 1:
                raise ValueError(f"{name} = {count!r} (allowed: whole numbers, at least 1)")
        if not isinstance(self.penalty, Real) or not self.penalty > 0:
            raise ValueError(f"penalty = {self.penalty!r} (allowed: any positive number)")
        if not isinstance(self.threshold, Real) or not math.isfinite(self.threshold):
            raise ValueError(f"threshold = {self.threshold!r} (allowed: any finite number)")

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The polynomial's values at ``X``, shape (k, n); shape (k,)."""
        check_is_fitted(self)
        return self.polynomial_(self._signs(validate_data(self, X, reset=False)))

    def _signs(self, X: NDArray[np.float64]) -> Alpha:
        return np.where(self.threshold < X, 1, -1).astype(np.int8)
