"""A table, filled from the runs: every row's own figures beside the published ones, where there are any.

`Table.rows` gives the numbers as a data frame, one line per row. For a column with the key ``error`` it has the columns
``error.planned`` and ``.missing`` (runs), ``.n``, ``.best``, ``.mean`` and ``.sd`` (ours), ``.paper`` (as it is
printed), ``.paper_best``, ``.paper_mean`` and ``.paper_sd``, ``.difference``, ``.low``, ``.high`` (95 %), ``.by`` (how
the interval was found) and ``.excludes_zero``.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import pandas as pd

from conas.refusal import Refused
from harness.config.load import Config
from harness.records.schema import Record
from tables.published import Figure, published
from tables.runs import ONE_CELL, Runs, Sample
from tables.statistics import Estimate, against, one_more, summarise
from tables.tiers import Tier

Reader = Callable[[Record, Runs], float | None]
Margin = Callable[[Figure], float]
OWN_GROUP = "Further runs of this project"
_PAPER = "table"


class Over(Enum):
    """What the values of a column are a sample of.

    ONE_CELL: trainings of the cell of one search, which is what the paper averages.
    SEARCHES: searches, each with its own training; the paper has no such figure.
    CELL: searches, of something that belongs to the cell that is found; the paper shows one.
    """

    ONE_CELL = "one cell"
    SEARCHES = "one search per seed"
    CELL = ""


def of_images(number: int) -> Margin:
    """A margin for an error rate in percent: 1.5 standard errors of the paper's rate on ``number`` test images."""
    return lambda paper: 150 * math.sqrt(paper.mean / 100 * (1 - paper.mean / 100) / number)


def share(part: float) -> Margin:
    """A margin of ``part`` of the paper's figure."""
    return lambda paper: part * paper.mean


def exactly(value: float) -> Margin:
    """The same margin for every figure."""
    return lambda paper: value


NO_MARGIN = exactly(0.0)


@dataclass(frozen=True)
class Metric:
    """A column.

    Attributes:
        key: of the figure in published.yaml.
        read: its value for one finished run, None where the run does not have it.
        form: how numbers are written, as in `format`.
        over: what its values are a sample of.
        margin: how far two means may be apart and count as equal, in its unit, for a figure of the paper.
        best: whether the best run is shown beside the mean.
        dataset: the column is about this data set alone.
        applies: which planned runs can have it.
        comparable: whether a difference to the paper's figure means anything.
        certain: runs of a row cannot but have the same value.
    """

    key: str
    title: str
    read: Reader
    form: str = ".2f"
    over: Over = Over.ONE_CELL
    margin: Margin = NO_MARGIN
    best: bool = False
    dataset: str | None = None
    applies: Callable[[Config], bool] = lambda config: True
    comparable: bool = True
    certain: bool = False

    def sample(self, runs: Runs, sweep: str, row: str) -> Sample:
        """The runs of a row that can have a value."""
        if self.over is Over.ONE_CELL:
            return runs.trainings(sweep, row, self.dataset).where(self.applies)
        sample = runs.sample(sweep, row, self.dataset).where(self.applies)
        return Sample((), ()) if self.over is Over.SEARCHES and sample.is_of_one_cell else sample

    def values(self, runs: Runs, sweep: str, row: str) -> list[float]:
        """Its value for every finished run of the sample that has one."""
        found = [self.read(record, runs) for record in self.sample(runs, sweep, row).done]
        return [value for value in found if value is not None]

    def by_seed(self, runs: Runs, sweep: str, row: str) -> dict[int, float]:
        """Its value for every finished run of the row itself, whatever it is a sample of, by seed.

        Raises:
            Refused: a seed has several runs, as an axis beside the seeds makes them, and none of them stands for it.
        """
        done = runs.sample(sweep, row, self.dataset).where(self.applies).done
        seed, number = next(iter(Counter(record.seed for record in done).most_common(1)), (0, 0))
        if number > 1:
            raise Refused(f"{sweep}, {row}: seed {seed} has {number} different runs, and a claim compares one")
        read = ((record.seed, self.read(record, runs)) for record in done)
        return {seed: value for seed, value in read if value is not None}

    def difference(self, values: list[float], paper: Figure, is_published: bool) -> Estimate:
        """Ours minus the paper's: of means of trainings, or of what one search found; a published cell has one size."""
        certain = self.certain or (is_published and self.over is Over.CELL)
        return (against if self.over is Over.ONE_CELL else one_more)(values, paper, certain)

    @property
    def over_searches(self) -> "Metric":
        """The same quantity with one search per seed, which the paper does not have."""
        return replace(self, key=f"{self.key}_searches", over=Over.SEARCHES, comparable=False)

    @property
    def header(self) -> str:
        """Its title, and what it is a sample of."""
        return ", ".join(filter(None, (self.title, self.over.value)))


