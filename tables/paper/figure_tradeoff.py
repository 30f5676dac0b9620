"""Error against what the network weighs and against what the search costs, for all searches on CIFAR-10."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from harness.pictures.plots import panels
from tables.paper.table1 import TABLE
from tables.plot import Plot, looks
from tables.runs import Runs
from tables.statistics import half_width

_HEIGHT, _LINE = 3.6, 0.21
"""Inches of a panel, and of one line of the legend beside it, which may be longer."""
_WIDE = 50
"""A range within which 1, 2 and 5 of every decade fit below an axis."""
_SINGLE = 0.6
"""The size of the marker of a single run, beside one of a mean."""
_AXES = {"mult_adds": "Mult-adds (M)", "params": "Parameters (M)", "search": "Search (device-days)"}


def rows(runs: Runs) -> pd.DataFrame:
    """Table 1's means and SDs, of the rows with runs; in the profile paper also published figures of rows run here."""
    frame = _over_searches(TABLE.rows(runs))
    columns = ["name", *(f"{key}.{field}" for key in ("error", *_AXES) for field in ("mean", "sd", "n", "paper_mean"))]
    if not runs.is_full_scale:
        frame = frame.assign(**{f"{key}.paper_mean": float("nan") for key in ("error", *_AXES)})
    frame["published"] = [runs.sample(TABLE.name, name).is_published for name in frame["name"]]
    shown = (frame["error.n"] > 0) | (frame["error.paper_mean"].notna() & (frame["error.planned"] > 0))
    return frame.loc[shown, [*columns, "published"]].reset_index(drop=True)


def _over_searches(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with the errors over searches, for it is searches that are compared; what is published has one."""
    several = frame["error_searches.n"] > 0
    fields = {name: f"error_searches.{name}" for name in ("n", "mean", "sd", "planned")}
    errors = {f"error.{name}": frame[f"error.{name}"].mask(several, frame[other]) for name, other in fields.items()}
    return frame.assign(**errors)


def draw_size(frame: pd.DataFrame) -> Figure:
    """Error against mult-adds and against parameters, on logarithmic scales."""
    figure, axes = panels(2, width=4.2, height=_height(frame))
    _draw(figure, axes, frame, ("mult_adds", "params"))
    return figure


def draw_cost(frame: pd.DataFrame) -> Figure:
    """Error against the cost of the search, on a logarithmic scale."""
    figure, axes = panels(1, width=6.2, height=_height(frame))
    _draw(figure, axes, frame.assign(**{"search.mean": _side_by_side(frame["search.mean"])}), ("search",))
    return figure


def _height(frame: pd.DataFrame) -> float:
    return max(_HEIGHT, _LINE * len(frame))


def _side_by_side(costs: pd.Series) -> pd.Series:
    """``costs``, those that are equal to a percent or two apart by half a marker, the middle one at its place."""
    equal = costs.groupby(costs.astype(float).map(np.log).mul(50).round())
    return costs * 1.05 ** (equal.cumcount() - (equal.transform("size") - 1) / 2)


def _draw(figure: Figure, axes: list[Axes], frame: pd.DataFrame, keys: tuple[str, ...]) -> None:
    searches, published = (list(frame.loc[frame["published"] == kind, "name"]) for kind in (False, True))
    black = {name: {**look, "color": "black"} for name, look in looks(published).items()}
    styles = looks(searches) | black
    points = [f"{key}.{field}" for key in keys for field in ("mean", "paper_mean")]
    frame = frame[frame[points].notna().any(axis=1)]
    for axis, key in zip(axes, keys, strict=True):
        for _, row in frame.iterrows():
            _draw_point(axis, row, key, styles[row["name"]])
        axis.set(xlabel=_AXES[key], ylabel="Test error (%)", xscale="log")
        low, high = axis.get_xlim()
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < _WIDE * low else (1,)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
    handles = {
        name: axes[0].plot([], [], linestyle="", label=f"{name} (published)" if published else name, **styles[name])[0]
        for name, published in zip(frame["name"], frame["published"], strict=True)
    }
    figure.legend(handles=list(handles.values()), loc="outside right center", frameon=False)


def _draw_point(axis: Axes, row: pd.Series, key: str, style: dict) -> None:
    if pd.notna(row["error.mean"]) and pd.notna(row[f"{key}.mean"]):
        errors = [half_width(row[f"{name}.sd"], row[f"{name}.n"]) for name in (key, "error")]
        size = style["markersize"] * (1 if row["error.n"] > 1 else _SINGLE)
        look = {**style, "markersize": size}
        axis.errorbar(row[f"{key}.mean"], row["error.mean"], xerr=errors[0], yerr=errors[1], capsize=2, **look)
    if pd.notna(row["error.paper_mean"]) and pd.notna(row[f"{key}.paper_mean"]):
        hollow = {**style, "markeredgecolor": style["color"]}
        axis.plot(row[f"{key}.paper_mean"], row["error.paper_mean"], fillstyle="none", **hollow)


_NOTES = (
    "Means over searches, of published cells over trainings, with their 95 % intervals (Student's t); a small marker "
    "is a single run, which has none.",
    "What is black was published: found at full scale, or designed for it. With the published settings, hollow markers "
    "are the paper's figures.",
)
SIZE = Plot("tradeoff_size", "Error against the size of the network", (("table1", None),), rows, draw_size, _NOTES)
COST = Plot(
    "tradeoff_cost",
    "Error against the cost of the search",
    (("table1", None),),
    rows,
    draw_cost,
    (*_NOTES, "Searches of equal cost stand side by side, around it."),
)
