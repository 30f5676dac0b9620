"""Every search at a glance: each run of Tables 1 and 3 as a point, with the 95 % interval of the mean."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.pictures.plots import panels
from tables.plot import Plot, legend_below
from tables.readers import last, title
from tables.runs import Runs
from tables.statistics import interval_of_mean
from tables.table import Reader

PANELS: dict[str, tuple[str, Reader]] = {
    "table1": ("Test error (%)", last("test_error")),
    "table3": ("Test perplexity", last("test_perplexity")),
}
_OURS, _OTHERS = "#0173b2", "0.35"
_MARGIN = 0.25
REFERENCE_LINES = ("--", ":", "-.")


def rows(runs: Runs) -> pd.DataFrame:
    """One line a finished run; ``published`` says that nothing was searched for here."""
    lines = [
        (sweep, record.dataset, name, record.seed, value, sample.is_published)
        for sweep, (_, read) in PANELS.items()
        for name in runs.rows(sweep)
        for sample in [runs.sample(sweep, name)]
        for record in sample.done
        if (value := read(record, runs)) is not None
    ]
    return pd.DataFrame(lines, columns=["table", "dataset", "name", "seed", "value", "published"])


def draw(frame: pd.DataFrame) -> Figure:
    """One panel per data set, the best mean on top; CoNAS in colour, published cells and networks as lines."""
    shown = [sweep for sweep in PANELS if sweep in set(frame["table"])]
    most = max(frame[frame["table"] == sweep]["name"].nunique() for sweep in shown)
    figure, axes = panels(len(shown), width=5.0, height=1.4 + 0.27 * most)
    for axis, sweep in zip(axes, shown, strict=True):
        shown_here = frame[frame["table"] == sweep]
        _draw_panel(axis, shown_here[~shown_here["published"]])
        _draw_references(axis, shown_here[shown_here["published"]])
        axis.set(title=title(shown_here["dataset"].iloc[0]), xlabel=PANELS[sweep][0])
    return figure


def _draw_panel(axis: Axes, frame: pd.DataFrame) -> None:
    means = frame.groupby("name")["value"].mean().sort_values()
    for y, (name, mean) in enumerate(means.items()):
        values = frame.loc[frame["name"] == name, "value"]
        style: dict[str, Any] = {"color": _OURS if str(name).startswith("CoNAS") else _OTHERS}
        axis.plot(values, [y] * len(values), linestyle="", marker="o", markersize=4, alpha=0.5, **style)
        if interval := interval_of_mean(list(values)):
            axis.plot(interval, [y, y], linewidth=1.6, **style)
        axis.plot([mean], [y], linestyle="", marker="D", markersize=7, markeredgecolor="white", **style)
    low, high = frame["value"].min(), frame["value"].max()
    margin = _MARGIN * (high - low) or 1.0
    axis.set_xlim(low - margin, high + margin)  # two seeds' interval may be wider than everything else
    axis.set_yticks(range(len(means)), list(means.index))
    axis.invert_yaxis()


def _draw_references(axis: Axes, frame: pd.DataFrame) -> None:
    for i, (name, mean) in enumerate(frame.groupby("name")["value"].mean().items()):
        style = REFERENCE_LINES[i % len(REFERENCE_LINES)]
        axis.axvline(mean, color="#d55e00", linewidth=1.2, linestyle=style, label=f"published: {name}")
    if len(frame):
        legend_below(axis)


PLOT = Plot(
    "searches",
    "Every search: its runs, their mean and its 95 % interval",
    (("table1", None), ("table3", None)),
    rows,
    draw,
    (
        "A point is a run, a diamond the mean, a line its 95 % interval (Student's t), cut at the frame.",
        "The best mean is on top. A published cell or network was found at full scale: its mean is a reference line.",
    ),
)
