"""Sparse Fourier transforms over Z_q^n from designed samples, by aliasing and peeling (Erginbas et al., 2023).

f(x) = sum over k of F(k) w^(k . x) with w = exp(2 pi i / q); for q = 2 this is the Walsh-Hadamard transform. Sampled
on all q^b points M y + d of a random subspace, moved by a delay d, F is aliased: bin j of the small transform holds the
sum of F(k) w^(k . d) over all k with M^T k = j. A bin of one k shows, over the delays, that k's signature and no other.
What is found is taken out of all bins, which leaves others with one k.

Candidates are the k of a low degree, and the signature that fits best is found by trying all of them that fall into the
bin. A bin counts as one k's if signatures would explain so large a share of its energy by chance rarely enough, which
needs no guess at the noise. All coefficients are then fitted anew to all samples by least squares.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from conas.space import Array

Digits = NDArray[np.int64]
_GROUPS = 3
_ROUNDING, _NOTHING = 1e-9, 1e-20
"""Of the largest coefficient, and of the values' mean square: a bin with less energy is empty."""
MAX_CANDIDATES = 100_000
"""Whose signatures fit in memory."""


def count(q: int, n: int, degree: int) -> int:
    """How many frequencies have at most ``degree`` digits that are not 0."""
    return sum(math.comb(n, k) * (q - 1) ** k for k in range(degree + 1))


def candidates(q: int, n: int, degree: int) -> Digits:
    """The frequencies k, shape (count, n), of at most ``degree`` digits that are not 0; one of k and -k, 0 first."""
    return np.array(list(_candidates(q, n, degree)), dtype=np.int64)


def _candidates(q: int, n: int, degree: int) -> Iterator[Digits]:
    for size in range(degree + 1):
        for places in itertools.combinations(range(n), size):
            for digits in itertools.product(range(1, q), repeat=size):
                if digits <= tuple(q - digit for digit in digits):
                    frequency = np.zeros(n, dtype=np.int64)
                    frequency[list(places)] = digits
                    yield frequency


@dataclass(frozen=True)
class Spectrum:
    """A real function on Z_q^n: the constant and few frequencies.

    Attributes:
        frequencies: shape (s, n).
        coefficients: of the cosines of all frequencies, then of their sines, shape (2 s,).
    """

    q: int
    frequencies: Digits
    coefficients: Array

    def __call__(self, digits: Digits) -> Array:
        """The values, shape (k,), at ``digits``, shape (k, n)."""
        return _waves(self.q, self.frequencies, digits) @ self.coefficients

    def significant(self) -> "Spectrum":
        """Without the frequencies that are there by rounding only."""
        halves = self.coefficients.reshape(2, -1)
        sizes = np.abs(halves).max(axis=0)
        kept = sizes > _ROUNDING * sizes.max()
        return Spectrum(self.q, self.frequencies[kept], halves[:, kept].ravel())


def _waves(q: int, frequencies: Digits, digits: Digits) -> Array:
    angles = 2 * np.pi / q * (digits @ frequencies.T % q)
    return np.hstack([np.cos(angles), np.sin(angles)])


@dataclass(frozen=True)
class Design:
    """Where to sample, in groups of one subspace each.

    Attributes:
        matrices: of the subspaces, shape (groups, n, b).
        delays: shape (groups, delays, n).
    """

    q: int
    matrices: Digits
    delays: Digits

    @classmethod
    def draw(cls, q: int, n: int, degree: int, size: int, rng: np.random.Generator) -> "Design":
        """At most ``size`` samples: three groups with as many bins as leave enough delays to tell the candidates apart.

        Too few for bins: one group of one bin, which holds everything, and ``size`` delays, that is, random samples.
        """
        least = 1 + math.ceil(math.log(count(q, n, degree), q))
        b = max((b for b in range(1, n + 1) if _GROUPS * least * q**b <= size), default=0)
        groups = _GROUPS if b else 1
        delays = size // (groups * q**b)
        return cls(q, rng.integers(q, size=(groups, n, b)), rng.integers(q, size=(groups, delays, n)))

    @property
    def digits(self) -> Digits:
        """The samples, shape (groups, delays, bins, n)."""
        b = self.matrices.shape[2]
        inside = np.array(list(itertools.product(range(self.q), repeat=b)), dtype=np.int64).reshape(self.q**b, b)
        moved = (inside @ self.matrices.transpose(0, 2, 1))[:, None] + self.delays[:, :, None]
        return moved % self.q

    def bins(self, values: Array) -> NDArray[np.complex128]:
        """The small transforms of ``values``, shape (groups, delays, bins), in the same shape."""
        b = self.matrices.shape[2]
        cubes = values.reshape(*values.shape[:2], *(self.q,) * b)
        return np.fft.fftn(cubes, axes=range(2, 2 + b)).reshape(values.shape) / values.shape[2]

    def aliases(self, frequencies: Digits) -> Digits:
        """The bins, shape (groups, count), in which ``frequencies``, shape (count, n), fall."""
        places = self.q ** np.arange(self.matrices.shape[2])[::-1]
        return frequencies @ self.matrices % self.q @ places

    def signatures(self, frequencies: Digits) -> NDArray[np.complex128]:
        """Of ``frequencies`` over the delays, shape (groups, delays, count)."""
        return np.exp(2j * np.pi / self.q * (self.delays @ frequencies.T % self.q))


def recover(design: Design, values: Array, degree: int, chance: float) -> Spectrum:
    """The frequencies of at most ``degree`` that stand alone in a bin once the others are taken out, and the constant.

    Args:
        values: of the samples, shape (groups, delays, bins).
        chance: that a signature is seen where there is none, for each frequency that is taken, at most.
    """
    q, samples = design.q, design.digits.reshape(values.size, -1)
    every = candidates(q, samples.shape[1], degree)
    aliases, signatures = design.aliases(every), design.signatures(every).conj()
    taken = [0]
    while True:
        waves = _waves(q, every[taken], samples)
        fit = np.asarray(np.linalg.lstsq(waves, values.ravel(), rcond=None)[0], dtype=np.float64)
        left = values - (waves @ fit).reshape(values.shape)
        doubts = _doubts(design.bins(left), aliases, signatures, _NOTHING * np.square(values).mean(), q)
        doubts[taken] = np.inf
        if 2 * len(taken) >= values.size or doubts.min() > chance:
            return Spectrum(q, every[taken], fit).significant()
        taken.append(int(doubts.argmin()))


def _doubts(
    bins: NDArray[np.complex128], aliases: Digits, signatures: NDArray[np.complex128], nothing: float, q: int
) -> Array:
    """How many of the candidates would, by chance, explain as much of any of its bins as each does, shape (count,)."""
    groups, delays, tried = signatures.shape
    energies = np.square(np.abs(bins)).mean(axis=1)
    doubts = np.full(tried, np.inf)
    for group, (held, own) in enumerate(zip(bins, aliases, strict=True)):
        energy = energies[group, own]
        explained = np.square(np.abs((held[:, own] * signatures[group]).mean(axis=0)))
        shares = np.divide(explained, energy, out=np.zeros(tried), where=energy > nothing)
        freedom = 1.0 if q == 2 else 2.0  # of a real coefficient, or a complex one
        rarity = beta.sf(np.minimum(shares, 1), freedom / 2, freedom * (delays - 1) / 2)
        doubts = np.minimum(doubts, groups * tried * rarity)
    return doubts
