"""What a race shows: mean regrets with intervals, a picture, and in words where CoNAS loses."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from harness.files import write_atomic
from harness.picture import interval, panels, write_picture

SUBJECT = "CoNAS"

INTRODUCTION = """# The race on tabular benchmarks

Mean regret of the returned architecture in percentage points, over {seeds} seeds, with 95 % intervals (percentile
bootstrap). Lower is better. A budget counts evaluations: every question to the table, repeated ones too.

Encoding: one bit for each operation of each edge, exactly one of an edge's bits on. Strings that break this are no
architecture: no method draws one, and CoNAS and Harmonica minimise over the valid ones only.

CoNAS runs as in the paper, s = 10 monomials of degree d <= 2, penalty 1, one stage; d = 1 is an ablation of ours, and
so is the local search. Not in the race: DARTS needs weights, published cells belong to other spaces, and ASHA needs
the losses of unfinished trainings, of which these tables have none.

{verdict} Every interval stands for itself, without a
correction for their number.

![mean regret against budget](race.png)
"""


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each table, method and budget: what was spent, the regret's mean, interval, median and sample SD."""
    results = []
    for keys, group in rows.groupby(["table", "method", "budget"], sort=False):
        regret = group["regret"]
        low, high = interval(regret, *map(str, keys))
        spent = group["evaluations"].mean()
        results.append((*keys, len(group), spent, regret.mean(), low, high, regret.median(), regret.std()))
    columns = ["table", "method", "budget", "seeds", "evaluations", "mean", "low", "high", "median", "sd"]
    return pd.DataFrame(results, columns=columns)


def duels(rows: pd.DataFrame) -> pd.DataFrame:
    """CoNAS's regret minus every other method's, seed by seed: mean, interval and who is ahead if 0 lies outside."""
    results = []
    for (table, budget), group in rows.groupby(["table", "budget"], sort=False):
        regrets = group.pivot(index="seed", columns="method", values="regret")
        for other in [name for name in group["method"].unique() if name != SUBJECT]:
            difference = regrets[SUBJECT] - regrets[other]
            low, high = interval(difference, "duel", str(table), str(other), str(budget))
            verdict = "loses" if low > 0 else "wins" if high < 0 else "undecided"
            results.append((table, budget, other, difference.mean(), low, high, verdict))
    return pd.DataFrame(results, columns=["table", "budget", "against", "difference", "low", "high", "conas"])


def draw(rows: pd.DataFrame) -> Figure:
    """Mean regret against the budget, one panel a table; told apart by colour, marker and dashes alike."""
    tables, methods = rows["table"].unique(), list(rows["method"].unique())
    figure, axes = panels(2, math.ceil(len(tables) / 2), width=4.5, height=3.4)
    for axis, table in zip(axes, tables, strict=False):
        _panel(axis, rows[rows["table"] == table], methods)
        axis.set_title(table)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, handlelength=4)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, methods: list[str]) -> None:
    sns.lineplot(
        rows,
        x="budget",
        y="regret",
        hue="method",
        style="method",
        hue_order=methods,
        style_order=methods,
        palette=_palette(methods),
        markers=True,
        errorbar=("ci", 95),
        err_kws={"alpha": 0.12, "linewidth": 0},
        seed=0,
        ax=axis,
    )
    if legend := axis.get_legend():
        legend.set_visible(False)
    # after the means: seaborn would take them of the logarithms
    axis.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="mean regret (points)")
    budgets = sorted(rows["budget"].unique())
    axis.set_xticks(budgets, [str(budget) for budget in budgets])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())


def _palette(methods: list[str]) -> dict[str, object]:
    """Colours that colour-blind readers can tell apart, none of them too light for grey paper."""
    colours = [colour for k, colour in enumerate(sns.color_palette("colorblind")) if k not in (6, 8)]
    return {method: "black" if method == SUBJECT else colours[k % len(colours)] for k, method in enumerate(methods, -1)}


def write_report(rows: pd.DataFrame, captions: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the searches, the summary, the duels, the picture and the findings to ``folder``; the files' paths."""
    table, fights = summary(rows), duels(rows)
    contents = {
        "searches.csv": rows.to_csv(index=False, float_format="%.5f").encode(),
        "summary.csv": table.to_csv(index=False, float_format="%.4f").encode(),
        "duels.csv": fights.to_csv(index=False, float_format="%.4f").encode(),
        "race.md": markdown(rows, table, fights, captions).encode(),
    }
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [*(folder / name for name in contents), *write_picture(lambda: draw(rows), folder / "race")]


def markdown(rows: pd.DataFrame, table: pd.DataFrame, fights: pd.DataFrame, captions: Mapping[str, str]) -> str:
    """The page: a table for each benchmark, and where CoNAS loses."""
    parts = [INTRODUCTION.format(seeds=table["seeds"].max(), verdict=verdict(fights))]
    for name, caption in captions.items():
        chosen = fights[fights["table"] == name]
        parts.append(f"## {name}\n\n{caption}\n\n{_grid(table[table['table'] == name])}\n\n{findings(chosen)}")
        parts.append(_prediction(rows[(rows["table"] == name) & (rows["method"] == SUBJECT)]))
    return "\n".join(parts)


def _prediction(rows: pd.DataFrame) -> str:
    """How well CoNAS's sparse polynomial predicts: what its losses come from."""
    fits = rows.dropna(subset="held_out_r2").groupby("budget")["held_out_r2"].median()
    listed = ", ".join(f"{fit:.2f} at {budget}" for budget, fit in fits.items())
    return f"Median R² of CoNAS's polynomial on measurements that it was not made from: {listed}.\n"


def verdict(fights: pd.DataFrame, control: str = "best of m") -> str:
    """How often CoNAS beats the best of its own measurements, in words."""
    counts = fights.loc[fights["against"] == control, "conas"].value_counts()
    loses, wins = counts.get("loses", 0), counts.get("wins", 0)
    return (
        f"Against {control}, which is CoNAS at the same cost without the recovery, CoNAS loses at {loses} and wins at\n"
        f"{wins} of the {counts.sum()} pairs of benchmark and budget; the others are undecided."
    )


def _grid(cells: pd.DataFrame) -> str:
    least = cells.groupby("budget")["mean"].transform("min")
    bold = np.where(cells["mean"] == least, "**", "")
    texts = [f"{b}{r.mean:.2f}{b} [{r.low:.2f}, {r.high:.2f}]" for b, r in zip(bold, cells.itertuples(), strict=True)]
    shown = cells.assign(text=texts).pivot(index="method", columns="budget", values="text")
    grid = shown.reindex(cells["method"].unique())
    header = ["method", *(f"{budget} evaluations" for budget in grid.columns)]
    lines = [header, ["---", *("---:" for _ in grid.columns)], *([name, *row] for name, *row in grid.itertuples())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def findings(fights: pd.DataFrame) -> str:
    """Against every other method, at which budgets CoNAS loses, wins or neither, as a list."""
    lines = []
    for other, group in fights.groupby("against", sort=False):
        outcomes = []
        for verdict, words in (("loses", "**CoNAS loses**"), ("wins", "CoNAS wins"), ("undecided", "no difference")):
            budgets = [str(budget) for budget in group.loc[group["conas"] == verdict, "budget"]]
            if budgets:
                outcomes.append(f"{words} at {', '.join(budgets)}")
        last = group.iloc[-1]
        size = f"{last.difference:+.2f} [{last.low:+.2f}, {last.high:+.2f}] points of regret at {last.budget}"
        lines.append(f"- against {other}: {'; '.join(outcomes)} ({size})")
    return "\n".join(lines) + "\n"
