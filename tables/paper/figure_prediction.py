"""Why CoNAS finds what it finds: how well its polynomial predicts, and how many bits it leaves undecided."""

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.pictures.plots import panels
from tables.paper import names
from tables.plot import Plot, legend_below
from tables.readers import title
from tables.runs import Runs

SEARCHES = {
    ("table1", names.CONAS): ", t = 1",
    ("table1", names.CONAS_FOUR_STAGES): ", t = 4",
    ("table3", names.CONAS_TEXT): "",
}
_LEAST_SHOWN = -0.5
"""A worse R² is drawn here: with hardly any spread left in the losses it has no lower end."""
_COLUMNS = ["search", "stage", "seed", "measurements", "fit_r2", "held_out_r2", "undecided_bits"]


def rows(runs: Runs) -> pd.DataFrame:
    """One line per search and stage: R² of the s largest monomials where they were fitted and where they were not.

    ``undecided_bits`` is log2 of the number of minimisers: how much is left to the tie rule. Stages whose losses
    do not vary, or with too few measurements to hold some out, have no R² and no line.
    """
    lines = []
    for (sweep, name), stages in SEARCHES.items():
        for record in runs.sample(sweep, name).done:
            for number, stage in enumerate(record.stages, start=1):
                if None not in (fits := (stage.get("fit_r2"), stage.get("held_out_r2"))):
                    undecided = math.log2(stage["minimisers"])
                    search = f"{title(record.dataset)}{stages}"
                    lines.append((search, number, record.seed, stage["measurements"]["used"], *fits, undecided))
    return pd.DataFrame(lines, columns=_COLUMNS)


def draw(frame: pd.DataFrame) -> Figure:
    """R² and undecided bits of every search and stage."""
    figure, (fit, undecided) = panels(2, width=4.4, height=3.2)
    places = list(dict.fromkeys(zip(frame["search"], frame["stage"], strict=True)))
    positions = [places.index(place) for place in zip(frame["search"], frame["stage"], strict=True)]
    frame = frame.assign(position=positions)
    _points(fit, frame, "fit_r2", "0.45", "s", "where it was fitted")
    _points(fit, frame, "held_out_r2", "#0173b2", "o", "held out")
    fit.axhline(0, color="0.2", linewidth=0.8)
    fit.set(title="R² of the s largest monomials", ylabel="R²")
    legend_below(fit)
    _points(undecided, frame, "undecided_bits", "#0173b2", "o", "")
    undecided.set(title="Bits that the polynomial leaves undecided", ylabel="log₂(minimisers)")
    for axis in (fit, undecided):
        labels = [f"{textwrap.fill(search, width=9)}\nstage {stage}" for search, stage in places]
        axis.set_xticks(range(len(places)), labels, fontsize=7)
    return figure


def _points(axis: Axes, frame: pd.DataFrame, column: str, color: str, marker: str, label: str) -> None:
    """Every search as a point and the median as a bar; what lies too low is a triangle at the lower end."""
    shown, low = frame[frame[column] >= _LEAST_SHOWN], frame[frame[column] < _LEAST_SHOWN]
    axis.plot(shown["position"], shown[column], linestyle="", marker=marker, color=color, alpha=0.6, label=label)
    axis.plot(low["position"], [_LEAST_SHOWN] * len(low), linestyle="", marker="v", color=color, alpha=0.6)
    medians = frame.groupby("position")[column].median()
    at = np.asarray(medians.index)
    axis.hlines(medians.clip(lower=_LEAST_SHOWN), at - 0.25, at + 0.25, color=color, linewidth=2)


PLOT = Plot(
    "prediction",
    "How well the sparse polynomial predicts, and what it leaves undecided",
    tuple(SEARCHES),
    rows,
    draw,
    (
        "R² is 1 for a perfect prediction, 0 for the mean's, negative for a worse one; held out is the last fifth of "
        f"the measurements. A point is a search, a bar the median, a triangle an R² below {_LEAST_SHOWN}.",
    ),
)
