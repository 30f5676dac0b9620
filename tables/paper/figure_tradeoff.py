"""Error against what the network weighs and against what the search costs, for all searches on CIFAR-10."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.pictures.plots import panels
from tables.paper.table1 import TABLE
from tables.plot import Plot, looks
from tables.runs import Runs

_AXES = {"mult_adds": "Mult-adds (M)", "params": "Parameters (M)", "search": "Search (device-days)"}


def rows(runs: Runs) -> pd.DataFrame:
    """Table 1's means and SDs, of the rows with runs; in the profile paper also published figures of rows run here."""
    frame = TABLE.rows(runs)
    columns = ["name", *(f"{key}.{field}" for key in ("error", *_AXES) for field in ("mean", "sd", "paper_mean"))]
    if runs.profile != "paper":
        frame = frame.assign(**{f"{key}.paper_mean": float("nan") for key in ("error", *_AXES)})
    shown = (frame["error.n"] > 0) | (frame["error.paper_mean"].notna() & (frame["error.planned"] > 0))
    return frame.loc[shown, columns].reset_index(drop=True)


def draw_size(frame: pd.DataFrame) -> Figure:
    """Error against mult-adds and against parameters."""
    figure, axes = panels(2, width=4.2, height=3.6)
    _draw(figure, axes, frame, ("mult_adds", "params"))
    return figure


def draw_cost(frame: pd.DataFrame) -> Figure:
    """Error against the cost of the search, on a logarithmic scale."""
    figure, axes = panels(1, width=6.2, height=3.6)
    _draw(figure, axes, frame, ("search",))
    axes[0].set_xscale("log")
    return figure


def _draw(figure: Figure, axes: list[Axes], frame: pd.DataFrame, keys: tuple[str, ...]) -> None:
    styles = looks(list(frame["name"]))
    points = [f"{key}.{field}" for key in keys for field in ("mean", "paper_mean")]
    frame = frame[frame[points].notna().any(axis=1)]
    for axis, key in zip(axes, keys, strict=True):
        for _, row in frame.iterrows():
            _draw_point(axis, row, key, styles[row["name"]])
        axis.set(xlabel=_AXES[key], ylabel="Test error (%)")
    handles = {name: axes[0].plot([], [], linestyle="", label=name, **styles[name])[0] for name in frame["name"]}
    figure.legend(handles=list(handles.values()), loc="outside right center", frameon=False)


def _draw_point(axis: Axes, row: pd.Series, key: str, style: dict) -> None:
    if pd.notna(row["error.mean"]) and pd.notna(row[f"{key}.mean"]):
        errors = [0 if pd.isna(row[name]) else row[name] for name in (f"{key}.sd", "error.sd")]
        axis.errorbar(row[f"{key}.mean"], row["error.mean"], xerr=errors[0], yerr=errors[1], capsize=2, **style)
    if pd.notna(row["error.paper_mean"]) and pd.notna(row[f"{key}.paper_mean"]):
        hollow = {**style, "markeredgecolor": style["color"]}
        axis.plot(row[f"{key}.paper_mean"], row["error.paper_mean"], fillstyle="none", **hollow)


_NOTES = ("Mean ± SD of the finished runs; in the profile paper, hollow markers are the published figures.",)
SIZE = Plot("tradeoff_size", "Error against the size of the network", (("table1", None),), rows, draw_size, _NOTES)
COST = Plot("tradeoff_cost", "Error against the cost of the search", (("table1", None),), rows, draw_cost, _NOTES)
