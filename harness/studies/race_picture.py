"""The race as a picture: mean regret against the budget, one panel per table."""

import math

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from harness.pictures.plots import panels


def draw(rows: pd.DataFrame) -> Figure:
    """Mean regrets with 95 % intervals; methods are told apart by colour, marker and dashes alike."""
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
    return {method: "black" if method == "CoNAS" else colours[k % len(colours)] for k, method in enumerate(methods, -1)}
