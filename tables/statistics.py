"""Means, spreads and 95 % intervals.

Rules, the same in every table: the spread is the sample standard deviation (ddof = 1). The interval of a difference is
Student's t (Welch's where the paper's mean has an SD and a number of seeds) for fewer than `BOOTSTRAP_FROM` runs, and a
seeded percentile bootstrap from there on. A figure of the paper without an SD is taken as exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from conas.seeds import generator
from tables.published import Figure

BOOTSTRAP_FROM = 10
RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """The runs' values of one quantity; ``best`` is the least, ``sd`` the sample SD, None for a single run."""

    n: int
    mean: float
    best: float
    sd: float | None


@dataclass(frozen=True)
class Difference:
    """A difference of means with its 95 % interval, None where one run allows none, and how it was found."""

    value: float
    low: float | None = None
    high: float | None = None
    by: str = ""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval exists and 0 lies outside of it."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def summarise(values: Sequence[float]) -> Summary | None:
    """The summary of ``values``, None if there are none."""
    if not values:
        return None
    array = np.asarray(values, dtype=np.float64)
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    return Summary(len(array), float(array.mean()), float(array.min()), sd)


def interval_of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of ``values``, None for fewer than two."""
    found = against(values, Figure(0.0)) if len(values) > 1 else None
    return None if found is None or found.low is None or found.high is None else (found.low, found.high)


def against(values: Sequence[float], paper: Figure) -> Difference:
    """Our mean of ``values`` minus the paper's figure."""
    seeds = paper.seeds if paper.sd is not None and paper.seeds else None
    spread = paper.sd if seeds else None
    if len(values) >= BOOTSTRAP_FROM:
        return _bootstrap(values, _drawn_means(paper.mean, spread, seeds), paper.mean)
    return _student(values, paper.mean, spread, seeds)


def between(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The mean of ``first`` minus the mean of ``second``, two independent sets of our runs."""
    other = np.asarray(second, dtype=np.float64)
    if min(len(first), len(second)) >= BOOTSTRAP_FROM:
        rng = generator(0, "bootstrap", "second")
        return _bootstrap(first, rng.choice(other, (RESAMPLES, len(other))).mean(1), float(other.mean()))
    if len(other) == 1:
        return Difference(float(np.mean(first)) - float(other[0]))
    return _student(first, float(other.mean()), float(other.std(ddof=1)), len(other))


def _student(values: Sequence[float], mean: float, sd: float | None, seeds: int | None) -> Difference:
    array = np.asarray(values, dtype=np.float64)
    value = float(array.mean()) - mean
    if len(array) < 2:
        return Difference(value)
    ours = array.var(ddof=1) / len(array)
    theirs = sd**2 / seeds if sd is not None and seeds else 0.0
    freedom = len(array) - 1.0
    if theirs and seeds:
        freedom = (ours + theirs) ** 2 / (ours**2 / (len(array) - 1) + theirs**2 / (seeds - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(ours + theirs))
    return Difference(value, value - half, value + half, "Welch's t" if theirs else "Student's t")


def _drawn_means(mean: float, sd: float | None, seeds: int | None) -> np.ndarray:
    """Means that the other side might have had: it, shifted by its standard error times draws of Student's t."""
    if sd is None or seeds is None:
        return np.full(RESAMPLES, mean)
    return mean + sd / np.sqrt(seeds) * generator(0, "bootstrap", "paper").standard_t(seeds - 1, RESAMPLES)


def _bootstrap(values: Sequence[float], others: np.ndarray, mean: float) -> Difference:
    array = np.asarray(values, dtype=np.float64)
    means = generator(0, "bootstrap").choice(array, (RESAMPLES, len(array))).mean(1)
    low, high = np.quantile(means - others, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(array.mean()) - mean, float(low), float(high), "bootstrap")
