"""Verdicts on "this is lower than that", the paper's and this project's own, each decided by one test.

Both rows have runs of the same seeds, one search per seed. So the differences are taken within a seed, and the interval
of their mean decides: the claim holds where it lies below 0, does not where it lies above, and is undecided where it
contains 0. At reduced scale a published cell, which was found at full scale, is a reference line and no rival.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from conas.names import unknown
from harness.config import sweeps
from harness.records.schema import Record
from harness.statistics import holm
from tables.claims.verdict import Kind, Status, Test, Verdict, make
from tables.paper.names import published_as
from tables.published import Figure, published
from tables.runs import Runs, Sample
from tables.statistics import Estimate, paired, ratio_of_sds, seeds_to_tell, trainings_to_tell, within_seeds
from tables.table import Order, Over, Table
from tables.wording import signed

_MINUTE = 60.0


def verdicts(runs: Runs, tables: Sequence[Table]) -> list[Verdict]:
    """A verdict on every order that ``tables`` claim, with p values adjusted for all of them."""
    found = [_verdict(order, table, runs) for table in tables for order in table.claims]
    deciding = [i for i, one in enumerate(found) if one.test and one.status is not Status.NOT_CHECKABLE]
    values = [(i, p) for i in deciding if (test := found[i].test) and (p := test.estimate.p) is not None]
    for (i, _), adjusted in zip(values, holm([p for _, p in values]), strict=True):
        test = found[i].test
        assert test is not None
        found[i] = replace(found[i], test=replace(test, holm=adjusted))
    return found


def _verdict(order: Order, table: Table, runs: Runs) -> Verdict:
    estimate, paper = _estimate(order, table.name, runs), paper_says(order, table.name)
    status, reasons = _status(order, table.name, runs, estimate)
    return Verdict(
        Kind.ORDER if order.where else Kind.CONTROL,
        order.where or table.heading.partition(".")[0],
        claim(order),
        _shown(order, paper),
        _with_interval(order, estimate),
        status,
        "; ".join(
            [*reasons, *_by_the_papers_spreads(order, table.name), *_noted(order), *_made(order, table.name, runs)]
        ),
        make(table.name, runs.profile),
        _test(order, table.name, runs, estimate),
    )


def claim(order: Order) -> str:
    """The claim in words."""
    title = f"SD of {order.metric.title}, one cell" if order.of_spread else order.metric.title
    if order.than is not None:
        return f"{order.first}: {title} < {order.than.title}"
    return f"{title}: {order.first} < {order.second}"


def paper_says(order: Order, table: str) -> float | None:
    """The paper's difference (of SDs: its ratio), None where it does not print both figures."""
    first, second = (_figure(row, order.metric.key, table) for row in (order.first, order.second))
    if first is None or second is None or order.than is not None:
        return None
    if not order.of_spread:
        return first.mean - second.mean
    return first.sd / second.sd if first.sd and second.sd else None


def _figure(row: str, key: str, table: str) -> Figure | None:
    """Of the row in this table, else in Table 1, whose rows other tables compare with."""
    rows, printed = published("table1") | published(table), published_as(row)
    return rows[printed].figures.get(key) if printed in rows else None


def _estimate(order: Order, table: str, runs: Runs) -> Estimate | None:
    if order.of_spread:
        return ratio_of_sds(*(order.metric.values(runs, table, row) for row in (order.first, order.second)))
    return paired(*_sides(order, table, runs))


def _sides(order: Order, table: str, runs: Runs) -> tuple[dict[int, float], dict[int, float]]:
    first = order.metric.by_seed(runs, table, order.first)
    return first, (order.than or order.metric).by_seed(runs, table, order.second)


def _status(order: Order, table: str, runs: Runs, estimate: Estimate | None) -> tuple[Status, list[str]]:
    samples = _samples(order, table, runs)
    references = [row for row in (order.first, order.second) if runs.sample(table, row).is_published]
    if not all(sample.planned for sample in samples):
        return Status.NOT_CHECKABLE, [_why_not_planned(order, table, runs)]
    if estimate is None:
        return _without_estimate(order, samples)
    if order.own_scale and not runs.is_full_scale:
        return Status.NOT_CHECKABLE, ["the profile sets what both searches spend"]
    if order.own_scale and len(_devices(*chain(*_pairs(order, table, runs)))) != 1:
        return Status.NOT_CHECKABLE, ["device time of different processors"]
    if references and not runs.is_full_scale:
        return Status.NOT_CHECKABLE, [
            f"{references[0]} was found at full scale: a reference line, no rival at this scale"
        ]
    if estimate.side == 0:
        return Status.UNDECIDED, [] if estimate.low is not None else [_why_no_interval(order, table, runs)]
    if estimate.side < 0:
        return Status.REPRODUCED if runs.is_full_scale else Status.DIRECTION, []
    return Status.DIFFERS if runs.is_full_scale else Status.OPPOSITE, []


def _why_not_planned(order: Order, table: str, runs: Runs) -> str:
    rows = sweeps.row_names(table)
    absent = [row for row in (order.first, order.second) if row not in rows]
    return unknown("row", absent[0], rows) if absent else f"not planned in profile {runs.profile}"


