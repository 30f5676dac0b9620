"""What every search spent, in the units that do not depend on the machine, so that a reader sees who was given more."""

from collections.abc import Iterator, Sequence

import pandas as pd

from harness.console.markdown import markdown_row
from harness.records.schema import Record, SearchRecord
from tables.readers import searches
from tables.render import escape_markdown
from tables.runs import Runs
from tables.table import Table

_MINUTE = 60.0
_COLUMNS = {
    "table": "Table",
    "name": "Search",
    "n": "Runs",
    "one_shot_steps": "One-shot steps",
    "measurements": "Measurements",
    "stand_alone_epochs": "Stand-alone epochs",
    "minutes": "Device-minutes",
}


def frame(runs: Runs, tables: Sequence[Table]) -> pd.DataFrame:
    """One line per row with finished searches that no row before it has: the means of what all of its searches spent.

    Work that several runs share counts in each. A published cell and a random one were not searched for here, so they
    have no line.
    """
    return pd.DataFrame(list(_lines(runs, tables)), columns=list(_COLUMNS))


def _lines(runs: Runs, tables: Sequence[Table]) -> Iterator[tuple]:
    listed = set[str]()
    for table in tables:
        for name in runs.rows(table.name):
            done = runs.sample(table.name, name).where(searches).done
            keys = _keys(done)
            if not keys <= listed:
                listed |= keys
                yield (table.number or table.name, name, len(done), *_means(done))


def _keys(done: Sequence[Record]) -> frozenset[str]:
    """Which searches the runs are of."""
    return frozenset(record.search.key for record in done if record.search)


def _means(done: Sequence[Record]) -> tuple[float, ...]:
    found: list[SearchRecord] = [record.search for record in done if record.search]
    spent = pd.DataFrame([search.model_dump(exclude={"details"}) for search in found])
    means = spent[["one_shot_steps", "measurements", "stand_alone_epochs", "seconds"]].mean()
    return (*means[:3], means["seconds"] / _MINUTE)


def markdown(lines: pd.DataFrame, profile: str) -> str:
    """The budgets as a Markdown document."""
    text = [
        f"# What every search spent, profile {profile}",
        "",
        "Means over the runs. A row whose searches all stand above already, for another table or another training, has "
        "no line; nor have published and randomly drawn cells, which were not searched for here. Device-minutes are of "
        "the processor that a search ran on, and those of different processors do not compare.",
    ]
    text += ["", markdown_row(list(_COLUMNS.values())), markdown_row(["---"] * 2 + ["---:"] * (len(_COLUMNS) - 2))]
    for table, name, n, *spent in lines.itertuples(index=False):
        numbers = [f"{value:,.0f}" for value in spent[:-1]] + [f"{spent[-1]:.1f}"]
        text.append(markdown_row([str(table), escape_markdown(name), str(n), *numbers]))
    return "\n".join([*text, ""])
