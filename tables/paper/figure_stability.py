"""Stability under the Lasso parameter (appendix A.6, Table 4 as a picture), with the random baseline computed."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conas.space import space
from harness.pictures.plots import panels
from tables.paper import names
from tables.paper.chance import random_distances
from tables.paper.table4 import TABLE
from tables.plot import Plot, legend_below
from tables.published import published
from tables.readers import REFERENCE_ROW, Last, active_edges, distance_to_reference
from tables.runs import Runs
from tables.statistics import half_width, summarise
from tables.table import Reader

CHANCE = "chance"
_COLUMNS = ["name", "lambda", "quantity", "n", "mean", "sd", "paper"]
_QUANTITIES: dict[str, Reader] = {"hamming": distance_to_reference, "error": Last("test_error")}


def rows(runs: Runs) -> pd.DataFrame:
    """One line per row of Table 4 and quantity; the row ``chance`` holds the distance of random pairs of strings."""
    lines = []
    for name in runs.rows(TABLE.name):
        sample = runs.sample(TABLE.name, name)
        paper = published(TABLE.name).get(name)
        penalty = sample.planned[0].search.get("lambda")
        for quantity, read in _QUANTITIES.items():
            measured = [value for record in sample.done if (value := read(record, runs)) is not None]
            found = summarise(measured)
            figure = paper.figures[quantity].mean if paper and runs.is_full_scale else None
            if found:
                lines.append((name, penalty, quantity, found.n, found.mean, found.sd, figure))
    return pd.DataFrame([*lines, *_chance(runs)], columns=_COLUMNS)


def _chance(runs: Runs) -> list[tuple]:
    """The distance of two random strings with as many active bits as the solutions of lambda = 1 have."""
    done = runs.sample(TABLE.name, REFERENCE_ROW).done
    active = [edges for record in done if (edges := active_edges(record, runs)) is not None]
    if not active:
        return []
    bits = space(done[0].config["space"]).n
    distances = random_distances(bits, round(sum(active) / len(active)))
    return [(CHANCE, None, "hamming", len(distances), float(distances.mean()), float(distances.std(ddof=1)), None)]


def draw(frame: pd.DataFrame) -> Figure:
    """Distance and error against lambda; what random strings give as bands."""
    figure, axes = panels(2)
    _draw_panel(axes[0], frame, "hamming", CHANCE, "random strings")
    axes[0].set(title="Distance to the solution of λ = 1", ylabel="Bits that differ")
    _draw_panel(axes[1], frame, "error", names.RANDOM, "random cells")
    axes[1].set(title="Error of the final network", ylabel="Test error (%)")
    return figure


def _draw_panel(axis: Axes, frame: pd.DataFrame, quantity: str, baseline: str, label: str) -> None:
    ours = frame[(frame["quantity"] == quantity) & frame["lambda"].notna()].sort_values("lambda")
    band = frame[(frame["quantity"] == quantity) & (frame["name"] == baseline)]
    for _, line in band.iterrows():
        is_chance = line["name"] == CHANCE
        spread = line["sd"] if is_chance else half_width(line["sd"], line["n"])
        axis.axhspan(line["mean"] - spread, line["mean"] + spread, color="0.87", linewidth=0)
        axis.axhline(
            line["mean"],
            color="0.4",
            linestyle="--",
            label=f"{label}: mean, {'SD of one pair' if is_chance else '95 % interval'}",
        )
    halves = ours.apply(lambda line: half_width(line["sd"], line["n"]), axis=1)
    axis.errorbar(
        ours["lambda"],
        ours["mean"],
        yerr=[halves.clip(upper=ours["mean"]), halves],
        color="#0173b2",
        marker="o",
        capsize=3,
        label="CoNAS: mean, 95 % interval",
    )
    paper = ours.dropna(subset="paper")
    if len(paper):
        style: dict[str, Any] = {"color": "#d55e00", "marker": "D", "fillstyle": "none", "linestyle": ":"}
        axis.plot(paper["lambda"], paper["paper"], label="paper", **style)
    axis.set_xscale("log")
    axis.set_xticks(list(ours["lambda"]), [f"{value:g}" for value in ours["lambda"]], minor=False)
    axis.minorticks_off()
    axis.set_xlabel("λ (the paper's scaling)")
    legend_below(axis)


PLOT = Plot(
    "stability",
    "Stability. Hamming distance and test error against the Lasso parameter, with what chance gives",
    (("table4", None),),
    rows,
    draw,
    ("Bars are 95 % intervals of the mean over searches (Student's t), cut at 0, as no distance is less.",),
)
