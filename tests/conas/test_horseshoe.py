import numpy as np
import pytest

from conas.recovery.horseshoe import Equations, Horseshoe


class Units:
    """Gives the entries of one vector, in order, instead of normal numbers: draws are affine in them."""

    def __init__(self, vector: np.ndarray) -> None:
        self.left = vector

    def standard_normal(self, size: int) -> np.ndarray:
        given, self.left = self.left[:size], self.left[size:]
        return given


@pytest.mark.parametrize(("m", "p"), [(7, 30), (30, 7), (8, 12)])
def test_mean_and_covariance_are_those_of_the_dense_posterior(m: int, p: int) -> None:
    rng = np.random.default_rng(m)
    columns, values, variances = rng.normal(size=(m, p)), rng.normal(size=m), rng.gamma(1.0, size=p)
    covariance = np.linalg.inv(columns.T @ columns + np.diag(1 / variances))
    given = Equations(columns, values)
    mean = given.draw(values, variances, Units(np.zeros(p + m)))
    np.testing.assert_allclose(mean, covariance @ columns.T @ values, atol=1e-10)
    roots = [given.draw(values, variances, Units(unit)) - mean for unit in np.eye(p + m)]
    np.testing.assert_allclose(np.transpose(roots) @ roots, covariance, atol=1e-10)


def test_large_coefficients_are_kept_and_the_others_shrunk() -> None:
    rng = np.random.default_rng(0)
    columns = rng.choice([-1.0, 1.0], size=(60, 150))
    values = 2 * columns[:, 3] - 1.5 * columns[:, 77] + 0.1 * rng.standard_normal(60)
    sampler, given = Horseshoe(150), Equations(columns, values)
    draws = np.array([sampler.step(given, rng) for _ in range(400)])[200:]
    mean = draws.mean(axis=0)
    assert mean[[3, 77]] == pytest.approx([2, -1.5], abs=0.1)
    assert np.abs(np.delete(mean, [3, 77])).max() < 0.1
    assert np.sqrt(sampler.noise) == pytest.approx(0.1, rel=0.5)


def test_one_coefficient_on_average_is_where_integration_over_its_scales_puts_it() -> None:
    """Of noise one, a column of ones: the posterior mean by Gibbs and by quadrature."""
    rng, columns, values = np.random.default_rng(1), np.ones((4, 1)), np.array([1.0, 0.4, 0.7, 0.9])
    sampler, given = Horseshoe(1), Equations(columns, values)
    draws = [sampler.step(given, rng)[0] for _ in range(4000)]
    scale = np.tan((np.arange(400) + 0.5) / 400 * np.pi / 2)  # of a half-Cauchy variable, equally likely
    shrunk = (scale[:, None] * scale).ravel() ** 2
    fit = 4 / (4 + 1 / shrunk)  # of the mean 0.75
    rest = np.square(values).sum() - fit * 4 * 0.75**2
    weight = rest ** (-4 / 2) / np.sqrt(1 + 4 * shrunk)  # the noise, of density 1 / variance, integrated out
    assert np.mean(draws) == pytest.approx((weight * fit).sum() / weight.sum() * 0.75, abs=0.04)


@pytest.mark.parametrize("m", [20, 200])
def test_values_without_noise_in_columns_that_depend_on_each_other_are_fitted(m: int) -> None:
    rng = np.random.default_rng(2)
    digits = rng.integers(5, size=(m, 6))
    ones = (digits[:, :, None] == np.arange(5)).reshape(m, 30).astype(float)
    columns = np.hstack([ones, ones[:, :12], np.zeros((m, 3))])
    columns -= columns.mean(axis=0)
    values = columns[:, 0] - columns[:, 7]
    sampler, given = Horseshoe(45), Equations(columns, values)
    for _ in range(300):
        drawn = sampler.step(given, rng)
    assert np.abs(values - columns @ drawn).max() < 0.1
