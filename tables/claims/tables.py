"""Verdicts on the cells of the paper's tables that are the authors' own.

With the published settings a mean is reproduced if the 95 % interval of the difference contains 0, a standard deviation
if the 95 % interval of the ratio of variances contains 1, and a best run if it lies in the 95 % interval of the best of
as many new runs as ours. At reduced scale only a direction can be checked: whether the row lies above or below a stated
other row, as it does in the paper; it is undecided where the interval of that difference contains 0.
"""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from conas.seeds import generator
from tables.claims.verdict import Status, Verdict
from tables.paper.contents import TABLES
from tables.published import Figure, Published, published
from tables.runs import Runs
from tables.statistics import LEVEL, RESAMPLES, Summary, against, between, summarise
from tables.table import Metric, Table

PAPER_DEVICE = "TITAN X"
REFERENCES: dict[str, dict[str, tuple[str, str]]] = {
    "table1": {
        "DARTS (five operations)": ("table1", "RSWS"),
        "CoNAS (t=1)": ("table1", "DARTS (five operations)"),
        "CoNAS (t=4)": ("table1", "CoNAS (t=1)"),
        "CoNAS (t=1, C=60) + AutoAugment": ("table1", "CoNAS (t=1)"),
    },
    "table2": {"CoNAS (t=1)": ("table2", "DARTS")},
    "table3": {
        "DARTS (2nd order, the authors' rerun)": ("table3", "CoNAS"),
        "RSWS (equal search time)": ("table3", "CoNAS"),
        "CoNAS": ("table3", "RSWS (equal search time)"),
    },
    "table4": {
        **dict.fromkeys(("λ = 0.5", "λ = 2", "λ = 5", "λ = 10"), ("table4", "Random")),
        "Random": ("table4", "λ = 2"),
    },
    "table5": {f"Randomly Wired Model ({i})": ("table1", "CoNAS (t=4)") for i in (1, 2, 3)},
}
"""The row that each of the authors' rows is compared with at reduced scale."""


def verdicts(runs: Runs) -> Iterator[Verdict]:
    """A verdict on every figure of the authors' own rows: means, and best runs and spreads where they are printed."""
    for table in TABLES:
        for row in published(table.name).values():
            for metric in table.metrics:
                if row.quoted is None and metric.key in row.figures:
                    yield from _verdicts(table, row, metric, row.figures[metric.key], runs)


def _verdicts(table: Table, row: Published, metric: Metric, figure: Figure, runs: Runs) -> Iterator[Verdict]:
    measured = metric.values(runs, table.name, row.name)
    where, command = f"table {table.number}", f"make replicate PROFILE={runs.profile} TABLE={table.number}"
    for part, paper in (("mean", figure.mean), ("best", figure.best), ("sd", figure.sd)):
        if paper is None:
            continue
        status, ours, why = _settle(part, table, row.name, metric, figure, measured, runs)
        claim = f"{row.name}: {metric.title}{'' if part == 'mean' else f', {part}'}"
        yield Verdict(where, claim, f"{paper:g}", ours, status, why, command)


def _settle(
    part: str, table: Table, row: str, metric: Metric, figure: Figure, measured: list[float], runs: Runs
) -> tuple[Status, str, str]:
    """The status, our figure and the reason."""
    ours = summarise(measured)
    if ours is None:
        return Status.NOT_RUN, "", "no finished run"
    shown = _shown(part, ours, metric)
    if metric.key == "search" and not all(PAPER_DEVICE in device for device in runs.devices):
        return Status.NOT_CHECKABLE, shown, f"device time on {'; '.join(runs.devices)}, the paper's on a {PAPER_DEVICE}"
    if runs.profile != "paper":
        if part != "mean":
            return Status.NOT_CHECKABLE, shown, "says nothing at reduced scale"
        return _direction(table, row, metric, figure, measured, runs, shown)
    if part == "mean":
        return _mean(measured, figure, shown)
    return _best(ours, figure, shown) if part == "best" else _spread(ours, figure, shown)


def _shown(part: str, ours: Summary, metric: Metric) -> str:
    value = {"mean": ours.mean, "best": ours.best, "sd": ours.sd}[part]
    return f"{format(value, metric.form)} (n = {ours.n})" if value is not None else f"one run (n = {ours.n})"


def _mean(measured: list[float], figure: Figure, shown: str) -> tuple[Status, str, str]:
    difference = against(measured, figure)
    if difference.low is None or difference.high is None:
        return Status.UNDECIDED, shown, "one run gives no interval"
    interval = f"difference {difference.value:+.3g}, 95 % interval [{difference.low:+.3g}, {difference.high:+.3g}]"
    return Status.DIFFERS if difference.excludes_zero else Status.REPRODUCED, shown, interval


def _best(ours: Summary, figure: Figure, shown: str) -> tuple[Status, str, str]:
    if ours.sd is None or figure.best is None:
        return Status.UNDECIDED, shown, "one run gives no interval"
    draws = generator(0, "best of n").standard_t(ours.n - 1, (RESAMPLES, ours.n)).min(axis=1)
    bests = ours.mean + ours.sd * np.sqrt(1 + 1 / ours.n) * draws
    low, high = np.quantile(bests, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    inside = low <= figure.best <= high
    reason = f"the best of {ours.n} new runs lies in [{low:.3g}, {high:.3g}] with 95 %"
    return Status.REPRODUCED if inside else Status.DIFFERS, shown, reason


def _spread(ours: Summary, figure: Figure, shown: str) -> tuple[Status, str, str]:
    if not ours.sd or figure.sd is None or not figure.seeds:
        return Status.UNDECIDED, shown, "one run, or a spread of an unknown number of seeds, gives no interval"
    ratio = (ours.sd / figure.sd) ** 2
    low, high = (float(stats.f.ppf(p, ours.n - 1, figure.seeds - 1)) for p in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    inside = low <= ratio <= high
    reason = f"ratio of variances {ratio:.3g}; [{low:.3g}, {high:.3g}] is what equal spreads give with 95 %"
    return Status.REPRODUCED if inside else Status.DIFFERS, shown, reason


def _direction(
    table: Table, row: str, metric: Metric, figure: Figure, measured: list[float], runs: Runs, shown: str
) -> tuple[Status, str, str]:
    sweep, reference = REFERENCES[table.name][row]
    paper = published(sweep)[reference].figures.get(metric.key)
    theirs = metric.values(runs, sweep, reference)
    if paper is None or paper.mean == figure.mean:
        return Status.NOT_CHECKABLE, shown, f"the paper shows no difference from {reference}"
    if not theirs:
        return Status.NOT_RUN, shown, f"{reference}, which it is compared with, has no finished run"
    difference = between(measured, theirs)
    if difference.low is None or difference.high is None:
        return Status.UNDECIDED, shown, "one run gives no interval"
    side = "below" if figure.mean < paper.mean else "above"
    reason = (
        f"in the paper {side} {reference}; here the difference is {difference.value:+.3g}, "
        f"95 % interval [{difference.low:+.3g}, {difference.high:+.3g}]"
    )
    if not difference.excludes_zero:
        return Status.UNDECIDED, shown, reason
    same = (difference.value < 0) == (figure.mean < paper.mean)
    return Status.DIRECTION if same else Status.OPPOSITE, shown, reason
