"""Fourier analysis of functions of sign vectors (section 2): parities, sparse polynomials, the full transform.

A monomial is the set S of bits of a parity chi_S (definition 2.1), written as an increasing tuple of bit
indexes; the empty tuple is the constant.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conas.recovery.sign_columns import Columns

Monomial = tuple[int, ...]

EQUAL = 1e-9
"""Relative difference of coefficients that rounding explains."""


def basis_size(n: int, d: int) -> int:
    """The number of monomials of degree at most ``d`` over ``n`` bits: 9,871 for the paper's n = 140, d = 2.

    Raises:
        ValueError: ``d`` is negative or larger than ``n``.
    """
    if not 0 <= d <= n:
        raise ValueError(f"degree {d} over {n} bits (allowed: 0 to {n})")
    return sum(math.comb(n, k) for k in range(d + 1))


@dataclass(frozen=True)
class SparsePolynomial:
    """A sum of coefficients times monomials: a function of sign vectors with few Fourier coefficients.

    Equal monomials are merged, squares vanish (a bit times itself is 1) and zero coefficients are left out, so
    two polynomials are equal exactly if they are equal as functions. ``terms`` is ordered by degree, then by bits.
    """

    terms: Mapping[Monomial, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", _canonical(self.terms.items()))

    @property
    def variables(self) -> tuple[int, ...]:
        """The bits that the polynomial depends on, increasing."""
        return tuple(sorted({bit for monomial in self.terms for bit in monomial}))

    @property
    def degree(self) -> int:
        """The largest number of bits in a monomial; 0 for constants."""
        return max(map(len, self.terms), default=0)

    @property
    def constant(self) -> float:
        """The coefficient of the empty monomial: the mean over all sign vectors."""
        return self.terms.get((), 0.0)

    def __len__(self) -> int:
        return len(self.terms)

    def __call__(self, alphas: ArrayLike) -> NDArray[np.float64]:
        """The values at the encoders ``alphas`` of shape (k, n), entries -1 and +1; shape (k,)."""
        return self.parities(alphas).combine(np.array(list(self.terms.values()), dtype=np.float64))

    def parities(self, alphas: ArrayLike) -> Columns:
        """The parities of the monomials at ``alphas``, shape (m, n): shape (m, len(self)), columns as ``terms``."""
        signs = np.asfortranarray(alphas, dtype=np.int8)
        columns = np.ones((len(signs), len(self)), dtype=np.int8, order="F")
        start = 0
        for degree, group in itertools.groupby(self.terms, key=len):
            monomials = np.array(list(group), dtype=np.int64)
            where = slice(start, start + len(monomials))
            for position in range(degree):
                columns[:, where] *= signs[:, monomials[:, position]]
            start = where.stop
        return Columns(columns)

    def __add__(self, other: "SparsePolynomial") -> "SparsePolynomial":
        return SparsePolynomial(_canonical([*self.terms.items(), *other.terms.items()]))

    def restrict(self, fixed: Mapping[int, int]) -> "SparsePolynomial":
        """The subfunction with the bits of ``fixed`` set to its values -1 or +1 (definition 2.2).

        Monomials that coincide once the fixed bits are gone are merged.

        Raises:
            ValueError: a value other than -1 and +1.
        """
        for bit, value in fixed.items():
            if value not in (-1, 1):
                raise ValueError(f"bit {bit} is fixed to {value} (allowed: -1, 1)")
        return SparsePolynomial(_canonical(self._restricted_terms(fixed)))

    def _restricted_terms(self, fixed: Mapping[int, int]) -> Iterator[tuple[Monomial, float]]:
        for monomial, value in self.terms.items():
            sign = math.prod(fixed[bit] for bit in monomial if bit in fixed)
            yield tuple(bit for bit in monomial if bit not in fixed), sign * value

    def top(self, s: int, constant_counts: bool = True) -> "SparsePolynomial":
        """The ``s`` monomials with the largest absolute coefficients (Algorithm 1, line 12).

        Equal coefficients are taken in the order of ``terms``. With ``constant_counts`` the constant takes a
        place like any other monomial; without, it is kept beside the ``s`` others.

        Raises:
            ValueError: ``s`` is less than 1.
        """
        terms, beside = self._competing(constant_counts)
        certain, equal = _split_at(s, terms)
        places = s - len(certain)
        return SparsePolynomial({m: terms[m] for m in (*certain, *equal[:places])} | beside)

    def hereditary(self) -> "SparsePolynomial":
        """The monomials that leave, without one of their bits, a monomial that is kept as well, down to degree 1."""
        kept: dict[Monomial, float] = {}
        for monomial, value in self.terms.items():
            parents = (monomial[:place] + monomial[place + 1 :] for place in range(len(monomial)))
            if len(monomial) < 2 or any(parent in kept for parent in parents):
                kept[monomial] = value
        return SparsePolynomial(kept)

    def equal_at_the_cut(self, s: int, constant_counts: bool = True) -> int:
        """How many monomials compete for the last of the ``s`` places with equal coefficients; 0 if each has one."""
        certain, equal = _split_at(s, self._competing(constant_counts)[0])
        return len(equal) if len(certain) + len(equal) > s else 0

    def _competing(self, constant_counts: bool) -> tuple[dict[Monomial, float], dict[Monomial, float]]:
        """The monomials that compete for places, and those kept beside."""
        terms = dict(self.terms)
        return (terms, {}) if constant_counts else (terms, {(): terms.pop((), 0.0)})

    def formula(self, names: Sequence[str]) -> str:
        """The polynomial for people, largest coefficients first, with ``names`` for the bits."""
        parts = [f"{value:+.4g}" + "".join(f"·[{names[bit]}]" for bit in monomial) for monomial, value in self._ranked]
        return _spaced(parts)

    def to_json(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The terms, largest coefficients first, each with the names of its bits."""
        return [{"bits": [names[bit] for bit in monomial], "coefficient": value} for monomial, value in self._ranked]

    @property
    def _ranked(self) -> list[tuple[Monomial, float]]:
        return sorted(self.terms.items(), key=lambda term: -abs(term[1]))


