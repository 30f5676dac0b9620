import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conas.recovery import minimiser as module
from conas.recovery.fourier import SparsePolynomial
from conas.recovery.minimiser import TIE_RULES, Minimum, minimise
from conas.refusal import Refused

BITS = 8
eighths = st.integers(-12, 12).map(lambda k: k / 8)
monomials = st.lists(st.integers(0, BITS - 1), min_size=0, max_size=3).map(tuple)
polynomials = st.dictionaries(monomials, eighths, max_size=12).map(SparsePolynomial)


def brute_force(
    polynomial: SparsePolynomial, groups: tuple[range, ...] = (), ties: str = "first_bit_slowest"
) -> Minimum:
    """Try all strings over the variables, all bits on first; exact, as the coefficients are eighths."""
    bits = sorted({*polynomial.variables, *(b for g in groups if set(g) & set(polynomial.variables) for b in g)})
    order = bits if ties == "first_bit_slowest" else bits[::-1]
    strings = [
        dict(sorted(zip(order, signs, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(bits))
        if all([signs[order.index(b)] for b in g].count(1) == 1 for g in groups if g[0] in bits)
    ]
    values = [
        sum(value * np.prod([string[bit] for bit in monomial]) for monomial, value in polynomial.terms.items())
        for string in strings
    ]
    tied = [string for string, value in zip(strings, values, strict=True) if value == min(values)]
    free = {bit: (bit,) for bit in bits} | {b: tuple(g) for g in groups for b in g if b in bits}
    differing = {free[bit] for bit in bits if len({string[bit] for string in tied}) > 1}
    farthest = max(sum(string[bit] != tied[0][bit] for bit in bits) for string in tied)
    return Minimum(tied[0], float(min(values)), len(tied), len(differing), farthest)


@pytest.mark.parametrize("ties", TIE_RULES)
@given(polynomial=polynomials)
def test_it_is_brute_force_with_its_tie_rule_its_count_and_its_ties(ties: str, polynomial: SparsePolynomial) -> None:
    assert minimise(polynomial, ties=ties) == brute_force(polynomial, ties=ties)


@given(polynomials)
def test_groups_have_exactly_one_bit_on(polynomial: SparsePolynomial) -> None:
    groups = (range(0, 3), range(3, 5))
    for ties in TIE_RULES:
        assert minimise(polynomial, groups, ties) == brute_force(polynomial, groups, ties)


@given(polynomials)
def test_branching_finds_what_elimination_finds(polynomial: SparsePolynomial) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_TABLE", 4)
        assert minimise(polynomial) == brute_force(polynomial)


def test_ties_favour_edges_that_are_on() -> None:
    agree = SparsePolynomial({(3, 5): -1.0})  # both on or both off
    assert minimise(agree) == Minimum({3: 1, 5: 1}, -1.0, 2, by_rule=2, farthest=2)
    differ = SparsePolynomial({(3, 5): 1.0})
    assert minimise(differ).assignment == {3: 1, 5: -1}
    assert minimise(differ, ties="first_bit_fastest").assignment == {3: -1, 5: 1}


def test_a_constant_has_nothing_to_assign() -> None:
    assert minimise(SparsePolynomial({(): 2.5})) == Minimum({}, 2.5, 1)


def test_sums_that_differ_in_rounding_only_still_tie() -> None:
    g = SparsePolynomial({(0, 1): 0.1, (0, 2): 0.2, (1, 2): 0.3, (3,): 1e-9})
    mirrored = {bit: -sign for bit, sign in minimise(g).assignment.items() if bit < 3}
    assert minimise(g).minimisers == 2
    assert minimise(g.restrict(mirrored)).value == pytest.approx(minimise(g).value, abs=1e-15)


def test_two_hundred_variables_in_a_chain_take_no_table_of_two_hundred_axes() -> None:
    chain = SparsePolynomial({(i, i + 1): -1.0 for i in range(199)} | {(0,): 0.5})
    assert minimise(chain) == Minimum(dict.fromkeys(range(200), -1), -199.5, 1)


def test_ties_are_counted_beyond_64_bits() -> None:
    pairs = SparsePolynomial({(2 * i, 2 * i + 1): -1.0 for i in range(70)})
    found = minimise(pairs)
    assert (found.minimisers, found.by_rule, found.farthest) == (2**70, 140, 140)


def test_a_polynomial_out_of_reach_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TABLE", 16)
    monkeypatch.setattr(module, "MAX_BRANCHES", 20)
    rng = np.random.default_rng(0)
    dense = SparsePolynomial({pair: rng.normal() for pair in itertools.combinations(range(40), 2)})
    with pytest.raises(Refused, match=r"over 40 entangled variables is out of reach .* use fewer monomials$"):
        minimise(dense)
