import itertools

import numpy as np
import pytest

from conas.recovery.fourier_process import FourierProcess, correlations
from conas.space import space


def strings(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    return rng.choice(np.array([-1, 1], dtype=np.int8), size=(m, n))


def monomials(alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All 2^n of them, shape (m, 2^n), and their degrees."""
    n = alphas.shape[1]
    sets = [list(s) for degree in range(n + 1) for s in itertools.combinations(range(n), degree)]
    return np.stack([alphas[:, s].prod(axis=1) for s in sets], axis=1), np.array(list(map(len, sets)))


@pytest.mark.parametrize("rho", [0.05, 0.3, 0.9])
def test_the_kernel_is_the_sum_over_all_monomials(rho):
    alphas = strings(np.random.default_rng(0), 9, 7)
    columns, degrees = monomials(alphas)
    whole = (columns * rho**degrees) @ columns.T / (1 + rho) ** 7
    np.testing.assert_allclose(correlations(alphas, alphas, rho), whole, rtol=0, atol=1e-13)


def test_the_posterior_is_that_of_regression_on_all_monomials():
    rng = np.random.default_rng(1)
    alphas, others, values = strings(rng, 20, 6), strings(rng, 8, 6), rng.normal(size=20)
    process = FourierProcess(alphas, values, 0.3, 0.1)
    prior = 0.3 ** monomials(alphas)[1] / 1.3**6
    a, b = monomials(alphas)[0], monomials(others)[0]
    precision = a.T @ a / 0.1 + np.diag(1 / prior)
    ones = np.ones(20)
    covariance = (a * prior) @ a.T + 0.1 * np.eye(20)
    mean = ones @ np.linalg.solve(covariance, values) / (ones @ np.linalg.solve(covariance, ones))
    coefficients = np.linalg.solve(precision, a.T @ (values - mean) / 0.1)
    scale = (values - mean) @ np.linalg.solve(covariance, values - mean) / 20
    got, deviation = process.predict(others)
    np.testing.assert_allclose(got, mean + b @ coefficients, atol=1e-10)
    np.testing.assert_allclose(deviation**2, scale * (b @ np.linalg.inv(precision) * b).sum(axis=1), atol=1e-10)


def test_choices_are_made_as_if_those_before_had_been_measured():
    rng = np.random.default_rng(2)
    alphas, candidates, values = strings(rng, 15, 8), np.unique(strings(rng, 12, 8), axis=0), rng.normal(size=15)
    process = FourierProcess(alphas, values, 0.2, 0.05)
    first, second = process.choose(candidates, 2, lambda mean, deviation: deviation.copy())
    expected = process.predict(candidates[[first]])[0]
    informed = FourierProcess(np.vstack([alphas, candidates[[first]]]), np.append(values, expected), 0.2, 0.05)
    deviations = informed.predict(candidates)[1]
    deviations[first] = -np.inf
    assert second == int(np.argmax(deviations))


@pytest.mark.parametrize("name", ["cnn", "nasbench201"])
def test_neighbours_are_one_change_away(name):
    cells = space(name)
    alpha = cells.sample(np.random.default_rng(3), 1, 0.5)[0]
    near = cells.neighbours(alpha)
    assert len(np.unique(near, axis=0)) == len(near) == (24 if cells.exclusive else cells.n)
    assert ((near != alpha).sum(axis=1) == (2 if cells.exclusive else 1)).all()
    for group in cells.groups:
        assert ((near[:, list(group)] > 0).sum(axis=1) == 1).all()
