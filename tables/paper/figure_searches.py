"""Every search at a glance: each run of Tables 1 and 3 as a point, with the 95 % interval of the mean."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.pictures.plots import panels
from harness.statistics import student
from tables.plot import Plot
from tables.readers import Last, title
from tables.runs import Runs, Sample
from tables.table import Reader

PANELS: dict[str, tuple[str, Reader]] = {
    "table1": ("Test error (%)", Last("test_error")),
    "table3": ("Test perplexity", Last("test_perplexity")),
}
_COLOURS = {"CoNAS": "#0173b2", "searched here": "0.35", "drawn at random": "#029e73", "published": "#d55e00"}
_MARGIN = 0.25
_FAR = 2.0
"""Means above so many times the best one are written at the frame: on the scale they would crowd all others."""


def rows(runs: Runs) -> pd.DataFrame:
    """One line per finished run; ``kind`` says where its cell is from."""
    lines = [
        (sweep, record.dataset, name, record.seed, value, _kind(sample))
        for sweep, (_, read) in PANELS.items()
        for name in runs.rows(sweep)
        for sample in [runs.sample(sweep, name)]
        for record in sample.done
        if (value := read(record, runs)) is not None
    ]
    return pd.DataFrame(lines, columns=["table", "dataset", "name", "seed", "value", "kind"])


def draw(frame: pd.DataFrame) -> Figure:
    """One panel per data set, the best mean on top."""
    shown = [sweep for sweep in PANELS if sweep in set(frame["table"])]
    most = max(frame[frame["table"] == sweep]["name"].nunique() for sweep in shown)
    figure, axes = panels(len(shown), width=5.0, height=1.4 + 0.27 * most)
    for axis, sweep in zip(axes, shown, strict=True):
        part = frame[frame["table"] == sweep]
        _draw_panel(axis, part)
        axis.set(title=title(part["dataset"].iloc[0]), xlabel=PANELS[sweep][0])
    handles = [
        axes[0].plot([], [], linestyle="", marker="D", color=colour, label=kind)[0]
        for kind, colour in _COLOURS.items()
        if kind in set(frame["kind"])
    ]
    figure.legend(handles=handles, loc="outside lower center", ncol=len(handles), frameon=False)
    return figure


def _kind(sample: Sample) -> str:
    if sample.is_published or sample.is_drawn:
        return "published" if sample.is_published else "drawn at random"
    return "CoNAS" if all(config.method == "conas" for config in sample.planned) else "searched here"


def _draw_panel(axis: Axes, frame: pd.DataFrame) -> None:
    means = frame.groupby("name")["value"].mean().sort_values()
    near = frame[frame["name"].map(means) <= _FAR * means.min()]
    low, high = near["value"].min(), near["value"].max()
    margin = _MARGIN * (high - low) or 1.0
    axis.set_xlim(low - margin, high + margin)  # two seeds' interval may be wider than everything else
    for y, (name, mean) in enumerate(means.items()):
        row = frame[frame["name"] == name]
        style: dict[str, Any] = {"color": _COLOURS[row["kind"].iloc[0]]}
        if mean > _FAR * means.min():
            axis.text(high + 0.9 * margin, y, f"{mean:.0f} →", ha="right", va="center", fontsize="small", **style)
        else:
            _draw_row(axis, y, list(row["value"]), style)
    axis.set_yticks(range(len(means)), list(means.index))
    axis.set_ylim(len(means) - 0.5, -0.5)


def _draw_row(axis: Axes, y: int, values: list[float], style: dict[str, Any]) -> None:
    axis.plot(values, [y] * len(values), linestyle="", marker="o", markersize=4, alpha=0.5, **style)
    if interval := student(values):
        axis.plot(interval, [y, y], linewidth=1.6, **style)
        mean = sum(values) / len(values)
        axis.plot([mean], [y], linestyle="", marker="D", markersize=7, markeredgecolor="white", **style)


PLOT = Plot(
    "searches",
    "Every search: its runs, their mean and its 95 % interval",
    (("table1", None), ("table3", None)),
    rows,
    draw,
    (
        "A point is a run, a diamond the mean, a line its 95 % interval (Student's t), cut at the frame.",
        "A point without a diamond is a single run, which says little.",
        "The best mean, or single run, is on top; one above twice the best is written at the frame.",
        "What is published was found at full scale, or designed for it.",
    ),
)
