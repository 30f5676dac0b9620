"""What every search spent, in the units that do not depend on the machine, so that a reader sees who was given more."""

import pandas as pd

from harness.records.schema import SearchRecord
from tables.render import escape_markdown, markdown_row
from tables.runs import Runs

SWEEPS = ("table1", "table3")
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


def frame(runs: Runs) -> pd.DataFrame:
    """One line a row of Tables 1 and 3 with finished searches: the means of what they spent.

    Work that several runs share counts in each; a published cell or a random one costs nothing.
    """
    lines = []
    for sweep in SWEEPS:
        for name in runs.planned(sweep):
            searches = [record.search for record in runs.sample(sweep, name).done if record.search]
            if searches:
                lines.append((int(sweep.removeprefix("table")), name, len(searches), *_means(searches)))
    return pd.DataFrame(lines, columns=list(_COLUMNS))


def _means(searches: list[SearchRecord]) -> tuple[float, ...]:
    spent = pd.DataFrame([search.model_dump(exclude={"details"}) for search in searches])
    means = spent[["one_shot_steps", "measurements", "stand_alone_epochs", "seconds"]].mean()
    return (*means[:3], means["seconds"] / _MINUTE)


def markdown(lines: pd.DataFrame, profile: str) -> str:
    """The budgets as a Markdown document."""
    text = [f"# What every search spent, profile {profile}", "", "Means over the runs.", ""]
    text += [markdown_row(list(_COLUMNS.values())), markdown_row(["---"] * 2 + ["---:"] * (len(_COLUMNS) - 2))]
    for table, name, n, *spent in lines.itertuples(index=False):
        numbers = [f"{value:,.0f}" for value in spent[:-1]] + [f"{spent[-1]:.1f}"]
        text.append(markdown_row([str(table), escape_markdown(name), str(n), *numbers]))
    return "\n".join([*text, ""])
