"""Measured sub-networks: the rows of A and the entries of y (section 3)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conas.oracle import Oracle
from conas.problem import Problem
from conas.questions import StandAlone
from conas.seeds import generator
from conas.space import Alpha, Encoding


@dataclass(frozen=True)
class Measurements:
    """Encoders ``alphas``, shape (k, n), with finite ``losses``, shape (k,).

    Attributes:
        dropped: how many more were measured whose loss was NaN or infinite.
        outliers: how many more had a finite loss above the threshold.
        reused: how many of the k were measured earlier.
    """

    alphas: Alpha
    losses: NDArray[np.float64]
    dropped: int = 0
    reused: int = 0
    outliers: int = 0

    @classmethod
    def none(cls, n: int) -> "Measurements":
        """No measurements of a space of ``n`` bits."""
        return cls(np.empty((0, n), dtype=np.int8), np.empty(0))

    def agreeing(self, fixed: Mapping[int, int]) -> "Measurements":
        """Those whose bits have the ``fixed`` values."""
        values = np.array(list(fixed.values()), dtype=np.int8)
        keep = (self.alphas[:, list(fixed)] == values).all(axis=1)
        return Measurements(self.alphas[keep], self.losses[keep])

    @property
    def best(self) -> Alpha:
        """The encoder with the least loss, the first of equals."""
        return self.alphas[self.losses.argmin()]


def measure(
    oracle: Oracle,
    space: Encoding,
    rng: np.random.Generator,
    m: int,
    p: float,
    fixed: Mapping[int, int],
    earlier: Measurements,
    threshold: float | None = None,
) -> Measurements:
    """``m`` measurements in the subcube of the ``fixed`` bits (definition 2.2), those of ``earlier`` first.

    The free bits are drawn at once from ``rng``: +1 with probability ``p`` (one operation per edge in an exclusive
    space). Losses that are NaN, infinite or above ``threshold`` are left out and counted; no other value takes their
    place.

    Raises:
        ValueError: the oracle does not return one loss per encoder.
    """
    fresh = max(0, m - len(earlier.losses))
    alphas = space.sample(rng, fresh, p)
    alphas[:, list(fixed)] = list(fixed.values())
    losses = np.asarray(oracle.measure(alphas), dtype=np.float64) if fresh else np.empty(0)
    if losses.shape != (fresh,):
        raise ValueError(f"losses of shape {losses.shape} for {fresh} encoders (allowed: one for each, ({fresh},))")
    finite = np.isfinite(losses)
    kept = finite & (losses <= (math.inf if threshold is None else threshold))
    return Measurements(
        np.concatenate([earlier.alphas[:m], alphas[kept]]),
        np.concatenate([earlier.losses[:m], losses[kept]]),
        dropped=int(np.count_nonzero(~finite)),
        reused=min(m, len(earlier.losses)),
        outliers=int(np.count_nonzero(finite & ~kept)),
    )


def draws(seed: int, stage: int) -> np.random.Generator:
    """What draws the encoders that Algorithm 1 measures in a ``stage``, counted from 1."""
    return generator(seed, "measure", stage)


def first_stage(oracle: Oracle, space: Encoding, seed: int, m: int, p: float) -> Measurements:
    """The ``m`` random measurements that Algorithm 1 makes in its first stage, whatever it does with them."""
    return measure(oracle, space, draws(seed, 1), m, p, {}, Measurements.none(space.n))


@dataclass(frozen=True)
class TrainedAlone:
    """The slow oracle of appendix A.1: every sub-network is trained on its own for ``epochs`` epochs."""

    problem: Problem
    epochs: int

    def measure(self, alphas: Alpha, whole: bool = False) -> NDArray[np.float64]:
        """The validation losses, shape (k,), of the networks of ``alphas``, shape (k, n); always on all data."""
        build = self.problem.space.build
        return np.array([self.problem.ask(StandAlone(build(alpha), self.epochs)) for alpha in alphas])