def _canonical(terms: Iterable[tuple[Monomial, float]]) -> dict[Monomial, float]:
    merged: dict[Monomial, float] = {}
    for bits, value in terms:
        monomial = tuple(sorted(bit for bit in set(bits) if bits.count(bit) % 2))
        merged[monomial] = merged.get(monomial, 0.0) + float(value)
    ordered = sorted(merged, key=lambda monomial: (len(monomial), monomial))
    return {monomial: merged[monomial] for monomial in ordered if merged[monomial] != 0}


def _split_at(s: int, terms: Mapping[Monomial, float]) -> tuple[list[Monomial], list[Monomial]]:
    """The monomials larger than the ``s``-th largest, and those equal to it, in the order of ``terms``."""
    if s < 1:
        raise ValueError(f"s = {s} (allowed: at least 1)")
    if s >= len(terms):
        return list(terms), []
    last = sorted(map(abs, terms.values()), reverse=True)[s - 1]
    larger = [monomial for monomial, value in terms.items() if abs(value) > last * (1 + EQUAL)]
    return larger, [monomial for monomial, value in terms.items() if abs(abs(value) - last) <= last * EQUAL]


def _spaced(parts: Sequence[str]) -> str:
    if not parts:
        return "0"
    first = parts[0].removeprefix("+")
    return " ".join([first, *(f"{part[0]} {part[1:]}" for part in parts[1:])])


def hypercube(n: int) -> NDArray[np.int8]:
    """All 2^n sign vectors, shape (2^n, n): all +1 first, bit 0 changing slowest."""
    codes = np.arange(2**n)[:, None] >> np.arange(n)[::-1]
    return (1 - 2 * (codes & 1)).astype(np.int8)


def walsh_hadamard(values: ArrayLike) -> NDArray[np.float64]:
    """All 2^n Fourier coefficients of a function from its 2^n values in the order of `hypercube`.

    Coefficient k belongs to the monomial whose bits are those where row k of ``hypercube(n)`` is -1. The time is
    n 2^n additions (fast Walsh-Hadamard transform).

    Raises:
        ValueError: the number of values is not a power of two.
    """
    table = np.array(values, dtype=np.float64)
    n = table.size.bit_length() - 1
    if table.ndim != 1 or table.size != 2**n:
        raise ValueError(f"the transform takes 2^n values, got shape {table.shape}")
    for bit in range(n):
        halves = table.reshape(2**bit, 2, -1)
        table = np.stack([halves[:, 0] + halves[:, 1], halves[:, 0] - halves[:, 1]], axis=1)
    return table.ravel() / 2**n
