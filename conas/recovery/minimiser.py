"""The exact minimiser of a sparse polynomial over the bits it depends on (Algorithm 1, line 13).

A polynomial of s monomials of degree d has at most s d bits, and the paper tries all 2^(s d) strings. Here
connected components are solved apart, each by bucket elimination: one bit after another is minimised out, in an
order that keeps the tables small. Where a table would still be too large, the search branches on the bit with
most neighbours and bounds what is left.

Coefficients are rounded to some ten digits of the largest, which is as far as they are known, as multiples of a
power of two. Sums are then exact, so strings tie exactly if their sums are equal, whatever the order of addition.
"""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conas.recovery.fourier import Monomial, SparsePolynomial
from conas.refusal import Refused

Integers = NDArray[Any]
"""Of 64 bits, or Python's own where the codes of all strings need more."""

TIE_RULES = {
    "first_bit_slowest": "the first in the order that starts from all bits on, the first bit changing slowest",
    "first_bit_fastest": "the first in the order that starts from all bits on, the first bit changing fastest",
}
"""Which of several minimisers is taken, by name."""

PRECISION = 36
"""Binary digits of the largest coefficient that count."""

MAX_TABLE = 2**18
"""Entries of the largest table of bucket elimination; beyond, the search branches."""

MAX_BRANCHES = 1_000
"""Branches after which the search refuses to go on: at most a few minutes."""


class OutOfReach(Refused, ValueError):
    """Monomials so entangled that the minimiser cannot be found."""


@dataclass(frozen=True)
class Minimum:
    """A minimiser of a polynomial over the bits it depends on.

    Attributes:
        assignment: each of the bits, and what it is set to, -1 or +1.
        value: the polynomial there.
        minimisers: how many assignments reach this value; 1 means no tie.
        by_rule: how many bits (of a group, all as one) do not have the same value in all of them, so that nothing but
            the tie rule decides them.
        farthest: the most bits in which one of them differs from the assignment.
    """

    assignment: Mapping[int, int]
    value: float
    minimisers: int
    by_rule: int = 0
    farthest: int = 0


def minimise(
    polynomial: SparsePolynomial, groups: Iterable[Sequence[int]] = (), ties: str = "first_bit_slowest"
) -> Minimum:
    """Minimise over all settings of the bits in which each of ``groups`` has exactly one bit on.

    A group of which the polynomial uses any bit is assigned as a whole; bits outside the groups are free. Which of
    several minimisers is taken is up to the rule ``ties``, one of `TIE_RULES`.

    Raises:
        OutOfReach: the monomials are so entangled that the minimiser is out of reach.
    """
    sites = _sites(polynomial.variables, groups, ties)
    terms = _terms(polynomial, sites)
    domains = tuple(len(site.patterns) for site in sites)
    solver = _Solver(domains, ties)
    found = solver.solve([solver.table(scope, values) for scope, values in terms.items()], upper=math.inf)
    assert found is not None  # nothing exceeds an infinite bound
    choices = solver.choices(int(found.codes))
    assignment = {
        bit: int(sign)
        for site, choice in zip(sites, choices, strict=True)
        for bit, sign in zip(site.bits, site.patterns[choice], strict=True)
    }
    return Minimum(
        assignment,
        _value(polynomial, assignment),
        int(found.counts),
        sum(map(bool, solver.choices(int(found.differs)))),
        _farthest(sites, terms, choices, int(found.values)) if found.counts > 1 else 0,
    )


def _value(polynomial: SparsePolynomial, assignment: Mapping[int, int]) -> float:
    point = np.zeros(max(assignment, default=-1) + 1, dtype=np.int8)
    point[list(assignment)] = list(assignment.values())
    return float(polynomial(point[None])[0])


def _farthest(
    sites: Sequence["_Site"], terms: Mapping[tuple[int, ...], Integers], choices: Sequence[int], least: int
) -> int:
    """The most bits in which a string of value ``least`` differs from ``choices``: minimised as a second objective."""
    solver, scale = _Solver(tuple(len(site.patterns) for site in sites)), _distances(sites)
    tables = [solver.table(scope, scale * values) for scope, values in terms.items()]
    for index, (site, choice) in enumerate(zip(sites, choices, strict=True)):
        tables.append(solver.table((index,), -np.count_nonzero(site.patterns != site.patterns[choice], axis=1)))
    found = solver.solve(tables, upper=scale * least)
    assert found is not None  # the answer itself has this value, at distance 0
    return scale * least - int(found.values)


def _distances(sites: Iterable["_Site"]) -> int:
    """How many distances there are between two strings: more than the largest, that of all their bits."""
    return 1 + sum(len(site.bits) for site in sites)