@dataclass(frozen=True)
class Order:
    """A claim: ``first`` is lower than ``second`` in ``metric``. Rows are those of the table that makes it.

    Attributes:
        where: the paper says so, None for this project's own question.
        than: another metric for ``second``, where one row is compared with itself.
        of_spread: what is lower is the SD over trainings of one cell, not the mean.
        own_scale: the profile sets what is compared, so that only the published sizes decide it.
        note: what a reader must know to judge it.
    """

    metric: Metric
    first: str
    second: str
    where: str | None
    than: Metric | None = None
    of_spread: bool = False
    own_scale: bool = False
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table; ``name`` is that of its sweep, and of its entry in published.yaml if it is one of the paper's.

    ``selection`` says which state of the final network is tested.
    """

    name: str
    title: str
    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = ()
    selection: str = "at its last epoch (never the best epoch)"
    claims: tuple[Order, ...] = ()

    @property
    def number(self) -> int | None:
        """Its number in the paper, None for a table of this project."""
        return int(self.name.removeprefix(_PAPER)) if published(self.name) else None

    @property
    def heading(self) -> str:
        """Its title, with its number in the paper."""
        return f"Table {self.number}. {self.title}" if self.number else self.title

    @property
    def columns(self) -> list[Metric]:
        """The metrics; what a training decides stands twice, as the paper has it and over searches."""
        pairs = ([m, m.over_searches] if m.over is Over.ONE_CELL else [m] for m in self.metrics)
        return [column for pair in pairs for column in pair]

    def rows(self, runs: Runs) -> pd.DataFrame:
        """The table as numbers, the paper's rows first and in its order."""
        frame = pd.DataFrame([self._row(name, runs) for name in self.names(runs)])
        if self.number and self.has_tiers(runs):
            own = frame["group"] == OWN_GROUP
            frame.loc[own, "group"] = OWN_GROUP + ": " + frame.loc[own, "tier"]
        return frame

    def names(self, runs: Runs) -> list[str]:
        """The names of the rows: the paper's, then those of further runs, the most comparable ones first."""
        further = [name for name in runs.rows(self.name) if name not in published(self.name)]
        return [*published(self.name), *(sorted(further, key=_place(self.name, runs)) if self.number else further)]

    def tiers(self, runs: Runs) -> set[Tier]:
        """What its rows share with CoNAS."""
        found = (runs.tier(self.name, name) for name in runs.planned(self.name))
        return {tier for tier in found if tier is not None}

    def has_tiers(self, runs: Runs) -> bool:
        """Whether its rows stand apart by what they share with CoNAS, cells drawn at random aside."""
        return len(self.tiers(runs) - {Tier.DRAWN}) > 1

    def _row(self, name: str, runs: Runs) -> dict[str, Any]:
        paper = published(self.name).get(name)
        sample = runs.sample(self.name, name) + runs.sample(self.name, name + ONE_CELL)
        tier = runs.tier(self.name, name)
        row: dict[str, Any] = {
            "name": name,
            "group": paper.group if paper else OWN_GROUP if self.number else "",
            "tier": tier.word if tier else "",
            "quoted": (paper.quoted or "") if paper else "",
            "planned": len(sample.planned),
            "done": len(sample.done),
            **{status: list(sample.undone.values()).count(status) for status in ("failed", "diverged")},
            "runs": " ".join(record.id for record in sample.done),
            "missing": "\n".join(config.command for config in sample.missing),
        }
        for column in self.columns:
            figure = paper.figures.get(column.key) if paper else None
            row |= {f"{column.key}.{field}": value for field, value in self._cell(column, name, figure, runs).items()}
        return row

    def _cell(self, column: Metric, name: str, figure: Figure | None, runs: Runs) -> dict[str, Any]:
        sample, measured = column.sample(runs, self.name, name), column.values(runs, self.name, name)
        ours = summarise(measured)
        comparable = column.comparable and runs.is_full_scale and not sample.is_drawn
        difference = (
            column.difference(measured, figure, sample.is_published) if ours and figure and comparable else None
        )
        return {
            "planned": len(sample.planned),
            "missing": len(sample.missing),
            "n": ours.n if ours else 0,
            "best": ours.best if ours else None,
            "mean": ours.mean if ours else None,
            "sd": ours.sd if ours else None,
            "paper": figure.text if figure else "",
            "paper_best": figure.best if figure else None,
            "paper_mean": figure.mean if figure else None,
            "paper_sd": figure.sd if figure else None,
            "difference": difference.value if difference else None,
            "low": difference.low if difference else None,
            "high": difference.high if difference else None,
            "by": difference.by if difference else "",
            "excludes_zero": bool(difference.side) if difference and difference.low is not None else None,
        }


def _place(table: str, runs: Runs) -> Callable[[str], int]:
    def place(name: str) -> int:
        found = runs.tier(table, name)
        return found.place if found else 0

    return place
