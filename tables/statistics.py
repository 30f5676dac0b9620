"""Means, spreads, 95 % intervals, and what an interval decides: each question of the tables has one function here.

The spread is the sample standard deviation (ddof = 1). Every interval is Student's, Welch's where the paper states an
SD and its number of trainings, or Fisher's for a ratio of SDs; all assume values that are about normal. A figure of the
paper is known to half a unit of its last printed digit, and an interval of a difference to it is wider by that much.
A few values that tie are no proof that all do: they give no interval, unless they are certain to be the same.
The interval of one mean, which studies ask for, too, is `harness.statistics.student`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from conas.seeds import generator
from harness.statistics import student
from tables.published import Figure

LEVEL = 0.95
POWER = 0.8
MOST_SEEDS = 1_000
DRAWS = 100_000
TIED = 1e-9
"""Values that are apart by no more, in units of the largest or of 1, differ by how they were computed alone."""
_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


@dataclass(frozen=True)
class Summary:
    """The runs' values of one quantity; ``best`` is the least, ``sd`` the sample SD, None for a single run."""

    n: int
    mean: float
    best: float
    sd: float | None


@dataclass(frozen=True)
class Estimate:
    """A difference (or ratio) with its 95 % interval, None where too few runs allow none.

    Attributes:
        by: how the interval was found.
        p: of the two-sided test that there is no difference.
        null: what "no difference" is: 0, or 1 for a ratio.
    """

    value: float
    low: float | None = None
    high: float | None = None
    by: str = ""
    p: float | None = None
    null: float = 0.0

    @property
    def side(self) -> int:
        """-1 if the whole interval lies below "no difference", 1 if above, 0 if it tells neither."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > self.null) - int(self.high < self.null)

    def within(self, margin: float) -> bool | None:
        """Whether the quantity is equal up to ``margin``; None where the interval does not decide.

        True if the interval lies inside of the margin, which is two one-sided tests at 2.5 % each; False if it lies
        wholly outside. An interval that merely contains 0 decides nothing.
        """
        if self.low is None or self.high is None:
            return None
        if -margin < self.low and self.high < margin:
            return True
        return False if self.low > margin or self.high < -margin else None


def summarise(values: Sequence[float]) -> Summary | None:
    """The summary of ``values``, None if there are none."""
    if not values:
        return None
    array = np.asarray(values, dtype=np.float64)
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    return Summary(len(array), float(array.mean()), float(array.min()), sd)


def half_width(sd: float | None, n: float) -> float:
    """Half of Student's 95 % interval of a mean of ``n`` values, 0 where one value allows none."""
    return _half(sd / np.sqrt(n), n - 1) if sd is not None and np.isfinite(sd) and n > 1 else 0.0


def differ(values: Sequence[float]) -> bool:
    """Whether ``values`` are not all the same, how they were rounded aside."""
    return bool(np.ptp(values) > TIED * max(1.0, *np.abs(values)))


def _tells_no_spread(values: Sequence[float], certain: bool) -> bool:
    """Whether it is one value, or several that tie and are not ``certain`` to."""
    return len(values) < 2 or not (certain or differ(values))


def against(values: Sequence[float], paper: Figure, certain: bool = False) -> Estimate:
    """The mean of our trainings minus the paper's mean of its own; ``certain``: they cannot but be the same."""
    array = np.asarray(values, dtype=np.float64)
    value = float(array.mean()) - paper.mean
    if _tells_no_spread(values, certain):
        return Estimate(value)
    error, freedom = _welch(float(array.std(ddof=1)), len(array), paper)
    by = "Welch's t" if paper.sd and paper.seeds else "Student's t"
    return _interval(value, _half(error, freedom) + paper.rounding, by)


def one_more(values: Sequence[float], paper: Figure, certain: bool = False) -> Estimate:
    """Our mean minus the paper's figure of a single draw: the interval is that of one more draw of ours.

    For what belongs to a cell, such as its size: the paper shows one search, so its figure has the spread of one.
    ``certain``: our values cannot but be the same.
    """
    array = np.asarray(values, dtype=np.float64)
    value = float(array.mean()) - paper.mean
    if _tells_no_spread(values, certain):
        return Estimate(value)
    half = _half(float(array.std(ddof=1)) * np.sqrt(1 + 1 / len(array)), len(array) - 1)
    return _interval(value, half + paper.rounding, "prediction by Student's t")


def best_of(values: Sequence[float], paper: Figure) -> Estimate:
    """Our median best of as many new trainings as the paper's is of, minus the paper's, with its prediction interval.

    Raises:
        ValueError: the paper states no best, or not of how many.
    """
    if paper.best is None or not paper.seeds:
        raise ValueError("the paper states no best of a known number of trainings")
    array = np.asarray(values, dtype=np.float64)
    if _tells_no_spread(values, certain=False):
        return Estimate(float(array.min()) - paper.best)
    low, median, high = array.mean() + array.std(ddof=1) * _least_of(paper.seeds, len(array)) - paper.best
    return Estimate(float(median), float(low) - paper.rounding, float(high) + paper.rounding, "prediction")


