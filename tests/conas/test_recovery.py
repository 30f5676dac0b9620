import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso
from threadpoolctl import threadpool_limits

from conas.recovery import design
from conas.recovery.design import Parities
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.solve import Penalty, Recovery, debias, iht, lasso, omp
from conas.space import Alpha, space
from conas.synthetic import random_polynomial

seeds = st.integers(0, 2**32 - 1)


def encoders(rng: np.random.Generator, m: int, n: int) -> Alpha:
    return rng.choice(np.array([-1, 1], dtype=np.int8), size=(m, n))


def stored(alphas: Alpha, d: int) -> np.ndarray:
    """The matrix A of equation 3.1, written out."""
    bits = range(alphas.shape[1])
    columns = [alphas[:, list(chosen)].prod(axis=1) for k in range(d + 1) for chosen in itertools.combinations(bits, k)]
    return np.column_stack(columns).astype(np.float64)


def reference_objective(alphas: Alpha, y: np.ndarray, d: int, lambda_: float) -> float:
    """scikit-learn's optimum in the paper's scaling."""
    A = stored(alphas, d)
    model = Lasso(alpha=lambda_ / (2 * len(y)), fit_intercept=False, tol=1e-9, max_iter=100_000).fit(A, y)
    return float(((y - A @ model.coef_) ** 2).sum() + lambda_ * np.abs(model.coef_).sum())


def objective(found: Recovery, alphas: Alpha, y: np.ndarray, lambda_: float) -> float:
    polynomial = found.polynomial
    return float(((y - polynomial(alphas)) ** 2).sum() + lambda_ * sum(map(abs, polynomial.terms.values())))


@given(seeds, st.integers(1, 5), st.integers(1, 4))
def test_implicit_columns_are_the_stored_ones(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    alphas, d = encoders(rng, 7, n), min(d, n)
    A, design, every = stored(alphas, d), Parities(alphas, d), np.arange(sum(math.comb(n, k) for k in range(d + 1)))
    r, x = rng.normal(size=7), rng.normal(size=len(every))
    assert design.monomials(every) == [c for k in range(d + 1) for c in itertools.combinations(range(n), k)]
    np.testing.assert_allclose(design.correlate(r), A.T @ r, atol=1e-12)
    np.testing.assert_allclose(design.columns(every).combine(x), A @ x, atol=1e-12)
    np.testing.assert_array_equal(design.columns(every).gram(design.columns(every)), A.T @ A)


@settings(max_examples=40)
@given(seeds, st.integers(4, 12), st.integers(1, 3), st.floats(0.05, 20), st.floats(0, 1))
def test_the_lasso_reaches_scikit_learns_optimum(seed: int, n: int, d: int, lambda_: float, noise: float) -> None:
    rng = np.random.default_rng(seed)
    truth = random_polynomial(n, 4, d, rng, mean=1.0)
    alphas = encoders(rng, 60, n)
    y = truth(alphas) + noise * rng.normal(size=60)
    found = lasso(alphas, y, d, lambda_)
    assert found.objective == pytest.approx(objective(found, alphas, y, lambda_), rel=1e-9)
    assert found.objective == pytest.approx(reference_objective(alphas, y, d, lambda_), rel=1e-6)
    assert 0 <= found.gap <= 1e-8 * found.objective


@pytest.mark.parametrize("exclusive", [False, True], ids=["more columns than rows", "dependent columns"])
def test_the_lasso_reaches_the_optimum_where_it_is_not_unique(exclusive: bool) -> None:
    rng = np.random.default_rng(1)
    alphas = space("nasbench-macro").sample(rng, 80) if exclusive else encoders(rng, 30, 24)
    y = random_polynomial(24, 6, 2, rng, mean=1.0)(alphas) + 0.3 * rng.normal(size=len(alphas))
    found = lasso(alphas, y, 2, 0.2)
    assert found.objective == pytest.approx(reference_objective(alphas, y, 2, 0.2), rel=1e-6)


@settings(max_examples=10)
@given(seeds, st.floats(1e-4, 1e-2), st.booleans())
@example(2973565877, 0.00014026413042046598, False)
def test_the_lasso_is_exact_where_it_nearly_interpolates(seed: int, lambda_: float, repeated: bool) -> None:
    rng = np.random.default_rng(seed)
    alphas = encoders(rng, 80, 40)
    if repeated:
        alphas[70:] = alphas[:10]
    y = 100 + 5 * rng.normal(size=80)
    found = lasso(alphas, y, 2, lambda_)
    assert len(found.polynomial) > 60
    assert found.objective == pytest.approx(objective(found, alphas, y, lambda_), rel=1e-6)
    # it ends where the objective no longer falls: for the example, the largest of 150 random cases, at 2.6e-6
    assert 0 <= found.gap <= 1e-5 * found.objective


@settings(max_examples=15)
@given(seeds, st.sampled_from([lasso, iht, omp]), st.integers(1, 3))
def test_sparse_functions_are_recovered_exactly(seed: int, solver: object, d: int) -> None:
    n, s = (40, 5) if d < 3 else (15, 4)
    rng = np.random.default_rng(seed)
    truth = random_polynomial(n, s, d, rng, mean=2.0)
    alphas = encoders(rng, 300, n)
    strength = 1e-3 if solver is lasso else s + 1
    found = solver(alphas, truth(alphas), d, strength).polynomial.top(s + 1)  # type: ignore[operator]
    refitted = debias(found, alphas, truth(alphas))
    assert list(found.terms) == list(truth.terms)
    assert list(refitted.terms.values()) == pytest.approx(list(truth.terms.values()), rel=1e-9)


def test_noise_does_not_hide_the_support_at_the_papers_size() -> None:
    rng = np.random.default_rng(0)
    truth = random_polynomial(140, 10, 2, rng, mean=1.2)
    alphas = encoders(rng, 1000, 140)
    y = truth(alphas) + 0.1 * rng.normal(size=1000)
    for found in (lasso(alphas, y, 2, 1.0), iht(alphas, y, 2, 11), omp(alphas, y, 2, 11)):
        assert list(found.polynomial.top(11).terms) == list(truth.terms)


def test_the_same_measurements_give_the_same_bits_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(3)
    alphas = encoders(rng, 400, 100)
    y = 1 + rng.normal(size=400)
    bits = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads):
            bits.append([value.hex() for value in lasso(alphas, y, 2, 5.0).polynomial.terms.values()])
    assert bits[0] == bits[1] == bits[2]


