"""Sparse recovery: from measured losses to a sparse polynomial (Algorithm 1, line 11).

Bits that are the same in all measured encoders cannot be told from constants: they are left out of the basis, as
definition 2.2 does with the bits that earlier stages have fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conas.names import unknown
from conas.recovery import greedy, least_norm, working_set
from conas.recovery.design import Parities
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.sign_columns import Floats, Indexes
from conas.recovery.threads import one_thread
from conas.space import Alpha

WEIGHTS = (1e-100, 1e100)
"""Penalties beyond these, for losses of size 1, change nothing that double precision can show."""


@dataclass(frozen=True)
class Penalty:
    """The weight of the l1 norm for ``m`` measurements, in three scalings of the same problem."""

    lambda_: float
    m: int

    @property
    def release(self) -> float:
        """That of 1/2 ||y - Ax||^2 + penalty ||x||_1, as in the authors' released code."""
        return self.lambda_ / 2

    @property
    def sklearn(self) -> float:
        """That of 1/(2m) ||y - Ax||^2 + penalty ||x||_1, as in scikit-learn, which calls it alpha."""
        return self.lambda_ / (2 * self.m)


@dataclass(frozen=True)
class Recovery:
    """What a solver found: all its non-zero coefficients, and how it came to its end.

    Attributes:
        stopped: why the solver stopped, in words.
        objective, gap: for the Lasso, ||y - Ax||^2 + lambda ||x||_1 and how far at most it is above the minimum;
            infinite where double precision cannot hold the square of a loss.
        unique: for the Lasso, whether it has no other solution; None where double precision cannot tell.
        solution: for the Lasso, which of its solutions this is, in words.
    """

    polynomial: SparsePolynomial
    stopped: str
    iterations: int
    penalty: Penalty | None = None
    objective: float | None = None
    gap: float | None = None
    unique: bool | None = None
    solution: str | None = None


SOLUTIONS = ("least_norm", "any")
"""Which of several solutions `lasso` may be asked for."""


def lasso(
    alphas: ArrayLike,
    losses: ArrayLike,
    d: int,
    lambda_: float,
    solution: Literal["least_norm", "any"] = "least_norm",
) -> Recovery:
    """The Lasso in the paper's scaling, min ||y - Ax||^2 + lambda ||x||_1 (equation 3.2).

    The constant is penalised like every other monomial, as in the paper and the released code.

    Args:
        alphas: encoders, shape (m, n), entries -1 and +1.
        losses: y, shape (m,).
        d: the largest degree of a monomial.
        lambda_: the penalty.
        solution: of several solutions the one of least l2 norm, or the one that the solver ends at.

    Raises:
        ValueError: the penalty is not positive, or the measurements are not usable (see `check_measurements`).
    """
    if not lambda_ > 0:
        raise ValueError(f"lambda = {lambda_} (allowed: any positive number)")
    if solution not in SOLUTIONS:
        raise ValueError(unknown("solution", solution, SOLUTIONS))
    signs, y = check_measurements(alphas, losses)
    penalty = Penalty(lambda_, len(y))
    with one_thread():
        design, bits = _design(signs, d)
        y, exponent = _scaled(y)
        weight = float(np.clip(np.ldexp(penalty.release, -exponent), *WEIGHTS))
        found, answer = _least(design, y, weight, solution)
        certified = working_set.certify(design, y, weight, answer.indexes, answer.coefficients)
    polynomial = _polynomial(design, bits, answer.indexes, answer.coefficients, exponent)
    objective, gap = (_unscaled_square(2 * value, exponent) for value in certified)
    about = (answer.unique, _in_words(answer))
    return Recovery(polynomial, found.stopped, found.iterations, penalty, objective, gap, *about)


def _least(
    design: Parities, y: Floats, weight: float, solution: str
) -> tuple[working_set.LassoSolution, least_norm.Answer]:
    """Where the solver ends, and the answer that is chosen among the solutions, for losses y in [-1, 1]."""
    found = working_set.solve(design, y, weight)
    choose = least_norm.settle if solution == "least_norm" else least_norm.judge
    return found, choose(design, y, weight, found.indexes, found.coefficients)


def _in_words(answer: least_norm.Answer) -> str:
    if answer.unique:
        return "the only one"
    if answer.least_norm:
        return "the one of least l2 norm"
    known = "one of several" if answer.unique is False else "perhaps one of several (rounding hides it)"
    return f"{known}, where the solver ended"


