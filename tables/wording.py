"""A table as people read it: the numbers of `Table.rows` in words, once for every output format."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from harness.config.assumptions import assumptions
from harness.data.registry import dataset
from tables.counted import counted
from tables.predicted import rankings
from tables.published import published
from tables.readers import title
from tables.recovered import left_open
from tables.runs import STAND_IN, Runs
from tables.table import Metric, Over, Table
from tables.tiers import Tier

QUOTED, DIFFERS = "†", "*"
TIER = "Compared"
_PUBLISHED_SIZES = ("paper", "release")


@dataclass(frozen=True)
class Cell:
    """Lines of text; ``sort`` is the number to sort by; a ``gap`` waits for runs."""

    lines: tuple[str, ...]
    sort: float | None
    kind: Literal["ours", "paper", "gap", "empty", "word"]


@dataclass(frozen=True)
class SheetRow:
    """A named row of cells, the ids of the runs behind it and the commands that fill its gaps."""

    name: str
    cells: tuple[Cell, ...]
    runs: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """A table in words; ``groups`` are titled runs of rows, the title empty where the table has none."""

    name: str
    number: int | None
    title: str
    heading: str
    headers: tuple[str, ...]
    groups: tuple[tuple[str, tuple[SheetRow, ...]], ...]
    caption: tuple[str, ...]

    @property
    def rows(self) -> list[SheetRow]:
        """All rows."""
        return [row for _, rows in self.groups for row in rows]


def sheet(table: Table, runs: Runs, frame: pd.DataFrame) -> Sheet:
    """``frame``, the rows of ``table``, in words."""
    groups: dict[str, list[SheetRow]] = {}
    has_tiers = table.has_tiers(runs)
    for line in frame.to_dict("records"):
        row = {str(name): value for name, value in line.items()}
        groups.setdefault(row["group"], []).append(_row(table, row, has_tiers))
    return Sheet(
        table.name,
        table.number,
        table.title,
        table.heading,
        ("", *([TIER] if has_tiers else []), *(column.header for column in table.columns)),
        tuple((title, tuple(rows)) for title, rows in groups.items()),
        caption(table, runs),
    )


def caption(table: Table, runs: Runs) -> tuple[str, ...]:
    """What a reader must know: runs, estimand, spread, interval, profile, device, what is left out and what assumed."""
    return (
        f"Profile {runs.profile}{': reduced scale' if is_reduced(runs) else ''}."
        f" Device: {'; '.join(runs.devices(table.name)) or 'none yet'}.",
        *filter(None, [runs.changed]),
        f"Ours: {'best | ' if any(column.best for column in table.columns) else ''}mean ± sample SD (ddof = 1) of n "
        f"runs that ended, each {table.selection}.",
        *_data(table, runs),
        *_estimands(table),
        *(_against(table) if runs.is_full_scale else _not_against(table, runs)),
        f"{QUOTED} the paper quotes this figure from other work.",
        *_tiers(table, runs),
        _counts(runs.statuses(table.name), runs),
        *table.notes,
        *left_open(runs, table.name),
        *rankings(runs, table.name),
        *_assumed(table, runs),
    )


def is_reduced(runs: Runs) -> bool:
    """Whether the profile's networks are smaller than the paper's; other settings may differ at any size."""
    return runs.profile not in _PUBLISHED_SIZES


def _assumed(table: Table, runs: Runs) -> Iterator[str]:
    configs = [config for row in runs.planned(table.name).values() for config in row]
    yield from (f"Assumed, where the paper is silent: {line}." for line in assumptions(configs))


def _data(table: Table, runs: Runs) -> Iterator[str]:
    """Which data stand for those of the paper, and which data sets the runs had a part of."""
    if any(config.dataset == STAND_IN for row in runs.planned(table.name).values() for config in row):
        yield (
            f"Scikit-learn's {STAND_IN} stand here for the paper's images: no figure can be compared with the paper's."
        )
    parts: dict[str, set[int]] = {}
    for record in runs.done(table.name):
        if "counts" in record.data:
            parts.setdefault(record.dataset, set()).add(learnt(record.data["counts"]))
    whole = {name: learnt(dataset(name).counts) for name in parts}
    parted = [
        f"{title(name)} {' and '.join(f'{part:,}' for part in sorted(some))} of {whole[name]:,}"
        for name, some in sorted(parts.items())
        if min(some) < whole[name]
    ]
    if parted:
        yield f"Training examples that the data folder held: {', '.join(parted)}."


def learnt(counts: Mapping[str, int]) -> int:
    """The images, or words, that are not for tests."""
    return sum(number for split, number in counts.items() if split not in ("test", "valid", "words"))


def _estimands(table: Table) -> Iterator[str]:
    over = {column.over for column in table.columns}
    if Over.ONE_CELL in over:
        yield (
            f'"{Over.ONE_CELL.value}": the cell of one search, trained under every seed: what the paper averages. '
            f'"{Over.SEARCHES.value}": every seed searches and trains, so the spread is also the search\'s.'
        )
    if Over.CELL in over:
        yield "All other columns: of the cells that these searches found, one per seed."


def _against(table: Table) -> Iterator[str]:
    """How ours is set against the paper's."""
    if not published(table.name):
        return
    yield (
        "Beneath ours: the paper's figure, then ours minus the paper's with its 95 % interval, the printed figure's "
        "rounding included: of means of trainings (Student's t, Welch's where the paper gives SD and seeds); of what "
        f"belongs to a cell, the interval of one more search, as the paper's is one. {DIFFERS} the interval excludes 0."
    )