@cache
def _least_of(new: int, known: int) -> NDArray[np.float64]:
    """Low end, median and high end of the least of ``new`` values, in SDs of the ``known`` ones from their mean.

    All are of one normal distribution, whose mean and SD are as uncertain as so many known values leave them: each draw
    of the new values has one mean and one SD in common.
    """
    rng = generator(0, "best of n")
    sd = np.sqrt((known - 1) / rng.chisquare(known - 1, (DRAWS, 1)))
    mean = sd / np.sqrt(known) * rng.standard_normal((DRAWS, 1))
    least = (mean + sd * rng.standard_normal((DRAWS, new))).min(axis=1)
    return np.quantile(least, (_TAILS[0], 0.5, _TAILS[1]))


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Estimate | None:
    """The mean of first minus second within the seeds that both have, None where there are none.

    One difference gives no interval, nor do several that are equal and not 0.

    Runs of one seed share the data, the training's random choices and, where the method has them and they ran on one
    processor, the one-shot model and its measurements, so what they share cancels.
    """
    differences = list(within_seeds(first, second).values())
    if not differences:
        return None
    value = float(np.mean(differences))
    interval, spread = student(differences), differ(differences)
    if interval is None or (not spread and differ([0.0, value])):  # a few equal differences are no proof that all are
        return Estimate(value)
    p = float(stats.ttest_1samp(differences, 0).pvalue) if spread else 1.0
    return Estimate(value, *interval, "Student's t within seeds", p)


def within_seeds(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    """First minus second by seed, for every seed that both have; what is not finite is left out."""
    differences = {seed: first[seed] - second[seed] for seed in sorted(set(first) & set(second))}
    return {seed: value for seed, value in differences.items() if math.isfinite(value)}


def ratio_of_sds(first: Sequence[float], second: Sequence[float]) -> Estimate | None:
    """The SD of ``first`` over that of ``second``; None without two of each that differ.

    Both are taken as independent, which is too cautious where trainings of one seed go up and down together.
    """
    one, other = summarise(first), summarise(second)
    if not one or not other or not other.sd or not all(map(differ, (first, second))):
        return None
    return ratio(one, other.sd, other.n)


def ratio(ours: Summary, sd: float, n: int) -> Estimate:
    """Our SD over another, ``sd`` of ``n`` values, with the interval and p of Fisher's F."""
    if not ours.sd:
        raise ValueError("one run has no SD")
    value = (ours.sd / sd) ** 2
    law = stats.f(ours.n - 1, n - 1)
    low, high = (float(np.sqrt(value / law.ppf(tail))) for tail in reversed(_TAILS))
    p = 2 * min(law.cdf(value), law.sf(value))
    return Estimate(float(np.sqrt(value)), low, high, "Fisher's F", float(p), null=1.0)


def seeds_to_tell(effect: float, sd: float) -> int | None:
    """Seeds with which a true mean difference ``effect`` is told from 0 with 80 % power; None beyond `MOST_SEEDS`.

    ``sd`` is that of the differences within a seed; the test is Student's, two-sided at 5 %.
    """
    if not sd:
        return 2 if effect else None
    return _least(lambda n: _power(abs(effect) / sd * np.sqrt(n), n - 1) >= POWER)


def trainings_to_tell(effect: float, first: float, second: float) -> int | None:
    """Trainings of each of two methods, independent of each other and of the SDs ``first`` and ``second``, with which a
    true difference ``effect`` of their means is told from 0 as in `seeds_to_tell`, by Welch's test."""
    sd, freedoms = math.hypot(first, second), (first**2 + second**2) ** 2 / (first**4 + second**4)
    return _least(lambda n: _power(abs(effect) / sd * np.sqrt(n), freedoms * (n - 1)) >= POWER)


def seeds_to_equate(margin: float, sd: float, paper: Figure) -> int | None:
    """Runs with which an equal mean is found equal up to ``margin`` with 80 % power; None beyond `MOST_SEEDS`."""

    def enough(n: int) -> bool:
        error, freedom = _welch(sd, n, paper)
        both = stats.t.ppf(_TAILS[1], freedom) + stats.t.ppf((1 + POWER) / 2, freedom)
        return bool(both * error + paper.rounding < margin)

    return _least(enough)


def _least(enough: Callable[[int], bool]) -> int | None:
    return next((n for n in range(2, MOST_SEEDS + 1) if enough(n)), None)


def _power(shift: float, freedom: float) -> float:
    """Of a two-sided t test whose statistic has the noncentrality ``shift``; the far tail is left out."""
    return float(stats.nct.sf(stats.t.ppf(_TAILS[1], freedom), freedom, shift))


def _welch(sd: float, n: int, paper: Figure) -> tuple[float, float]:
    """The standard error of our mean minus the paper's, and its degrees of freedom."""
    ours, theirs = sd**2 / n, paper.sd**2 / paper.seeds if paper.sd and paper.seeds else 0.0
    if not theirs or not paper.seeds:
        return float(np.sqrt(ours)), n - 1.0
    freedom = (ours + theirs) ** 2 / (ours**2 / (n - 1) + theirs**2 / (paper.seeds - 1))
    return float(np.sqrt(ours + theirs)), freedom


def _half(error: float, freedom: float) -> float:
    return float(stats.t.ppf(_TAILS[1], freedom)) * error


def _interval(value: float, half: float, by: str) -> Estimate:
    return Estimate(value, value - half, value + half, by)