def _samples(order: Order, table: str, runs: Runs) -> tuple[Sample, Sample]:
    """The runs of both sides."""
    if order.of_spread:
        return order.metric.sample(runs, table, order.first), order.metric.sample(runs, table, order.second)
    sides = ((order.metric, order.first), (order.than or order.metric, order.second))
    first, second = (runs.sample(table, row, metric.dataset).where(metric.applies) for metric, row in sides)
    return first, second


def _without_estimate(order: Order, samples: tuple[Sample, Sample]) -> tuple[Status, list[str]]:
    if not order.of_spread:
        return Status.NOT_RUN, ["no seed with both"]
    if all(len(sample.done) > 1 for sample in samples):
        return Status.UNDECIDED, ["all trainings of one side are equal"]
    return Status.NOT_RUN, ["fewer than two trainings of one cell"]


def _why_no_interval(order: Order, table: str, runs: Runs) -> str:
    several = len(within_seeds(*_sides(order, table, runs))) > 1
    return "the same difference in every seed gives no interval" if several else "one seed gives no interval"


def _test(order: Order, table: str, runs: Runs, estimate: Estimate | None) -> Test | None:
    if estimate is None:
        return None
    if order.of_spread:
        return Test(estimate, ())
    differences = within_seeds(*_sides(order, table, runs))
    paper = paper_says(order, table)
    effect = paper if runs.is_full_scale and paper else estimate.value
    needed = None
    if estimate.low is not None:
        needed = seeds_to_tell(effect, float(np.std(list(differences.values()), ddof=1)))
    return Test(estimate, tuple(differences), needed)


def _by_the_papers_spreads(order: Order, table: str) -> Iterator[str]:
    """How many trainings the paper's own difference asks for, whatever was run here."""
    first, second = (_figure(row, order.metric.key, table) for row in (order.first, order.second))
    if order.of_spread or first is None or second is None or not first.sd or not second.sd:
        return
    needed = trainings_to_tell(first.mean - second.mean, first.sd, second.sd)
    yield f"by the paper's own spreads {needed or 'more than 1,000'} trainings of each would tell its difference"


def _noted(order: Order) -> Iterator[str]:
    if order.note:
        yield order.note


def _made(order: Order, table: str, runs: Runs) -> Iterator[str]:
    """On which processors and in what time both sides were made: whether the rivals had the same means."""
    if order.of_spread:
        return
    pairs = _pairs(order, table, runs)
    yield from (told for first, second in pairs for told in (*_given(first, second), *_given(second, first)))
    if apart := sum(len(_devices(*pair)) > 1 for pair in pairs):
        yield f"made on different processors{f' in {apart} of {len(pairs)} seeds' if apart < len(pairs) else ''}"
    elif order.metric.over is not Over.CELL and order.than is None:
        yield from _spent(pairs)


def _pairs(order: Order, table: str, runs: Runs) -> list[tuple[Record, Record]]:
    """The two runs of every seed that is compared."""
    first, second = ({record.seed: record for record in sample.done} for sample in _samples(order, table, runs))
    ours, theirs = _sides(order, table, runs)
    return [(first[seed], second[seed]) for seed in sorted(set(ours) & set(theirs))]


def _devices(*records: Record) -> set[str]:
    """All that the runs were made on, from their first attempts on."""
    return {attempt.device for record in records for attempt in record.attempts}


def _given(record: Record, conas: Record) -> Iterator[str]:
    """Where a search had the time of CoNAS's as it was measured elsewhere, not in the run that it is compared with."""
    if record.search is None or conas.search is None or conas.method != "conas":
        return
    given = record.search.details.get("device_seconds", {}).get("given")
    if given is not None and not math.isclose(given, conas.search.seconds, rel_tol=0.01):
        where = "on another processor" if len(_devices(record, conas)) > 1 else "in another run"
        minutes = f"{given / _MINUTE:.1f} device-minutes, CoNAS's {where}, not the {conas.search.seconds / _MINUTE:.1f}"
        yield f"seed {record.seed} was given {minutes} of the run that it is compared with"


def _spent(pairs: Sequence[tuple[Record, Record]]) -> Iterator[str]:
    sides = zip(*pairs, strict=True)
    minutes = [[record.search.seconds / _MINUTE for record in side if record.search] for side in sides]
    if minutes and all(map(any, minutes)):
        yield f"device-minutes per search: {' and '.join(f'{np.mean(side):.1f}' for side in minutes)}"


def _shown(order: Order, value: float | None) -> str:
    if value is None:
        return ""
    return f"ratio {value:.2f}" if order.of_spread else signed(value, order.metric.form)


def _with_interval(order: Order, estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    shown = _shown(order, estimate.value)
    if estimate.low is None or estimate.high is None:
        return shown
    low, high = (
        f"{end:.2f}" if order.of_spread else signed(end, order.metric.form) for end in (estimate.low, estimate.high)
    )
    return f"{shown} [{low}, {high}]"
