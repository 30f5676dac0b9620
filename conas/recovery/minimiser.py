"""The exact minimiser of a sparse polynomial over the bits it depends on (Algorithm 1, line 13).

A polynomial of s monomials of degree d has at most s d bits, and the paper tries all 2^(s d) strings. Here
connected components are solved apart, each by bucket elimination: one bit after another is minimised out, in an
order that keeps the tables small. Where a table would still be too large, the search branches on the bit with
most neighbours and bounds what is left.

Coefficients are rounded to multiples of a power of two so small that double precision loses next to nothing.
Sums are then exact, so strings tie exactly if their sums are equal, whatever the order of addition.
"""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conas.recovery.fourier import Monomial, SparsePolynomial

Integers = NDArray[Any]
"""Of 64 bits, or Python's own where the codes of all strings need more."""

TIE_RULE = "among equal minimisers the first in the order that starts from all bits on, the first bit changing slowest"

MAX_TABLE = 2**18
"""Entries of the largest table of bucket elimination; beyond, the search branches."""

MAX_BRANCHES = 1_000
"""Branches after which the search refuses to go on: at most a few minutes."""


@dataclass(frozen=True)
class Minimum:
    """The minimiser of a polynomial over the bits it depends on, chosen by `TIE_RULE`.

    Attributes:
        assignment: each of the bits, and what it is set to, -1 or +1.
        value: the polynomial there.
        minimisers: how many assignments reach this value; 1 means no tie.
    """

    assignment: Mapping[int, int]
    value: float
    minimisers: int


def minimise(polynomial: SparsePolynomial, groups: Iterable[Sequence[int]] = ()) -> Minimum:
    """Minimise over all settings of the bits in which each of ``groups`` has exactly one bit on.

    A group of which the polynomial uses any bit is assigned as a whole; bits outside the groups are free.

    Raises:
        ValueError: the monomials are so entangled that the minimiser is out of reach.
    """
    sites = _sites(polynomial.variables, groups)
    solver = _Solver(tuple(len(site.patterns) for site in sites))
    tables = [solver.table(scope, values) for scope, values in _terms(polynomial, sites).items()]
    found = solver.solve(tables, upper=math.inf)
    assert found is not None  # nothing exceeds an infinite bound
    assignment = {
        bit: int(sign)
        for site, choice in zip(sites, solver.choices(int(found.codes)), strict=True)
        for bit, sign in zip(site.bits, site.patterns[choice], strict=True)
    }
    point = np.zeros(max(assignment, default=-1) + 1, dtype=np.int8)
    point[list(assignment)] = list(assignment.values())
    return Minimum(assignment, float(polynomial(point[None])[0]), int(found.counts))


@dataclass(frozen=True)
class _Site:
    """Bits that are decided together, and the patterns (choices, bits) they can take, bits on first."""

    bits: tuple[int, ...]
    patterns: NDArray[np.int64]


def _sites(variables: Sequence[int], groups: Iterable[Sequence[int]]) -> list[_Site]:
    used = set(variables)
    grouped = [tuple(group) for group in groups if used & set(group)]
    free = used - {bit for group in grouped for bit in group}
    sites = [_Site(group, 2 * np.eye(len(group), dtype=np.int64) - 1) for group in grouped]
    sites += [_Site((bit,), np.array([[1], [-1]])) for bit in free]
    return sorted(sites, key=lambda site: site.bits)


@dataclass(frozen=True)
class _Table:
    """A function of the sites in ``scope`` (increasing), one axis each; other sites have been minimised out.

    ``values`` are the least values, ``counts`` the numbers of minimisers, and ``codes`` name the first of them: a
    code is the sum of the chosen positions, each times its site's weight, so a smaller code comes first.
    """

    scope: tuple[int, ...]
    values: Integers
    codes: Integers
    counts: Integers

    def over(self, scope: tuple[int, ...]) -> "_Table":
        """The same function, its axes spread over a larger scope."""
        if scope == self.scope:
            return self
        absent = tuple(axis for axis, site in enumerate(scope) if site not in self.scope)
        return _Table(scope, *(np.expand_dims(part, absent) for part in (self.values, self.codes, self.counts)))

    def __add__(self, other: "_Table") -> "_Table":
        scope = tuple(sorted({*self.scope, *other.scope}))
        one, two = self.over(scope), other.over(scope)
        return _Table(scope, one.values + two.values, one.codes + two.codes, one.counts * two.counts)

    @property
    def bound(self) -> int:
        """The least value."""
        return int(self.values.min())


