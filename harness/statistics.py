"""Means with their intervals, and p values for several tests at once."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import sem, t

from conas.seeds import generator

RESAMPLES = 2000
FEW = 50
"""Of fewer values the percentile bootstrap is too narrow: that of 20 normal ones holds their mean 93 times in 100."""


def interval(values: ArrayLike, *names: str) -> tuple[float, float]:
    """The 95 % interval of the mean of ``values``: a percentile bootstrap, seeded by ``names``, or Student's of few.

    NaN if there are fewer than two.
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < FEW:
        return student(array) or (math.nan, math.nan)
    drawn = generator(0, "bootstrap", *names).integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.percentile(array[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def kind(counts: Iterable[int]) -> str:
    """What an `interval` is of so many values, of several means of ``counts`` values each."""
    are_few = {count < FEW for count in counts}
    if len(are_few) == 2:
        return f"percentile bootstrap; Student's t of fewer than {FEW}"
    return "Student's t" if True in are_few else "percentile bootstrap"


def student(values: ArrayLike) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean of ``values``, None for fewer than two."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return None
    half = t.ppf(0.975, len(array) - 1) * sem(array)
    return float(array.mean() - half), float(array.mean() + half)


def means(rows: pd.DataFrame, by: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The mean and its `interval` of each of the columns ``names``, for every value of the column ``by``."""
    return {
        str(value): {
            name: {"mean": group[name].mean(), "interval": interval(group[name], name, str(value))} for name in names
        }
        for value, group in rows.groupby(by)
    }


def holm(values: Sequence[float]) -> list[float]:
    """The p values adjusted for so many tests (Holm, 1979): below 0.05 survive a 5 % chance of any false one.

    NaN stands for a comparison that allows no test: it stays, and is not counted.
    """
    array = np.asarray(values, dtype=np.float64)
    tests = np.count_nonzero(~np.isnan(array))
    order = np.argsort(array, kind="stable")[:tests]  # NaN comes last
    stepped = np.maximum.accumulate(array[order] * np.arange(tests, 0, -1))
    adjusted = np.full_like(array, np.nan)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()
