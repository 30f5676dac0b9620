"""The Lasso's answer is the same whatever the bits are called and whichever of their values is called +1.

`measured.json` holds sub-networks of one-shot models with their losses, 200 each of two models of digits and two of
descriptions (``python harness/run.py with dataset=digits profile=smoke search.m=200``, seeds 0 and 1).
"""

import json
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import nnls

from conas.recovery.design import Parities
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.minimiser import minimise
from conas.recovery.solve import Recovery, lasso
from conas.space import Alpha, space
from conas.synthetic import random_polynomial

Floats = NDArray[np.float64]
MEASURED = json.loads((Path(__file__).parent / "measured.json").read_text())


class Problem(NamedTuple):
    alphas: Alpha
    losses: Floats
    lambda_: float


def measured(seed: int) -> Problem:
    """Some of the losses of a real one-shot model."""
    rng = np.random.default_rng(seed)
    model = list(MEASURED.values())[seed % len(MEASURED)]
    packed = np.array([list(bytes.fromhex(text)) for text in model["alphas"]], dtype=np.uint8)
    chosen = rng.permutation(len(packed))[: rng.integers(30, 70)]
    alphas = 2 * np.unpackbits(packed[chosen], axis=1)[:, : model["n"]].astype(np.int8) - 1
    return Problem(alphas, np.array(model["losses"])[chosen], float(rng.choice([2, 5])))


def made(seed: int) -> Problem:
    """A noisy polynomial with outlying losses, with bits that are always equal, or on exclusive edges."""
    rng = np.random.default_rng(seed)
    macro = space("nasbench-macro")
    alphas = macro.sample(rng, 60) if seed % 3 == 0 else space("cnn-figure2").sample(rng, 60)
    if seed % 3 == 1:
        alphas[:, 5], alphas[:, 17] = alphas[:, 4], -alphas[:, 4]
    losses = random_polynomial(alphas.shape[1], 6, 2, rng, mean=3.0)(alphas) + 0.3 * rng.normal(size=60)
    if seed % 3 == 2:
        losses[:2] += 100 * rng.random(2)
    return Problem(alphas, losses, float(rng.choice([0.1, 1, 3])))


class Renamed(NamedTuple):
    """Bit j of the new problem is bit ``names[j]`` of the old one, times ``signs[j]``."""

    names: NDArray[np.int64]
    signs: Alpha

    @classmethod
    def at_random(cls, n: int, seed: int) -> "Renamed":
        rng = np.random.default_rng([seed, 1])
        return cls(rng.permutation(n), rng.choice(np.array([-1, 1], dtype=np.int8), size=n))

    def alphas(self, alphas: Alpha) -> Alpha:
        renamed: Alpha = alphas[:, self.names] * self.signs
        return renamed

    def back(self, polynomial: SparsePolynomial) -> SparsePolynomial:
        return SparsePolynomial(
            {
                tuple(int(self.names[bit]) for bit in bits): value * float(np.prod(self.signs[list(bits)]))
                for bits, value in polynomial.terms.items()
            }
        )


PROBLEMS = [*map(measured, range(25)), *map(made, range(25))]


def both(problem: Problem, seed: int, solution: Literal["least_norm", "any"]) -> tuple[Recovery, SparsePolynomial]:
    """What is recovered, and what is recovered from the same losses of renamed bits, in the first names."""
    alphas, losses, lambda_ = problem
    renamed = Renamed.at_random(alphas.shape[1], seed)
    here = lasso(alphas, losses, 2, lambda_, solution)
    there = lasso(renamed.alphas(alphas), losses, 2, lambda_, solution)
    assert solution == "any" or here.solution == there.solution
    return here, renamed.back(there.polynomial)


@pytest.mark.parametrize("seed", range(len(PROBLEMS)))
def test_renaming_bits_and_their_values_changes_no_monomial_and_no_cell(seed: int) -> None:
    here, there = both(PROBLEMS[seed], seed, "least_norm")
    g, h = here.polynomial.top(10), there.top(10)
    assert here.unique is not None
    assert list(g.terms) == list(h.terms)
    assert list(h.terms.values()) == pytest.approx(list(g.terms.values()), rel=1e-6)
    assert minimise(g).assignment == minimise(h).assignment
    assert minimise(g).minimisers == minimise(h).minimisers


def test_where_the_solver_ends_depends_on_the_names() -> None:
    ends = [both(made(seed), seed, "any") for seed in range(2, 25, 3)]  # with outliers
    assert not any(here.unique for here, _ in ends)
    assert any(list(here.polynomial.top(10).terms) != list(there.top(10).terms) for here, there in ends)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_solution_of_least_norm(seed: int) -> None:
    """Against non-negative least squares on the columns whose correlation with the residual is the penalty."""
    alphas, losses, lambda_ = made(seed)
    found = lasso(alphas, losses, 2, lambda_)
    design = Parities(alphas, 2)
    correlations = design.correlate(losses - found.polynomial(alphas))
    equal = np.flatnonzero(np.abs(correlations) > lambda_ / 2 * (1 - 1e-7))
    columns = design.columns(equal).signs * np.sign(correlations[equal])
    strong = 1e5
    stacked = np.vstack([strong * columns, np.eye(len(equal))])
    x, _ = nnls(stacked, np.concatenate([strong * found.polynomial(alphas), np.zeros(len(equal))]), maxiter=10_000)
    terms = found.polynomial.terms
    ours = [abs(terms.get(monomial, 0.0)) for monomial in design.monomials(equal)]
    assert found.gap <= 1e-9 * found.objective
    np.testing.assert_allclose(ours, x, atol=1e-6 * max(ours))
