import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conas.recovery.fourier import Monomial, SparsePolynomial, basis_size, hypercube, walsh_hadamard

BITS = 6
monomials = st.lists(st.integers(0, BITS - 1), max_size=3).map(tuple)
eighths = st.integers(-40, 40).map(lambda k: k / 8)
polynomials = st.dictionaries(monomials, eighths, max_size=8).map(SparsePolynomial)
restrictions = st.dictionaries(st.integers(0, BITS - 1), st.sampled_from([-1, 1]))


def plain_value(terms: dict[Monomial, float], alpha: np.ndarray) -> float:
    return sum(value * np.prod([int(alpha[bit]) for bit in monomial]) for monomial, value in terms.items())


@pytest.mark.parametrize(("n", "size"), [(140, 9_871), (196, 19_307), (144, 10_441)])
def test_the_basis_has_the_papers_sizes(n: int, size: int) -> None:
    assert basis_size(n, 2) == size


def test_a_degree_beyond_the_bits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"degree 7 over 6 bits \(allowed: 0 to 6\)"):
        basis_size(6, 7)


@given(st.dictionaries(monomials, eighths, max_size=8))
def test_values_are_those_of_the_terms_as_written(terms: dict[Monomial, float]) -> None:
    everywhere = hypercube(BITS)
    assert SparsePolynomial(terms)(everywhere).tolist() == [plain_value(terms, alpha) for alpha in everywhere]


@given(polynomials, restrictions)
def test_restricting_then_evaluating_is_evaluating_then_restricting(
    polynomial: SparsePolynomial, fixed: dict[int, int]
) -> None:
    restricted = polynomial.restrict(fixed)
    points = hypercube(BITS)
    points[:, list(fixed)] = list(fixed.values())
    assert not set(restricted.variables) & set(fixed)
    assert restricted(hypercube(BITS)).tolist() == polynomial(points).tolist()


@given(polynomials, polynomials)
def test_a_sum_is_the_sum_of_the_values(one: SparsePolynomial, two: SparsePolynomial) -> None:
    everywhere = hypercube(BITS)
    assert (one + two)(everywhere).tolist() == (one(everywhere) + two(everywhere)).tolist()


@given(polynomials)
def test_the_transform_finds_the_coefficients_from_all_values(polynomial: SparsePolynomial) -> None:
    everywhere = hypercube(BITS)
    spectrum = walsh_hadamard(polynomial(everywhere))
    found = {tuple(np.flatnonzero(row < 0).tolist()): value for row, value in zip(everywhere, spectrum, strict=True)}
    assert SparsePolynomial(found) == polynomial


def test_the_hypercube_starts_from_all_on_and_changes_bit_0_last() -> None:
    assert hypercube(3).tolist() == [list(row) for row in itertools.product((1, -1), repeat=3)]


def test_coinciding_monomials_merge_and_vanish() -> None:
    assert SparsePolynomial({(0, 1): 2.0, (0,): 1.0}).restrict({1: -1}) == SparsePolynomial({(0,): -1.0})
    assert SparsePolynomial({(2, 1, 2): 1.0, (1,): -1.0}) == SparsePolynomial({})


def test_top_keeps_the_largest_and_says_whether_the_constant_counts() -> None:
    g = SparsePolynomial({(): 9.0, (0,): -3.0, (1, 2): 2.0, (3,): 2.0})
    assert list(g.top(3).terms) == [(), (0,), (3,)]  # of two equal ones the first in the order of `terms`
    assert list(g.top(3, constant_counts=False).terms) == [(), (0,), (3,), (1, 2)]
    assert g.top(2, constant_counts=False).constant == 9.0
    with pytest.raises(ValueError, match=r"s = 0 \(allowed: at least 1\)"):
        g.top(0)


def test_a_formula_names_the_bits_and_starts_with_the_largest() -> None:
    g = SparsePolynomial({(): 1.25, (0,): -0.5, (0, 2): 0.0625})
    assert g.formula(["a-b", "c", "d"]) == "1.25 - 0.5·[a-b] + 0.0625·[a-b]·[d]"
    assert SparsePolynomial({}).formula([]) == "0"


def test_a_bit_cannot_be_fixed_to_zero() -> None:
    with pytest.raises(ValueError, match=r"bit 1 is fixed to 0 \(allowed: -1, 1\)"):
        SparsePolynomial({(1,): 1.0}).restrict({1: 0})


def test_the_transform_refuses_other_sizes() -> None:
    with pytest.raises(ValueError, match=r"takes 2\^n values, got shape \(6,\)"):
        walsh_hadamard(np.zeros(6))
