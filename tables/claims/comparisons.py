"""The paper's claims in words, "this is lower than that", and this project's controls, decided seed by seed.

Both sides of a comparison have runs of the same seeds, which share the data, the one-shot model and its measurements.
So the differences are taken within a seed, and their mean has Student's 95 % interval: the claim holds where the
interval lies below 0, does not where it lies above, and is undecided where it contains 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from tables.paper.contents import TABLES
from tables.published import published
from tables.render import escape_markdown, markdown_row
from tables.runs import Runs
from tables.statistics import interval_of_mean
from tables.table import Metric
from tables.wording import number

CONTROL = "this project's control"
HOLDS, OPPOSITE, UNDECIDED, NOT_RUN = "holds", "does not hold", "undecided", "not run"
_HEADERS = ("Where", "Claim", "Paper", "Ours", "Seeds", "Verdict")
_METRICS = {(table.name, metric.key): metric for table in TABLES for metric in table.metrics}


@dataclass(frozen=True)
class Comparison:
    """``first`` is lower than ``second`` in ``metric``, says the paper at ``where``. Rows are those of ``table``."""

    where: str
    table: str
    first: str
    second: str
    metric: str = "error"

    @property
    def column(self) -> Metric:
        """The column of the table that is compared."""
        return _METRICS[self.table, self.metric]

    @property
    def claim(self) -> str:
        """The claim in words."""
        return f"{self.column.title}: {self.first} < {self.second}"


def _comparisons() -> Iterator[Comparison]:
    better = "section 4.1, Table 1"
    for other in ("RSWS", "DARTS", "DARTS (five operations)", "Random Search", "ASHA"):
        yield Comparison(better, "table1", "CoNAS (t=1)", other)
    for metric, other in (("params", "DARTS"), ("params", "RSWS"), ("mult_adds", "DARTS"), ("mult_adds", "RSWS")):
        yield Comparison("section 4.1: smaller", "table1", "CoNAS (t=1)", other, metric)
    yield Comparison("section 4.1: four stages", "table1", "CoNAS (t=4)", "CoNAS (t=1)")
    yield Comparison("section 4.1: four stages", "table1", "CoNAS (t=1)", "CoNAS (t=4)", "params")
    yield Comparison("section 4.1: wide", "table1", "CoNAS (t=1, C=60) + AutoAugment", "CoNAS (t=1)")
    yield Comparison(CONTROL, "table1", "CoNAS (t=1)", "Best of m")
    for edges in (15, 5):
        yield Comparison(CONTROL, "table1", "CoNAS (t=1)", f"Random wiring, {edges} edges")
    for metric in ("cifar100", "svhn", "fashion_mnist"):
        for other in ("RSWS", "DARTS"):
            yield Comparison("section 4.2: competitive", "table2", "CoNAS (t=1)", other, metric)
    for other in ("RSWS (equal search time)", "DARTS (2nd order, the authors' rerun)", "Random Search"):
        yield Comparison("section 4.4, Table 3", "table3", "CoNAS", other, "test")
    for penalty in ("0.5", "1", "2", "5", "10"):
        yield Comparison("appendix A.6, Table 4", "table4", f"λ = {penalty}", "Random")
    for cell in (1, 2, 3):
        yield Comparison("Table 5", "table5", "CoNAS (t=4)", f"Randomly Wired Model ({cell})")


COMPARISONS = tuple(_comparisons())


def frame(runs: Runs) -> pd.DataFrame:
    """One line a comparison: the paper's difference, ours with its 95 % interval, over which seeds, the verdict."""
    return pd.DataFrame([_line(comparison, runs) for comparison in COMPARISONS])


def _line(comparison: Comparison, runs: Runs) -> dict[str, object]:
    first, second = (_by_seed(comparison, row, runs) for row in (comparison.first, comparison.second))
    seeds = sorted(set(first) & set(second))
    differences = [first[seed] - second[seed] for seed in seeds]
    interval = interval_of_mean(differences)
    return {
        "where": comparison.where,
        "claim": comparison.claim,
        "paper": _published(comparison),
        "difference": sum(differences) / len(differences) if differences else None,
        "low": interval[0] if interval else None,
        "high": interval[1] if interval else None,
        "seeds": " ".join(map(str, seeds)),
        "verdict": _verdict(differences, interval),
    }


def _by_seed(comparison: Comparison, row: str, runs: Runs) -> dict[int, float]:
    metric = comparison.column
    read = ((record.seed, metric.read(record, runs)) for record in metric.sample(runs, comparison.table, row).done)
    return {seed: value for seed, value in read if value is not None}


def _published(comparison: Comparison) -> float | None:
    rows = published("table1") | published(comparison.table)  # Table 5 compares with a row of Table 1
    figures = [
        rows[name].figures.get(comparison.metric) for name in (comparison.first, comparison.second) if name in rows
    ]
    found = [figure.mean for figure in figures if figure is not None]
    return found[0] - found[1] if len(found) == 2 else None


def _verdict(differences: list[float], interval: tuple[float, float] | None) -> str:
    if not differences:
        return NOT_RUN
    if interval is None or interval[0] <= 0 <= interval[1]:
        return UNDECIDED
    return HOLDS if interval[1] < 0 else OPPOSITE


def markdown(lines: pd.DataFrame, profile: str) -> str:
    """The comparisons as a Markdown document."""
    text = [f"# Comparisons, profile {profile}", ""]
    text += ["Differences, first minus second, within a seed; their mean and its 95 % interval (Student's t).", ""]
    text += [markdown_row(list(_HEADERS)), markdown_row(["---"] * len(_HEADERS))]
    for line, comparison in zip(lines.to_dict("records"), COMPARISONS, strict=True):
        form = f"+{comparison.column.form}"
        paper, ours = (_shown(line[name], form) for name in ("paper", "difference"))
        interval = "" if pd.isna(line["low"]) else f" [{_shown(line['low'], form)}, {_shown(line['high'], form)}]"
        cells = [line["where"], line["claim"], paper, f"{ours}{interval}", line["seeds"], line["verdict"]]
        text.append(markdown_row([escape_markdown(str(cell)) for cell in cells]))
    return "\n".join([*text, ""])


def _shown(value: float | None, form: str) -> str:
    return "" if value is None or pd.isna(value) else number(value, form)