@dataclass(frozen=True)
class _Site:
    """Bits that are decided together, and the patterns (choices, bits) they can take, in the order of the tie rule."""

    bits: tuple[int, ...]
    patterns: NDArray[np.int64]


def _sites(variables: Sequence[int], groups: Iterable[Sequence[int]], ties: str) -> list[_Site]:
    used = set(variables)
    order = slice(None) if ties == "first_bit_slowest" else slice(None, None, -1)
    grouped = [tuple(group) for group in groups if used & set(group)]
    free = used - {bit for group in grouped for bit in group}
    sites = [_Site(group, 2 * np.eye(len(group), dtype=np.int64)[order] - 1) for group in grouped]
    sites += [_Site((bit,), np.array([[1], [-1]])) for bit in free]
    return sorted(sites, key=lambda site: site.bits)


@dataclass(frozen=True)
class _Table:
    """A function of the sites in ``scope`` (increasing), one axis each; other sites have been minimised out.

    ``values`` are the least values, ``counts`` the numbers of minimisers, and ``codes`` name the first of them: a
    code holds the chosen positions, each in the bits of its site, so that a smaller code comes first. ``differs`` has
    a bit set wherever the code of any other minimiser has another.
    """

    scope: tuple[int, ...]
    values: Integers
    codes: Integers
    counts: Integers
    differs: Integers

    def over(self, scope: tuple[int, ...]) -> "_Table":
        """The same function, its axes spread over a larger scope."""
        if scope == self.scope:
            return self
        absent = tuple(axis for axis, site in enumerate(scope) if site not in self.scope)
        parts = (self.values, self.codes, self.counts, self.differs)
        return _Table(scope, *(np.expand_dims(part, absent) for part in parts))

    def __add__(self, other: "_Table") -> "_Table":
        scope = tuple(sorted({*self.scope, *other.scope}))
        one, two = self.over(scope), other.over(scope)
        return _Table(
            scope,
            one.values + two.values,
            one.codes | two.codes,
            one.counts * two.counts,
            one.differs | two.differs,
        )

    @property
    def bound(self) -> int:
        """The least value."""
        return int(self.values.min())


def _terms(polynomial: SparsePolynomial, sites: Sequence[_Site]) -> dict[tuple[int, ...], Integers]:
    """The polynomial as a sum of tables of values, by the sites that they depend on."""
    owner = {bit: (index, position) for index, site in enumerate(sites) for position, bit in enumerate(site.bits)}
    tables: dict[tuple[int, ...], Integers] = {}
    for monomial, coefficient in _whole_coefficients(polynomial, _distances(sites)).items():
        signs: dict[int, NDArray[np.int64]] = {}
        for index, position in (owner[bit] for bit in monomial):
            signs[index] = signs.get(index, np.int64(1)) * sites[index].patterns[:, position]
        scope = tuple(sorted(signs))
        product = np.array(coefficient)
        for index in scope:
            product = np.multiply.outer(product, signs[index])
        tables[scope] = tables.get(scope, 0) + product
    return tables


def _whole_coefficients(polynomial: SparsePolynomial, scale: int) -> dict[Monomial, int]:
    """All coefficients but the constant as multiples of a power of two; sums times ``scale`` fit in 64 bits."""
    terms = {monomial: value for monomial, value in polynomial.terms.items() if monomial}
    largest = max(map(abs, terms.values()), default=1.0)
    spare = 61 - len(terms).bit_length() - scale.bit_length()
    exponent = min(spare, PRECISION) - math.frexp(largest)[1]
    return {monomial: round(math.ldexp(value, exponent)) for monomial, value in terms.items()}


