"""The searches with surrogates of other authors: what they find, and that their parts are what they are called."""

from typing import Any

import numpy as np
import pytest

from baselines import qsft
from baselines.annealing import Quadratic, anneal, monomials
from baselines.comex import Experts
from baselines.registry import METHODS
from conas.recovery.fourier import SparsePolynomial, hypercube
from conas.recovery.minimiser import minimise
from conas.seeds import generator
from conas.space import Space, space
from conas.synthetic import SyntheticProblem, random_polynomial

TWENTY = Space("twenty", ("cell",), 1, 4, ("one", "other"), "one", "first")


def planted(seed: int) -> SyntheticProblem:
    """Ten monomials of degree at most 2 over 20 bits."""
    return SyntheticProblem(TWENTY, random_polynomial(20, 10, 2, generator(seed, "polynomial")))


def random_quadratic(n: int) -> tuple[Quadratic, SparsePolynomial]:
    coefficients = np.random.default_rng(n).normal(size=1 + n + n * (n - 1) // 2)
    pairs = zip(*np.triu_indices(n, 1), strict=True)
    terms = [(), *((bit,) for bit in range(n)), *((int(i), int(j)) for i, j in pairs)]
    return Quadratic.of(n, coefficients), SparsePolynomial(dict(zip(terms, coefficients.tolist(), strict=True)))


PLANTED: dict[str, dict[str, Any]] = {
    "bocs": {"m": 150, "gibbs": 3},
    "combo": {"m": 150, "together": 20, "draws": 1},
    "comex": {"m": 200},
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_minimum_of_a_planted_polynomial_is_found_or_nearly(name: str) -> None:
    gaps = []
    for seed in range(2):
        asked, values = planted(seed), METHODS[name].settings(**PLANTED[name])
        outcome = METHODS[name](asked, seed, values)
        assert asked.cost.measurements == values.m
        spread = asked.polynomial(TWENTY.sample(generator(0), 1000)).std()
        gaps.append((outcome.details["loss"] - minimise(asked.polynomial).value) / spread)
    assert np.mean(gaps) < 0.5


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "qsft"])
@pytest.mark.parametrize("of", ["cnn-figure2", "nasbench201"])
def test_no_string_is_measured_twice(name: str, of: str) -> None:
    asked, seen = SyntheticProblem(space(of), SparsePolynomial({(0,): 1.0, (1, 7): -1.0})), []
    measure = asked.measure
    asked.measure = lambda alphas, whole=False: (seen.append(alphas.copy()), measure(alphas, whole))[1]
    values: dict[str, Any] = {"m": 40}
    METHODS[name](asked, 0, METHODS[name].settings(**values))
    assert len(np.unique(np.concatenate(seen), axis=0)) == 40


def test_a_quadratic_is_its_polynomial() -> None:
    quadratic, polynomial = random_quadratic(6)
    cube = hypercube(6)
    np.testing.assert_allclose(quadratic(cube) + polynomial.constant, polynomial(cube), atol=1e-12)
    active = Quadratic.of_active(6, np.arange(22.0))
    expected = monomials((cube > 0).astype(np.int8)) @ np.arange(22.0)
    np.testing.assert_allclose(np.diff(active(cube)), np.diff(expected), atol=1e-12)
    np.testing.assert_allclose(monomials(cube).T @ monomials(cube), 64 * np.eye(22), atol=0)


@pytest.mark.parametrize("name", ["cnn-tiny", "nasbench-macro"])
def test_annealing_that_cools_slowly_ends_at_the_minimum_of_the_strings_there_are(name: str) -> None:
    of = space(name)
    quadratic, polynomial = random_quadratic(of.n)
    rng = np.random.default_rng(0)
    ends = anneal(quadratic, of, of.sample(rng, 20), np.geomspace(20, 0.02, 2000), rng)
    assert quadratic(ends).min() + polynomial.constant == pytest.approx(minimise(polynomial, of.groups).value)
    for group in of.groups:
        assert ((ends[:, list(group)] > 0).sum(axis=1) == 1).all()


def test_at_no_temperature_annealing_only_descends() -> None:
    of = space("cnn-figure2")
    quadratic, _ = random_quadratic(of.n)
    rng = np.random.default_rng(1)
    starts = of.sample(rng, 5)
    ends = anneal(quadratic, of, starts, [1e-12] * 2000, rng)
    assert (quadratic(ends) < quadratic(starts)).all()
    for end in ends:
        assert (quadratic(of.neighbours(end)) >= quadratic(end[None]) - 1e-9).all()


def test_the_right_experts_gain_weight() -> None:
    n, rng = 6, np.random.default_rng(2)
    experts = Experts(22, 1.0)
    for alpha in TWENTY.sample(rng, 2000)[:, :n]:
        experts.learn(monomials(alpha[None])[0], 0.5 * alpha[1] - 0.4 * alpha[0] * alpha[2])
    expected = np.zeros(22)
    expected[2], expected[1 + n + 1] = 0.5, -0.4
    np.testing.assert_allclose(experts.coefficients, expected, atol=0.05)
    assert experts.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["cnn", "nasbench201", "nasbench-macro"])
def test_digits_are_another_way_to_write_a_string(name: str) -> None:
    of = space(name)
    alphas = of.sample(np.random.default_rng(0), 20)
    q, digits = qsft._digits(of, alphas)
    assert q ** digits.shape[1] == (len(of.operations) if of.exclusive else 2) ** (len(of.groups) or of.n)
    assert (qsft._strings(of, digits) == alphas).all()


def test_qsft_without_room_for_bins_is_still_the_best_of_its_measurements() -> None:
    asked = SyntheticProblem(space("cnn"), random_polynomial(140, 10, 2, generator(0, "polynomial")))
    outcome = METHODS["qsft"](asked, 0, METHODS["qsft"].settings(m=30))
    assert (outcome.details["bins"], outcome.details["delays"], asked.cost.measurements) == (1, 27, 30)


def test_qsft_refuses_more_candidates_than_fit() -> None:
    asked = SyntheticProblem(space("cnn"), SparsePolynomial({(0,): 1.0}))
    with pytest.raises(ValueError, match=r"d is 3 \(allowed: 1 to 2 over the digits of 'cnn'\)"):
        METHODS["qsft"](asked, 0, METHODS["qsft"].settings(d=3))
