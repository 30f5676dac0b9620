"""The scaling study as a picture and as numbers: every claim against the steps of the one-shot model's training."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.stats import linregress, t

from harness.pictures.plots import panels

STEPS = 39_100
"""Of the paper's search: 100 epochs of 391 batches."""

PANELS = {
    "on helps": "degree 1: an edge\nthat is on helps (%)",
    "active": "edges of the answer",
    "ranks": "Spearman's ρ on\nunseen sub-networks",
    "better": "random sub-networks better\nthan the answer (%)",
    "gap": "answer minus\nbest of m (nats)",
    "fourier": "Fourier search's, of m/5\nmeasurements, minus\nbest of m (nats)",
    "fall": "fall of the mean in\na second stage (nats)",
    "apart": "bits between answers\nof λ = 0.5 to 10",
    "tau": "Kendall's τ,\none-shot and alone",
}
"""The quantities and what they are called."""

BOUNDS = {"on helps": (0, 100), "ranks": (-1, 1), "better": (0, 100), "tau": (-1, 1)}
"""What a quantity can be; a line that is drawn on leaves it."""

LEAST = 4
"""Points that a trend is drawn through."""


def family(rows: pd.DataFrame) -> pd.Series:
    """The size of the model and of the data, in words, one per line of ``rows``; models of a ``paper`` search, stopped
    anywhere on its one schedule, are apart."""
    return rows.apply(
        lambda row: (
            f"{row.channels:g} channels, {row.cells:g} cells, {int(row.images) // 2:,} images"
            + (", the paper's search" if row.paper else "")
        ),
        axis=1,
    )


def draw(rows: pd.DataFrame) -> Figure:
    """One panel per quantity; a line per family, a dot per model."""
    shown = rows.assign(family=family(rows))
    figure, axes = panels(3, 3, width=3.4, height=2.7)
    for axis, (name, label) in zip(axes, PANELS.items(), strict=True):
        style = {"style": "family", "markers": True, "dashes": False, "palette": "colorblind", "errorbar": None}
        if shown[name].isna().all():
            axis.set_axis_off()
        else:
            sns.lineplot(shown, x="steps", y=name, hue="family", ax=axis, **style)
            sns.scatterplot(shown, x="steps", y=name, color="0.4", s=8, ax=axis)
        axis.set(xscale="log", xlabel="steps of the one-shot model", ylabel=label)
        axis.xaxis.set_minor_locator(NullLocator())
        if axis.legend_ is not None:
            axis.legend_.remove()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """For each family and quantity the trend per tenfold of the steps and where it leads at the paper's steps, of
    models whose schedules end with their steps."""
    groups = rows.assign(family=family(rows))[~rows["paper"]].groupby("family", sort=False)
    return {str(name): {"points": len(group), **_trends(group)} for name, group in groups}


def _trends(group: pd.DataFrame) -> dict[str, Any]:
    known = {name: group[group[name].notna()] for name in PANELS}
    return {
        name: trend(part["steps"], part[name], *BOUNDS.get(name, ()))
        for name, part in known.items()
        if part["steps"].nunique() >= LEAST
    }


def trend(steps: pd.Series, values: pd.Series, low: float = -np.inf, high: float = np.inf) -> dict[str, Any]:
    """The least-squares line through ``values`` against the logarithm of ``steps``, with 95 % intervals.

    ``at the paper's steps`` is an interval of prediction for one more model, if the line went on so far; within ``low``
    and ``high``.
    """
    x, y = np.log10(steps.to_numpy(float)), values.to_numpy(float)
    line, spread = linregress(x, y), t.ppf(0.975, len(x) - 2)
    there, residual = np.log10(STEPS), y - (line.intercept + line.slope * x)
    error = np.sqrt((residual**2).sum() / (len(x) - 2))
    beyond = error * np.sqrt(1 + 1 / len(x) + (there - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    at = line.intercept + line.slope * there
    return {
        "per tenfold": [line.slope, line.slope - spread * line.stderr, line.slope + spread * line.stderr],
        "at the paper's steps": np.clip([at, at - spread * beyond, at + spread * beyond], low, high).tolist(),
    }
