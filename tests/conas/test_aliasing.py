import itertools

import numpy as np
import pytest

from conas.recovery.aliasing import Design, Spectrum, candidates, count, recover
from conas.seeds import generator
from conas.synthetic import random_polynomial


def sampled(design: Design, function) -> np.ndarray:
    digits = design.digits
    return function(digits.reshape(-1, digits.shape[-1])).reshape(digits.shape[:3])


@pytest.mark.parametrize(("q", "n", "b"), [(2, 5, 2), (3, 3, 1), (5, 3, 2)])
def test_a_bin_holds_what_the_whole_transform_has_there(q: int, n: int, b: int) -> None:
    rng = np.random.default_rng(q)
    table = rng.normal(size=(q,) * n)
    design = Design(q, rng.integers(q, size=(2, n, b)), rng.integers(q, size=(2, 4, n)))
    bins = design.bins(sampled(design, lambda digits: table[tuple(digits.T)]))
    every = np.array(list(itertools.product(range(q), repeat=n)))
    held = design.signatures(every) * (np.fft.fftn(table) / table.size).ravel()
    expected = np.zeros_like(bins)
    for group, aliases in enumerate(design.aliases(every)):
        np.add.at(expected[group], (slice(None), aliases), held[group])
    np.testing.assert_allclose(bins, expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_sparse_polynomial_without_noise_is_recovered_exactly(seed: int) -> None:
    polynomial = random_polynomial(20, 10, 2, generator(seed, "polynomial"), mean=2.0)
    design = Design.draw(2, 20, 2, 400, np.random.default_rng(seed))
    assert design.digits.size // 20 <= 400
    found = recover(design, sampled(design, lambda digits: polynomial(1 - 2 * digits)), 2, 0.01)
    cosines = found.coefficients[: len(found.frequencies)]
    terms = {tuple(np.flatnonzero(k).tolist()): c for k, c in zip(found.frequencies, cosines, strict=True)}
    assert terms == pytest.approx(dict(polynomial.terms), abs=1e-9)


def test_so_is_a_sparse_function_of_digits() -> None:
    rng = np.random.default_rng(0)
    every = candidates(5, 6, 2)
    picked = every[[0, *rng.choice(len(every) - 1, 4, replace=False) + 1]]
    function = Spectrum(5, picked, rng.uniform(0.5, 1, size=10) * [1, 1, 1, 1, 1, 0, 1, 1, 1, 1])
    design = Design.draw(5, 6, 2, 600, rng)
    found = recover(design, sampled(design, function), 2, 0.01)
    assert sorted(map(tuple, found.frequencies)) == sorted(map(tuple, picked))
    digits = rng.integers(5, size=(200, 6))
    np.testing.assert_allclose(found(digits), function(digits), atol=1e-9)


@pytest.mark.parametrize("q", [2, 5])
def test_in_noise_alone_hardly_anything_is_seen(q: int) -> None:
    seen = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        design = Design.draw(q, 8, 2, 300, rng)
        seen += len(recover(design, rng.normal(size=design.digits.shape[:3]), 2, 0.01).frequencies) - 1
    assert seen <= 3


def test_one_of_each_pair_of_opposite_frequencies_is_a_candidate() -> None:
    every = {tuple(k) for k in candidates(5, 3, 2).tolist()}
    assert len(every) == 1 + (count(5, 3, 2) - 1) // 2
    assert not any(tuple(-digit % 5 for digit in k) in every for k in every if any(k))
    assert len(candidates(2, 6, 2)) == count(2, 6, 2) == 22