class _Solver:
    """Minimises sums of tables over sites with ``domains`` choices each, by a tie rule."""

    def __init__(self, domains: tuple[int, ...], ties: str = "first_bit_slowest") -> None:
        self._domains = domains
        widths = [(domain - 1).bit_length() for domain in domains]
        if ties == "first_bit_slowest":
            self._shifts = [sum(widths[site + 1 :]) for site in range(len(domains))]
        else:
            self._shifts = [sum(widths[:site]) for site in range(len(domains))]
        self._beyond = 1 << sum(widths)
        self._integer: type = np.int64 if self._beyond < 2**62 else object
        self._branches = 0

    def table(self, scope: tuple[int, ...], values: Integers) -> _Table:
        """A table in which nothing is minimised out yet."""
        nothing: Integers = np.zeros((1,) * len(scope), self._integer)
        return _Table(scope, values, nothing, nothing + 1, nothing)

    def choices(self, code: int) -> list[int]:
        """The position of every site in a code."""
        widths = ((domain - 1).bit_length() for domain in self._domains)
        return [code >> shift & (1 << width) - 1 for shift, width in zip(self._shifts, widths, strict=True)]

    def solve(self, tables: Sequence[_Table], upper: float) -> _Table | None:
        """The minimum of the sum, a table without scope, or None where it exceeds ``upper``."""
        components = _components(tables)
        open_bound = sum(table.bound for table in tables)
        total = self.table((), np.zeros((), np.int64))
        for component in components:
            bound = sum(table.bound for table in component)
            open_bound -= bound
            room = upper - int(total.values) - open_bound
            found = self._solve_component(component, room) if bound <= room else None
            if found is None:
                return None
            total += found
        return total

    def _solve_component(self, tables: Sequence[_Table], upper: float) -> _Table | None:
        graph = _neighbours(tables)
        order = self._elimination_order(graph)
        if order is None:
            return self._branch(tables, max(graph, key=lambda site: (len(graph[site]), -site)), upper)
        for site in order:
            bucket = [table for table in tables if site in table.scope]
            tables = [table for table in tables if site not in table.scope]
            tables.append(self._minimise_out(site, functools.reduce(_Table.__add__, bucket)))
        return functools.reduce(_Table.__add__, tables)

    def _elimination_order(self, graph: Mapping[int, set[int]]) -> list[int] | None:
        """The sites by least degree in what remains, or None where a table would exceed `MAX_TABLE`."""
        remaining = {site: set(near) for site, near in graph.items()}
        order = []
        while remaining:
            site = min(remaining, key=lambda site: (len(remaining[site]), site))
            near = remaining.pop(site)
            if math.prod(self._domains[other] for other in (site, *near)) > MAX_TABLE:
                return None
            for other in near:
                remaining[other] = (remaining[other] | near) - {site, other}
            order.append(site)
        return order

    def _minimise_out(self, site: int, table: _Table) -> _Table:
        axis = table.scope.index(site)
        positions: Integers = np.arange(self._domains[site]).astype(self._integer) << self._shifts[site]
        codes = table.codes | np.expand_dims(positions, tuple(range(1, len(table.scope) - axis)))
        least = table.values.min(axis=axis, keepdims=True)
        hit = table.values == least
        first = np.where(hit, codes, self._beyond).min(axis=axis, keepdims=True)
        return _Table(
            (*table.scope[:axis], *table.scope[axis + 1 :]),
            least.squeeze(axis),
            first.squeeze(axis),
            np.where(hit, table.counts, 0).sum(axis=axis),
            np.bitwise_or.reduce(np.where(hit, table.differs | (codes ^ first), 0), axis=axis),
        )

    def _fix(self, table: _Table, site: int, choice: int) -> _Table:
        if site not in table.scope:
            return table
        axis = table.scope.index(site)
        return self.table((*table.scope[:axis], *table.scope[axis + 1 :]), table.values.take(choice, axis))

    def _branch(self, tables: Sequence[_Table], site: int, upper: float) -> _Table | None:
        self._branches += 1
        if self._branches > MAX_BRANCHES:
            raise OutOfReach(
                f"the minimiser of this polynomial over {len(self._domains)} entangled variables is out of reach "
                f"(gave up after {MAX_BRANCHES:,} branches); use fewer monomials"
            )
        best = None
        for choice in range(self._domains[site]):
            found = self.solve([self._fix(table, site, choice) for table in tables], upper)
            if found is not None:
                chosen = _Table(
                    (), found.values, found.codes | choice << self._shifts[site], found.counts, found.differs
                )
                best = chosen if best is None else _first_of(best, chosen)
                upper = int(best.values)
        return best


def _first_of(one: _Table, two: _Table) -> _Table:
    if one.values != two.values:
        return min(one, two, key=lambda table: int(table.values))
    differs = one.differs | two.differs | (one.codes ^ two.codes)
    return _Table((), one.values, min(one.codes, two.codes), one.counts + two.counts, differs)


def _neighbours(tables: Iterable[_Table]) -> dict[int, set[int]]:
    graph: dict[int, set[int]] = {}
    for table in tables:
        for site in table.scope:
            graph.setdefault(site, set()).update(other for other in table.scope if other != site)
    return graph


def _components(tables: Sequence[_Table]) -> list[list[_Table]]:
    """The tables by connected component; constants come first, each alone."""
    graph = _neighbours(tables)
    label: dict[int, int] = {}
    for start in graph:
        stack = [start] if start not in label else []
        while stack:
            site = stack.pop()
            if label.setdefault(site, start) == start:
                stack.extend(other for other in graph[site] if other not in label)
    grouped: dict[int, list[_Table]] = {}
    for table in tables:
        grouped.setdefault(label[table.scope[0]] if table.scope else -1, []).append(table)
    return [grouped[key] for key in sorted(grouped)]