def test_a_penalty_is_known_in_three_scalings() -> None:
    penalty = Penalty(1.0, 1000)
    assert (penalty.release, penalty.sklearn) == (0.5, 0.0005)


def test_a_penalty_so_large_that_nothing_is_found_finds_nothing() -> None:
    rng = np.random.default_rng(0)
    assert lasso(encoders(rng, 20, 5), rng.normal(size=20), 2, 1e9).polynomial == SparsePolynomial({})


def test_losses_that_are_all_equal_are_a_constant() -> None:
    rng = np.random.default_rng(0)
    alphas, y = encoders(rng, 20, 5), np.full(20, 2.5)
    assert lasso(alphas, y, 2, 1.0).polynomial.terms == {(): pytest.approx(2.5 - 1 / 40)}
    assert iht(alphas, y, 2, 1).polynomial.terms == {(): pytest.approx(2.5)}
    assert omp(alphas, y, 2, 3).polynomial.terms == {(): pytest.approx(2.5)}
    assert lasso(alphas, np.zeros(20), 2, 1.0).polynomial == SparsePolynomial({})


def test_repeated_encoders_weigh_as_often_as_they_come() -> None:
    rng = np.random.default_rng(0)
    alphas = np.repeat(encoders(rng, 12, 6), 3, axis=0)
    y = rng.normal(size=36)
    assert lasso(alphas, y, 2, 1.0).objective == pytest.approx(reference_objective(alphas, y, 2, 1.0), rel=1e-6)


def test_bits_that_never_change_leave_the_problem() -> None:
    rng = np.random.default_rng(0)
    alphas = encoders(rng, 100, 20)
    alphas[:, 3], alphas[:, 7] = 1, -1
    truth = SparsePolynomial({(3, 5): 2.0, (7, 8): 1.0, (): 0.5})
    found = lasso(alphas, truth(alphas), 2, 1e-3).polynomial.top(3)
    assert list(found.terms) == list(truth.restrict({3: 1, 7: -1}).terms)


