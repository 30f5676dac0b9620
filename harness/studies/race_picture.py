"""The race as a picture: mean regret against the budget, one panel per board."""

import math

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from harness.pictures.plots import panels
from harness.studies.race_contenders import FOURIER

_OFF_SCALE = "random wiring"


def draw(rows: pd.DataFrame) -> Figure:
    """Mean regrets, a regret of 0 at the bottom; methods are told apart by colour, marker and dashes alike."""
    shown = rows[rows["method"] != _OFF_SCALE]
    tables, methods = shown["table"].unique(), list(shown["method"].unique())
    figure, axes = panels(3, math.ceil(len(tables) / 3), width=3.8, height=3.2)
    for axis in axes[len(tables) :]:
        axis.set_visible(False)
    for axis, table in zip(axes, tables, strict=False):
        _panel(axis, shown[shown["table"] == table], methods)
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
        size="method",
        sizes={method: 2.5 if method == FOURIER else 1.0 for method in methods},
        errorbar=None,
        ax=axis,
    )
    if legend := axis.get_legend():
        legend.set_visible(False)
    # after the means: seaborn would take them of the logarithms
    axis.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="mean regret")
    budgets = sorted(rows["budget"].unique())
    axis.set_xticks(budgets, [str(budget) for budget in budgets])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())


def _palette(methods: list[str]) -> dict[str, object]:
    """Colours that colour-blind readers can tell apart, none of them too light for grey paper."""
    colours = [colour for k, colour in enumerate(sns.color_palette("colorblind")) if k not in (6, 8)]
    return {method: "black" if method == FOURIER else colours[k % len(colours)] for k, method in enumerate(methods, -1)}
