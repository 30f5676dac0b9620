"""Verdicts on the figures that the paper's tables print, decided by intervals and a margin.

"Reproduced" is a statement of equality: the 95 % interval of ours minus the paper's lies inside of the column's margin.
"Differs" needs an interval wholly outside of it; everything between is undecided, with how many runs would decide.
Nothing here is decided at reduced scale.
"""

from collections.abc import Iterator, Sequence

from tables.claims.genotypes import is_counted
from tables.claims.verdict import Kind, Status, Verdict, make
from tables.published import Figure, Published, published
from tables.runs import Runs
from tables.statistics import Estimate, Summary, best_of, differ, ratio, seeds_to_equate, summarise
from tables.table import Metric, Over, Table

PAPER_DEVICE = "TITAN X"
SPREAD_MARGIN = 2.0
"""A ratio of SDs between a half and two counts as equal."""

Settled = tuple[Status, str]


def verdicts(runs: Runs, tables: Sequence[Table]) -> Iterator[Verdict]:
    """A verdict on every figure of the rows that the authors ran, and of quoted rows that are run here.

    The sizes of published cells have theirs elsewhere.
    """
    for table in tables:
        for row in published(table.name).values():
            sample = runs.sample(table.name, row.name)
            if row.quoted is None or sample.planned:
                for metric in table.metrics:
                    if not is_counted(row.name, sample, metric.key):
                        yield from _verdicts(table, row, metric, runs)


def _verdicts(table: Table, row: Published, metric: Metric, runs: Runs) -> Iterator[Verdict]:
    if metric.key not in row.figures:
        return
    figure, measured = row.figures[metric.key], metric.values(runs, table.name, row.name)
    for part, paper in (("mean", figure.mean), ("best", figure.best), ("SD", figure.sd)):
        if paper is not None:
            status, why = _settle(part, table, row, metric, runs)
            ours = summarise(measured)
            yield Verdict(
                Kind.FIGURE,
                table.heading.partition(".")[0] + (f", quoted from {row.quoted}" if row.quoted else ""),
                f"{row.name}: {metric.header}{'' if part == 'mean' else f', {part}'}",
                figure.printed(paper),
                _shown(part, ours, metric) if ours and runs.is_full_scale else "",
                status,
                why,
                make(table.name, "paper"),
            )


def _settle(part: str, table: Table, row: Published, metric: Metric, runs: Runs) -> Settled:
    """The status and the reason."""
    sample, figure = metric.sample(runs, table.name, row.name), row.figures[metric.key]
    measured = metric.values(runs, table.name, row.name)
    if not runs.is_full_scale:
        return Status.NOT_RUN, "needs the published settings"
    if not sample.planned:
        return Status.NOT_CHECKABLE, f"not planned in profile {runs.profile}"
    if sample.is_drawn:
        return Status.NOT_CHECKABLE, "the paper's random draw is another than ours"
    if not measured:
        return Status.NOT_RUN, "no finished run of one cell" if metric.over is Over.ONE_CELL else "no finished run"
    if not metric.comparable:
        return (
            Status.NOT_CHECKABLE,
            f"device time on {'; '.join(runs.devices(table.name))}, the paper's on a {PAPER_DEVICE}",
        )
    if part == "mean":
        return _mean(measured, figure, metric, sample.is_published)
    if not figure.seeds:
        return Status.NOT_CHECKABLE, "the paper does not say of how many trainings"
    return _best(measured, figure, metric) if part == "best" else _spread(measured, figure)


def _shown(part: str, ours: Summary, metric: Metric) -> str:
    value = {"mean": ours.mean, "best": ours.best, "SD": ours.sd}[part]
    return f"{format(value, metric.form)} (n = {ours.n})" if value is not None else f"one run (n = {ours.n})"


def _mean(measured: list[float], figure: Figure, metric: Metric, is_published: bool = False) -> Settled:
    margin, ours = metric.margin(figure), summarise(measured)
    status, why = decided(metric.difference(measured, figure, is_published), margin, len(measured))
    if status is Status.UNDECIDED and metric.over is Over.ONE_CELL and ours and ours.sd:
        needed = seeds_to_equate(margin, ours.sd, figure)
        why += f"; {f'{needed} runs' if needed else 'no number of runs'} would tell equal means with 80 % power"
    return status, why


def _best(measured: list[float], figure: Figure, metric: Metric) -> Settled:
    status, why = decided(best_of(measured, figure), metric.margin(figure), len(measured))
    return status, f"best of {figure.seeds} new runs: {why}"


def _spread(measured: list[float], figure: Figure) -> Settled:
    ours = summarise(measured)
    if ours is None or not differ(measured) or not figure.sd or not figure.seeds:
        return Status.UNDECIDED, "all runs are equal" if ours and ours.n > 1 else "one run has no spread"
    found = ratio(ours, figure.sd, figure.seeds)
    assert found.low is not None
    assert found.high is not None
    interval = f"[{found.low:.2f}, {found.high:.2f}]"
    why = f"ratio {found.value:.2f} {interval}, counts as equal within a factor {SPREAD_MARGIN:g}"
    if found.low > 1 / SPREAD_MARGIN and found.high < SPREAD_MARGIN:
        return Status.REPRODUCED, why
    apart = found.low > SPREAD_MARGIN or found.high < 1 / SPREAD_MARGIN
    return Status.DIFFERS if apart else Status.UNDECIDED, why


def no_interval(runs: int) -> str:
    """Why so many ``runs`` gave none."""
    return "one run gives no interval" if runs == 1 else "equal runs give no interval"


def decided(difference: Estimate, margin: float, runs: int, form: str = ".3g") -> Settled:
    """The status and the reason of a difference to the paper's figure, over so many ``runs``."""
    if difference.low is None:
        return Status.UNDECIDED, no_interval(runs)
    value, low, high = (format(one, f"+{form}") for one in (difference.value, difference.low, difference.high))
    why = f"{value} [{low}, {high}], counts as equal within ±{margin:.3g}"
    within = difference.within(margin)
    if within is None:
        return Status.UNDECIDED, why
    return Status.REPRODUCED if within else Status.DIFFERS, why
