"""Sparse Fourier transform from designed samples (q-SFT; Erginbas et al., 2023), then descent on what it recovers.

CoNAS measures random strings and fits all monomials at once; here the strings are points of random subspaces, so that
each monomial falls into a bin, and those that are alone in one are read off (`conas.recovery.aliasing`). An edge of an
exclusive space is one digit, so that all points are valid there. The authors recover functions and do not minimise
them: here the rest of the measurements goes to where descents on the recovered function end. Where no monomial is
found, or the measurements are too few for bins, the descents stay where they start: at the best measured strings and
at random ones; so random strings are what is left.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines import as_conas
from baselines.best_of_m import BestOfMSettings
from baselines.checks import ASSUMPTION, at_least, share
from baselines.history import History, rehearsal
from baselines.registry import Method, register
from conas.problem import Cost, Outcome, Problem
from conas.questions import OneShot
from conas.recovery.aliasing import MAX_CANDIDATES, Design, Digits, Spectrum, count, recover
from conas.seeds import generator
from conas.settings import setting
from conas.space import Alpha, Space

_EQUAL = 1e-12


@dataclass(frozen=True)
class QSFTSettings(BestOfMSettings):
    """As many measurements as CoNAS's, and what is recovered from them.

    The design says what is measured; ``p`` is of the one-shot model's training only.

    Attributes:
        d: largest degree of a monomial.
        last: share of the measurements, at least, that goes to where the recovered function is low; what the design of
            equal groups leaves over comes on top.
        chance: that a monomial is taken that is none, at most, for each that is taken.
    """

    d: int = setting(2, "as CoNAS, section 4.1")
    last: float = setting(0.1, f"{ASSUMPTION}: the authors do not minimise what they recover")
    chance: float = setting(0.01, f"{ASSUMPTION}: the authors know the variance of the noise")

    def __post_init__(self) -> None:
        at_least(2, self, "m")
        super().__post_init__()
        at_least(1, self, "d")
        share(self, "last", "chance")


def _check(space: Space, settings: QSFTSettings) -> None:
    q, digits = _digits(space, -np.ones((1, space.n), dtype=np.int8))
    fitting = [d for d in range(1, digits.size + 1) if count(q, digits.size, d) <= MAX_CANDIDATES]
    if settings.d not in fitting:
        raise ValueError(f"d is {settings.d} (allowed: 1 to {fitting[-1]} over the digits of {space.name!r})")


def search(problem: Problem, seed: int, settings: QSFTSettings) -> Outcome:
    """The sub-network with the least measured loss, repaired.

    Raises:
        NothingFinite: every measurement diverged.
    """
    space, rng = problem.space, generator(seed, "qsft")
    history = History.of(problem, settings)
    q, digits = _digits(space, space.sample(rng, 1))
    size = settings.m - max(1, round(settings.last * settings.m))
    design = Design.draw(q, digits.size, settings.d, size, rng)
    points = design.digits
    history.ask(_strings(space, points.reshape(-1, digits.size)))
    values = history.finite.reshape(points.shape[:-1])
    found = recover(design, values, settings.d, settings.chance)
    history.ask(_lowest(history, space, found, settings.m - len(history), rng))
    return history.outcome({"bins": points.shape[2], "delays": points.shape[1], "monomials": _json(found)})


def _digits(space: Space, alphas: Alpha) -> tuple[int, Digits]:
    """How many values a digit has, and the digits of ``alphas``, shape (k, n), one for each bit or exclusive edge."""
    if not space.exclusive:
        return 2, (alphas < 0).astype(np.int64)
    q = len(space.operations)
    return q, alphas.reshape(len(alphas), -1, q).argmax(axis=2)


def _strings(space: Space, digits: Digits) -> Alpha:
    """The inverse of `_digits`."""
    if not space.exclusive:
        return (1 - 2 * digits).astype(np.int8)
    on = digits[:, :, None] == np.arange(len(space.operations))
    return np.where(on, 1, -1).astype(np.int8).reshape(len(digits), space.n)


def _lowest(history: History, space: Space, found: Spectrum, size: int, rng: np.random.Generator) -> Alpha:
    """``size`` strings, shape (size, n): the lowest ends of descents from the best measured and from random ones."""
    best = np.argsort(history.finite, kind="stable")[:size]
    starts = np.vstack([history.alphas[best], space.sample(rng, size)])
    ends = np.array([_descend(start, space, found) for start in starts])
    lowest = ends[np.argsort(found(_digits(space, ends)[1]), kind="stable")]
    fresh = space.sample(rng, size)
    return np.vstack([history.new(np.vstack([lowest, fresh])), fresh])[:size]


def _descend(alpha: Alpha, space: Space, found: Spectrum) -> Alpha:
    """Where the steepest descent, one change of `Space.changes` after the other, ends."""
    height = found(_digits(space, alpha[None])[1])[0]
    while True:
        near = space.neighbours(alpha)
        heights = found(_digits(space, near)[1])
        if not heights.min() < height - _EQUAL:
            return alpha
        alpha, height = near[heights.argmin()], heights.min()


def _json(found: Spectrum) -> list[dict[str, Any]]:
    """Its frequencies as digits, and the coefficients of cosine and sine."""
    halves = found.coefficients.reshape(2, -1).T
    return [
        {"digits": {str(i): int(k[i]) for i in np.flatnonzero(k)}, "cosine": float(cosine), "sine": float(sine)}
        for k, (cosine, sine) in zip(found.frequencies, halves, strict=True)
    ]


METHOD = register(
    Method(
        "qsft",
        "sparse Fourier transform from designed samples (q-SFT; Erginbas et al., 2023), then descent",
        search,
        QSFTSettings,
        frozenset({OneShot}),
        lambda s: Cost(measurements=s.m),
        as_conas.SIZES,
        as_conas.SOURCES,
        check=_check,
        rehearsal=rehearsal,
    )
)
