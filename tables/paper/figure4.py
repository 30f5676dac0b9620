"""Figure 4: the loss (perplexity) of the sub-networks measured in each stage of CoNAS."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.pictures.plots import panels
from tables.paper import names
from tables.plot import Plot, legend_below
from tables.readers import title
from tables.runs import Runs

PANELS = {
    "a": ("table1", names.CONAS_FOUR_STAGES),
    "b": ("table3", names.CONAS_TEXT),
}
_COLUMNS = ["panel", "dataset", "seed", "quantity", "stage", "mean", "sd", "measurements"]


def rows(runs: Runs) -> pd.DataFrame:
    """One line per search and stage: the mean and the sample SD of its measurements."""
    lines = []
    for panel, (sweep, row) in PANELS.items():
        for record in runs.sample(sweep, row).done:
            quantity = record.config["measure"].get("quantity", "loss")
            for stage, report in enumerate(record.stages, start=1):
                measured = report["measurements"]
                figures = [measured["mean"], measured["sd"], measured["used"]]
                lines.append((panel, record.dataset, record.seed, quantity, stage, *figures))
    return pd.DataFrame(lines, columns=_COLUMNS)


def draw(frame: pd.DataFrame) -> Figure:
    """The mean over the searches as a line, the mean SD as a band, every search as a thin line."""
    shown = [panel for panel in PANELS if panel in set(frame["panel"])]
    figure, axes = panels(len(shown))
    for axis, panel in zip(axes, shown, strict=True):
        shown_here = frame[frame["panel"] == panel]
        _draw_panel(axis, shown_here)
        quantity, dataset = shown_here[["quantity", "dataset"]].iloc[0]
        axis.set(title=f"({panel}) {title(dataset)}", xlabel="Stage", ylabel=f"Measured {quantity}")
    return figure


def _draw_panel(axis: Axes, frame: pd.DataFrame) -> None:
    stages = frame.groupby("stage")
    mean, sd = stages["mean"].mean(), stages["sd"].mean()
    axis.fill_between(mean.index, mean - sd, mean + sd, color="0.85", label="± SD of the measurements")
    for i, (_, search) in enumerate(frame.groupby("seed")):
        label = "each search" if i == 0 else None
        axis.plot(search["stage"], search["mean"], color="0.45", linewidth=0.8, linestyle=":", label=label)
    axis.plot(mean.index, mean, color="#0173b2", marker="o", linewidth=2, label="mean of the searches")
    axis.set_xticks(np.asarray(mean.index))
    legend_below(axis)


PLOT = Plot(
    "figure04",
    "Figure 4. Measured loss (perplexity) against the stages of sparse recovery",
    tuple(PANELS.values()),
    rows,
    draw,
)
