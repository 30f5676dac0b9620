"""A table of the paper, filled from the runs: every row's own figures beside the published ones.

`Table.rows` gives the numbers as a data frame, one line a row. For a metric with the key ``error`` it has the columns
``error.planned`` and ``.missing`` (runs), ``.n``, ``.best``, ``.mean`` and ``.sd`` (ours), ``.paper_best``,
``.paper_mean`` and ``.paper_sd``, ``.difference``, ``.low``, ``.high`` (95 %), ``.by`` (how the interval was found) and
``.excludes_zero``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.config.load import Config
from harness.records.schema import Record
from tables.published import Figure, published
from tables.runs import Runs, Sample
from tables.statistics import against, summarise

Reader = Callable[[Record, Runs], float | None]
OWN_GROUP = "Further runs of this project"


@dataclass(frozen=True)
class Metric:
    """A column.

    Attributes:
        key: of the figure in published.yaml.
        read: its value for one finished run, None where the run does not have it.
        form: how numbers are written, as in `format`.
        best: whether the best run is shown beside the mean.
        dataset: the column is about this data set alone.
        applies: which planned runs can have it.
        comparable: whether a difference to the paper's figure means anything.
    """

    key: str
    title: str
    read: Reader
    form: str = ".2f"
    best: bool = False
    dataset: str | None = None
    applies: Callable[[Config], bool] = lambda config: True
    comparable: bool = True

    def sample(self, runs: Runs, sweep: str, row: str) -> Sample:
        """The runs of a row that can have a value."""
        sample = runs.sample(sweep, row, self.dataset)
        planned = tuple(config for config in sample.planned if self.applies(config))
        ids = {config.id for config in planned}
        return Sample(planned, tuple(record for record in sample.done if record.id in ids), sample.undone)

    def values(self, runs: Runs, sweep: str, row: str) -> list[float]:
        """Its value for every finished run of a row that has one."""
        found = [self.read(record, runs) for record in self.sample(runs, sweep, row).done]
        return [value for value in found if value is not None]


@dataclass(frozen=True)
class Table:
    """A table of the paper; ``name`` is also that of its sweep and of its entry in published.yaml.

    ``selection`` says which state of the final network is tested.
    """

    name: str
    title: str
    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = ()
    selection: str = "at its last epoch (never the best epoch)"

    @property
    def number(self) -> int:
        """Its number in the paper."""
        return int(self.name.removeprefix("table"))

    def rows(self, runs: Runs) -> pd.DataFrame:
        """The table as numbers, the paper's rows first and in its order."""
        return pd.DataFrame([self._row(name, runs) for name in self.names(runs)])

    def names(self, runs: Runs) -> list[str]:
        """The names of the rows: the paper's, then those of further runs."""
        return list(dict.fromkeys([*published(self.name), *runs.planned(self.name)]))

    def _row(self, name: str, runs: Runs) -> dict[str, Any]:
        paper = published(self.name).get(name)
        sample = runs.sample(self.name, name)
        row: dict[str, Any] = {
            "name": name,
            "group": paper.group if paper else OWN_GROUP,
            "quoted": (paper.quoted or "") if paper else "",
            "planned": len(sample.planned),
            "done": len(sample.done),
            **{status: list(sample.undone.values()).count(status) for status in ("failed", "diverged")},
            "runs": " ".join(record.id for record in sample.done),
            "missing": "\n".join(config.command for config in sample.missing),
        }
        for metric in self.metrics:
            figure = paper.figures.get(metric.key) if paper else None
            cell = _cell(metric, metric.sample(runs, self.name, name), metric.values(runs, self.name, name), figure)
            row |= {f"{metric.key}.{field}": value for field, value in cell.items()}
        return row


def _cell(metric: Metric, sample: Sample, measured: list[float], figure: Figure | None) -> dict[str, Any]:
    ours = summarise(measured)
    cell: dict[str, Any] = {
        "planned": len(sample.planned),
        "missing": len(sample.missing),
        "n": ours.n if ours else 0,
        "best": ours.best if ours else None,
        "mean": ours.mean if ours else None,
        "sd": ours.sd if ours else None,
        "paper_best": figure.best if figure else None,
        "paper_mean": figure.mean if figure else None,
        "paper_sd": figure.sd if figure else None,
    }
    difference = against(measured, figure) if ours and figure and metric.comparable else None
    return cell | {
        "difference": difference.value if difference else None,
        "low": difference.low if difference else None,
        "high": difference.high if difference else None,
        "by": difference.by if difference else "",
        "excludes_zero": difference.excludes_zero if difference else False,
    }