def test_encoders_that_are_all_equal_leave_a_constant() -> None:
    assert list(lasso(np.ones((4, 3)), [1.0, 2.0, 1.0, 2.0], 2, 1e-3).polynomial.terms) == [()]


@pytest.mark.parametrize(
    ("m", "y", "d", "lambda_", "message"),
    [
        (1, [1.0], 1, 1.0, r"1 measurement \(allowed: at least 2\)"),
        (3, [1.0, math.nan, math.inf], 1, 1.0, r"2 of 3 losses are NaN or infinite \(drop these measurements first\)"),
        (3, [1.0, 2.0], 1, 1.0, r"\(2,\) losses for encoders of shape \(3, 4\)"),
        (3, [1.0, 2.0, 3.0], 5, 1.0, r"degree d = 5 over 4 bits \(allowed: 1 to 4\)"),
        (3, [1.0, 2.0, 3.0], 0, 1.0, r"degree d = 0 over 4 bits"),
        (3, [1.0, 2.0, 3.0], 1, 0.0, r"lambda = 0.0 \(allowed: any positive number\)"),
        (3, [1.0, 2.0, 3.0], 1, math.nan, r"lambda = nan \(allowed: any positive number\)"),
    ],
)
def test_unusable_input_is_refused_in_one_line(m: int, y: list[float], d: int, lambda_: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lasso(encoders(np.random.default_rng(0), m, 4), y, d, lambda_)


def test_more_monomials_than_measurements_are_refused() -> None:
    alphas = encoders(np.random.default_rng(0), 5, 4)
    with pytest.raises(ValueError, match=r"s = 6 monomials from 5 measurements \(allowed: 1 to 5\)"):
        omp(alphas, np.ones(5), 1, 6)
    with pytest.raises(ValueError, match="least squares for 3 monomials from 2 measurements"):
        debias(SparsePolynomial({(): 1.0, (0,): 1.0, (1,): 1.0}), alphas[:2], [1.0, 2.0])


def test_entries_other_than_signs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"made of -1 \(inactive\) and \+1 \(active\) only"):
        lasso([[0, 1], [1, 0]], [1.0, 2.0], 1, 1.0)


def test_a_basis_beyond_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(design, "MAX_COLUMNS", 50)
    with pytest.raises(ValueError, match=r"56 monomials of degree <= 2 over 10 bits \(at most 50\)"):
        lasso(encoders(np.random.default_rng(0), 30, 10), np.ones(30), 2, 1.0)


@pytest.mark.parametrize("lambda_", [1e-6, 1e-9, 1e-12])
def test_a_penalty_far_below_the_losses_ends_with_its_gap_told(lambda_: float) -> None:
    rng = np.random.default_rng(0)
    alphas, y = encoders(rng, 40, 140), 100 * (1 + 0.05 * rng.normal(size=40))
    found = lasso(alphas, y, 2, lambda_)
    assert found.gap is not None
    assert found.objective == pytest.approx(objective(found, alphas, y, lambda_), rel=1e-3)
    assert 0 <= found.gap <= found.objective
    assert found.unique is None  # rounding hides it


@pytest.mark.parametrize("solver", [lasso, iht, omp])
@pytest.mark.parametrize("size", [1e-160, 1e160])
def test_losses_of_any_size_are_scaled(solver: Callable[..., Recovery], size: float) -> None:
    rng = np.random.default_rng(0)
    alphas = encoders(rng, 100, 20)
    y = random_polynomial(20, 4, 2, rng, mean=2.0)(alphas) + 0.1 * rng.normal(size=100)
    power = 2.0 ** round(math.log2(size))
    plain, scaled = (solver(alphas, y * by, 2, by if solver is lasso else 5) for by in (1.0, power))
    assert {m: value * power for m, value in plain.polynomial.terms.items()} == scaled.polynomial.terms
    assert scaled.objective is None or not 1e-300 < scaled.objective < math.inf  # beyond double precision
    assert debias(scaled.polynomial.top(5), alphas, y * power).terms.keys() == scaled.polynomial.top(5).terms.keys()