def _terms(polynomial: SparsePolynomial, sites: Sequence[_Site]) -> dict[tuple[int, ...], Integers]:
    """The polynomial as a sum of tables of values, by the sites that they depend on."""
    owner = {bit: (index, position) for index, site in enumerate(sites) for position, bit in enumerate(site.bits)}
    tables: dict[tuple[int, ...], Integers] = {}
    for monomial, coefficient in _whole_coefficients(polynomial).items():
        signs: dict[int, NDArray[np.int64]] = {}
        for index, position in (owner[bit] for bit in monomial):
            signs[index] = signs.get(index, np.int64(1)) * sites[index].patterns[:, position]
        scope = tuple(sorted(signs))
        product = np.array(coefficient)
        for index in scope:
            product = np.multiply.outer(product, signs[index])
        tables[scope] = tables.get(scope, 0) + product
    return tables


def _whole_coefficients(polynomial: SparsePolynomial) -> dict[Monomial, int]:
    """The coefficients as multiples of a power of two, as fine as sums in 64 bits allow."""
    largest = max(map(abs, polynomial.terms.values()), default=1.0)
    spare = 61 - len(polynomial).bit_length()
    exponent = spare - math.frexp(largest)[1]
    return {monomial: round(math.ldexp(value, exponent)) for monomial, value in polynomial.terms.items()}


class _Solver:
    """Minimises sums of tables over sites with ``domains`` choices each."""

    def __init__(self, domains: tuple[int, ...]) -> None:
        self._domains = domains
        self._weights = [math.prod(domains[site + 1 :]) for site in range(len(domains))]
        self._integer: type = np.int64 if math.prod(domains) < 2**62 else object
        self._branches = 0

    def table(self, scope: tuple[int, ...], values: Integers) -> _Table:
        """A table in which nothing is minimised out yet."""
        shape = (1,) * len(scope)
        return _Table(scope, values, np.zeros(shape, self._integer), np.ones(shape, self._integer))

    def choices(self, code: int) -> list[int]:
        """The chosen position of every site."""
        return [code // weight % domain for weight, domain in zip(self._weights, self._domains, strict=True)]

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
        positions: Integers = np.arange(self._domains[site]).astype(self._integer) * self._weights[site]
        codes = table.codes + np.expand_dims(positions, tuple(range(1, len(table.scope) - axis)))
        least = table.values.min(axis=axis, keepdims=True)
        hit = table.values == least
        return _Table(
            (*table.scope[:axis], *table.scope[axis + 1 :]),
            least.squeeze(axis),
            np.where(hit, codes, math.prod(self._domains)).min(axis=axis),
            np.where(hit, table.counts, 0).sum(axis=axis),
        )

    def _fix(self, table: _Table, site: int, choice: int) -> _Table:
        if site not in table.scope:
            return table
        axis = table.scope.index(site)
        return self.table((*table.scope[:axis], *table.scope[axis + 1 :]), table.values.take(choice, axis))

    def _branch(self, tables: Sequence[_Table], site: int, upper: float) -> _Table | None:
        self._branches += 1
        if self._branches > MAX_BRANCHES:
            raise ValueError(
                f"the minimiser of this polynomial over {len(self._domains)} entangled variables is out of reach "
                f"(gave up after {MAX_BRANCHES:,} branches); use fewer monomials"
            )
        best = None
        for choice in range(self._domains[site]):
            found = self.solve([self._fix(table, site, choice) for table in tables], upper)
            if found is not None:
                found = _Table((), found.values, found.codes + choice * self._weights[site], found.counts)
                best = found if best is None else _first_of(best, found)
                upper = int(best.values)
        return best


def _first_of(one: _Table, two: _Table) -> _Table:
    if one.values != two.values:
        return min(one, two, key=lambda table: int(table.values))
    return _Table((), one.values, min(one.codes, two.codes), one.counts + two.counts)


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