def _scaled(y: Floats) -> tuple[Floats, int]:
    """Losses in [-1, 1] and the exponent of the power of two that brings them back, to the same bits."""
    exponent = int(np.frexp(np.abs(y).max())[1])
    return np.ldexp(y, -exponent), exponent


def _unscaled_square(value: float, exponent: int) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(value, 2 * exponent))


def iht(alphas: ArrayLike, losses: ArrayLike, d: int, s: int) -> Recovery:
    """Iterative hard thresholding (the remark after theorem 3.2).

    Args:
        alphas, losses, d: as for `lasso`.
        s: how many monomials to keep, at most m.

    Raises:
        ValueError: s is not between 1 and m, or the measurements are not usable (see `check_measurements`).
    """
    return _greedy(greedy.iht, alphas, losses, d, s)


def omp(alphas: ArrayLike, losses: ArrayLike, d: int, s: int) -> Recovery:
    """Orthogonal matching pursuit.

    Args:
        alphas, losses, d: as for `lasso`.
        s: how many monomials to keep, at most m.

    Raises:
        ValueError: s is not between 1 and m, or the measurements are not usable (see `check_measurements`).
    """
    return _greedy(greedy.omp, alphas, losses, d, s)


def _greedy(
    method: Callable[[Parities, Floats, int], greedy.GreedySolution],
    alphas: ArrayLike,
    losses: ArrayLike,
    d: int,
    s: int,
) -> Recovery:
    signs, y = check_measurements(alphas, losses)
    if not 1 <= s <= len(y):
        raise ValueError(f"s = {s} monomials from {len(y)} measurements (allowed: 1 to {len(y)})")
    with one_thread():
        design, bits = _design(signs, d)
        y, exponent = _scaled(y)
        found = method(design, y, s)
    polynomial = _polynomial(design, bits, found.indexes, found.coefficients, exponent)
    return Recovery(polynomial, found.stopped, found.iterations)


def debias(polynomial: SparsePolynomial, alphas: ArrayLike, losses: ArrayLike) -> SparsePolynomial:
    """The least-squares coefficients of the polynomial's own monomials (footnote 2 of the paper).

    Raises:
        ValueError: more monomials than measurements, or measurements that are not usable.
    """
    signs, y = check_measurements(alphas, losses)
    if len(polynomial) > len(y):
        raise ValueError(f"least squares for {len(polynomial)} monomials from {len(y)} measurements")
    with one_thread():
        scaled, exponent = _scaled(y)
        coefficients = np.ldexp(polynomial.parities(signs).fit(scaled), exponent)
    return SparsePolynomial(dict(zip(polynomial.terms, coefficients.tolist(), strict=True)))


def check_measurements(alphas: ArrayLike, losses: ArrayLike) -> tuple[Alpha, NDArray[np.float64]]:
    """Encoders and losses as arrays.

    Raises:
        ValueError: their shapes do not fit, there are fewer than 2, a loss is NaN or infinite, or an encoder has
            entries other than -1 and +1.
    """
    signs, y = np.asarray(alphas), np.asarray(losses, dtype=np.float64)
    if signs.ndim != 2 or y.shape != (len(signs),):
        raise ValueError(f"{y.shape} losses for encoders of shape {signs.shape} (expected: (m,) and (m, n))")
    if len(y) < 2:
        raise ValueError(f"{len(y)} measurement (allowed: at least 2)")
    if not np.isfinite(y).all():
        bad = np.count_nonzero(~np.isfinite(y))
        raise ValueError(f"{bad} of {len(y)} losses are NaN or infinite (drop these measurements first)")
    if not np.isin(signs, (-1, 1)).all():
        raise ValueError("an encoder is made of -1 (inactive) and +1 (active) only")
    return signs.astype(np.int8), y


def _design(signs: Alpha, d: int) -> tuple[Parities, Indexes]:
    if not 1 <= d <= signs.shape[1]:
        raise ValueError(f"degree d = {d} over {signs.shape[1]} bits (allowed: 1 to {signs.shape[1]})")
    bits = np.flatnonzero((signs != signs[0]).any(axis=0))
    return Parities(signs[:, bits], min(d, bits.size)), bits


def _polynomial(
    design: Parities, bits: Indexes, indexes: Indexes, coefficients: Floats, exponent: int
) -> SparsePolynomial:
    monomials = [tuple(bits[list(monomial)].tolist()) for monomial in design.monomials(indexes)]
    return SparsePolynomial(dict(zip(monomials, np.ldexp(coefficients, exponent).tolist(), strict=True)))
