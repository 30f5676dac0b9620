import itertools

import numpy as np
import pytest

from conas.recovery.fourier_process import FourierProcess, correlations, likeliest
from conas.space import space


def strings(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    return rng.choice(np.array([-1, 1], dtype=np.int8), size=(m, n))


def monomials(alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All 2^n of them, shape (m, 2^n), and their degrees."""
    n = alphas.shape[1]
    sets = [list(s) for degree in range(n + 1) for s in itertools.combinations(range(n), degree)]
    return np.stack([alphas[:, s].prod(axis=1) for s in sets], axis=1), np.array(list(map(len, sets)))


RATES = np.array([0.2, 0.9, 0.05, 0.3, 1.5, 0.6])


def variances(rates: np.ndarray) -> np.ndarray:
    """Of the coefficients of all 2^n monomials; they add to 1."""
    rho = np.tanh(rates / 2)
    sets = [list(s) for degree in range(len(rho) + 1) for s in itertools.combinations(range(len(rho)), degree)]
    return np.array([rho[s].prod() for s in sets]) / (1 + rho).prod()


@pytest.mark.parametrize("rates", [RATES, np.full(6, 0.1)])
def test_the_kernel_is_the_sum_over_all_monomials(rates):
    alphas = strings(np.random.default_rng(0), 9, 6)
    columns = monomials(alphas)[0]
    whole = (columns * variances(rates)) @ columns.T
    np.testing.assert_allclose(correlations(alphas, alphas, rates), whole, rtol=0, atol=1e-13)


def test_the_slopes_are_those_of_the_likelihood():
    rng = np.random.default_rng(4)
    alphas, values, step = strings(rng, 20, 6), rng.normal(size=20), 1e-6
    by_rate, by_noise = FourierProcess(alphas, values, RATES, 0.1).slopes()

    def moved(bit: int, sign: int) -> float:
        factors = np.exp(sign * step * np.eye(7)[bit])
        return FourierProcess(alphas, values, RATES * factors[:6], 0.1 * factors[6]).log_likelihood

    numeric = [(moved(bit, 1) - moved(bit, -1)) / (2 * step) for bit in range(7)]
    np.testing.assert_allclose([*by_rate, by_noise], numeric, rtol=1e-5, atol=1e-6)


def test_bits_that_matter_are_told_from_those_that_do_not():
    rng = np.random.default_rng(5)
    alphas = strings(rng, 80, 10)
    values = alphas[:, 0] + 0.8 * alphas[:, 1] * alphas[:, 2] + 0.05 * rng.normal(size=80)
    rates = likeliest(alphas, values, 1.0).rates
    assert rates[:3].min() > 3 * rates[3:].max()
    alike = likeliest(alphas, values, 1e-3).rates
    assert alike.max() < 1.01 * alike.min()


def test_the_posterior_is_that_of_regression_on_all_monomials():
    rng = np.random.default_rng(1)
    alphas, others, values = strings(rng, 20, 6), strings(rng, 8, 6), rng.normal(size=20)
    process = FourierProcess(alphas, values, RATES, 0.1)
    prior = variances(RATES)
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
    rates = np.full(8, 0.4)
    process = FourierProcess(alphas, values, rates, 0.05)
    first, second = process.choose(candidates, 2, lambda mean, deviation: deviation.copy())
    expected = process.predict(candidates[[first]])[0]
    informed = FourierProcess(np.vstack([alphas, candidates[[first]]]), np.append(values, expected), rates, 0.05)
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
