"""What a race's searches say: means, areas under the regret, and duels whose p values are adjusted for their number."""

import math

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from harness.statistics import holm, interval

LEVEL = 0.05
EQUAL = 1e-12
THERE = 0.9
"""Of a board's searches: where so many of both have found the least that is seen, nothing is left to find in it."""


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each table, group, method and budget: what was spent, the regret's mean, interval, median and sample
    SD, and the search's own seconds (median)."""
    results = []
    for keys, group in rows.groupby(["table", "group", "method", "budget"], sort=False):
        regret = group["regret"]
        low, high = interval(regret, *map(str, keys))
        figures = (group["evaluations"].mean(), regret.mean(), low, high, regret.median(), regret.std())
        results.append((*keys, len(group), *figures, group["seconds"].median()))
    columns = ["table", "group", "method", "budget", "seeds", "evaluations"]
    return pd.DataFrame(results, columns=[*columns, "mean", "low", "high", "median", "sd", "seconds"])


def areas(rows: pd.DataFrame, subject: str) -> pd.DataFrame:
    """For each table and method that raced with all budgets of ``subject`` there the mean regret over the budgets'
    logarithms: the area under the curve, divided by its width; with its interval."""
    results = []
    for table, board in rows.groupby("table", sort=False):
        most = board.loc[board["method"] == subject, "budget"].unique()
        if len(most) < 2:
            continue
        width = np.log(max(most) / min(most))
        for method, group in board[board["budget"].isin(most)].groupby("method", sort=False):
            curves = group.pivot(index="seed", columns="budget", values="regret").dropna()
            if len(curves.columns) == len(most) and len(curves) > 1:
                area = np.trapezoid(curves, np.log(curves.columns.to_numpy(float)), axis=1) / width
                limits = interval(area, "area", str(table), str(method))
                results.append((table, method, len(curves), area.mean(), *limits))
    return pd.DataFrame(results, columns=["table", "method", "seeds", "area", "low", "high"])


def duels(rows: pd.DataFrame, subject: str) -> pd.DataFrame:
    """The regret of ``subject`` minus every other method's, seed by seed: mean, 95 % interval, Student's paired p, also
    adjusted for all duels (Holm), and who is ahead: where the interval excludes 0 and the adjusted p is below 0.05.
    Equal differences that are not 0 allow no test, and have no p.

    ``there`` is the share of seeds at which both have found the least that is seen. Two searches that share fewer than
    two seeds have no duel.
    """
    results = []
    for (table, budget), group in rows.groupby(["table", "budget"], sort=False):
        regrets = group.pivot(index="seed", columns="method", values="regret")
        seen = group.pivot(index="seed", columns="method", values="seen_regret")
        for other in [name for name in group["method"].unique() if name != subject and subject in regrets]:
            both = regrets[[subject, other]].dropna()
            if len(both) < 2:
                continue
            there = (seen.loc[both.index, [subject, other]] == 0).all(axis=1).mean()
            figures = _difference(both[subject] - both[other], table, other, budget)
            results.append((table, budget, other, *figures, there))
    columns = ["table", "budget", "against", "seeds", "difference", "low", "high", "p", "there"]
    found = pd.DataFrame(results, columns=columns)
    return found.assign(holm=holm(found["p"].tolist())).pipe(_judged)


def _difference(values: pd.Series, *names: object) -> tuple[int, float, float, float, float]:
    low, high = interval(values, "duel", *map(str, names))
    equal = values.std() <= EQUAL * abs(values.mean())
    untested = 1.0 if values.mean() == 0 else math.nan  # a few equal differences are no proof that all are
    p = untested if equal else float(ttest_rel(values, np.zeros(len(values))).pvalue)
    return len(values), values.mean(), low, high, p


def _judged(found: pd.DataFrame) -> pd.DataFrame:
    sure = found["holm"] < LEVEL
    verdict = np.select([sure & (found["high"] < 0), sure & (found["low"] > 0)], ["wins", "loses"], "undecided")
    return found.assign(verdict=np.where((verdict == "undecided") & (found["there"] >= THERE), "both there", verdict))