def _not_against(table: Table, runs: Runs) -> Iterator[str]:
    if published(table.name):
        others = "networks many times as large" if is_reduced(runs) else "other settings or of whole data sets"
        yield f"The paper's figures are of {others}; a difference to them would mean nothing."


def _tiers(table: Table, runs: Runs) -> Iterator[str]:
    """What the words of the column say that a row shares with CoNAS."""
    if table.has_tiers(runs):
        meanings = [f"{tier.word}: {tier.meaning}" for tier in Tier if tier in table.tiers(runs)]
        yield f'"{TIER}" says what a row shares with CoNAS. {"; ".join(meanings)}. –: not run here.'


def _counts(statuses: Counter[str], runs: Runs) -> str:
    planned = sum(statuses.values())
    left_out = [f"{statuses[name]} {name}" for name in ("failed", "diverged", "interrupted", "running", "queued")]
    return (
        f"Planned runs: {planned}, of these {statuses['done']} done, {statuses['missing']} not started, "
        f"{', '.join(left_out)}; only those done enter a mean. Left out as of other profiles: {runs.foreign}, "
        f"as damaged: {len(runs.damaged)}."
    )


def _row(table: Table, row: Mapping[str, Any], has_tiers: bool) -> SheetRow:
    compared = [Cell((row["tier"] or "–",), None, "word")] if has_tiers else []
    cells = (*compared, *(_cell(column, row) for column in table.columns))
    return SheetRow(row["name"], cells, tuple(row["runs"].split()), tuple(filter(None, row["missing"].split("\n"))))


def _cell(metric: Metric, row: Mapping[str, Any]) -> Cell:
    values = {name.rpartition(".")[2]: row[name] for name in row if name.rpartition(".")[0] == metric.key}
    paper = values["paper"] + (QUOTED if values["paper"] and row["quoted"] else "")
    if not values["n"]:
        return _without_runs(paper, values)
    lines = [_ours(metric, values)]
    if paper:
        lines += [f"paper {paper}"] + ([_difference(metric, values)] if pd.notna(values["difference"]) else [])
    return Cell(tuple(lines), values["mean"], "ours")


def _without_runs(paper: str, values: Mapping[str, Any]) -> Cell:
    if values["missing"]:
        gap = f"gap: {values['missing']} of {counted(values['planned'], 'run')}"
        return Cell((gap, f"paper {paper}") if paper else (gap,), None, "gap")
    if paper:
        return Cell((f"paper {paper}",), float(values["paper_mean"]), "paper")
    return Cell(("–",), None, "empty")


def _ours(metric: Metric, values: Mapping[str, Any]) -> str:
    text = number(values["mean"], metric.form)
    if values["n"] > 1 and values["sd"]:
        text += f" ± {number(values['sd'], metric.form)}"
        text = f"{number(values['best'], metric.form)} | {text}" if metric.best else text
    planned = f" of {values['planned']}" if values["n"] < values["planned"] else ""
    return f"{text} (n = {values['n']}{planned})"


def _difference(metric: Metric, values: Mapping[str, Any]) -> str:
    text = signed(values["difference"], metric.form)
    if pd.isna(values["low"]):
        return f"{text} (no interval from {'one run' if values['n'] == 1 else 'equal runs'})"
    interval = f"[{signed(values['low'], metric.form)}, {signed(values['high'], metric.form)}]"
    return f"{text} {interval}{DIFFERS if values['excludes_zero'] else ''}"


def signed(value: float, form: str) -> str:
    """``value`` as `format` writes it, with its sign."""
    return number(value, f"+{form}")


def number(value: float, form: str) -> str:
    """``value`` as `format` writes it, with a proper minus sign."""
    return format(value, form).replace("-", "−")
